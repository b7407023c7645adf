//! What goes over the wire to an S3 server, and what is made of its answers; then the same against a live server.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;

use bytes::Bytes;
use dcs::model::{Attributes, BucketName, Secret};
use dcs::store::s3::{S3Options, S3Store};
use dcs::store::{Address, ErrorKind, GetOptions, ListOptions, Listed, ObjectStore, Precondition};
use futures_util::TryStreamExt;
use support::{S3Env, at};

mod support;

fn live(env: &S3Env) -> Arc<S3Store> {
    let options = S3Options::new(&env.endpoint, &env.region).keys(&env.access_key, Secret::new(&env.secret_key));
    S3Store::open(options).unwrap()
}

async fn live_bucket(stem: &str) -> Option<(Arc<S3Store>, BucketName)> {
    let store = live(&support::s3()?);
    let bucket = support::unique_bucket(stem);
    store.create_bucket(&bucket).await.unwrap();
    Some((store, bucket))
}

async fn read(store: &dyn ObjectStore, at: &Address) -> Vec<u8> {
    let object = store.get(at, GetOptions::default()).await.unwrap();
    object.body.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap()
}

async fn listed(store: &dyn ObjectStore, bucket: &BucketName, options: ListOptions) -> Vec<String> {
    let lines = store.list(bucket, options).map_ok(|listed| match listed {
        Listed::Object(info) => info.key.as_str().to_owned(),
        Listed::Prefix(prefix) => prefix.as_str().to_owned(),
    });
    lines.try_collect().await.unwrap()
}

const HOSTILE: [&str; 40] = [
    "a b",
    " lead",
    "trail ",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "\u{1}",
    "del\u{7f}",
    "é",
    "e\u{301}",
    "nb\u{a0}sp",
    "\u{feff}bom",
    "😀",
    "a+b",
    "100%",
    "a%2Bb",
    "a%b",
    "q?x=1",
    "h#f",
    "a&b;c",
    "<>\"'",
    "back\\slash",
    "~*!()",
    "a//b",
    "//lead2",
    "/lead1",
    "end/",
    ".",
    "..",
    "../x",
    "a/../b",
    "a/./b",
    "a/..",
    "c|^`{}[]",
    "@:,=$",
    "日本/語",
    "\u{ffff}",
    "\u{85}x",
    "x/",
    "x/y/",
];

#[tokio::test]
async fn hostile_keys_survive_every_operation_on_a_live_server() {
    let Some((store, bucket)) = live_bucket("hostile").await else { return };
    let mut expected: Vec<String> = HOSTILE.iter().map(|&key| key.to_owned()).collect();
    expected.push("k".repeat(1024));
    expected.sort();
    for key in &expected {
        let place = at(&bucket, key);
        store.put(&place, Bytes::from(key.clone()), &Attributes::default(), Precondition::Overwrite).await.unwrap();
    }
    assert_eq!(listed(&*store, &bucket, ListOptions::default()).await, expected);
    let copies = support::unique_bucket("copies");
    store.create_bucket(&copies).await.unwrap();
    for key in &expected {
        assert_eq!(store.head(&at(&bucket, key)).await.unwrap().size, key.len() as u64);
        store.copy(&at(&bucket, key), &at(&copies, key), None).await.unwrap();
        assert_eq!(read(&*store, &at(&copies, key)).await, key.as_bytes(), "{key:?}");
    }
    let keys = expected.iter().map(|key| support::key(key)).collect();
    let results = store.delete_many(&bucket, keys).await;
    assert!(results.iter().all(|(_, result)| result.is_ok()), "{results:?}");
    assert_eq!(results.len(), expected.len());
    assert_eq!(listed(&*store, &bucket, ListOptions::default()).await, Vec::<String>::new());
    assert_eq!(listed(&*store, &copies, ListOptions::default()).await, expected, "the copies must be untouched");
    for key in &expected {
        store.delete(&at(&copies, key)).await.unwrap();
    }
    assert_eq!(listed(&*store, &copies, ListOptions::default()).await, Vec::<String>::new());
    assert_eq!(store.head(&at(&copies, "..")).await.unwrap_err().kind, ErrorKind::NotFound);
}
