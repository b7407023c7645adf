//! Listings that run ahead of whoever reads them, and large ones in several places at once.
//!
//! A listing goes page by page, and each page is a wait. Where the parent's index says which keys lie far apart, the ranges
//! between them are listed at the same time and read one after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;

use super::super::Result;
use super::super::sources::{self, Source};
use crate::model::manifest::Segment;
use crate::model::{BucketName, Prefix};
use crate::store::{ListOptions, ObjectInfo, ObjectStore};

/// Objects that are handed over at once, and how many times that a range may run ahead: four megabytes.
const BATCH: usize = 1000;
const BATCHES: usize = 16;
/// Ranges that are listed at once.
const RANGES: usize = 4;

/// Where to cut the listing of a source: the first keys of the parent's segments.
pub(super) fn cuts(segments: &[Segment], source: &Source, prefix: &Prefix) -> Vec<String> {
    let rows = segments.iter().filter_map(Segment::first_row);
    let inside = rows.filter(|(name, key)| *name == source.name.as_str() && key.starts_with(prefix.as_str()));
    let mut cuts: Vec<String> = inside.map(|(_, key)| key).collect();
    cuts.dedup();
    cuts
}

/// The objects below a prefix in the order of their keys, cut at `cuts`, which are sorted. With `at_once` the first ranges
/// are listed from now on, else from when the stream is first asked.
pub(super) fn listing(
    store: &Arc<dyn ObjectStore>,
    bucket: &BucketName,
    prefix: &Prefix,
    cuts: Vec<String>,
    at_once: bool,
) -> BoxStream<'static, Result<ObjectInfo>> {
    let begins = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
    let ends = cuts.iter().cloned().map(Some).chain([None]);
    let ranges: Vec<_> = begins.zip(ends).collect();
    let (store, bucket, prefix) = (store.clone(), bucket.clone(), prefix.clone());
    let listings = ranges.into_iter().map(move |(begin, end)| {
        let options = ListOptions { start_after: begin, ..ListOptions::prefix(&prefix) };
        let listing = sources::ordered(store.list(&bucket, options), bucket.clone());
        until(listing, end)
    });
    in_turn(listings, at_once)
}

/// A listing up to a key and including it.
fn until(
    listing: BoxStream<'static, Result<ObjectInfo>>,
    end: Option<String>,
) -> BoxStream<'static, Result<ObjectInfo>> {
    let Some(end) = end else { return listing };
    let is_inside =
        move |info: &Result<ObjectInfo>| info.as_ref().map_or(true, |info| info.key.as_str() <= end.as_str());
    listing.take_while(move |info| std::future::ready(is_inside(info))).boxed()
}

/// Streams one after the other, of which the first few run at the same time.
fn in_turn<T: Send + 'static>(
    streams: impl Iterator<Item = BoxStream<'static, Result<T>>> + Send + 'static,
    at_once: bool,
) -> BoxStream<'static, Result<T>> {
    let mut streams = streams.fuse();
    let first = if at_once { RANGES } else { 0 };
    let running: VecDeque<_> = streams.by_ref().take(first).map(ahead).collect();
    stream::unfold((streams, running), |(mut streams, mut running)| async move {
        // As many as may run, and one more for that which is read now.
        let more = RANGES + 1 - running.len();
        running.extend(streams.by_ref().take(more).map(ahead));
        Some((running.pop_front()?, (streams, running)))
    })
    .flatten()
    .boxed()
}

/// Runs a stream on a task of its own, which ends when its reader is gone.
fn ahead<T: Send + 'static>(source: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let task = async move {
        let mut batches = source.ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            if sender.send(batch).await.is_err() {
                return;
            }
        }
    };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(task);
    let batches = stream::unfold((receiver, tasks), |(mut receiver, tasks)| async move {
        Some((receiver.recv().await?, (receiver, tasks)))
    });
    batches.flat_map(stream::iter).boxed()
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::model::{Attributes, Key, SourceName};
    use crate::store::memory::MemoryStore;
    use crate::store::{Address, Precondition};

    async fn store(keys: &[String]) -> (Arc<dyn ObjectStore>, BucketName) {
        let (store, bucket) = (MemoryStore::new(), BucketName::new("books").unwrap());
        store.create_bucket(&bucket).await.unwrap();
        for key in keys {
            let at = Address::new(bucket.clone(), Key::new(key.as_str()).unwrap());
            store.put(&at, "x".into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
        }
        (Arc::new(store), bucket)
    }

    async fn listed(store: &Arc<dyn ObjectStore>, bucket: &BucketName, prefix: &str, cuts: &[&str]) -> Vec<String> {
        let cuts = cuts.iter().map(|cut| (*cut).to_owned()).collect();
        let infos: Vec<ObjectInfo> =
            listing(store, bucket, &Prefix::new(prefix).unwrap(), cuts, true).try_collect().await.unwrap();
        infos.into_iter().map(|info| info.key.to_string()).collect()
    }

    #[tokio::test]
    async fn wherever_it_is_cut_a_listing_is_the_same() {
        let keys: Vec<String> = (0..3000).map(|n| format!("{}/{n:04}", n / 1000)).collect();
        let (store, bucket) = store(&keys).await;
        for cuts in [
            &[][..],
            &["0/0000"],
            &["0/0500", "1/1000", "1/1001", "1/10015", "2/2999"],
            &["!", "0/0001", "0/0002", "0/0003", "0/0004", "0/0005", "0/0006", "~"],
        ] {
            assert_eq!(listed(&store, &bucket, "", cuts).await, keys, "{cuts:?}");
        }
        assert_eq!(listed(&store, &bucket, "1/", &["1/1000", "1/1500"]).await, keys[1000..2000]);
    }

    #[test]
    fn a_listing_is_cut_where_the_segments_of_its_source_begin() {
        let segment = |source: &str, key: &str| Segment {
            part: crate::model::manifest::Part {
                path: Key::new("indexes/x").unwrap(),
                size: 1,
                sha256: crate::archive::sha256(b""),
            },
            rows: 1,
            first: Some(Segment::name_of(source, key)),
        };
        let segments = [segment("live/apps", "a"), segment("live/books", "1/a b"), segment("live/books", "2/x")];
        let source =
            Source { name: SourceName::try_from("live/books".to_owned()).unwrap(), prefixes: vec![Prefix::root()] };
        assert_eq!(cuts(&segments, &source, &Prefix::root()), ["1/a b", "2/x"]);
        assert_eq!(cuts(&segments, &source, &Prefix::new("2/").unwrap()), ["2/x"]);
    }
}
