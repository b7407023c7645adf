//! Tries again what may succeed later, so that no one above has to.
//!
//! Waits grow and are spread at random; what the server asks for is honoured. A listing or a body that breaks goes on
//! where it broke. A write whose first outcome is unknown, and whose repeat finds it done, is decided by looking.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use tokio::time::sleep;

use super::{
    Address, BucketSettings, ByteStream, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead,
    ObjectStore, Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version,
};
use crate::model::{Attributes, BucketName, Key};

mod relist;
mod resume;
#[cfg(test)]
mod tests;

/// How often and how patiently to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, for passing failures.
    pub attempts: u32,
    /// Attempts in all while the store cannot be reached: a wrong address must not take minutes to say so.
    pub unreachable_attempts: u32,
    /// The longest first wait; it doubles with each attempt.
    pub base: Duration,
    pub cap: Duration,
    /// The longest wait that a server may ask for.
    pub longest_asked: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 8,
            unreachable_attempts: 4,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(20),
            longest_asked: Duration::from_secs(300),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after so many failures; `None` where the last one is final.
    fn wait(&self, failures: u32, error: &StoreError) -> Option<Duration> {
        let most = match error.kind {
            ErrorKind::Unreachable => self.unreachable_attempts,
            _ if error.is_retryable() => self.attempts,
            _ => 0,
        };
        if failures >= most {
            return None;
        }
        if failures == 1 && error.retry_after == Some(0) {
            return Some(Duration::ZERO);
        }
        let longest = self.base.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(self.cap);
        // Hosts that failed together must not come back together.
        let spread = longest.mul_f64(rand::random::<f64>());
        let asked = error.retry_after.map_or(Duration::ZERO, Duration::from_millis).min(self.longest_asked);
        Some(spread.max(asked))
    }
}

/// The failures of one operation so far.
#[derive(Debug)]
struct Attempts {
    policy: Arc<RetryPolicy>,
    failures: u32,
}

impl Attempts {
    /// Waits before another attempt, or gives the error back where there is to be none.
    async fn again(&mut self, error: StoreError) -> Result<()> {
        self.failures += 1;
        let Some(wait) = self.policy.wait(self.failures, &error) else { return Err(error) };
        tracing::debug!(%error, failures = self.failures, ?wait, "trying again");
        sleep(wait).await;
        Ok(())
    }

    /// Starts counting anew: something was achieved.
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Passes everything on, and tries again. A clone is the same store.
#[derive(Debug, Clone)]
pub struct RetryStore {
    inner: Arc<dyn ObjectStore>,
    policy: Arc<RetryPolicy>,
}

impl RetryStore {
    pub fn new(inner: Arc<dyn ObjectStore>, policy: RetryPolicy) -> Self {
        Self { inner, policy: Arc::new(policy) }
    }

    fn attempts(&self) -> Attempts {
        Attempts { policy: Arc::clone(&self.policy), failures: 0 }
    }

    async fn repeat<T, F>(&self, mut operation: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut attempts = self.attempts();
        loop {
            match operation().await {
                Ok(done) => return Ok(done),
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    /// Whether the object that a repeated create found is the one that the first attempt wrote.
    async fn holds(&self, at: &Address, body: &Bytes) -> Result<Option<Stored>> {
        let object = self.get(at, GetOptions::default()).await?;
        if object.head.size != body.len() as u64 {
            return Ok(None);
        }
        let mut rest = body.clone();
        let mut pieces = object.body;
        while let Some(piece) = pieces.try_next().await? {
            if !rest.starts_with(&piece) {
                return Ok(None);
            }
            drop(rest.split_to(piece.len()));
        }
        Ok(rest.is_empty().then_some(Stored { etag: object.head.etag }))
    }

    /// Whether the object is the one that the parts make.
    async fn is_made_of(&self, at: &Address, parts: &[UploadedPart]) -> Result<Option<Stored>> {
        let head = self.head(at).await?;
        let size: u64 = parts.iter().map(|part| part.size).sum();
        let expected = joined_etag(parts).filter(|_| self.features().md5_etags);
        let same = head.size == size && expected.is_none_or(|etag| etag == head.etag);
        Ok(same.then_some(Stored { etag: head.etag }))
    }
}

/// The ETag of an object of these parts, where theirs are MD5: the digest of the digests, and their number.
fn joined_etag(parts: &[UploadedPart]) -> Option<String> {
    let mut digests = Vec::with_capacity(16 * parts.len());
    for part in parts {
        let digest = u128::from_str_radix(&part.etag, 16).ok().filter(|_| part.etag.len() == 32)?;
        digests.extend(digest.to_be_bytes());
    }
    Some(format!("{:x}-{}", md5::compute(digests), parts.len()))
}

/// Whether the operation may have been carried out although it failed.
fn is_ambiguous(error: &StoreError) -> bool {
    error.is_retryable() && error.kind != ErrorKind::Unreachable
}

#[async_trait]
impl ObjectStore for RetryStore {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    async fn now(&self) -> Result<Timestamp> {
        self.repeat(|| self.inner.now()).await
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.repeat(|| self.inner.buckets()).await
    }

    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        self.repeat(|| self.inner.bucket_exists(bucket)).await
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.repeat(|| self.inner.create_bucket(bucket)).await
    }

    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        self.repeat(|| self.inner.bucket_settings(bucket)).await
    }

    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        relist::objects(self.clone(), bucket.clone(), options)
    }

    async fn head(&self, at: &Address) -> Result<ObjectHead> {
        self.repeat(|| self.inner.head(at)).await
    }

    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object> {
        let object = self.repeat(|| self.inner.get(at, options.clone())).await?;
        Ok(resume::resumed(self.clone(), at.clone(), object))
    }

    async fn put(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        let mut attempts = self.attempts();
        let mut may_be_ours = false;
        loop {
            match self.inner.put(at, body.clone(), attributes, precondition).await {
                Ok(stored) => return Ok(stored),
                Err(error) if error.kind == ErrorKind::Precondition && may_be_ours => {
                    return self.holds(at, &body).await?.ok_or(error);
                }
                Err(error) => {
                    may_be_ours |= is_ambiguous(&error);
                    attempts.again(error).await?;
                }
            }
        }
    }

    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        self.repeat(|| self.inner.copy(from, to, attributes)).await
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        self.repeat(|| self.inner.delete(at)).await
    }

    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        let mut attempts = self.attempts();
        let mut results = Vec::with_capacity(keys.len());
        let mut pending = keys;
        loop {
            let asked = pending.len();
            let mut failed = Vec::new();
            for (key, result) in self.inner.delete_many(bucket, std::mem::take(&mut pending)).await {
                match result {
                    Err(error) if error.is_retryable() => failed.push((key, error)),
                    result => results.push((key, result)),
                }
            }
            if failed.len() < asked {
                attempts.reset();
            }
            let Some((key, error)) = failed.pop() else { return results };
            pending.extend(failed.iter().map(|(key, _)| key.clone()));
            if let Err(error) = attempts.again(error).await {
                results.push((key, Err(error)));
                results.extend(failed.into_iter().map(|(key, error)| (key, Err(error))));
                return results;
            }
            pending.push(key);
        }
    }

    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        relist::versions(self.clone(), bucket.clone(), prefix)
    }

    async fn delete_version(&self, at: &Address, version: &str) -> Result<()> {
        self.repeat(|| self.inner.delete_version(at, version)).await
    }

    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        self.repeat(|| self.inner.create_upload(at, attributes)).await
    }

    async fn upload_part(&self, upload: &Upload, number: u32, offset: u64, body: Bytes) -> Result<UploadedPart> {
        self.repeat(|| self.inner.upload_part(upload, number, offset, body.clone())).await
    }

    /// Tried once: a stream cannot be read twice. Who made it opens it again.
    async fn stream_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        length: u64,
        body: ByteStream,
    ) -> Result<UploadedPart> {
        self.inner.stream_part(upload, number, offset, length, body).await
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        self.repeat(|| self.inner.copy_part(upload, number, offset, from, range.clone())).await
    }

    /// Ceph answers the repeat of a completion that succeeded not with absence but with a passing failure, for ever.
    async fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        let mut attempts = self.attempts();
        let mut may_be_done = false;
        loop {
            let failure = match self.inner.complete_upload(upload, parts).await {
                Ok(stored) => return Ok(stored),
                Err(error) => error,
            };
            if may_be_done && let Ok(Some(stored)) = self.is_made_of(&upload.at, parts).await {
                return Ok(stored);
            }
            may_be_done |= is_ambiguous(&failure);
            attempts.again(failure).await?;
        }
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        self.repeat(|| self.inner.abort_upload(upload)).await
    }

    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        self.repeat(|| self.inner.list_uploads(bucket, prefix)).await
    }
}
