//! What every store must do, as functions over any store; `store_contract.rs` runs them on each.

use std::sync::Arc;

use bytes::Bytes;
use dcs::model::{Attributes, BucketName};
use dcs::store::{Address, ErrorKind, GetOptions, ListOptions, Listed, ObjectStore, Precondition, Result, Stored};
use futures_util::TryStreamExt;
use tempfile::TempDir;

use crate::support::{S3Env, at, bucket};

pub mod attributes;
pub mod keys;
pub mod listing;
pub mod objects;
pub mod uploads;
pub mod versions;

/// A store under test and two empty buckets of it.
pub struct Place {
    pub store: Arc<dyn ObjectStore>,
    pub bucket: BucketName,
    pub other: BucketName,
    pub folder: Option<TempDir>,
    pub server: Option<S3Env>,
}

impl Place {
    pub async fn prepare(store: Arc<dyn ObjectStore>, stem: &str) -> Self {
        let (first, second) = (bucket(stem), bucket(&format!("{stem}-other")));
        store.create_bucket(&first).await.unwrap();
        store.create_bucket(&second).await.unwrap();
        Self { store, bucket: first, other: second, folder: None, server: None }
    }

    /// Whether nothing depends on a server: every key is taken, and each failure has its exact kind.
    pub fn is_exact(&self) -> bool {
        self.server.is_none()
    }

    pub fn at(&self, key: &str) -> Address {
        at(&self.bucket, key)
    }

    pub async fn put(&self, key: &str, body: &str) -> Result<Stored> {
        self.put_at(&self.at(key), Bytes::copy_from_slice(body.as_bytes())).await
    }

    pub async fn put_at(&self, at: &Address, body: Bytes) -> Result<Stored> {
        self.store.put(at, body, &Attributes::default(), Precondition::Overwrite).await
    }

    pub async fn read(&self, key: &str) -> Result<String> {
        self.read_at(&self.at(key), GetOptions::default()).await
    }

    pub async fn read_at(&self, at: &Address, options: GetOptions) -> Result<String> {
        let object = self.store.get(at, options).await?;
        let chunks: Vec<Bytes> = object.body.try_collect().await?;
        let bytes = chunks.concat();
        assert_eq!(bytes.len() as u64, object.range.end - object.range.start, "{at}");
        Ok(String::from_utf8(bytes).unwrap())
    }

    /// All keys of a bucket as a listing gives them.
    pub async fn keys_of(&self, bucket: &BucketName) -> Vec<String> {
        self.list(bucket, ListOptions::default()).await
    }

    /// The lines of a listing; what is folded shows as its prefix and `*`.
    pub async fn list(&self, bucket: &BucketName, options: ListOptions) -> Vec<String> {
        let lines: Vec<Listed> = self.store.list(bucket, options).try_collect().await.unwrap();
        let text = |line| match line {
            Listed::Object(info) => info.key.to_string(),
            Listed::Prefix(prefix) => format!("{prefix}*"),
        };
        lines.into_iter().map(text).collect()
    }

    /// Empties both buckets, and removes them with the folder of the store, or from the server.
    pub async fn remove(self) {
        for bucket in [&self.bucket, &self.other] {
            for stale in self.store.list_uploads(bucket, "").await.unwrap() {
                self.store.abort_upload(&stale.upload).await.unwrap();
            }
            let keys = self.keys_of(bucket).await.iter().map(|key| crate::support::key(key)).collect();
            for (key, removed) in self.store.delete_many(bucket, keys).await {
                assert!(removed.is_ok(), "{key}: {removed:?}");
            }
            assert!(self.keys_of(bucket).await.is_empty());
            if let Some(server) = &self.server {
                server.remove_bucket(bucket).await;
            }
        }
        drop(self.folder);
    }
}

/// The kind of a failure that has to be one.
pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("the call should have failed").kind
}
