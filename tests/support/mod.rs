//! What integration tests share: the live servers that the environment names, names that no other test uses, folders.
//!
//! A test that needs a server takes it from here and returns when there is none; it says so, and fails instead of
//! returning where `DCS_TEST_REQUIRE` names the service.
#![allow(dead_code, unreachable_pub, clippy::print_stderr, reason = "each test binary uses a part of this module")]

use std::collections::HashMap;
use std::env;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use dcs::model::{BucketName, Key};
use dcs::store::{Address, ListOptions, Listed, ObjectStore};
use futures_util::TryStreamExt;
use rand::RngCore;
use s3::creds::Credentials;
use s3::{Bucket, Region};
use tempfile::TempDir;

pub mod faulty;
pub mod scripted_server;

/// A live S3 server.
#[derive(Clone)]
pub struct S3Env {
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

impl S3Env {
    /// Removes an empty bucket, which is nothing that dcs itself ever does.
    pub async fn remove_bucket(&self, name: &BucketName) {
        self.bucket(name).delete().await.expect("an empty bucket can be removed");
    }

    /// Switches versioning on, which stores have no method for.
    pub async fn keep_versions(&self, name: &BucketName) {
        let query = HashMap::from([("versioning".to_owned(), String::new())]);
        let text = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let bucket = self.bucket(name).with_extra_query(query).expect("a valid query");
        bucket.put_object("/", text).await.expect("versioning can be switched on");
    }

    fn bucket(&self, name: &BucketName) -> Box<Bucket> {
        let region = Region::Custom { region: self.region.clone(), endpoint: self.endpoint.clone() };
        let keys = Credentials::new(Some(&self.access_key), Some(&self.secret_key), None, None, None);
        let bucket = Bucket::new(name.as_str(), region, keys.expect("these are credentials")).expect("a valid bucket");
        bucket.with_path_style()
    }
}

/// The S3 server to test against; `None` after saying that the test is skipped.
pub fn s3() -> Option<S3Env> {
    let endpoint = required("s3", "DCS_TEST_S3_ENDPOINT")?;
    Some(S3Env {
        endpoint,
        access_key: required("s3", "DCS_TEST_S3_ACCESS_KEY")?,
        secret_key: required("s3", "DCS_TEST_S3_SECRET_KEY")?,
        region: env::var("DCS_TEST_S3_REGION").unwrap_or_else(|_| "us-east-1".to_owned()),
    })
}

/// The URL of a PostgreSQL server, of a superuser with its password; `None` after saying that the test is skipped.
pub fn postgres() -> Option<String> {
    required("postgres", "DCS_TEST_POSTGRES_URL")
}

fn required(service: &str, variable: &str) -> Option<String> {
    if let Some(value) = env::var(variable).ok().filter(|value| !value.is_empty()) {
        return Some(value);
    }
    let wanted = env::var("DCS_TEST_REQUIRE").unwrap_or_default();
    assert!(!wanted.split(',').any(|name| name.trim() == service), "{service} is required, but {variable} is not set");
    eprintln!("skipped: {variable} is not set");
    None
}

/// Whether a program that the test runner installs is here (`need_reading_tools` in tests/lib.sh); says so where the test
/// is skipped.
pub fn has_tool(name: &str) -> bool {
    let found = std::process::Command::new(name).arg("--version").output().is_ok();
    assert!(found || env::var_os("DCS_TEST_REQUIRE").is_none(), "{name} is required, and not installed");
    if !found {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// A name that begins with `stem` and that no other test, run or process uses; fit for buckets and databases.
pub fn unique(stem: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{:x}-{:x}-{count}", since_epoch.as_micros(), std::process::id())
}

pub fn unique_bucket(stem: &str) -> BucketName {
    bucket(&unique(stem))
}

/// A folder of its own that is removed when the value is dropped.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("dcs-test-").tempdir().expect("a temporary folder can be made")
}

pub fn bucket(name: &str) -> BucketName {
    BucketName::new(name).expect("a valid bucket name")
}

pub fn key(text: &str) -> Key {
    Key::new(text).expect("a valid key")
}

pub fn at(bucket: &BucketName, text: &str) -> Address {
    Address::new(bucket.clone(), key(text))
}

/// Every key of a bucket.
pub async fn keys(store: &dyn ObjectStore, bucket: &BucketName) -> Vec<String> {
    keys_below(store, bucket, "").await.into_iter().map(String::from).collect()
}

pub async fn keys_below(store: &dyn ObjectStore, bucket: &BucketName, prefix: &str) -> Vec<Key> {
    let options = ListOptions { prefix: prefix.to_owned(), ..ListOptions::default() };
    let listed: Vec<Listed> = store.list(bucket, options).try_collect().await.expect("the bucket can be listed");
    let keys = listed.into_iter().filter_map(|listed| match listed {
        Listed::Object(info) => Some(info.key),
        Listed::Prefix(_) => None,
    });
    keys.collect()
}

/// Every object of a bucket with its bytes, in the order of the keys.
pub async fn contents(store: &dyn ObjectStore, bucket: &BucketName) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for key in keys_below(store, bucket, "").await {
        let at = Address::new(bucket.clone(), key.clone());
        let object = store.get(&at, dcs::store::GetOptions::default()).await.expect("the object can be read");
        let chunks: Vec<bytes::Bytes> = object.body.try_collect().await.expect("the object can be read to its end");
        all.push((key.to_string(), chunks.concat()));
    }
    all
}

/// Bytes that do not compress.
pub fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
