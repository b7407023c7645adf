//! The formats of a repository as others see them: with `tar`, `gzip`, `tail`, `head` and `sha256sum`, and after damage.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use dcs::archive::gzip::{self, Level};
use dcs::archive::sha256;
use dcs::model::{Attributes, FileKind, IndexRow, Key, Posix, Prefix, SourceName};
use dcs::repository::index::{IndexWriter, read_index};
use dcs::repository::pack::{
    Fetched, Finished, NewObject, PIECE_BYTES, PackOptions, PackWriter, Placed, SMALL_BYTES, prepare_small, read_many,
    read_object,
};
use dcs::repository::{ErrorKind, Repository, layout};
use dcs::store::memory::MemoryStore;
use dcs::store::{self, ByteStream, GetOptions, ObjectStore, Precondition, StoreError};
use futures_util::{StreamExt, TryStreamExt, stream};

mod support;

use support::faulty::{FaultyStore, RecordingStore, When};

async fn repository() -> (Repository, MemoryStore) {
    let store = MemoryStore::new();
    (open(Arc::new(store.clone())).await, store)
}

async fn open(store: Arc<dyn ObjectStore>) -> Repository {
    let bucket = dcs::model::BucketName::new("vault").unwrap();
    Repository::init(store, bucket, Prefix::new("dcs/").unwrap()).await.unwrap().0
}

fn object(key: &str, size: u64) -> NewObject {
    NewObject {
        source: SourceName::try_from("live/books".to_owned()).unwrap(),
        key: Key::new(key).unwrap(),
        size,
        etag: "etag".to_owned(),
        modified: "2026-11-20T02:00:00Z".parse().unwrap(),
        attributes: Attributes::default(),
    }
}

/// Bytes that do not compress, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let block = (0..8192).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    repeated(&block.collect::<Vec<u8>>(), length)
}

fn text(length: usize, seed: u64) -> Vec<u8> {
    let lines: Vec<String> = (0..4000).map(|line| format!("line {line} of {seed}\n")).collect();
    repeated(lines.concat().as_bytes(), length)
}

/// Farther apart than a compressor looks back, and no two blocks alike.
fn repeated(block: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = block.repeat(length / block.len() + 1);
    bytes.chunks_mut(block.len()).zip(0_u64..).for_each(|(block, n)| block[..8].copy_from_slice(&n.to_be_bytes()));
    bytes.truncate(length);
    bytes
}

fn content(bytes: &[u8]) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

/// Puts objects in packs, small ones prepared, large ones as a stream.
async fn write(repository: &Repository, objects: &[(&str, Vec<u8>)], options: PackOptions) -> Finished {
    let mut writer = PackWriter::new(repository.clone(), options);
    for (key, bytes) in objects {
        let object = object(key, bytes.len() as u64);
        if object.size <= SMALL_BYTES / 2 {
            let prepared = prepare_small(object, content(bytes), Level::default()).await.unwrap();
            writer.add(prepared).await.unwrap();
        } else {
            writer.add_stream(object, content(bytes)).await.unwrap();
        }
    }
    writer.finish().await.unwrap()
}

async fn read(repository: &Repository, row: &IndexRow) -> dcs::repository::Result<Vec<u8>> {
    read_object(repository, row)
        .try_fold(Vec::new(), |mut all, chunk| {
            all.extend_from_slice(&chunk);
            std::future::ready(Ok(all))
        })
        .await
}

async fn bytes_of(repository: &Repository, path: &Key) -> Vec<u8> {
    let object = repository.store.get(&repository.address(path).unwrap(), GetOptions::default()).await.unwrap();
    object.body.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap()
}

async fn overwrite(repository: &Repository, path: &Key, bytes: Vec<u8>) {
    let at = repository.address(path).unwrap();
    let attributes = Attributes::default();
    repository.store.put(&at, bytes.into(), &attributes, Precondition::Overwrite).await.unwrap();
}

/// Runs a script; it must succeed and say nothing on stderr.
fn sh(folder: &Path, script: &str) -> Vec<u8> {
    let output = Command::new("sh").args(["-euc", script]).current_dir(folder).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{script}\n{}: {stderr}", output.status);
    output.stdout
}

async fn save(repository: &Repository, folder: &Path, pack: &str) {
    let bytes = bytes_of(repository, &layout::pack(pack)).await;
    std::fs::write(folder.join(format!("{pack}.tar.gz")), bytes).unwrap();
}

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
async fn objects_at_the_limits_of_members_and_pieces_come_back_whole() {
    let (repository, _) = repository().await;
    let member = 4 << 20;
    let piece = usize::try_from(PIECE_BYTES).unwrap();
    for size in
        [0, 1, member - 513, member - 512, member - 511, member - 1, member, member + 1, piece - 1, piece, piece + 1]
    {
        let bytes = text(size, 7);
        let key = format!("{size}");
        let mut writer = PackWriter::new(repository.clone(), PackOptions::default());
        let streamed = writer.add_stream(object(&key, size as u64), content(&bytes)).await.unwrap();
        assert_eq!(streamed.sha256, sha256(&bytes));
        assert_eq!(streamed.pieces.len(), size.div_ceil(piece));
        let row = writer.finish().await.unwrap().rows.remove(0);
        assert!(read(&repository, &row).await.unwrap() == bytes, "{size}");
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
    writer.add(prepare_small(object, content(b"run"), Level::default()).await.unwrap()).await.unwrap();
    let finished = writer.finish().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    save(&repository, folder.path(), &finished.packs[0].name).await;
    let listed = String::from_utf8(sh(folder.path(), "tar tzvf *.tar.gz --numeric-owner")).unwrap();
    assert!(listed.starts_with("-rwxr-xr-x 7/8 "), "{listed}");
}

#[tokio::test]
async fn one_flipped_bit_costs_one_object() {
    let (repository, _) = repository().await;
    let objects: Vec<(String, Vec<u8>)> =
        (0..20).map(|n| (format!("k{n:02}"), if n % 2 == 0 { noise(3000, n) } else { text(3000, n) })).collect();
    let objects: Vec<(&str, Vec<u8>)> = objects.iter().map(|(key, bytes)| (key.as_str(), bytes.clone())).collect();
    let finished = write(&repository, &objects, PackOptions::default()).await;
    let path = layout::pack(&finished.packs[0].name);
    let good = bytes_of(&repository, &path).await;
    for victim in &finished.rows {
        let piece = &victim.pieces[0];
        let mut bad = good.clone();
        // In the middle of the piece: its compressed content.
        bad[usize::try_from(piece.offset + piece.length / 2).unwrap()] ^= 4;
        overwrite(&repository, &path, bad).await;
        for row in &finished.rows {
            let result = read(&repository, row).await;
            if row.key == victim.key {
                let error = result.unwrap_err();
                assert_eq!(error.kind, ErrorKind::Damaged);
                let text = error.to_string();
                assert!(text.contains(path.as_str()) && text.contains(row.key.as_str()), "{text}");
            } else {
                result.unwrap();
            }
        }
        let mut failed = BTreeSet::new();
        for fetched in fetch(&repository, &finished.rows).await {
            match fetched {
                Fetched::Failed(row, error) => {
                    assert_eq!(error.kind, ErrorKind::Damaged);
                    failed.insert(row.key);
                }
                Fetched::Whole(..) => {}
                Fetched::Large(row) => panic!("{} is not large", row.key),
            }
        }
        assert_eq!(failed.into_iter().collect::<Vec<_>>(), std::slice::from_ref(&victim.key));
    }
}

async fn fetch(repository: &Repository, rows: &[IndexRow]) -> Vec<Fetched> {
    let rows = stream::iter(rows.iter().cloned().map(Ok).collect::<Vec<_>>());
    read_many(repository, rows, 2).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_pack_missing_or_cut_short_is_damage_of_what_it_lost_only() {
    let (repository, _) = repository().await;
    let objects = [("a", text(3000, 1)), ("b", noise(3000, 2)), ("c", text(3000, 3))];
    let finished = write(&repository, &objects, PackOptions::default()).await;
    let path = layout::pack(&finished.packs[0].name);
    let good = bytes_of(&repository, &path).await;
    let kinds = async || {
        let mut kinds = BTreeMap::new();
        for row in &finished.rows {
            kinds.insert(row.key.to_string(), read(&repository, row).await.err().map(|error| error.kind));
        }
        for fetched in fetch(&repository, &finished.rows).await {
            let (row, kind) = match fetched {
                Fetched::Failed(row, error) => (row, Some(error.kind)),
                Fetched::Whole(row, _) | Fetched::Large(row) => (row, None),
            };
            assert_eq!(kinds[row.key.as_str()], kind, "one by one and in bulk alike");
        }
        kinds.into_values().collect::<Vec<_>>()
    };
    assert_eq!(kinds().await, [None, None, None]);
    let end = usize::try_from(finished.rows[1].pieces[0].offset).unwrap() + 10;
    overwrite(&repository, &path, good[..end].to_vec()).await;
    assert_eq!(kinds().await, [None, Some(ErrorKind::Damaged), Some(ErrorKind::Damaged)]);
    repository.store.delete(&repository.address(&path).unwrap()).await.unwrap();
    assert_eq!(kinds().await, [Some(ErrorKind::Damaged); 3]);
}

#[tokio::test]
async fn a_row_that_lies_about_its_object_is_damage() {
    let (repository, _) = repository().await;
    let finished = write(&repository, &[("a", text(3000, 1)), ("b", text(3000, 2))], PackOptions::default()).await;
    let [a, b] = &finished.rows[..] else { panic!("two rows") };
    let lies = [
        IndexRow { size: 2999, ..a.clone() },
        IndexRow { size: 3001, ..a.clone() },
        IndexRow { sha256: b.sha256, ..a.clone() },
        IndexRow { pieces: b.pieces.clone(), ..a.clone() },
        IndexRow { pieces: vec![], ..a.clone() },
        IndexRow { pieces: [&a.pieces[..], &b.pieces[..]].concat(), ..a.clone() },
        IndexRow { pieces: vec![dcs::model::Piece { offset: u64::MAX - 5, ..a.pieces[0].clone() }], ..a.clone() },
    ];
    for lie in lies {
        assert_eq!(read(&repository, &lie).await.unwrap_err().kind, ErrorKind::Damaged, "{lie}");
        if lie.pieces.len() < 2 {
            let fetched = fetch(&repository, std::slice::from_ref(&lie)).await;
            assert!(matches!(&fetched[..], [Fetched::Failed(_, error)] if error.kind == ErrorKind::Damaged), "{lie}");
        }
    }
}

#[tokio::test]
async fn many_small_objects_come_back_in_bulk_whatever_the_order_of_their_rows() {
    let (repository, _) = repository().await;
    let mut writer = PackWriter::new(repository.clone(), PackOptions::default());
    let prepared: Vec<_> = stream::iter(0..5_000)
        .map(|n| prepare_small(object(&format!("{n:05}"), 2000), content(&noise(2000, n)), Level::default()))
        .buffered(8)
        .try_collect()
        .await
        .unwrap();
    for prepared in prepared {
        writer.add(prepared).await.unwrap();
    }
    let mut rows = writer.finish().await.unwrap().rows;
    rows.reverse();
    let fetched = fetch(&repository, &rows).await;
    let whole: BTreeSet<_> = fetched
        .iter()
        .map(|fetched| match fetched {
            Fetched::Whole(row, bytes) if sha256(bytes) == row.sha256 => row.key.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(whole.len(), 5_000);
}

#[tokio::test]
async fn a_source_that_fails_or_changes_leaves_a_pack_that_tar_reads_and_no_row() {
    let (repository, _) = repository().await;
    let mut writer = PackWriter::new(repository.clone(), PackOptions::default());
    let bytes = noise(10 << 20, 1);
    let failing = |length: usize| {
        let error = StoreError::new(store::ErrorKind::Transient, "get", "live/books/x");
        content(&bytes[..length]).chain(stream::iter([Err(error)])).boxed()
    };
    writer.add_stream(object("good1", 10 << 20), content(&bytes)).await.unwrap();
    let size = 10 << 20;
    for length in [0, 100, 5 << 20, (10 << 20) - 1] {
        let error = writer.add_stream(object("bad", size), failing(length)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Source, "{length}");
        assert!(error.store_error().is_some());
        let error = writer.add_stream(object("bad", size), content(&bytes[..length])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Changed, "{length}");
    }
    let error = writer.add_stream(object("bad", size - 1), content(&bytes)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Changed);
    for wrong in [99, 101] {
        let error = prepare_small(object("bad", wrong), content(&bytes[..100]), Level::default()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Changed);
    }
    writer.add_stream(object("good2", size), content(&bytes)).await.unwrap();
    let finished = writer.finish().await.unwrap();
    let keys: Vec<_> = finished.rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["good1", "good2"]);
    let folder = tempfile::tempdir().unwrap();
    for pack in &finished.packs {
        save(&repository, folder.path(), &pack.name).await;
        sh(folder.path(), &format!("tar tzf {}.tar.gz", pack.name));
    }
    for row in &finished.rows {
        assert!(read(&repository, row).await.unwrap() == bytes);
    }
}

/// Adds objects until the store fails; answers the rows that came out, and how it ended.
async fn run_until_failure(repository: &Repository) -> (Vec<IndexRow>, dcs::repository::Result<()>) {
    let options = PackOptions { pack_bytes: 9 << 20, ..PackOptions::default() };
    let mut writer = PackWriter::new(repository.clone(), options);
    let mut rows = Vec::new();
    for n in 0..8 {
        let bytes = noise(3 << 20, n);
        let added = if n % 2 == 0 {
            writer.add_stream(object(&format!("{n:02}"), 3 << 20), content(&bytes)).await
        } else {
            let prepared = prepare_small(object(&format!("{n:02}"), 3 << 20), content(&bytes), Level::default());
            writer.add(prepared.await.unwrap()).await
        };
        rows.extend(writer.take_confirmed());
        if let Err(error) = added {
            let again = writer.keep(rows.first().cloned().unwrap_or_else(|| row("zz", 0))).await;
            assert!(again.is_err(), "a writer that failed takes nothing more");
            rows.extend(writer.take_confirmed());
            return (rows, Err(error));
        }
    }
    match writer.finish().await {
        Ok(finished) => {
            rows.extend(finished.rows);
            (rows, Ok(()))
        }
        Err(error) => (rows, Err(error)),
    }
}

#[tokio::test]
async fn a_store_that_fails_at_any_write_never_gives_a_row_of_an_unfinished_pack() {
    let clean = RecordingStore::new(Arc::new(MemoryStore::new()));
    let repository = open(clean.clone()).await;
    let before = clean.count();
    let (rows, result) = run_until_failure(&repository).await;
    result.unwrap();
    assert_eq!(rows.len(), 8);
    let writes = clean.count() - before;
    assert!(writes > 8, "{writes}");
    for nth in 1..=writes {
        for when in [When::Before, When::After] {
            let store = Arc::new(MemoryStore::new());
            let healthy = open(store.clone()).await;
            let faulty = FaultyStore::from_nth(store, nth, when, store::ErrorKind::Full);
            let faulty = Repository { store: faulty, ..healthy.clone() };
            let (rows, result) = run_until_failure(&faulty).await;
            let kind = result.unwrap_err().store_error().map(|error| error.kind);
            assert_eq!(kind, Some(store::ErrorKind::Full), "{nth} {when:?}");
            assert!(rows.len() < 8, "{nth} {when:?}");
            for (n, row) in rows.iter().enumerate() {
                assert_eq!(row.key.as_str(), format!("{n:02}"), "in order, none left out");
                read(&healthy, row).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_no_pack_and_no_upload() {
    let (repository, store) = repository().await;
    let mut writer = PackWriter::new(repository.clone(), PackOptions::default());
    writer.add_stream(object("a", 20 << 20), content(&noise(20 << 20, 1))).await.unwrap();
    assert!(writer.take_confirmed().is_empty());
    drop(writer);
    // The upload's task sees the closed channel at its next step.
    let bucket = repository.bucket.clone();
    loop {
        if store.list_uploads(&bucket, "").await.unwrap().is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let packs: Vec<_> =
        store.list(&bucket, store::ListOptions::prefix(&Prefix::new("dcs/packs/").unwrap())).collect().await;
    assert!(packs.is_empty(), "{packs:?}");
}

#[tokio::test]
async fn an_object_whose_adding_was_dropped_ends_the_writer_and_its_pack() {
    let (repository, _) = repository().await;
    let mut writer = PackWriter::new(repository.clone(), PackOptions { workers: 1, ..PackOptions::default() });
    writer.keep(row("a", 0)).await.unwrap();
    let (asked, was_asked) = tokio::sync::oneshot::channel();
    let nothing_more = stream::once(async move {
        asked.send(()).unwrap();
        std::future::pending().await
    });
    let stuck = content(&noise(13 << 20, 1)).chain(nothing_more).boxed();
    // The source is asked for more only once three members are in the pack.
    tokio::select! {
        added = writer.add_stream(object("b", 20 << 20), stuck) => panic!("{added:?}"),
        asked = was_asked => asked.unwrap(),
    }
    let next = prepare_small(object("c", 5), content(b"hello"), Level::default()).await.unwrap();
    assert_eq!(writer.add(next).await.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(writer.take_confirmed().len(), 1);
    assert!(writer.finish().await.is_err());
}

#[tokio::test]
async fn rows_wait_for_their_pack_in_order_and_never_too_many() {
    let (repository, _) = repository().await;
    let options = PackOptions { waiting_bytes: 100_000, ..PackOptions::default() };
    let mut writer = PackWriter::new(repository.clone(), options);
    writer.keep(row("000000", 0)).await.unwrap();
    assert_eq!(writer.take_confirmed().len(), 1, "nothing holds it back");
    let placed: Placed = writer
        .add(prepare_small(object("000001", 5), content(b"hello"), Level::default()).await.unwrap())
        .await
        .unwrap();
    assert!(writer.take_confirmed().is_empty());
    let mut rows = Vec::new();
    for n in 2..2000 {
        writer.keep(IndexRow { pieces: placed.pieces.clone(), ..row(&format!("{n:06}"), 5) }).await.unwrap();
        rows.extend(writer.take_confirmed());
    }
    assert!(rows.len() > 1000, "the open pack was sealed early");
    let finished = writer.finish().await.unwrap();
    rows.extend(finished.rows);
    assert_eq!(finished.packs.len(), 1);
    assert_eq!(rows.len(), 1999);
    assert!(rows.is_sorted_by(|a, b| a.order() < b.order()));
}

fn row(key: &str, size: u64) -> IndexRow {
    let object = object(key, size);
    IndexRow {
        source: object.source,
        key: object.key,
        size,
        etag: object.etag,
        modified: object.modified,
        sha256: sha256(key.as_bytes()),
        attributes: object.attributes,
        pieces: vec![],
    }
}

async fn index(repository: &Repository, rows: impl Iterator<Item = IndexRow>) -> Vec<dcs::model::manifest::Segment> {
    let mut writer = IndexWriter::new(repository.clone());
    for row in rows {
        writer.push(row).await.unwrap();
    }
    writer.finish().await.unwrap()
}

#[tokio::test]
async fn a_row_that_changes_comes_or_goes_changes_the_segments_around_it_only() {
    let store = RecordingStore::new(Arc::new(MemoryStore::new()));
    let repository = open(store.clone()).await;
    let all = || (0..100_000).map(|n| row(&format!("{n:08}"), n));
    let first = index(&repository, all()).await;
    assert!((4..=20).contains(&first.len()), "{} segments", first.len());
    assert_eq!(first.iter().map(|segment| segment.rows).sum::<u64>(), 100_000);

    let before = store.count();
    assert_eq!(index(&repository, all()).await, first);
    assert_eq!(store.count(), before, "nothing changed, nothing is written");

    let names = |segments: &[dcs::model::manifest::Segment]| -> BTreeSet<String> {
        segments.iter().map(|segment| segment.part.path.to_string()).collect()
    };
    let changed =
        index(&repository, all().map(|row| if row.size == 50_000 { IndexRow { size: 1, ..row } } else { row })).await;
    assert_eq!(names(&first).difference(&names(&changed)).count(), 1);
    let gone = index(&repository, all().filter(|row| row.size != 50_000)).await;
    assert!(names(&first).difference(&names(&gone)).count() <= 2);

    let read: Vec<IndexRow> = read_index(&repository, first).try_collect().await.unwrap();
    assert!(read.into_iter().eq(all()));
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
async fn rows_out_of_order_or_twice_are_refused() {
    let (repository, _) = repository().await;
    for keys in [["b", "a"], ["a", "a"]] {
        let mut writer = IndexWriter::new(repository.clone());
        writer.push(row(keys[0], 1)).await.unwrap();
        assert_eq!(writer.push(row(keys[1], 1)).await.unwrap_err().kind, ErrorKind::Unordered);
    }
    // In bytes, not in words: the encoded keys would sort otherwise.
    index(&repository, ["a ", "a!", "a-b", "a/b", "aB", "ab", "a~", "é"].into_iter().map(|key| row(key, 1))).await;
    assert!(IndexWriter::new(repository).finish().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_segment_that_is_not_what_the_manifest_says_is_damage() {
    let (repository, _) = repository().await;
    let segments = index(&repository, (0..10_000).map(|n| row(&format!("{n:05}"), n))).await;
    let path = &segments[0].part.path;
    let good = bytes_of(&repository, path).await;
    let failure = async |segments: Vec<dcs::model::manifest::Segment>| {
        let rows: Vec<_> = read_index(&repository, segments).collect().await;
        let (last, before) = rows.split_last().unwrap();
        assert!(before.iter().all(Result::is_ok));
        let error = last.as_ref().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Damaged);
        before.len()
    };
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for bad in [good[..good.len() - 1].to_vec(), flipped, vec![]] {
        overwrite(&repository, path, bad).await;
        assert_eq!(failure(segments.clone()).await, 0, "not a row before the digest is known");
        // And the next run stores it again, for the bytes may be right only by their length.
    }
    repository.store.delete(&repository.address(path).unwrap()).await.unwrap();
    assert_eq!(failure(segments.clone()).await, 0);
    overwrite(&repository, path, good).await;
    let mut miscounted = segments.clone();
    miscounted[0].rows += 1;
    failure(miscounted).await;
    let twice = [segments.clone(), segments.clone()].concat();
    failure(twice).await;
    assert_eq!(read_index(&repository, segments).count().await, 10_000);
}

#[tokio::test]
async fn what_gzip_makes_dcs_reads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("raw"), text(300_000, 1)).unwrap();
    let bytes = sh(folder.path(), "gzip -9n <raw; gzip -1 <raw");
    let raw = gzip::decompress(bytes.into(), 600_000).unwrap();
    assert!(raw == text(300_000, 1).repeat(2));
}
