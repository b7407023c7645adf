//! Packs of zstd frames as `tar`, `zstd`, `tail` and `head` see them, and what damage costs there.

use dcs::archive::Codec;
use dcs::model::Compression;
use dcs::repository::pack::{Fetched, PIECE_BYTES, PackOptions};
use dcs::repository::{ErrorKind, layout};

use crate::{bytes_of, fetch, noise, overwrite, read, repository, save, sh, support, text, write};

fn options(level: u8) -> PackOptions {
    PackOptions { codec: Codec::from(Compression::Zstd(level)), ..PackOptions::default() }
}

#[tokio::test]
async fn tar_extracts_a_pack_and_zstd_a_piece_of_it() {
    if !support::has_tool("zstd") {
        return;
    }
    let piece = usize::try_from(PIECE_BYTES).unwrap();
    let objects = [
        ("1/empty", vec![]),
        ("1/small", text(1000, 1)),
        ("1/cover.jpg", noise(50_000, 2)),
        ("2/large.bin", noise(5 << 20, 3)),
        ("2/two-pieces", text(piece + 5, 4)),
        (&"3/long/".repeat(100), text(10, 5)),
    ];
    let (repository, _) = repository().await;
    let finished = write(&repository, &objects, options(3)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut listed = String::new();
    for pack in &finished.packs {
        save(&repository, folder.path(), &pack.name).await;
        let file = format!("{}.tar.zst", pack.name.strip_suffix(".zst").unwrap());
        assert!(sh(folder.path(), &format!("sha256sum {file}")).starts_with(pack.sha256.to_string().as_bytes()));
        let names = sh(folder.path(), &format!("zstd -qt {file}; tar --zstd -tf {file}; tar --zstd -xf {file}"));
        listed += std::str::from_utf8(&names).unwrap();
    }
    assert_eq!(listed.lines().count(), objects.len(), "all but the empty one, and one in two pieces");
    let root = folder.path().join("live/books");
    for (key, bytes) in &objects[1..4] {
        assert!(std::fs::read(root.join(key)).unwrap() == *bytes, "{key}");
    }

    for (row, (key, bytes)) in finished.rows.iter().zip(&objects) {
        let mut extracted = Vec::new();
        for piece in &row.pieces {
            let (stem, from, length) = (piece.pack.strip_suffix(".zst").unwrap(), piece.offset + 1, piece.length);
            let script = format!("tail -c +{from} {stem}.tar.zst | head -c {length} | zstd -dc | tar xOf -");
            extracted.extend(sh(folder.path(), &script));
        }
        assert!(extracted == *bytes && read(&repository, row).await.unwrap() == *bytes, "{key}");
    }
    let whole = fetch(&repository, &finished.rows).await;
    assert_eq!(whole.iter().filter(|fetched| matches!(fetched, Fetched::Whole(..))).count(), 4);
}

#[tokio::test]
async fn one_flipped_bit_costs_one_object() {
    let (repository, _) = repository().await;
    let objects = ["a", "b", "c", "d"].map(|key| (key, text(3000, u64::from(key.as_bytes()[0]))));
    let finished = write(&repository, &objects, options(19)).await;
    let path = layout::pack(&finished.packs[0].name);
    let good = bytes_of(&repository, &path).await;
    for victim in &finished.rows {
        let piece = &victim.pieces[0];
        let mut bad = good.clone();
        bad[usize::try_from(piece.offset + piece.length / 2).unwrap()] ^= 4;
        overwrite(&repository, &path, bad).await;
        for fetched in fetch(&repository, &finished.rows).await {
            let (key, error) = match fetched {
                Fetched::Failed(row, error) => (row.key, Some(error)),
                Fetched::Whole(row, _) | Fetched::Large(row) => (row.key, None),
            };
            assert_eq!(error.is_some(), key == victim.key, "{key}");
        }
        assert_eq!(read(&repository, victim).await.unwrap_err().kind, ErrorKind::Damaged);
    }
}
