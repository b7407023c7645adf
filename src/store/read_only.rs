//! A store that cannot be written to: what dry runs open, so that a forgotten check fails instead of changing something.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use jiff::Timestamp;

use super::{
    Address, BucketSettings, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead, ObjectStore,
    Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version,
};
use crate::model::{Attributes, BucketName, Key};

/// Passes reads on and refuses every write with [`ErrorKind::ReadOnly`].
#[derive(Debug, Clone)]
pub struct ReadOnlyStore {
    inner: Arc<dyn ObjectStore>,
}

impl ReadOnlyStore {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }

    fn refusal(&self, attempted: &'static str, what: &dyn std::fmt::Display) -> StoreError {
        StoreError::new(ErrorKind::ReadOnly, attempted, format!("{}: {what}", self.inner.describe()))
    }
}

#[async_trait]
impl ObjectStore for ReadOnlyStore {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    async fn now(&self) -> Result<Timestamp> {
        self.inner.now().await
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.inner.buckets().await
    }

    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        self.inner.bucket_exists(bucket).await
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        Err(self.refusal("create bucket", bucket))
    }

    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        self.inner.bucket_settings(bucket).await
    }

    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        self.inner.list(bucket, options)
    }

    async fn head(&self, at: &Address) -> Result<ObjectHead> {
        self.inner.head(at).await
    }

    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object> {
        self.inner.get(at, options).await
    }

    async fn put(&self, at: &Address, _: Bytes, _: &Attributes, _: Precondition) -> Result<Stored> {
        Err(self.refusal("put", at))
    }

    async fn copy(&self, _: &Address, to: &Address, _: Option<&Attributes>) -> Result<Stored> {
        Err(self.refusal("copy to", to))
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        Err(self.refusal("delete", at))
    }

    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        let refuse = |key: Key| {
            let at = Address::new(bucket.clone(), key);
            let refusal = Err(self.refusal("delete", &at));
            (at.key, refusal)
        };
        keys.into_iter().map(refuse).collect()
    }

    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        self.inner.versions(bucket, prefix)
    }

    async fn delete_version(&self, at: &Address, _: &str) -> Result<()> {
        Err(self.refusal("delete version of", at))
    }

    async fn create_upload(&self, at: &Address, _: &Attributes) -> Result<Upload> {
        Err(self.refusal("create upload of", at))
    }

    async fn upload_part(&self, upload: &Upload, _: u32, _: u64, _: Bytes) -> Result<UploadedPart> {
        Err(self.refusal("upload part of", &upload.at))
    }

    async fn copy_part(&self, upload: &Upload, _: u32, _: u64, _: &Address, _: Range<u64>) -> Result<UploadedPart> {
        Err(self.refusal("copy part of", &upload.at))
    }

    async fn complete_upload(&self, upload: &Upload, _: &[UploadedPart]) -> Result<Stored> {
        Err(self.refusal("complete upload of", &upload.at))
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        Err(self.refusal("abort upload of", &upload.at))
    }

    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        self.inner.list_uploads(bucket, prefix).await
    }
}
