//! A folder as a store: a bucket is a folder of the root, an object is a file, or a link, or an empty folder.
//!
//! Writes are atomic and durable, listings come in key order, and no key reaches outside its bucket. What is in a user's
//! folder is listed as it is; what has no key (a name that is not UTF-8) is an `Unaddressable` error in the listing,
//! which goes on after it. Links are objects without bytes and never followed. Hard links and locks are not needed, so
//! a network file system will do. There are no versions, and a precondition is looked at, not enforced against a race.

use std::fmt::Display;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;

use super::{
    Address, BucketSettings, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead, ObjectStore,
    Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version,
};
use crate::model::{Attributes, BucketName, Key};
use fault::{Fault, Result as FaultResult};
use files::{Files, Source};
use status::Kind;

pub use status::changed_at;

mod aside;
mod attributes;
mod fault;
mod files;
mod names;
mod read;
mod status;
mod tree;
mod uploads;
mod walk;
mod workspace;

#[cfg(test)]
mod tests;

/// Says that dcs made the store, and that all in it is dcs's own.
const MARKER: &str = ".dcs/store.json";
const MARKER_TEXT: &str = "{\"format\":1}\n";

/// Deletes that run at once.
const DELETERS: usize = 8;

/// A store in a folder. A clone is the same store.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    files: Arc<Files>,
}

impl DirectoryStore {
    /// Opens a folder that is there; changes nothing.
    pub fn open(root: PathBuf) -> Result<Self> {
        let made_by_dcs = root.join(MARKER).is_file();
        let files = Arc::new(Files::new(root, made_by_dcs));
        files.root().map_err(|fault| fault.of("open", files.path.display().to_string()))?;
        Ok(Self { files })
    }

    /// Makes a folder a store of dcs's own, and the folder too if its parent is there. A repeat changes nothing.
    pub fn create(root: PathBuf) -> Result<Self> {
        let fail = |error: io::Error| StoreError::from_io(error, "create", root.display().to_string());
        for folder in [&root, &root.join(".dcs")] {
            match fs::DirBuilder::new().create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
                _ => {}
            }
        }
        if !root.join(MARKER).is_file() {
            fs::write(root.join(MARKER), MARKER_TEXT).map_err(fail)?;
        }
        Self::open(root)
    }

    /// Whether a folder is absent or empty, as it is where nothing is mounted.
    pub fn is_empty_mount_point(root: &Path) -> Result<bool> {
        match fs::read_dir(root) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(StoreError::from_io(error, "read", root.display().to_string())),
        }
    }

    /// Runs an operation on a blocking thread and says what it was if it fails.
    async fn run<T: Send + 'static>(
        &self,
        attempted: &'static str,
        what: &(dyn Display + Sync),
        operation: impl FnOnce(&Files) -> FaultResult<T> + Send + 'static,
    ) -> Result<T> {
        let subject = self.files.subject(&what);
        let files = Arc::clone(&self.files);
        match tokio::task::spawn_blocking(move || operation(&files)).await {
            Ok(done) => done.map_err(|fault| fault.of(attempted, subject)),
            Err(error) => Err(StoreError::new(ErrorKind::Other, attempted, subject).with_source(error)),
        }
    }

    fn no_versions(&self, attempted: &'static str, what: &dyn Display) -> StoreError {
        StoreError::new(ErrorKind::Unsupported, attempted, self.files.subject(&what))
            .with_detail("a directory has no versions")
    }
}

fn head_of(source: &Source) -> ObjectHead {
    let status = &source.opened.status;
    ObjectHead {
        size: status.size(),
        etag: status.etag(),
        modified: status.modified(),
        attributes: source.attributes.clone(),
    }
}

fn get(files: &Files, at: &Address, options: &GetOptions) -> FaultResult<Object> {
    let source = files.open(&files.spot(at)?)?;
    let head = head_of(&source);
    if options.if_match.as_ref().is_some_and(|etag| *etag != head.etag) {
        return Err(Fault::told(ErrorKind::Precondition, "the object has another ETag"));
    }
    let range = options.range_of(head.size);
    let body = match source.opened.status.kind {
        Kind::File => source.opened.body(range.clone())?,
        _ => stream::empty().boxed(),
    };
    Ok(Object { head, range, body })
}

#[async_trait]
impl ObjectStore for DirectoryStore {
    fn describe(&self) -> String {
        self.files.path.display().to_string()
    }

    fn features(&self) -> Features {
        Features {
            // Without hard links there is no rename that refuses an existing file on every file system.
            conditional_put: false,
            versions: false,
            posix: true,
            md5_etags: false,
            largest_put: i64::MAX as u64,
            smallest_part: 1,
            most_parts: u32::MAX,
        }
    }

    async fn now(&self) -> Result<Timestamp> {
        Ok(Timestamp::now())
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.run("list buckets of", &"", Files::buckets).await
    }

    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        let name = bucket.clone();
        let opened = self.run("look for", bucket, move |files| files.bucket(&files.root()?, &name)).await;
        match opened {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::NoBucket => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        let name = bucket.clone();
        self.run("create bucket", bucket, move |files| files.create_bucket(&name)).await
    }

    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        let name = bucket.clone();
        self.run("read settings of", bucket, move |files| {
            files.bucket(&files.root()?, &name)?;
            Ok(BucketSettings::new())
        })
        .await
    }

    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        let files = Arc::clone(&self.files);
        let bucket = bucket.clone();
        let subject = files.subject(&bucket);
        walk::list(subject.clone(), options, move || {
            let opened = files.root().and_then(|root| files.bucket(&root, &bucket));
            opened.map_err(|fault| fault.of("list", subject))
        })
    }

    async fn head(&self, at: &Address) -> Result<ObjectHead> {
        let address = at.clone();
        self.run("look at", at, move |files| Ok(head_of(&files.open(&files.spot(&address)?)?))).await
    }

    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object> {
        let address = at.clone();
        self.run("get", at, move |files| get(files, &address, &options)).await
    }

    async fn put(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        let (address, attributes) = (at.clone(), attributes.clone());
        self.run("put", at, move |files| files.put(&address, &body, &attributes, precondition)).await
    }

    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        let (source, target, attributes) = (from.clone(), to.clone(), attributes.cloned());
        self.run("copy", from, move |files| files.copy(&source, &target, attributes.as_ref())).await
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        let address = at.clone();
        self.run("delete", at, move |files| files.remove(&files.spot_to_write(&address)?, true)).await
    }

    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        let size = keys.len().div_ceil(DELETERS).max(1);
        let name = bucket;
        let removals = keys.chunks(size).map(|keys| async move {
            let (bucket, mine) = (name.clone(), keys.to_vec());
            let removed = self.run("delete", name, move |files| Ok(files.remove_all(&bucket, mine))).await;
            (keys, removed)
        });
        let mut results = Vec::with_capacity(keys.len());
        for (keys, removed) in join_all(removals).await {
            match removed {
                Ok(removed) => results.extend(removed.into_iter().map(|(key, removed)| {
                    let at = Address::new(bucket.clone(), key);
                    let removed = removed.map_err(|fault| fault.of("delete", self.files.subject(&at)));
                    (at.key, removed)
                })),
                Err(error) => results.extend(keys.iter().map(|key| {
                    let failed = StoreError::new(error.kind, "delete", self.files.subject(bucket));
                    (key.clone(), Err(failed.with_detail(error.to_string())))
                })),
            }
        }
        results
    }

    fn versions(&self, bucket: &BucketName, _: String) -> BoxStream<'static, Result<Version>> {
        stream::iter([Err(self.no_versions("list versions of", bucket))]).boxed()
    }

    async fn delete_version(&self, at: &Address, _: &str) -> Result<()> {
        Err(self.no_versions("delete version of", at))
    }

    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        let (address, attributes) = (at.clone(), attributes.clone());
        self.run("create upload of", at, move |files| files.create_upload(&address, &attributes)).await
    }

    async fn upload_part(&self, upload: &Upload, number: u32, offset: u64, body: Bytes) -> Result<UploadedPart> {
        let target = upload.clone();
        self.run("upload part of", &upload.at, move |files| files.upload_part(&target, number, offset, &body)).await
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        let (target, source) = (upload.clone(), from.clone());
        self.run("copy part of", from, move |files| files.copy_part(&target, number, offset, &source, range)).await
    }

    async fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        let (target, parts) = (upload.clone(), parts.to_vec());
        self.run("complete upload of", &upload.at, move |files| files.complete_upload(&target, &parts)).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        let target = upload.clone();
        self.run("abort upload of", &upload.at, move |files| files.abort_upload(&target)).await
    }

    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        let (name, prefix) = (bucket.clone(), prefix.to_owned());
        self.run("list uploads of", bucket, move |files| files.list_uploads(&name, &prefix)).await
    }
}
