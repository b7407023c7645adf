use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use jiff::SignedDuration;

use super::source::{Limits, put_within};
use super::{CutOptions, TransferOptions, collect, copy, sweep_uploads, upload, upload_cut};
use crate::archive::sha256;
use crate::model::{Attributes, BucketName, Key};
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::memory::MemoryStore;
use crate::store::{Address, ErrorKind, Features, GetOptions, ObjectStore, Precondition, Result, Stored};

const OPTIONS: TransferOptions = TransferOptions { part_size: 4, parts_in_flight: 2 };

type Faulty = FaultyStore<MemoryStore>;

fn bucket() -> BucketName {
    BucketName::new("b").unwrap()
}

fn at(key: &str) -> Address {
    Address::new(bucket(), Key::new(key).unwrap())
}

async fn store_with(change: impl FnOnce(&mut Features)) -> (Arc<Faulty>, Arc<dyn ObjectStore>) {
    let mut features = MemoryStore::new().features();
    change(&mut features);
    let faulty = FaultyStore::recording(Arc::new(MemoryStore::with_features(features)));
    faulty.inner.create_bucket(&bucket()).await.unwrap();
    (faulty.clone(), faulty)
}

async fn store() -> (Arc<Faulty>, Arc<dyn ObjectStore>) {
    store_with(|_| {}).await
}

async fn read(store: &Faulty, key: &str) -> Bytes {
    collect(store.inner.get(&at(key), GetOptions::default()).await.unwrap().body, 1 << 30).await.unwrap()
}

async fn uploads_under_way(store: &Faulty) -> usize {
    store.inner.list_uploads(&bucket(), "").await.unwrap().len()
}

async fn put<S>(store: &Arc<dyn ObjectStore>, source: S, precondition: Precondition) -> Result<Stored>
where
    S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
{
    upload(store, &at("k"), source, &Attributes::default(), precondition, &OPTIONS).await
}

fn pieces(text: &'static str, size: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    stream::iter(text.as_bytes().chunks(size).map(|piece| Ok(Bytes::from_static(piece))))
}

#[tokio::test]
async fn an_upload_of_any_length_and_any_pieces_arrives_whole() {
    let text = "0123456789abcdefghijklmnop";
    for length in [0, 1, 3, 4, 5, 8, 9, 26] {
        for size in [1, 3, 4, 7, 26] {
            let (faulty, store) = store().await;
            let source = pieces(&text[..length], size);
            let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
            upload(&store, &at("k"), source, &attributes, Precondition::Overwrite, &OPTIONS).await.unwrap();
            assert_eq!(read(&faulty, "k").await, text[..length]);
            assert_eq!(faulty.inner.head(&at("k")).await.unwrap().attributes, attributes);
            assert_eq!(faulty.calls("create_upload"), usize::from(length > 4), "one put where it fits into a part");
        }
    }
}

#[tokio::test]
async fn a_source_that_fails_leaves_neither_object_nor_upload_and_keeps_its_cause() {
    for sound in [0, 1, 2, 5] {
        let (faulty, store) = store().await;
        let good = (0..sound).map(|_| Ok(Bytes::from_static(b"0123")));
        let source = stream::iter(good.chain([Err(io::Error::other("the dump broke"))]));
        let put = put(&store, source, Precondition::Overwrite);
        let error = put.await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Source);
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the dump broke");
        assert_eq!(faulty.inner.head(&at("k")).await.unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(uploads_under_way(&faulty).await, 0);
    }
}

#[tokio::test]
async fn a_part_that_fails_ends_the_upload_while_the_source_still_waits() {
    let (faulty, store) = store().await;
    faulty.fail("upload_part", Fault::Before(ErrorKind::Full));
    let source = pieces("01234567", 4).chain(stream::pending());
    let put = put(&store, source, Precondition::Overwrite);
    assert_eq!(put.await.unwrap_err().kind, ErrorKind::Full);
    assert_eq!(uploads_under_way(&faulty).await, 0);
}

#[tokio::test]
async fn parts_are_sent_while_the_source_waits_and_never_more_than_allowed() {
    let (faulty, store) = store().await;
    for _ in 0..2 {
        faulty.fail("upload_part", Fault::Hangs);
    }
    let source = pieces("0123456789abcdefghij", 4);
    let mut put = Box::pin(put(&store, source, Precondition::Overwrite));
    for _ in 0..100 {
        assert!((&mut put).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(faulty.calls("upload_part"), 2);
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_aborted() {
    let (faulty, store) = store().await;
    let source = pieces("0123456789", 4).chain(stream::pending());
    let mut put = Box::pin(put(&store, source, Precondition::Overwrite));
    while faulty.calls("upload_part") < 2 {
        assert!((&mut put).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(put);
    while uploads_under_way(&faulty).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(faulty.calls("abort_upload"), 1);
}

#[tokio::test]
async fn a_create_of_many_parts_does_not_replace_what_is_there() {
    let (faulty, store) = store().await;
    let attributes = Attributes::default();
    faulty.inner.put(&at("k"), Bytes::from_static(b"old"), &attributes, Precondition::Overwrite).await.unwrap();
    let put = put(&store, pieces("0123456789", 3), Precondition::CreateNew);
    assert_eq!(put.await.unwrap_err().kind, ErrorKind::Precondition);
    assert_eq!(read(&faulty, "k").await, "old");
}

#[tokio::test]
async fn an_upload_beyond_the_most_parts_is_an_error_and_not_a_short_object() {
    let (faulty, store) = store_with(|features| features.most_parts = 2).await;
    let put = put(&store, pieces("0123456789", 3), Precondition::Overwrite);
    assert_eq!(put.await.unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(uploads_under_way(&faulty).await, 0);
}

#[tokio::test]
async fn a_stream_longer_than_a_segment_is_cut_in_order() {
    let text = "0123456789abcdefghijklmnopqrstuvwxyz";
    let options = CutOptions { segment_size: 9, transfer: OPTIONS };
    for (length, names) in
        [(0, vec!["k"]), (8, vec!["k"]), (9, vec!["k", "k.0001"]), (20, vec!["k", "k.0001", "k.0002"])]
    {
        let (faulty, store) = store().await;
        let source = pieces(&text[..length], 5);
        let segments = upload_cut(&store, &at("k"), source, &Attributes::default(), &options).await.unwrap();
        assert_eq!(segments.iter().map(|segment| segment.key.as_str()).collect::<Vec<_>>(), names);
        let mut whole = Vec::new();
        for segment in &segments {
            let body = read(&faulty, segment.key.as_str()).await;
            assert_eq!((segment.size, segment.sha256), (body.len() as u64, sha256(&body)));
            whole.extend_from_slice(&body);
        }
        assert_eq!(whole, &text.as_bytes()[..length]);
    }
}

#[tokio::test]
async fn a_cut_stream_that_fails_leaves_no_segment() {
    let (faulty, store) = store().await;
    let source = pieces("0123456789abcdef", 4).chain(stream::iter([Err(io::Error::other("broke"))]));
    let options = CutOptions { segment_size: 8, transfer: OPTIONS };
    let error = upload_cut(&store, &at("k"), source, &Attributes::default(), &options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Source);
    assert_eq!(faulty.inner.head(&at("k")).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(uploads_under_way(&faulty).await, 0);
}

const TAGGED: &str = "0123456789";

async fn tagged(faulty: &Faulty) -> Attributes {
    let user = [("a".to_owned(), "1".to_owned())].into();
    let attributes = Attributes { user, ..Attributes::default() };
    // Larger than one put may be here: it comes in parts.
    let upload = faulty.inner.create_upload(&at("from"), &attributes).await.unwrap();
    let mut parts = Vec::new();
    for (number, offset) in [(1, 0_usize), (2, 4), (3, 8)] {
        let body = Bytes::from(TAGGED[offset..TAGGED.len().min(offset + 4)].to_owned());
        parts.push(faulty.inner.upload_part(&upload, number, offset as u64, body).await.unwrap());
    }
    faulty.inner.complete_upload(&upload, &parts).await.unwrap();
    attributes
}

#[tokio::test]
async fn a_copy_beyond_one_request_goes_in_parts_with_all_attributes() {
    let (faulty, store) = store_with(|features| features.largest_put = 4).await;
    let attributes = tagged(&faulty).await;
    copy(&store, &at("from"), &at("to"), 10, None).await.unwrap();
    assert_eq!((faulty.calls("copy"), faulty.calls("copy_part")), (0, 3));
    assert_eq!(read(&faulty, "to").await, TAGGED);
    assert_eq!(faulty.inner.head(&at("to")).await.unwrap().attributes, attributes);
    copy(&store, &at("from"), &at("bare"), 10, Some(&Attributes::default())).await.unwrap();
    assert_eq!(faulty.inner.head(&at("bare")).await.unwrap().attributes, Attributes::default());
}

#[tokio::test]
async fn a_copy_in_parts_that_fails_is_aborted() {
    let (faulty, store) = store_with(|features| features.largest_put = 4).await;
    tagged(&faulty).await;
    faulty.fail("copy_part", Fault::Before(ErrorKind::Denied));
    assert_eq!(copy(&store, &at("from"), &at("to"), 10, None).await.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(uploads_under_way(&faulty).await, 0);
}

const LIMITS: Limits = Limits { part_size: 1000, parts_in_flight: 2, buffered: 4000 };

/// Bytes that tell their own position.
fn ramp(range: std::ops::Range<u64>) -> Bytes {
    let mut period: Vec<u8> = (0..251).collect();
    period.rotate_left(usize::try_from(range.start % 251).unwrap());
    let length = usize::try_from(range.end - range.start).unwrap();
    let mut bytes = period.repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes.into()
}

#[tokio::test]
async fn an_object_of_known_length_is_put_from_ranges_of_its_source() {
    for length in [0, 1, 1000, 1001, 2500] {
        let (faulty, store) = store().await;
        let open = |range| async move { Ok(stream::iter([Ok(ramp(range))]).boxed()) };
        put_within(&LIMITS, &store, &at("k"), length, &Attributes::default(), open).await.unwrap();
        assert_eq!(read(&faulty, "k").await, ramp(0..length));
    }
}

#[tokio::test]
async fn a_source_shorter_than_announced_makes_no_object() {
    let (faulty, store) = store().await;
    for length in [10, 2000] {
        let open = |_| async { Ok(stream::iter([Ok(Bytes::from_static(b"short"))]).boxed()) };
        let error = put_within(&LIMITS, &store, &at("k"), length, &Attributes::default(), open).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Source);
        assert_eq!(faulty.inner.head(&at("k")).await.unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(uploads_under_way(&faulty).await, 0);
    }
}

#[tokio::test]
async fn parts_too_long_to_keep_are_opened_again_where_they_fail() {
    let (faulty, store) = store_with(|features| features.most_parts = 2).await;
    let opened = std::sync::atomic::AtomicUsize::new(0);
    let open = |range| {
        opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { Ok(stream::iter([Ok(ramp(range))]).boxed()) }
    };
    faulty.fail("upload_part", Fault::After(ErrorKind::Transient));
    let length = 9000;
    put_within(&LIMITS, &store, &at("k"), length, &Attributes::default(), open).await.unwrap();
    assert_eq!(faulty.inner.head(&at("k")).await.unwrap().size, length);
    assert_eq!(opened.into_inner(), 3);
}

#[tokio::test]
async fn only_old_uploads_are_swept() -> Result<()> {
    let (faulty, store) = store().await;
    faulty.inner.create_upload(&at("mine/old"), &Attributes::default()).await?;
    faulty.inner.create_upload(&at("other/old"), &Attributes::default()).await?;
    faulty.inner.advance_clock(SignedDuration::from_hours(48));
    faulty.inner.create_upload(&at("mine/new"), &Attributes::default()).await?;
    assert_eq!(sweep_uploads(&store, &bucket(), "mine/", Duration::from_secs(86_400)).await?, 1);
    assert_eq!(uploads_under_way(&faulty).await, 2);
    Ok(())
}

#[tokio::test]
async fn a_body_longer_than_the_limit_is_not_collected() {
    let body = stream::iter([Ok(Bytes::from_static(b"12345"))]).boxed();
    assert_eq!(collect(body, 4).await.unwrap_err().kind, ErrorKind::Truncated);
}
