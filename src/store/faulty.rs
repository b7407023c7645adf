//! A store in memory whose calls fail as a test says, and which remembers what was called.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::memory::MemoryStore;
use super::{
    Address, BucketSettings, ByteStream, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead,
    ObjectStore, Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version,
};
use crate::model::{Attributes, BucketName, Key};

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing is done.
    Before(ErrorKind),
    /// Nothing is done, and the store asks to wait so many milliseconds.
    Asks(u64),
    /// It is done, and the answer is lost.
    After(ErrorKind),
    /// A listing or a body breaks after so many items or bytes.
    Breaks(usize, ErrorKind),
    /// A body ends after so many bytes as if that were all.
    Ends(usize),
    /// No answer ever.
    Hangs,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Faulty {
    pub(crate) memory: MemoryStore,
    script: Arc<Mutex<VecDeque<(&'static str, Fault)>>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Faulty {
    pub(crate) fn over(memory: MemoryStore) -> Self {
        Self { memory, ..Self::default() }
    }

    /// The next call of `method` that has no earlier fault fails so.
    pub(crate) fn fail(&self, method: &'static str, fault: Fault) -> &Self {
        self.script.lock().unwrap().push_back((method, fault));
        self
    }

    pub(crate) fn calls(&self, method: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|called| **called == method).count()
    }

    fn called(&self, method: &'static str) -> Option<Fault> {
        self.calls.lock().unwrap().push(method);
        let mut script = self.script.lock().unwrap();
        let position = script.iter().position(|(named, _)| *named == method)?;
        script.remove(position).map(|(_, fault)| fault)
    }

    async fn through<T>(&self, method: &'static str, done: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self.called(method) {
            Some(Fault::Before(kind)) => Err(error(kind)),
            Some(Fault::Asks(milliseconds)) => {
                Err(StoreError { retry_after: Some(milliseconds), ..error(ErrorKind::Transient) })
            }
            Some(Fault::After(kind)) => {
                done.await?;
                Err(error(kind))
            }
            Some(Fault::Hangs) => std::future::pending().await,
            _ => done.await,
        }
    }

    fn broken<T: Send + 'static>(
        &self,
        method: &'static str,
        items: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        match self.called(method) {
            Some(Fault::Breaks(after, kind)) => items.take(after).chain(stream::iter([Err(error(kind))])).boxed(),
            Some(Fault::Before(kind)) => stream::iter([Err(error(kind))]).boxed(),
            _ => items,
        }
    }
}

fn error(kind: ErrorKind) -> StoreError {
    StoreError::new(kind, "test", "a fault")
}

/// A body of single bytes, cut after some and ended by `end`.
fn cut(object: Object, after: usize, end: Option<ErrorKind>) -> Object {
    let bytes = object.body.map_ok(|piece| {
        let single: Vec<Result<Bytes>> = piece.iter().map(|byte| Ok(Bytes::copy_from_slice(&[*byte]))).collect();
        stream::iter(single)
    });
    let body = bytes.try_flatten().take(after).chain(stream::iter(end.map(|kind| Err(error(kind))))).boxed();
    Object { body, ..object }
}

#[async_trait]
impl ObjectStore for Faulty {
    fn describe(&self) -> String {
        "faulty".to_owned()
    }

    fn features(&self) -> Features {
        self.memory.features()
    }

    async fn now(&self) -> Result<Timestamp> {
        self.through("now", self.memory.now()).await
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.through("buckets", self.memory.buckets()).await
    }

    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        self.through("bucket_exists", self.memory.bucket_exists(bucket)).await
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.through("create_bucket", self.memory.create_bucket(bucket)).await
    }

    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        self.through("bucket_settings", self.memory.bucket_settings(bucket)).await
    }

    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        self.broken("list", self.memory.list(bucket, options))
    }

    async fn head(&self, at: &Address) -> Result<ObjectHead> {
        self.through("head", self.memory.head(at)).await
    }

    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object> {
        let fault = self.called("get");
        if let Some(Fault::Before(kind)) = fault {
            return Err(error(kind));
        }
        let object = self.memory.get(at, options).await?;
        Ok(match fault {
            Some(Fault::Breaks(after, kind)) => cut(object, after, Some(kind)),
            Some(Fault::Ends(after)) => cut(object, after, None),
            _ => object,
        })
    }

    async fn put(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        self.through("put", self.memory.put(at, body, attributes, precondition)).await
    }

    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        self.through("copy", self.memory.copy(from, to, attributes)).await
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        self.through("delete", self.memory.delete(at)).await
    }

    /// A fault strikes the first key alone.
    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        let fault = self.called("delete_many");
        let mut results = self.memory.delete_many(bucket, keys).await;
        if let (Some(Fault::Before(kind)), Some(first)) = (fault, results.first_mut()) {
            first.1 = Err(error(kind));
        }
        results
    }

    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        self.broken("versions", self.memory.versions(bucket, prefix))
    }

    async fn delete_version(&self, at: &Address, version: &str) -> Result<()> {
        self.through("delete_version", self.memory.delete_version(at, version)).await
    }

    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        self.through("create_upload", self.memory.create_upload(at, attributes)).await
    }

    async fn upload_part(&self, upload: &Upload, number: u32, offset: u64, body: Bytes) -> Result<UploadedPart> {
        self.through("upload_part", self.memory.upload_part(upload, number, offset, body)).await
    }

    async fn stream_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        length: u64,
        body: ByteStream,
    ) -> Result<UploadedPart> {
        self.through("stream_part", self.memory.stream_part(upload, number, offset, length, body)).await
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        self.through("copy_part", self.memory.copy_part(upload, number, offset, from, range)).await
    }

    async fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        self.through("complete_upload", self.memory.complete_upload(upload, parts)).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        self.through("abort_upload", self.memory.abort_upload(upload)).await
    }

    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        self.through("list_uploads", self.memory.list_uploads(bucket, prefix)).await
    }
}
