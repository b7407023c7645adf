//! A store in memory, for tests and dry runs: keeps the whole contract, nothing outlives the process.
//!
//! It answers as S3 does: MD5 ETags, versions where a bucket has them switched on, limits where the features set some.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream};
use jiff::{SignedDuration, Timestamp};

use super::{
    Address, BucketSettings, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead, ObjectStore,
    Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version, md5_etag,
};
use crate::model::{Attributes, BucketName, Key};
use bucket::{Bucket, Content};

mod bucket;

const PAGE: usize = 1000;
const FEATURES: Features = Features {
    conditional_put: true,
    versions: true,
    posix: false,
    md5_etags: true,
    largest_put: 5 << 30,
    smallest_part: 1,
    most_parts: 10_000,
};

/// Objects in memory. A clone is the same store.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    features: Features,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    buckets: BTreeMap<BucketName, Bucket>,
    uploads: BTreeMap<String, Pending>,
    uploads_begun: u64,
    ahead: SignedDuration,
}

#[derive(Debug)]
struct Pending {
    at: Address,
    attributes: Attributes,
    started: Timestamp,
    parts: BTreeMap<u32, Part>,
}

#[derive(Debug)]
struct Part {
    offset: u64,
    body: Bytes,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::with_features(FEATURES)
    }

    /// Makes a store that behaves as `features` say: without conditional puts, or with smaller limits.
    pub fn with_features(features: Features) -> Self {
        Self { features, shared: Arc::default() }
    }

    /// Switches versioning of a bucket that exists; states that are there stay.
    pub fn set_versioned(&self, bucket: &BucketName, versioned: bool) {
        if let Some(bucket) = self.lock().buckets.get_mut(bucket) {
            bucket.versioned = versioned;
        }
    }

    /// Moves the store's clock ahead of the host's.
    pub fn advance_clock(&self, by: SignedDuration) {
        let mut shared = self.lock();
        shared.ahead = shared.ahead.saturating_add(by);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // No state is left half changed by a panic: each method changes it in one step.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, at: &Address, content: Content, attempted: &'static str) -> Result<Stored> {
        let mut shared = self.lock();
        let now = shared.now();
        let stored = Stored { etag: content.etag.clone() };
        shared.bucket_mut(&at.bucket, attempted)?.write(&at.key, content, now);
        Ok(stored)
    }

    fn check_size(&self, size: usize, attempted: &'static str, at: &Address) -> Result<()> {
        if size as u64 <= self.features.largest_put {
            return Ok(());
        }
        Err(StoreError::new(ErrorKind::Other, attempted, at.to_string()).with_detail("EntityTooLarge"))
    }

    fn store_part(&self, upload: &Upload, number: u32, offset: u64, body: Bytes) -> Result<UploadedPart> {
        self.check_size(body.len(), "upload part of", &upload.at)?;
        if number == 0 || number > self.features.most_parts {
            return Err(invalid("upload part of", &upload.at, "no such part number"));
        }
        let mut shared = self.lock();
        let pending = shared.uploads.get_mut(&upload.id).filter(|pending| pending.at == upload.at);
        let pending = pending.ok_or_else(|| no_upload("upload part of", upload))?;
        let part = UploadedPart { number, etag: md5_etag(&body), size: body.len() as u64 };
        pending.parts.insert(number, Part { offset, body });
        Ok(part)
    }

    /// Puts the parts together, or says what is wrong with them.
    fn assemble(&self, pending: &Pending, parts: &[UploadedPart]) -> Result<Content> {
        let wrong = |detail: &str| invalid("complete upload of", &pending.at, detail);
        if parts.is_empty() {
            return Err(wrong("an upload needs a part"));
        }
        let mut body = BytesMut::new();
        let mut digests = Vec::new();
        let mut last = 0;
        for (position, named) in parts.iter().enumerate() {
            let part = pending.parts.get(&named.number).ok_or_else(|| wrong("a part was never uploaded"))?;
            if named.number <= last || md5_etag(&part.body) != named.etag || part.body.len() as u64 != named.size {
                return Err(wrong("a part is out of order, or not the one that was uploaded"));
            }
            if position + 1 < parts.len() && named.size < self.features.smallest_part {
                return Err(wrong("EntityTooSmall"));
            }
            if part.offset != body.len() as u64 {
                return Err(wrong("the parts do not join"));
            }
            last = named.number;
            digests.extend_from_slice(&md5::compute(&part.body).0);
            body.extend_from_slice(&part.body);
        }
        let etag = format!("{}-{}", md5_etag(&digests), parts.len());
        Ok(Content { body: body.freeze(), etag, attributes: pending.attributes.clone() })
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        Timestamp::now().checked_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    fn bucket(&self, name: &BucketName, attempted: &'static str) -> Result<&Bucket> {
        self.buckets.get(name).ok_or_else(|| no_bucket(attempted, name))
    }

    fn bucket_mut(&mut self, name: &BucketName, attempted: &'static str) -> Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(|| no_bucket(attempted, name))
    }

    fn content(&self, at: &Address, attempted: &'static str) -> Result<(Content, ObjectHead)> {
        let found = self.bucket(&at.bucket, attempted)?.current(&at.key);
        let (content, head) = found.ok_or_else(|| StoreError::new(ErrorKind::NotFound, attempted, at.to_string()))?;
        Ok((content.clone(), head))
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn features(&self) -> Features {
        self.features.clone()
    }

    async fn now(&self) -> Result<Timestamp> {
        Ok(self.lock().now())
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        Ok(self.lock().buckets.keys().cloned().collect())
    }

    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        Ok(self.lock().buckets.contains_key(bucket))
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.lock().buckets.entry(bucket.clone()).or_default();
        Ok(())
    }

    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        let mut settings = BucketSettings::new();
        if self.lock().bucket(bucket, "read settings of")?.versioned {
            settings.insert("versioning".to_owned(), "Enabled".into());
        }
        Ok(settings)
    }

    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        let store = self.clone();
        let bucket = bucket.clone();
        let from = Some(bucket::first(&options));
        let pages = stream::unfold(from, move |from| {
            let page = from.map(|from| Ok(store.lock().bucket(&bucket, "list")?.page(&options, from, PAGE)));
            ready(page.map(|page| match page {
                Ok(page) => (page.lines.into_iter().map(Ok).collect(), page.next),
                Err(error) => (vec![Err(error)], None),
            }))
        });
        pages.flat_map(stream::iter).boxed()
    }

    async fn head(&self, at: &Address) -> Result<ObjectHead> {
        Ok(self.lock().content(at, "look at")?.1)
    }

    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object> {
        let (content, head) = self.lock().content(at, "get")?;
        if options.if_match.as_ref().is_some_and(|etag| *etag != head.etag) {
            return Err(StoreError::new(ErrorKind::Precondition, "get", at.to_string()));
        }
        let range = options.range_of(head.size);
        let body = content.body.slice(index(range.start)..index(range.end));
        let chunks = if body.is_empty() { Vec::new() } else { vec![Ok(body)] };
        Ok(Object { head, range, body: stream::iter(chunks).boxed() })
    }

    async fn put(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        self.check_size(body.len(), "put", at)?;
        let content = Content { etag: md5_etag(&body), body, attributes: held(attributes) };
        let mut shared = self.lock();
        let now = shared.now();
        let bucket = shared.bucket_mut(&at.bucket, "put")?;
        let refuses = precondition == Precondition::CreateNew && self.features.conditional_put;
        if refuses && bucket.current(&at.key).is_some() {
            return Err(StoreError::new(ErrorKind::Precondition, "put", at.to_string()));
        }
        let stored = Stored { etag: content.etag.clone() };
        bucket.write(&at.key, content, now);
        Ok(stored)
    }

    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        let (mut content, _) = self.lock().content(from, "copy")?;
        self.check_size(content.body.len(), "copy", from)?;
        content.etag = md5_etag(&content.body);
        if let Some(attributes) = attributes {
            content.attributes = held(attributes);
        }
        self.write(to, content, "copy to")
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        let mut shared = self.lock();
        let now = shared.now();
        shared.bucket_mut(&at.bucket, "delete")?.delete(&at.key, now);
        Ok(())
    }

    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let result = self.delete(&Address::new(bucket.clone(), key.clone())).await;
            results.push((key, result));
        }
        results
    }

    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        let found = self.lock().bucket(bucket, "list versions of").map(|bucket| bucket.versions(&prefix));
        match found {
            Ok(versions) => stream::iter(versions.into_iter().map(Ok)).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn delete_version(&self, at: &Address, version: &str) -> Result<()> {
        self.lock().bucket_mut(&at.bucket, "delete version of")?.delete_version(&at.key, version);
        Ok(())
    }

    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        let mut shared = self.lock();
        shared.bucket(&at.bucket, "create upload of")?;
        shared.uploads_begun += 1;
        let id = format!("upload-{}", shared.uploads_begun);
        let started = shared.now();
        let pending = Pending { at: at.clone(), attributes: held(attributes), started, parts: BTreeMap::new() };
        shared.uploads.insert(id.clone(), pending);
        Ok(Upload { at: at.clone(), id })
    }

    async fn upload_part(&self, upload: &Upload, number: u32, offset: u64, body: Bytes) -> Result<UploadedPart> {
        self.store_part(upload, number, offset, body)
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        let (content, head) = self.lock().content(from, "copy part of")?;
        if range.is_empty() || range.end > head.size {
            return Err(invalid("copy part of", from, "the range is not within the object"));
        }
        self.store_part(upload, number, offset, content.body.slice(index(range.start)..index(range.end)))
    }

    async fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        let mut shared = self.lock();
        let pending = shared.uploads.get(&upload.id).filter(|pending| pending.at == upload.at);
        let pending = pending.ok_or_else(|| no_upload("complete upload of", upload))?;
        let content = self.assemble(pending, parts)?;
        let now = shared.now();
        let stored = Stored { etag: content.etag.clone() };
        shared.bucket_mut(&upload.at.bucket, "complete upload of")?.write(&upload.at.key, content, now);
        shared.uploads.remove(&upload.id);
        Ok(stored)
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        self.lock().uploads.remove(&upload.id);
        Ok(())
    }

    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        let shared = self.lock();
        shared.bucket(bucket, "list uploads of")?;
        let wanted = |pending: &Pending| pending.at.bucket == *bucket && pending.at.key.as_str().starts_with(prefix);
        let found = shared.uploads.iter().filter(|(_, pending)| wanted(pending));
        Ok(found
            .map(|(id, pending)| StaleUpload {
                upload: Upload { at: pending.at.clone(), id: id.clone() },
                started: Some(pending.started),
            })
            .collect())
    }
}

/// What an S3 server would keep of the attributes.
fn held(attributes: &Attributes) -> Attributes {
    Attributes { posix: None, ..attributes.clone() }
}

fn index(position: u64) -> usize {
    usize::try_from(position).expect("a body in memory has fewer bytes than the address space")
}

fn no_bucket(attempted: &'static str, bucket: &BucketName) -> StoreError {
    StoreError::new(ErrorKind::NoBucket, attempted, bucket.to_string())
}

fn no_upload(attempted: &'static str, upload: &Upload) -> StoreError {
    StoreError::new(ErrorKind::NotFound, attempted, upload.at.to_string()).with_detail("NoSuchUpload")
}

fn invalid(attempted: &'static str, at: &Address, detail: &str) -> StoreError {
    StoreError::new(ErrorKind::Other, attempted, at.to_string()).with_detail(detail)
}
