//! A store around any other that goes wrong on purpose: faults come from here, never from switches in the product.
//!
//! It remembers what was called. A write is a call that may change the store; writes are counted, so that a test can let
//! one after the other fail. The unit tests of the stores have this file too, as a module of the crate: it is one file, of
//! over 400 lines, because a part of it in another would have to be found from both places.
#![allow(dead_code, unreachable_pub, reason = "who includes this file uses a part of it")]

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use dcs::model::{Attributes, BucketName, Key};
use dcs::store::{
    Address, BucketSettings, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead, ObjectStore,
    Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;

/// What goes wrong with one call.
#[derive(Clone)]
pub enum Fault {
    /// Nothing is done.
    Before(ErrorKind),
    /// Nothing is done, and the store asks to wait so many milliseconds.
    Asks(u64),
    /// It is done, and the answer is lost.
    After(ErrorKind),
    /// It is done, then this is called, and the answer is lost.
    Calls(Callback),
    /// A listing or a body breaks after so many items or bytes.
    Breaks(usize, ErrorKind),
    /// A body ends after so many bytes as if that were all.
    Ends(usize),
    /// A body ends so many bytes too early as if that were all.
    Lacks(usize),
    /// No answer ever.
    Hangs,
    /// A listing comes backwards, and its last object twice.
    Shuffled,
}

type Callback = Arc<dyn Fn() + Send + Sync>;

/// When a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing has happened.
    Before,
    /// The write took effect; only its answer is lost.
    After,
}

impl When {
    fn fault(self, kind: ErrorKind) -> Fault {
        match self {
            Self::Before => Fault::Before(kind),
            Self::After => Fault::After(kind),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method: `put`, `complete_upload`.
    pub method: &'static str,
    /// Bucket and key, or the bucket alone.
    pub subject: String,
    /// Which of the writes it is, from 1; `None` for one that only reads.
    pub write: Option<usize>,
}

impl Call {
    fn failed(&self, kind: ErrorKind) -> StoreError {
        StoreError::new(kind, self.method, self.subject.clone()).with_detail("a fault on purpose")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write.map_or(Ok(()), |number| write!(formatter, "{number} "))?;
        write!(formatter, "{} {}", self.method, self.subject)
    }
}

type Plan = Box<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

pub struct FaultyStore<S: ?Sized> {
    pub inner: Arc<S>,
    writes: AtomicUsize,
    calls: Mutex<Vec<Call>>,
    script: Mutex<VecDeque<(&'static str, Fault)>>,
    /// The fault of a call that is not in the script.
    plan: Plan,
}

impl<S: ?Sized> FaultyStore<S> {
    pub fn planned(inner: Arc<S>, plan: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) -> Arc<Self> {
        let (writes, calls, script) = (AtomicUsize::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { inner, writes, calls, script, plan: Box::new(plan) })
    }

    /// Lets every call through that [`Self::fail`] does not name.
    pub fn recording(inner: Arc<S>) -> Arc<Self> {
        Self::planned(inner, |_| None)
    }

    /// Lets the nth write (from 1) fail, and no other.
    pub fn nth(inner: Arc<S>, nth: usize, when: When, kind: ErrorKind) -> Arc<Self> {
        Self::planned(inner, move |call| (call.write == Some(nth)).then(|| when.fault(kind)))
    }

    /// Lets the nth write and all later ones fail: to the store, the process is gone.
    pub fn from_nth(inner: Arc<S>, nth: usize, when: When, kind: ErrorKind) -> Arc<Self> {
        Self::planned(inner, move |call| match call.write? {
            number if number < nth => None,
            number if number == nth => Some(when.fault(kind)),
            _ => Some(Fault::Before(kind)),
        })
    }

    /// Calls back at the nth write, before it or after it took effect, then fails like [`Self::nth`]. Writes beside it
    /// go on, as those of a process that is about to be killed do.
    pub fn calling(inner: Arc<S>, nth: usize, when: When, callback: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let callback: Callback = Arc::new(callback);
        Self::planned(inner, move |call| match when {
            _ if call.write != Some(nth) => None,
            When::Before => {
                callback();
                Some(Fault::Before(ErrorKind::Other))
            }
            When::After => Some(Fault::Calls(callback.clone())),
        })
    }

    /// Cuts every body short by a byte without saying so, as a proxy in between may.
    pub fn truncating(inner: Arc<S>) -> Arc<Self> {
        Self::planned(inner, |call| (call.method == "get").then_some(Fault::Lacks(1)))
    }

    /// The next call of `method` that has no earlier fault fails so.
    pub fn fail(&self, method: &'static str, fault: Fault) -> &Self {
        locked(&self.script).push_back((method, fault));
        self
    }

    /// What was called since the last time.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *locked(&self.calls))
    }

    pub fn all_calls(&self) -> Vec<Call> {
        locked(&self.calls).clone()
    }

    /// How often `method` was called.
    pub fn calls(&self, method: &str) -> usize {
        locked(&self.calls).iter().filter(|call| call.method == method).count()
    }

    pub fn writes(&self) -> Vec<Call> {
        locked(&self.calls).iter().filter(|call| call.write.is_some()).cloned().collect()
    }

    /// How many writes were attempted so far.
    pub fn count(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Remembers a call and decides what goes wrong with it.
    fn called(&self, method: &'static str, subject: &dyn fmt::Display, write: Option<usize>) -> (Call, Option<Fault>) {
        let call = Call { method, subject: subject.to_string(), write };
        locked(&self.calls).push(call.clone());
        let scripted = {
            let mut script = locked(&self.script);
            let position = script.iter().position(|(named, _)| *named == method);
            position.and_then(|position| script.remove(position))
        };
        // A callback of the plan may never return: nothing is locked by now.
        let fault = scripted.map(|(_, fault)| fault).or_else(|| (self.plan)(&call));
        (call, fault)
    }

    async fn read<T>(
        &self,
        method: &'static str,
        subject: &(dyn fmt::Display + Sync),
        done: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let (call, fault) = self.called(method, subject, None);
        strike(&call, fault, done).await
    }

    async fn write<T>(
        &self,
        method: &'static str,
        subject: &(dyn fmt::Display + Sync),
        done: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let (call, fault) = self.called(method, subject, Some(number));
        strike(&call, fault, done).await
    }

    fn listing<T: Send + 'static>(
        &self,
        method: &'static str,
        bucket: &BucketName,
        items: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let (call, fault) = self.called(method, bucket, None);
        broken(&call, fault, items)
    }
}

/// What the fault leaves of a listing.
fn broken<T: Send + 'static>(
    call: &Call,
    fault: Option<Fault>,
    items: BoxStream<'static, Result<T>>,
) -> BoxStream<'static, Result<T>> {
    match fault {
        Some(Fault::Breaks(after, kind)) => items.take(after).chain(stream::iter([Err(call.failed(kind))])).boxed(),
        Some(Fault::Before(kind)) => stream::iter([Err(call.failed(kind))]).boxed(),
        _ => items,
    }
}

fn shuffled(items: BoxStream<'static, Result<Listed>>) -> BoxStream<'static, Result<Listed>> {
    let backwards = async move {
        let mut items: Vec<_> = items.collect().await;
        if let Some(Ok(last)) = items.last() {
            items.push(Ok(last.clone()));
        }
        items.reverse();
        stream::iter(items)
    };
    stream::once(backwards).flatten().boxed()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it records")
}

/// Does what the fault leaves of a call.
async fn strike<T>(call: &Call, fault: Option<Fault>, done: impl Future<Output = Result<T>> + Send) -> Result<T> {
    match fault {
        Some(Fault::Before(kind)) => Err(call.failed(kind)),
        Some(Fault::Asks(milliseconds)) => {
            Err(StoreError { retry_after: Some(milliseconds), ..call.failed(ErrorKind::Transient) })
        }
        Some(Fault::After(kind)) => {
            done.await?;
            Err(call.failed(kind))
        }
        Some(Fault::Calls(callback)) => {
            done.await?;
            callback();
            Err(call.failed(ErrorKind::Other))
        }
        Some(Fault::Hangs) => std::future::pending().await,
        _ => done.await,
    }
}

/// The object with no more than the first so many bytes of its body, and `end` after them.
fn cut(object: Object, length: usize, end: Option<StoreError>) -> Object {
    let mut left = length;
    let body = object.body.map(move |chunk| {
        chunk.map(|mut bytes| {
            bytes.truncate(left);
            left -= bytes.len();
            bytes
        })
    });
    Object { body: body.chain(stream::iter(end.map(Err))).boxed(), ..object }
}

impl<S: ObjectStore + ?Sized> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "faults around {:?}", self.inner)
    }
}

#[async_trait]
impl<S: ObjectStore + ?Sized> ObjectStore for FaultyStore<S> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    async fn now(&self) -> Result<Timestamp> {
        self.read("now", &"the clock", self.inner.now()).await
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.read("buckets", &"all", self.inner.buckets()).await
    }

    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        self.read("bucket_exists", bucket, self.inner.bucket_exists(bucket)).await
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.write("create_bucket", bucket, self.inner.create_bucket(bucket)).await
    }

    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        self.read("bucket_settings", bucket, self.inner.bucket_settings(bucket)).await
    }

    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        let (call, fault) = self.called("list", bucket, None);
        match fault {
            Some(Fault::Shuffled) => shuffled(self.inner.list(bucket, options)),
            fault => broken(&call, fault, self.inner.list(bucket, options)),
        }
    }

    async fn head(&self, at: &Address) -> Result<ObjectHead> {
        self.read("head", at, self.inner.head(at)).await
    }

    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object> {
        let (call, fault) = self.called("get", at, None);
        let object = strike(&call, fault.clone(), self.inner.get(at, options)).await?;
        let length = usize::try_from(object.range.end - object.range.start).unwrap_or(usize::MAX);
        Ok(match fault {
            Some(Fault::Breaks(after, kind)) => cut(object, after, Some(call.failed(kind))),
            Some(Fault::Ends(after)) => cut(object, after, None),
            Some(Fault::Lacks(few)) => cut(object, length.saturating_sub(few), None),
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
        self.write("put", at, self.inner.put(at, body, attributes, precondition)).await
    }

    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        self.write("copy", to, self.inner.copy(from, to, attributes)).await
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        self.write("delete", at, self.inner.delete(at)).await
    }

    /// Each key is a write of its own, so that a fault can fall between any two; one of `delete_many` strikes the first.
    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        if let (_, Some(fault)) = self.called("delete_many", bucket, None) {
            self.fail("delete", fault);
        }
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let at = Address::new(bucket.clone(), key);
            let result = self.delete(&at).await;
            results.push((at.key, result));
        }
        results
    }

    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        self.listing("versions", bucket, self.inner.versions(bucket, prefix))
    }

    async fn delete_version(&self, at: &Address, version: &str) -> Result<()> {
        self.write("delete_version", at, self.inner.delete_version(at, version)).await
    }

    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        self.write("create_upload", at, self.inner.create_upload(at, attributes)).await
    }

    /// A part that is streamed comes here as well.
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
        self.read("list_uploads", bucket, self.inner.list_uploads(bucket, prefix)).await
    }
}
