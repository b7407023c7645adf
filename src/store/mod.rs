//! The shared store layer: one contract, [`ObjectStore`], that S3, directories and memory keep alike.
//!
//! A method is one whole operation. [`transfer`] builds uploads of any length and resumed downloads from them;
//! [`retry`] and [`read_only`] wrap any store.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use jiff::Timestamp;

use crate::model::{Attributes, BucketName, Key, Prefix};

pub mod dir;
pub mod error;
#[cfg(test)]
#[path = "../../tests/support/faulty.rs"]
pub(crate) mod faulty;
pub mod memory;
pub mod read_only;
pub mod retry;
pub mod s3;
pub mod transfer;

pub use error::{ErrorKind, Result, StoreError};

/// Bytes as they come; the first error ends the stream.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Where an object is: a bucket and a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub bucket: BucketName,
    pub key: Key,
}

impl Address {
    pub fn new(bucket: BucketName, key: Key) -> Self {
        Self { bucket, key }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key may hold anything: what is printed must not move the cursor or end the line.
        write!(formatter, "{}/{}", self.bucket, self.key.as_str().escape_debug())
    }
}

/// What a write asks of the place it writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    Overwrite,
    /// Fails with `Precondition` where the key exists, on stores whose [`Features::conditional_put`] says so. Nothing
    /// safe may rest on it: Garage ignores it.
    CreateNew,
}

/// What a listing says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    pub key: Key,
    pub size: u64,
    /// Without quotes. A directory store's is made of size, mtime, ctime and inode.
    pub etag: String,
    pub modified: Timestamp,
}

/// One line of a delimited listing: an object, or all the keys below a common prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    Object(ObjectInfo),
    Prefix(Prefix),
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Any text that keys begin with, not only whole folders.
    pub prefix: String,
    /// Only keys after this one, in bytes.
    pub start_after: Option<String>,
    /// Whether keys with a `/` beyond the prefix are folded into one [`Listed::Prefix`].
    pub delimited: bool,
}

impl ListOptions {
    pub fn prefix(prefix: &Prefix) -> Self {
        Self { prefix: prefix.as_str().to_owned(), ..Self::default() }
    }

    #[must_use]
    pub fn delimited(mut self) -> Self {
        self.delimited = true;
        self
    }

    /// What the key is folded into: itself up to the first `/` beyond the prefix, where the listing is delimited.
    pub fn fold(&self, key: &Key) -> Option<Prefix> {
        let rest = key.as_str().strip_prefix(&self.prefix).filter(|_| self.delimited)?;
        let end = self.prefix.len() + rest.find('/')? + 1;
        Prefix::new(&key.as_str()[..end]).ok()
    }
}

/// What a head says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    pub size: u64,
    pub etag: String,
    pub modified: Timestamp,
    pub attributes: Attributes,
}

/// An opened object. `body` yields exactly `range.end - range.start` bytes or ends in an error; never fewer.
pub struct Object {
    /// Of the whole object, even where a range was asked for.
    pub head: ObjectHead,
    pub range: Range<u64>,
    pub body: ByteStream,
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Object").field("head", &self.head).field("range", &self.range).finish_non_exhaustive()
    }
}

/// Which bytes to get, and of which state of the object.
#[derive(Debug, Clone, Default)]
pub struct GetOptions {
    /// Half open, in bytes; what lies beyond the end is left out. An empty range is a fault of the caller.
    pub range: Option<Range<u64>>,
    /// Fails with `Precondition` where the object has another ETag.
    pub if_match: Option<String>,
}

impl GetOptions {
    /// The bytes to get of an object of `size` bytes; empty at its end where the range lies wholly beyond.
    pub fn range_of(&self, size: u64) -> Range<u64> {
        match &self.range {
            Some(range) => range.start.min(size)..range.end.min(size).max(range.start.min(size)),
            None => 0..size,
        }
    }
}

/// What a write answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub etag: String,
}

/// A multipart upload under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub at: Address,
    pub id: String,
}

/// A part that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPart {
    /// From 1.
    pub number: u32,
    pub etag: String,
    pub size: u64,
}

/// An upload found by [`ObjectStore::list_uploads`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleUpload {
    pub upload: Upload,
    pub started: Option<Timestamp>,
}

/// One state of an object in a versioned bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub info: ObjectInfo,
    pub id: String,
    pub is_latest: bool,
    pub is_delete_marker: bool,
}

/// The ETag of a single put of these bytes, in a store that has [`Features::md5_etags`].
pub fn md5_etag(bytes: &[u8]) -> String {
    format!("{:x}", md5::compute(bytes))
}

/// Where stores differ, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// `CreateNew` is kept.
    pub conditional_put: bool,
    pub versions: bool,
    /// Objects carry POSIX attributes.
    pub posix: bool,
    /// ETags of single puts are the MD5 of the bytes.
    pub md5_etags: bool,
    /// Most bytes in one put, one part or one copy.
    pub largest_put: u64,
    pub smallest_part: u64,
    pub most_parts: u32,
}

/// The settings of a bucket as the store gives them, verbatim, by name (`policy`, `versioning`, `lifecycle`).
pub type BucketSettings = serde_json::Map<String, serde_json::Value>;

/// A store of objects in buckets. Every method may be called from many tasks at once.
///
/// Unless a method says otherwise it may be repeated after an unknown outcome, and fails with `NoBucket`, `Denied`,
/// `Unreachable` or `Transient` as the case is. A key that the store cannot hold is `Unaddressable` and never another key.
#[async_trait]
pub trait ObjectStore: Send + Sync + fmt::Debug {
    /// How a person names the store, without secrets: its URL or its path.
    fn describe(&self) -> String;

    fn features(&self) -> Features;

    /// The store's own clock, in whole seconds at worst: the `Date` header, or the host's clock for a directory.
    async fn now(&self) -> Result<Timestamp>;

    /// All buckets of the store, by name.
    async fn buckets(&self) -> Result<Vec<BucketName>>;

    /// Whether the bucket is there and may be listed. Absence is `false`, lack of rights is `Denied`.
    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool>;

    /// Makes a bucket; one that is there already and is ours is no error.
    async fn create_bucket(&self, bucket: &BucketName) -> Result<()>;

    /// What a bare-metal restore would have to set again. What the store has not is left out.
    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings>;

    /// Lists in key order (bytes) on stores that keep it; a consumer that needs the order checks it. A page is fetched ahead.
    /// An error ends the listing, but for `Unaddressable`, which names one entry that has no key.
    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>>;

    /// Absence is `NotFound`.
    async fn head(&self, at: &Address) -> Result<ObjectHead>;

    /// Opens an object or a range of it. Absence is `NotFound`.
    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object>;

    /// Writes the whole object or nothing visible. The answer's ETag is the one a listing will show.
    async fn put(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored>;

    /// Copies within the store, server-side, with all attributes (or `attributes` instead, where given); at most
    /// [`Features::largest_put`] bytes. Atomic. Absence of the source is `NotFound`.
    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored>;

    /// Removes the current object; in a versioned bucket, puts a delete marker. Absence is no error.
    async fn delete(&self, at: &Address) -> Result<()>;

    /// Removes many; answers one result a key, in no order. Absence is no error. Any number of keys.
    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)>;

    /// All versions and delete markers below a prefix, in key order. `Unsupported` where the store has none.
    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>>;

    /// Removes one version for good.
    async fn delete_version(&self, at: &Address, version: &str) -> Result<()>;

    /// Begins an upload in parts. Nothing is visible until [`Self::complete_upload`]. A repeat begins another.
    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload>;

    /// Stores one part; a repeat replaces it. `offset` is where its bytes lie in the object: parts of an upload have one
    /// size but for the last.
    async fn upload_part(&self, upload: &Upload, number: u32, offset: u64, body: Bytes) -> Result<UploadedPart>;

    /// Like [`Self::upload_part`], for a part too large for memory: `length` bytes of a stream, which can be sent only
    /// once. Stores without a way to stream read it whole.
    async fn stream_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        length: u64,
        body: ByteStream,
    ) -> Result<UploadedPart> {
        let body = transfer::collect(body, length).await?;
        self.upload_part(upload, number, offset, body).await
    }

    /// Stores a range of an object of this store as one part, server-side.
    async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart>;

    /// Makes the object of the parts visible at once. After an unknown outcome a repeat may be `NotFound`, the upload
    /// being used up: then look at the object.
    async fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored>;

    /// Drops an upload and its parts. Absence is no error.
    async fn abort_upload(&self, upload: &Upload) -> Result<()>;

    /// Uploads that were begun and neither completed nor aborted.
    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>>;
}
