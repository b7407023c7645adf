//! Packs as they are written: whole up to every limit, and without a row of what is not stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use dcs::archive::Codec;
use dcs::archive::sha256;
use dcs::model::{IndexRow, Prefix};
use dcs::repository::pack::{Fetched, PIECE_BYTES, PackOptions, PackWriter, Placed, prepare_small};
use dcs::repository::{ErrorKind, Repository, Result};
use dcs::store::memory::MemoryStore;
use dcs::store::{self, ObjectStore, StoreError};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::support::faulty::{FaultyStore, When};
use crate::{content, fetch, noise, object, open, read, repository, row, save, sh, text};

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
async fn many_small_objects_come_back_in_bulk_whatever_the_order_of_their_rows() {
    let (repository, _) = repository().await;
    let mut writer = PackWriter::new(repository.clone(), PackOptions::default());
    let prepared: Vec<_> = stream::iter(0..5_000)
        .map(|n| prepare_small(object(&format!("{n:05}"), 2000), content(&noise(2000, n)), Codec::default()))
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
        let error = prepare_small(object("bad", wrong), content(&bytes[..100]), Codec::default()).await.unwrap_err();
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
async fn run_until_failure(repository: &Repository) -> (Vec<IndexRow>, Result<()>) {
    let options = PackOptions { pack_bytes: 9 << 20, ..PackOptions::default() };
    let mut writer = PackWriter::new(repository.clone(), options);
    let mut rows = Vec::new();
    for n in 0..8 {
        let bytes = noise(3 << 20, n);
        let added = if n % 2 == 0 {
            writer.add_stream(object(&format!("{n:02}"), 3 << 20), content(&bytes)).await
        } else {
            let prepared = prepare_small(object(&format!("{n:02}"), 3 << 20), content(&bytes), Codec::default());
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
    let clean = FaultyStore::recording(Arc::new(MemoryStore::new()));
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
    let next = prepare_small(object("c", 5), content(b"hello"), Codec::default()).await.unwrap();
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
        .add(prepare_small(object("000001", 5), content(b"hello"), Codec::default()).await.unwrap())
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
