//! The index: rows in order, in segments that stay what they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use dcs::model::IndexRow;
use dcs::model::manifest::Segment;
use dcs::repository::ErrorKind;
use dcs::repository::index::{IndexWriter, read_index, segments_of};
use dcs::store::memory::MemoryStore;
use futures_util::TryStreamExt;

use crate::support::faulty::FaultyStore;
use crate::{index, open, repository, row};

#[tokio::test]
async fn a_row_that_changes_comes_or_goes_changes_the_segments_around_it_only() {
    let store = FaultyStore::recording(Arc::new(MemoryStore::new()));
    let repository = open(store.clone()).await;
    let all = || (0..100_000).map(|n| row(&format!("{n:08}"), n));
    let first = index(&repository, all()).await;
    assert!((4..=20).contains(&first.len()), "{} segments", first.len());
    assert_eq!(first.iter().map(|segment| segment.rows).sum::<u64>(), 100_000);

    let before = store.count();
    assert_eq!(index(&repository, all()).await, first);
    assert_eq!(store.count(), before, "nothing changed, nothing is written");

    let names = |segments: &[Segment]| -> BTreeSet<String> {
        segments.iter().map(|segment| segment.part.path.to_string()).collect()
    };
    let changed =
        index(&repository, all().map(|row| if row.size == 50_000 { IndexRow { size: 1, ..row } } else { row })).await;
    assert_eq!(names(&first).difference(&names(&changed)).count(), 1);
    let gone = index(&repository, all().filter(|row| row.size != 50_000)).await;
    assert!(names(&first).difference(&names(&gone)).count() <= 2);

    for number in [0, 1, 50_000, 99_999] {
        let key = format!("{number:08}");
        let one = segments_of(&first, "live/books", &key).to_vec();
        assert_eq!(one.len(), 1);
        let rows: Vec<IndexRow> = read_index(&repository, one).try_collect().await.unwrap();
        assert!(rows.iter().any(|row| row.key.as_str() == key));
    }
    let read: Vec<IndexRow> = read_index(&repository, first).try_collect().await.unwrap();
    assert!(read.into_iter().eq(all()));
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
