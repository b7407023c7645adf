use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::{RetryPolicy, RetryStore};
use crate::model::{Attributes, BucketName, Key};
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::memory::MemoryStore;
use crate::store::transfer::collect;
use crate::store::{
    Address, ErrorKind, GetOptions, ListOptions, Listed, ObjectStore, Precondition, StoreError, Stored, UploadedPart,
};

fn bucket() -> BucketName {
    BucketName::new("b").unwrap()
}

fn at(key: &str) -> Address {
    Address::new(bucket(), Key::new(key).unwrap())
}

/// A faulty store with one bucket, and the same through the wrapper.
async fn stores(keys: &[&str]) -> (Arc<FaultyStore<MemoryStore>>, RetryStore) {
    let faulty = FaultyStore::recording(Arc::new(MemoryStore::new()));
    faulty.inner.create_bucket(&bucket()).await.unwrap();
    for key in keys {
        put(&*faulty.inner, key, "0123456789").await.unwrap();
    }
    let retry = RetryStore::new(faulty.clone(), RetryPolicy::default());
    (faulty, retry)
}

async fn put(store: &dyn ObjectStore, key: &str, body: &'static str) -> Result<Stored, StoreError> {
    store.put(&at(key), Bytes::from_static(body.as_bytes()), &Attributes::default(), Precondition::CreateNew).await
}

async fn read(store: &RetryStore, key: &str) -> Result<Bytes, StoreError> {
    collect(store.get(&at(key), GetOptions::default()).await?.body, 100).await
}

async fn names(store: &RetryStore, options: ListOptions) -> Vec<String> {
    let lines = store.list(&bucket(), options).map_ok(|listed| match listed {
        Listed::Object(info) => info.key.as_str().to_owned(),
        Listed::Prefix(prefix) => prefix.as_str().to_owned(),
    });
    lines.try_collect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_tried_again_until_it_passes() {
    let (faulty, store) = stores(&["a"]).await;
    for _ in 0..7 {
        faulty.fail("head", Fault::Before(ErrorKind::Transient));
    }
    assert_eq!(store.head(&at("a")).await.unwrap().size, 10);
    assert_eq!(faulty.calls("head"), 8);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_does_not_pass_is_given_back_after_the_last_attempt() {
    let (faulty, store) = stores(&["a"]).await;
    for _ in 0..20 {
        faulty.fail("head", Fault::Before(ErrorKind::Transient)).fail("copy", Fault::Before(ErrorKind::Unreachable));
    }
    assert_eq!(store.head(&at("a")).await.unwrap_err().kind, ErrorKind::Transient);
    assert_eq!(faulty.calls("head"), 8);
    assert_eq!(store.copy(&at("a"), &at("b"), None).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(faulty.calls("copy"), 4, "an unreachable store is given up sooner");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_pass_is_not_tried_again() {
    let (faulty, store) = stores(&[]).await;
    for kind in [ErrorKind::Denied, ErrorKind::NoBucket, ErrorKind::Full, ErrorKind::Other, ErrorKind::ReadOnly] {
        faulty.fail("head", Fault::Before(kind));
        assert_eq!(store.head(&at("a")).await.unwrap_err().kind, kind);
    }
    assert_eq!(faulty.calls("head"), 5);
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_the_server_asks_for_is_kept() {
    let (faulty, store) = stores(&["a"]).await;
    faulty.fail("head", Fault::Asks(42_000));
    let before = Instant::now();
    store.head(&at("a")).await.unwrap();
    let waited = before.elapsed();
    assert!((Duration::from_secs(42)..Duration::from_secs(43)).contains(&waited), "{waited:?}");
    faulty.fail("head", Fault::Asks(86_400_000));
    let before = Instant::now();
    store.head(&at("a")).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(301), "nobody waits for a day");
}

#[test]
fn waits_grow_up_to_the_cap_and_are_spread() {
    let policy = RetryPolicy { attempts: 100, ..RetryPolicy::default() };
    let error = StoreError::new(ErrorKind::Transient, "test", "x");
    let waits = |failures: u32| (0..200).map(move |_| failures);
    let longest = |failures| waits(failures).filter_map(|f| policy.wait(f, &error)).max().unwrap();
    assert!(longest(1) <= policy.base);
    assert!(longest(4) > policy.base);
    assert!(longest(99) <= policy.cap);
    let distinct: std::collections::HashSet<_> = waits(5).filter_map(|f| policy.wait(f, &error)).collect();
    assert!(distinct.len() > 100);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_or_ends_early_goes_on_where_it_broke() {
    let (faulty, store) = stores(&["a"]).await;
    faulty.fail("get", Fault::Breaks(3, ErrorKind::Transient)).fail("get", Fault::Ends(4));
    faulty.fail("get", Fault::Before(ErrorKind::Unreachable)).fail("get", Fault::Breaks(0, ErrorKind::Truncated));
    assert_eq!(read(&store, "a").await.unwrap(), "0123456789");
    assert_eq!(faulty.calls("get"), 5);
    let options = GetOptions { range: Some(2..6), if_match: None };
    faulty.fail("get", Fault::Ends(1));
    let object = store.get(&at("a"), options).await.unwrap();
    assert_eq!(collect(object.body, 100).await.unwrap(), "2345");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_not_resumed_from_another_state_of_the_object() {
    let (faulty, store) = stores(&["a"]).await;
    faulty.fail("get", Fault::Breaks(3, ErrorKind::Transient));
    let mut object = store.get(&at("a"), GetOptions::default()).await.unwrap();
    object.body.next().await.unwrap().unwrap();
    let body = Bytes::from_static(b"abcdefghij");
    faulty.inner.put(&at("a"), body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    let error = object.body.try_for_each(|_| async { Ok(()) }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Precondition);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_breaks_lists_everything_once() {
    let (faulty, store) = stores(&["a", "b/1", "b/2", "c", "d/1", "e"]).await;
    faulty.fail("list", Fault::Breaks(2, ErrorKind::Transient)).fail("list", Fault::Before(ErrorKind::Unreachable));
    faulty.fail("list", Fault::Breaks(3, ErrorKind::Transient));
    assert_eq!(names(&store, ListOptions::default()).await, ["a", "b/1", "b/2", "c", "d/1", "e"]);
    for breaks_after in 0..6 {
        faulty.fail("list", Fault::Breaks(breaks_after, ErrorKind::Transient));
        let delimited = ListOptions::default().delimited();
        assert_eq!(names(&store, delimited).await, ["a", "b/", "c", "d/", "e"], "broken after {breaks_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_versions_that_breaks_lists_every_version_once() {
    let (faulty, store) = stores(&[]).await;
    faulty.inner.set_versioned(&bucket(), true);
    for key in ["a", "b", "b", "b", "c"] {
        let body = Bytes::from_static(b"x");
        faulty.inner.put(&at(key), body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    }
    let ids = |store: &dyn ObjectStore| {
        store.versions(&bucket(), String::new()).map_ok(|version| version.id).try_collect::<Vec<_>>()
    };
    let expected = ids(&*faulty.inner).await.unwrap();
    for breaks_after in 0..6 {
        faulty.fail("versions", Fault::Breaks(breaks_after, ErrorKind::Transient));
        assert_eq!(ids(&store).await.unwrap(), expected, "broken after {breaks_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_was_lost_is_recognised_as_ours() {
    let (faulty, store) = stores(&[]).await;
    faulty.fail("put", Fault::After(ErrorKind::Transient));
    let stored = put(&store, "lock", "mine").await.unwrap();
    assert_eq!(stored.etag, faulty.inner.head(&at("lock")).await.unwrap().etag);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_lost_to_another_is_refused_even_after_an_unknown_outcome() {
    let (faulty, store) = stores(&[]).await;
    put(&*faulty.inner, "lock", "theirs").await.unwrap();
    faulty.fail("put", Fault::Before(ErrorKind::Transient));
    assert_eq!(put(&store, "lock", "mine00").await.unwrap_err().kind, ErrorKind::Precondition);
    assert_eq!(put(&store, "lock", "theirs").await.unwrap_err().kind, ErrorKind::Precondition, "nothing was unknown");
}

async fn begun(store: &RetryStore) -> (crate::store::Upload, Vec<UploadedPart>) {
    let upload = store.create_upload(&at("a"), &Attributes::default()).await.unwrap();
    let part = store.upload_part(&upload, 1, 0, Bytes::from_static(b"part")).await.unwrap();
    (upload, vec![part])
}

#[tokio::test(start_paused = true)]
async fn a_completion_whose_answer_was_lost_is_decided_by_looking() {
    let (faulty, store) = stores(&[]).await;
    let (upload, parts) = begun(&store).await;
    faulty.fail("complete_upload", Fault::After(ErrorKind::Transient));
    let stored = store.complete_upload(&upload, &parts).await.unwrap();
    assert_eq!(stored.etag, faulty.inner.head(&at("a")).await.unwrap().etag);
}

#[tokio::test(start_paused = true)]
async fn a_completion_whose_repeat_only_says_to_come_back_is_decided_by_looking() {
    let (faulty, store) = stores(&[]).await;
    let (upload, parts) = begun(&store).await;
    faulty.fail("complete_upload", Fault::After(ErrorKind::Transient));
    for _ in 0..20 {
        faulty.fail("complete_upload", Fault::Before(ErrorKind::Transient));
    }
    store.complete_upload(&upload, &parts).await.unwrap();
    assert_eq!(faulty.calls("complete_upload"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_completion_of_an_upload_that_is_gone_does_not_take_another_object_for_its_own() {
    let (faulty, store) = stores(&[]).await;
    let (upload, parts) = begun(&store).await;
    put(&*faulty.inner, "a", "gone").await.unwrap();
    faulty.inner.abort_upload(&upload).await.unwrap();
    faulty.fail("complete_upload", Fault::Before(ErrorKind::Transient));
    assert_eq!(store.complete_upload(&upload, &parts).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn of_many_deletes_only_those_that_failed_are_tried_again() {
    let (faulty, store) = stores(&["a", "b", "c"]).await;
    faulty.fail("delete_many", Fault::Before(ErrorKind::Transient));
    faulty.fail("delete_many", Fault::Before(ErrorKind::Denied));
    let keys = ["a", "b", "c"].map(|key| Key::new(key).unwrap()).to_vec();
    let mut results = store.delete_many(&bucket(), keys).await;
    results.sort_by(|one, other| one.0.cmp(&other.0));
    let kinds: Vec<_> = results.iter().map(|(_, result)| result.as_ref().err().map(|error| error.kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::Denied), None, None]);
    assert_eq!(faulty.calls("delete_many"), 2);
}
