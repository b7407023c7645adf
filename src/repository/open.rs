//! Making and opening a repository, and reading and writing its small objects.
//!
//! A bucket is a repository once `repository.json` is in it, which [`Repository::init`] writes last. What is neither a
//! repository nor empty is never made one: it would mix backups with what they are of.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{ErrorKind, RepositoryError, Result};
use super::{layout, recovery};
use crate::model::manifest::FORMAT;
use crate::model::{Attributes, BucketName, Key, Prefix, format, id};
use crate::store::{self, Address, GetOptions, ListOptions, Listed, ObjectStore, Precondition, StoreError};

/// Keys of the layout are shorter than 600 bytes; what comes before them has the rest.
const LONGEST_PREFIX: usize = 400;
/// Most bytes of an object that is read whole. A manifest of ten million objects has less than a tenth of it.
const LARGEST_SMALL_OBJECT: u64 = 64 << 20;

/// A repository that was found, or made.
#[derive(Debug, Clone)]
pub struct Repository {
    pub store: Arc<dyn ObjectStore>,
    pub bucket: BucketName,
    pub prefix: Prefix,
    /// Random; tells one repository from another by the same name.
    pub id: String,
}

/// `repository.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    format: u32,
    id: String,
    created_at: Timestamp,
}

/// Whether [`Repository::init`] made the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialised {
    Made,
    /// It was there already, and nothing was changed.
    Found,
}

impl Repository {
    /// Makes a repository, and its bucket where there is none. An existing repository is opened and left as it is.
    /// After a crash the bucket is no repository yet, and a repeat finishes it.
    pub async fn init(store: Arc<dyn ObjectStore>, bucket: BucketName, prefix: Prefix) -> Result<(Self, Initialised)> {
        let mut repository = Self::unopened(store, bucket, prefix)?;
        let subject = repository.describe();
        let failed = |error| RepositoryError::from_store(error, "make repository", subject.clone());
        if !repository.store.bucket_exists(&repository.bucket).await.map_err(failed)? {
            repository.store.create_bucket(&repository.bucket).await.map_err(failed)?;
        }
        if let Some(identity) = repository.identity().await? {
            repository.id = identity.id;
            return Ok((repository, Initialised::Found));
        }
        repository.refuse_foreign_contents().await?;
        let identity = Identity { format: FORMAT, id: id::random_name(), created_at: repository.now().await? };
        repository.put(&layout::readme(), recovery::readme().into(), Precondition::Overwrite).await?;
        let written = repository.put_json(&layout::repository(), &identity, Precondition::CreateNew).await;
        // Another run may have made it at the same moment: what lies there now decides, whoever wrote it.
        match (repository.identity().await?, written) {
            (Some(found), _) => repository.id = found.id,
            (None, Err(error)) => return Err(error),
            (None, Ok(())) => return Err(repository.not_a_repository("repository.json vanished after it was written")),
        }
        Ok((repository, Initialised::Made))
    }

    /// Says what [`Self::init`] would do; changes nothing.
    pub async fn would_init(
        store: Arc<dyn ObjectStore>,
        bucket: BucketName,
        prefix: Prefix,
    ) -> Result<(Self, Initialised)> {
        let repository = Self::unopened(store, bucket, prefix)?;
        let initialised = match repository.identity().await {
            Ok(Some(_)) => Initialised::Found,
            Ok(None) => {
                repository.refuse_foreign_contents().await?;
                Initialised::Made
            }
            // There is no bucket yet.
            Err(error) if error.kind == ErrorKind::NotARepository => Initialised::Made,
            Err(error) => return Err(error),
        };
        Ok((repository, initialised))
    }

    /// Opens a repository that exists.
    pub async fn open(store: Arc<dyn ObjectStore>, bucket: BucketName, prefix: Prefix) -> Result<Self> {
        let mut repository = Self::unopened(store, bucket, prefix)?;
        let identity = repository.identity().await?;
        let identity = identity.ok_or_else(|| repository.not_a_repository("repository.json is missing"))?;
        repository.id = identity.id;
        Ok(repository)
    }

    /// Takes a repository to be where it is said to be, for reading one thing with few requests. What is not found is to be
    /// explained by [`Self::open`].
    pub fn assumed(store: Arc<dyn ObjectStore>, bucket: BucketName, prefix: Prefix) -> Result<Self> {
        Self::unopened(store, bucket, prefix)
    }

    fn unopened(store: Arc<dyn ObjectStore>, bucket: BucketName, prefix: Prefix) -> Result<Self> {
        let repository = Self { store, bucket, prefix, id: String::new() };
        if repository.prefix.as_str().len() > LONGEST_PREFIX {
            let error = RepositoryError::new(ErrorKind::Refused, "open repository", repository.describe());
            return Err(error.with_detail(format!("its prefix is longer than {LONGEST_PREFIX} bytes")));
        }
        Ok(repository)
    }

    /// The repository as a person names it: store, bucket and prefix.
    pub fn describe(&self) -> String {
        format!("{}/{}/{}", self.store.describe().trim_end_matches('/'), self.bucket, self.prefix)
            .trim_end_matches('/')
            .to_owned()
    }

    /// Where a path of the layout, or of a manifest, lies in the bucket.
    pub fn address(&self, path: &Key) -> Result<Address> {
        let key = self.prefix.key(path.as_str()).map_err(|error| {
            RepositoryError::new(ErrorKind::Refused, "address", path.as_str().escape_debug().to_string())
                .with_source(error)
        })?;
        Ok(Address::new(self.bucket.clone(), key))
    }

    /// A path from the root of the repository, of a key in the bucket.
    pub fn path(&self, key: &Key) -> Option<Key> {
        key.as_str().strip_prefix(self.prefix.as_str()).and_then(|path| Key::new(path).ok())
    }

    /// Reads a small object whole. Absence is `None`.
    pub async fn get(&self, path: &Key) -> Result<Option<Bytes>> {
        let failed = |error| RepositoryError::from_store(error, "read", path.as_str());
        let object = match self.store.get(&self.address(path)?, GetOptions::default()).await {
            Ok(object) => object,
            Err(error) if error.kind == store::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if object.head.size > LARGEST_SMALL_OBJECT {
            let error = RepositoryError::new(ErrorKind::Damaged, "read", path.as_str());
            return Err(error.with_detail(format!("it has {} bytes, more than any such object", object.head.size)));
        }
        let body = object.body.try_fold(BytesMut::new(), |mut all, bytes| async move {
            all.extend_from_slice(&bytes);
            Ok(all)
        });
        Ok(Some(body.await.map_err(failed)?.freeze()))
    }

    /// Reads a small JSON object. Absence is `None`; what cannot be read as `T` is `Damaged`.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &Key) -> Result<Option<T>> {
        let Some(bytes) = self.get(path).await? else { return Ok(None) };
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_source(error))?;
        Ok(Some(value))
    }

    /// Writes a small object whole.
    pub async fn put(&self, path: &Key, body: Bytes, precondition: Precondition) -> Result<()> {
        let content_type = content_type(path);
        let attributes = Attributes { content_type: Some(content_type.to_owned()), ..Attributes::default() };
        let stored = self.store.put(&self.address(path)?, body, &attributes, precondition).await;
        stored.map(drop).map_err(|error| RepositoryError::from_store(error, "write", path.as_str()))
    }

    /// Writes a small JSON object, indented: it is read by people too.
    pub async fn put_json<T: Serialize + Sync>(&self, path: &Key, value: &T, precondition: Precondition) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value)
            .map_err(|error| RepositoryError::new(ErrorKind::Source, "write", path.as_str()).with_source(error))?;
        text.push(b'\n');
        self.put(path, text.into(), precondition).await
    }

    /// The store's clock, which orders backups.
    pub async fn now(&self) -> Result<Timestamp> {
        self.store.now().await.map_err(|error| RepositoryError::from_store(error, "ask the time of", self.describe()))
    }

    /// The store's clock, and how far the host's is from it.
    pub async fn clock(&self) -> Result<Clock> {
        let before = Timestamp::now();
        let store = self.now().await?;
        let after = Timestamp::now();
        // Anything between the two readings may be the moment the store answered for: the nearest counts.
        let ahead = if store < before {
            before.duration_since(store)
        } else if store > after {
            after.duration_since(store)
        } else {
            SignedDuration::ZERO
        };
        Ok(Clock { store, host_ahead: ahead })
    }

    /// Reads `repository.json`. `None` where it, or the bucket, is missing.
    async fn identity(&self) -> Result<Option<Identity>> {
        let bytes = match self.get(&layout::repository()).await {
            Err(error) if error.store_error().is_some_and(|cause| cause.kind == store::ErrorKind::NoBucket) => {
                return Err(self.not_a_repository("there is no such bucket"));
            }
            other => other?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        check_format(&bytes, &layout::repository())?;
        let identity = serde_json::from_slice(&bytes).map_err(|error| {
            RepositoryError::new(ErrorKind::Damaged, "read", format!("repository.json of {}", self.describe()))
                .with_source(error)
        })?;
        Ok(Some(identity))
    }

    async fn refuse_foreign_contents(&self) -> Result<()> {
        let mut listing = self.store.list(&self.bucket, ListOptions::prefix(&self.prefix).delimited());
        while let Some(listed) = listing.next().await {
            let listed = listed
                .map_err(|error: StoreError| RepositoryError::from_store(error, "make repository", self.describe()))?;
            let name = match &listed {
                Listed::Object(object) => object.key.as_str(),
                Listed::Prefix(prefix) => prefix.as_str(),
            };
            let name = name.strip_prefix(self.prefix.as_str()).unwrap_or(name);
            if !layout::ROOT_NAMES.contains(&name) {
                let error = RepositoryError::new(ErrorKind::Refused, "make repository", self.describe());
                return Err(error.with_detail(format!("it holds something else: {}", name.escape_debug())));
            }
        }
        Ok(())
    }

    fn not_a_repository(&self, detail: &str) -> RepositoryError {
        RepositoryError::new(ErrorKind::NotARepository, "open", self.describe()).with_detail(detail)
    }
}

pub(super) fn content_type(path: &Key) -> &'static str {
    match path.as_str().rsplit('.').next() {
        Some("json") => "application/json",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        Some("txt" | "sql" | "SHA256SUMS") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Refuses what a newer dcs wrote, before its fields are looked at.
pub(super) fn check_format(bytes: &[u8], path: &Key) -> Result<()> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let versioned: Versioned = serde_json::from_slice(bytes)
        .map_err(|error| RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_source(error))?;
    if versioned.format > FORMAT {
        let detail = format!("its format is {}, this dcs knows up to {FORMAT}", versioned.format);
        return Err(RepositoryError::new(ErrorKind::Unsupported, "read", path.as_str()).with_detail(detail));
    }
    Ok(())
}

/// What the two clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub store: Timestamp,
    /// Negative where the host's clock is behind.
    pub host_ahead: SignedDuration,
}

impl Clock {
    /// From here on a run says that the clocks differ.
    pub const WARN: SignedDuration = SignedDuration::from_mins(2);
    /// From here on nothing is written: signatures, ages and names would be wrong.
    pub const REFUSE: SignedDuration = SignedDuration::from_mins(15);

    /// Whether the clocks differ enough to be told.
    pub fn is_off(&self) -> bool {
        self.host_ahead.abs() >= Self::WARN
    }

    /// Where the host's clock is, as seen from the store: `16 minutes behind`.
    pub fn difference(&self) -> String {
        let side = if self.host_ahead.is_negative() { "behind" } else { "ahead of" };
        format!("{} {side}", format::count(self.host_ahead.abs().as_mins().unsigned_abs(), "minute"))
    }

    /// Fails with `Clock` where they differ too much.
    pub fn check(&self, repository: &Repository) -> Result<()> {
        if self.host_ahead.abs() < Self::REFUSE {
            return Ok(());
        }
        let error = RepositoryError::new(ErrorKind::Clock, "write to", repository.describe());
        Err(error.with_detail(format!("this host is {} it", self.difference())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn place() -> (Arc<dyn ObjectStore>, BucketName, Prefix) {
        (Arc::new(MemoryStore::new()), BucketName::new("vault").unwrap(), Prefix::new("nightly/").unwrap())
    }

    #[tokio::test]
    async fn a_repository_is_made_once_and_found_again() {
        let (store, bucket, prefix) = place();
        let (made, first) = Repository::init(store.clone(), bucket.clone(), prefix.clone()).await.unwrap();
        let (found, second) = Repository::init(store.clone(), bucket.clone(), prefix.clone()).await.unwrap();
        assert_eq!((first, second), (Initialised::Made, Initialised::Found));
        let opened = Repository::open(store, bucket, prefix).await.unwrap();
        assert!(made.id == found.id && found.id == opened.id && !made.id.is_empty());
    }

    #[tokio::test]
    async fn a_bucket_that_holds_something_else_is_not_made_a_repository() {
        let (store, bucket, prefix) = place();
        store.create_bucket(&bucket).await.unwrap();
        let at = Address::new(bucket.clone(), Key::new("nightly/books/1").unwrap());
        store.put(&at, Bytes::new(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
        let error = Repository::init(store.clone(), bucket.clone(), prefix).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.to_string().contains("books/"), "{error}");
        let beside = Prefix::new("other/").unwrap();
        assert!(Repository::init(store, bucket, beside).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_repository_is_told_from_what_a_newer_dcs_made() {
        let (store, bucket, prefix) = place();
        let open = || Repository::open(store.clone(), bucket.clone(), prefix.clone());
        assert_eq!(open().await.unwrap_err().kind, ErrorKind::NotARepository);
        let (repository, _) = Repository::init(store.clone(), bucket.clone(), prefix.clone()).await.unwrap();
        let newer = Bytes::from_static(br#"{"format": 2, "shape": "another"}"#);
        repository.put(&layout::repository(), newer, Precondition::Overwrite).await.unwrap();
        assert_eq!(open().await.unwrap_err().kind, ErrorKind::Unsupported);
        repository.put(&layout::repository(), Bytes::from_static(b"{"), Precondition::Overwrite).await.unwrap();
        assert_eq!(open().await.unwrap_err().kind, ErrorKind::Damaged);
    }

    #[tokio::test]
    async fn clocks_two_minutes_apart_are_told_and_fifteen_are_refused() {
        let (store, bucket, prefix) = place();
        let (repository, _) = Repository::init(store, bucket, prefix).await.unwrap();
        let clock = |host_ahead| Clock { store: Timestamp::UNIX_EPOCH, host_ahead };
        assert!(!repository.clock().await.unwrap().is_off());
        assert!(clock(SignedDuration::from_mins(-3)).is_off());
        assert!(clock(SignedDuration::from_mins(-3)).check(&repository).is_ok());
        assert_eq!(clock(SignedDuration::from_mins(3)).difference(), "3 minutes ahead of");
        let refused = clock(SignedDuration::from_mins(-20)).check(&repository).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Clock);
        assert!(refused.to_string().contains("20 minutes behind"), "{refused}");
    }
}
