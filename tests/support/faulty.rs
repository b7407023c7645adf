//! Stores that go wrong on purpose, around any other: faults come from here, never from switches in the product.
//!
//! A write is any call that may change the store. [`RecordingStore`] counts them in a clean run, [`FaultyStore`] lets the
//! nth go wrong, [`TruncatingStore`] cuts bodies short.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dcs::model::{Attributes, BucketName, Key};
use dcs::store::{
    Address, BucketSettings, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead, ObjectStore,
    Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;

/// What goes on around calls of a store.
pub trait Interference: Send + Sync + fmt::Debug {
    /// Before a write; an error is answered in place of the call.
    fn before(&self, write: &Write) -> Result<()>;

    /// After a write that took effect; an error is answered in place of its result.
    fn after(&self, write: &Write) -> Result<()>;

    fn body(&self, object: Object) -> Object {
        object
    }
}

/// A call that may change the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// From 1.
    pub number: usize,
    /// The method: `put`, `complete_upload`.
    pub method: &'static str,
    /// Bucket and key, or the bucket alone.
    pub subject: String,
}

impl fmt::Display for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.number, self.method, self.subject)
    }
}

/// Counts and names the writes to a store, and lets them through.
pub type RecordingStore = Meddled<Record>;

/// Lets one write go wrong, and every one after it where that is asked for.
pub type FaultyStore = Meddled<Fault>;

/// Cuts every body short by a byte without saying so, as a proxy in between may.
pub type TruncatingStore = Meddled<Truncate>;

#[derive(Debug, Default)]
pub struct Record {
    writes: Mutex<Vec<Write>>,
}

/// When a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing has happened.
    Before,
    /// The write took effect; only its answer is lost.
    After,
}

type Callback = Box<dyn Fn(&Write) + Send + Sync>;

pub struct Fault {
    nth: usize,
    when: When,
    kind: ErrorKind,
    /// Whether all later writes fail too, as in a process that is gone.
    forever: bool,
    /// Called at the nth write before it fails; it may end the process.
    callback: Option<Callback>,
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "write {} fails {:?} with {:?}", self.nth, self.when, self.kind)
    }
}

#[derive(Debug)]
pub struct Truncate;

/// A store that others meddle with.
#[derive(Debug)]
pub struct Meddled<I> {
    inner: Arc<dyn ObjectStore>,
    writes: AtomicUsize,
    interference: I,
}

impl<I> Meddled<I> {
    fn around(inner: Arc<dyn ObjectStore>, interference: I) -> Arc<Self> {
        Arc::new(Self { inner, writes: AtomicUsize::new(0), interference })
    }

    /// How many writes were attempted so far.
    pub fn count(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }
}

impl RecordingStore {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Self::around(inner, Record::default())
    }

    pub fn writes(&self) -> Vec<Write> {
        self.interference.writes.lock().expect("no test panics while it records").clone()
    }
}

impl FaultyStore {
    /// Lets the nth write (from 1) fail, and no other.
    pub fn nth(inner: Arc<dyn ObjectStore>, nth: usize, when: When, kind: ErrorKind) -> Arc<Self> {
        Self::around(inner, Fault { nth, when, kind, forever: false, callback: None })
    }

    /// Lets the nth write and all later ones fail: to the store, the process is gone.
    pub fn from_nth(inner: Arc<dyn ObjectStore>, nth: usize, when: When, kind: ErrorKind) -> Arc<Self> {
        Self::around(inner, Fault { nth, when, kind, forever: true, callback: None })
    }

    /// Calls back at the nth write, before it or after it took effect, then fails like [`Self::nth`]. Writes beside it
    /// go on, as those of a process that is about to be killed do.
    pub fn calling(
        inner: Arc<dyn ObjectStore>,
        nth: usize,
        when: When,
        callback: impl Fn(&Write) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let callback: Option<Callback> = Some(Box::new(callback));
        Self::around(inner, Fault { nth, when, kind: ErrorKind::Other, forever: false, callback })
    }
}

impl TruncatingStore {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Self::around(inner, Truncate)
    }
}

impl Interference for Record {
    fn before(&self, write: &Write) -> Result<()> {
        self.writes.lock().expect("no test panics while it records").push(write.clone());
        Ok(())
    }

    fn after(&self, _: &Write) -> Result<()> {
        Ok(())
    }
}

impl Fault {
    fn at(&self, write: &Write, when: When) -> Result<()> {
        let is_later = write.number > self.nth && self.forever && when == When::Before;
        let is_now = write.number == self.nth && self.when == when;
        if is_now && let Some(callback) = &self.callback {
            callback(write);
        }
        if is_now || is_later {
            return Err(
                StoreError::new(self.kind, write.method, write.subject.clone()).with_detail("a fault on purpose")
            );
        }
        Ok(())
    }
}

impl Interference for Fault {
    fn before(&self, write: &Write) -> Result<()> {
        self.at(write, When::Before)
    }

    fn after(&self, write: &Write) -> Result<()> {
        self.at(write, When::After)
    }
}

impl Interference for Truncate {
    fn before(&self, _: &Write) -> Result<()> {
        Ok(())
    }

    fn after(&self, _: &Write) -> Result<()> {
        Ok(())
    }

    fn body(&self, object: Object) -> Object {
        let mut left = (object.range.end - object.range.start).saturating_sub(1);
        let body = object.body.map(move |chunk| {
            chunk.map(|mut bytes| {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= bytes.len() as u64;
                bytes
            })
        });
        Object { body: body.boxed(), ..object }
    }
}

impl<I: Interference> Meddled<I> {
    async fn write<T>(
        &self,
        method: &'static str,
        subject: &(dyn fmt::Display + Sync),
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let write = Write { number, method, subject: subject.to_string() };
        self.interference.before(&write)?;
        let answer = call.await?;
        self.interference.after(&write)?;
        Ok(answer)
    }
}

#[async_trait]
impl<I: Interference> ObjectStore for Meddled<I> {
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
        self.write("create_bucket", bucket, self.inner.create_bucket(bucket)).await
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
        Ok(self.interference.body(self.inner.get(at, options).await?))
    }

    async fn put(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        self.write("put", at, self.inner.put(at, body, attributes, precondition)).await
    }

    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        self.write("copy", to, self.inner.copy(from, to, attributes)).await
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        self.write("delete", at, self.inner.delete(at)).await
    }

    /// Each key is a write of its own, so that a fault can fall between any two.
    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let at = Address::new(bucket.clone(), key);
            let result = self.write("delete_many", &at, self.inner.delete(&at)).await;
            results.push((at.key, result));
        }
        results
    }

    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        self.inner.versions(bucket, prefix)
    }

    async fn delete_version(&self, at: &Address, version: &str) -> Result<()> {
        self.write("delete_version", at, self.inner.delete_version(at, version)).await
    }

    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        self.write("create_upload", at, self.inner.create_upload(at, attributes)).await
    }

    async fn upload_part(&self, upload: &Upload, number: u32, offset: u64, body: Bytes) -> Result<UploadedPart> {
        self.write("upload_part", &upload.at, self.inner.upload_part(upload, number, offset, body)).await
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        self.write("copy_part", &upload.at, self.inner.copy_part(upload, number, offset, from, range)).await
    }

    async fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        self.write("complete_upload", &upload.at, self.inner.complete_upload(upload, parts)).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        self.write("abort_upload", &upload.at, self.inner.abort_upload(upload)).await
    }

    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        self.inner.list_uploads(bucket, prefix).await
    }
}
