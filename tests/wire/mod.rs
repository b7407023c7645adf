//! Groups of tests on the wire, and what they share.

use std::time::Duration;

use bytes::Bytes;
use dcs::model::{Attributes, BucketName};
use dcs::store::retry::{RetryPolicy, RetryStore};
use dcs::store::transfer::collect;
use dcs::store::{Address, ErrorKind, GetOptions, ObjectStore, Precondition, Result, StoreError, Stored};

use crate::support::scripted_server::{Answer, ScriptedServer};
use crate::support::{self, bucket, key};

mod answers;
mod copies;
mod deletes;
mod listings;
mod live;
mod requests;
mod uploads;

fn src() -> BucketName {
    bucket("src")
}

fn at(key: &str) -> Address {
    support::at(&src(), key)
}

async fn put(store: &dyn ObjectStore, at: &Address, attributes: &Attributes) -> Result<Stored> {
    store.put(at, Bytes::from_static(b"body"), attributes, Precondition::Overwrite).await
}

async fn read(store: &dyn ObjectStore, key: &str) -> Result<Bytes> {
    collect(store.get(&at(key), GetOptions::default()).await?.body, 1 << 30).await
}

/// The store through the wrapper that tries again, with waits that no test notices.
fn patient(server: &ScriptedServer) -> RetryStore {
    let policy = RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() };
    RetryStore::new(server.store(), policy)
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("the call should have failed").kind
}

fn stored() -> Answer {
    Answer::ok("").header("etag", "\"e1\"")
}
