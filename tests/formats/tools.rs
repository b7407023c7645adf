//! Packs and segments as `tar`, `gzip`, `tail`, `head`, `awk` and `sha256sum` see them.

use dcs::archive::{Codec, gzip};
use dcs::model::{FileKind, Posix};
use dcs::repository::pack::{PackOptions, PackWriter, prepare_small};

use crate::{bytes_of, content, index, noise, object, read, repository, row, save, sh, text, write};

#[tokio::test]
async fn tar_lists_and_extracts_every_object_of_a_pack() {
    let (repository, _) = repository().await;
    let objects = [
        ("1/empty", vec![]),
        ("1/small", text(1000, 1)),
        ("1/cover.jpg", noise(50_000, 2)),
        ("2/large.bin", noise(5 << 20, 3)),
        ("2/large.txt", text(9 << 20, 4)),
        (&"3/long/".repeat(100), text(10, 5)),
    ];
    let finished = write(&repository, &objects, PackOptions::default()).await;
    assert_eq!(finished.packs.len(), 1);
    let pack = &finished.packs[0];
    let folder = tempfile::tempdir().unwrap();
    save(&repository, folder.path(), &pack.name).await;

    let name = format!("{}.tar.gz", pack.name);
    assert_eq!(sh(folder.path(), &format!("wc -c <{name}")).trim_ascii(), pack.size.to_string().as_bytes());
    assert!(sh(folder.path(), &format!("sha256sum {name}")).starts_with(pack.sha256.to_string().as_bytes()));
    let listed = String::from_utf8(sh(folder.path(), &format!("gzip -t {name}; tar tzf {name}"))).unwrap();
    assert_eq!(listed.lines().count(), objects.len() - 1, "all but the empty one");
    sh(folder.path(), &format!("tar xzf {name}"));
    for (key, bytes) in objects.iter().filter(|(key, bytes)| !bytes.is_empty() && !key.ends_with('/')) {
        assert_eq!(&std::fs::read(folder.path().join("live/books").join(key)).unwrap(), bytes, "{key}");
    }
    let file = std::fs::metadata(folder.path().join("live/books/1/small")).unwrap();
    let modified = file.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(modified.as_secs(), 1_795_140_000);
}

#[tokio::test]
async fn a_piece_is_extracted_with_tail_head_gzip_and_tar() {
    let (repository, _) = repository().await;
    let objects = [
        ("..", text(700, 1)),
        ("/lead", text(512, 2)),
        ("a//b", noise(70_000, 3)),
        ("new\nline\ttab", text(1, 4)),
        (&"é".repeat(512), text(9000, 5)),
        ("x", noise((4 << 20) + 1, 6)),
    ];
    let finished = write(&repository, &objects, PackOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    save(&repository, folder.path(), &finished.packs[0].name).await;
    for (row, (key, bytes)) in finished.rows.iter().zip(&objects) {
        assert_eq!(row.key.as_str(), *key);
        let mut extracted = Vec::new();
        for piece in &row.pieces {
            let (pack, from, length) = (&piece.pack, piece.offset + 1, piece.length);
            let script = format!("tail -c +{from} {pack}.tar.gz | head -c {length} | gzip -dc | tar xOf -");
            extracted.extend(sh(folder.path(), &script));
        }
        assert_eq!(&extracted, bytes, "{key:?}");
        assert_eq!(&read(&repository, row).await.unwrap(), bytes, "{key:?}");
    }
}

#[tokio::test]
async fn a_large_object_is_cut_in_entries_over_packs_and_tar_reads_each() {
    let (repository, _) = repository().await;
    let bytes = noise((130 << 20) + 5, 8);
    let finished = write(&repository, &[("a", text(100, 1)), ("big", bytes.clone())], PackOptions::default()).await;
    assert_eq!(finished.rows[1].pieces.len(), 3);
    assert_eq!(finished.packs.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    for pack in &finished.packs {
        save(&repository, folder.path(), &pack.name).await;
        sh(folder.path(), &format!("tar xzf {}.tar.gz", pack.name));
    }
    let joined = sh(folder.path(), "cat live/books/big.part0000 live/books/big.part0001 live/books/big.part0002");
    assert!(joined == bytes);
    assert!(read(&repository, &finished.rows[1]).await.unwrap() == bytes);
}

#[tokio::test]
async fn posix_attributes_are_those_of_the_entry() {
    let (repository, _) = repository().await;
    let mut object = object("run.sh", 3);
    let posix = Posix { kind: FileKind::File, mode: 0o755, uid: 7, gid: 8, mtime_nanoseconds: -1, target: None };
    object.attributes.posix = Some(posix);
    let mut writer = PackWriter::new(repository.clone(), PackOptions::default());
    writer.add(prepare_small(object, content(b"run"), Codec::default()).await.unwrap()).await.unwrap();
    let finished = writer.finish().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    save(&repository, folder.path(), &finished.packs[0].name).await;
    let listed = String::from_utf8(sh(folder.path(), "tar tzvf *.tar.gz --numeric-owner")).unwrap();
    assert!(listed.starts_with("-rwxr-xr-x 7/8 "), "{listed}");
}

#[tokio::test]
async fn sh_and_awk_read_a_segment_and_its_name_is_its_digest() {
    let (repository, _) = repository().await;
    let segments = index(&repository, ["a\tb", "a b", "ä"].into_iter().map(|key| row(key, 1))).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("segment"), bytes_of(&repository, &segments[0].part.path).await).unwrap();
    let keys = sh(folder.path(), "gzip -dc <segment | awk -F '\\t' 'NF == 8 {print $2}'");
    assert_eq!(String::from_utf8(keys).unwrap(), "a%09b\na%20b\n%C3%A4\n");
    let digest = sh(folder.path(), "sha256sum <segment | cut -c 1-64");
    let digest = String::from_utf8(digest).unwrap();
    let digest = digest.trim();
    assert_eq!(segments[0].part.path.as_str(), format!("indexes/{}/{digest}.tsv.gz", &digest[..2]));
}

#[tokio::test]
async fn what_gzip_makes_dcs_reads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("raw"), text(300_000, 1)).unwrap();
    let bytes = sh(folder.path(), "gzip -9n <raw; gzip -1 <raw");
    let raw = gzip::decompress(bytes.into(), 600_000).unwrap();
    assert!(raw == text(300_000, 1).repeat(2));
}
