//! The trash bucket: where entries, their journals and their marks lie.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt, TryStreamExt};

use super::entry::Entry;
use super::error::{Result, TrashError};
use super::objects::{ObjectRow, read_list};
use crate::archive::sha256;
use crate::model::{Attributes, BucketName, Key, TrashId, key, manifest};
use crate::store::{
    Address, ErrorKind, GetOptions, ListOptions, Listed, ObjectStore, Precondition, StoreError, transfer,
};

/// What dcs keeps beside the entries: locks and marks.
const OWN: &str = ".dcs/";
pub const LOCKS: &str = ".dcs/locks/";
const OPEN: &str = ".dcs/open/";
const ENTRY: &str = "entry.json";
pub(super) const LIST: &str = "objects.tsv.gz";
const LONGEST_JOURNAL: u64 = 1 << 20;
/// Journals read at once.
const READS: usize = 16;

/// The trash of a store.
#[derive(Debug, Clone)]
pub struct TrashBucket {
    pub store: Arc<dyn ObjectStore>,
    pub bucket: BucketName,
}

/// What lies at the top of the trash bucket.
#[derive(Debug)]
pub enum Found {
    Entry(Box<Entry>),
    /// A folder named as an entry whose journal is missing or damaged.
    Broken(TrashId, TrashError),
    /// Something that others put there: a folder, or an object.
    Foreign(String),
}

impl fmt::Display for TrashBucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.store.describe().trim_end_matches('/'), self.bucket)
    }
}

impl TrashBucket {
    /// Where a thing of an entry lies.
    pub(super) fn address(&self, id: &TrashId, name: &str) -> Result<Address> {
        let path = format!("{id}/{name}");
        let key = Key::new(path.clone());
        let key = key.map_err(|error| StoreError::new(ErrorKind::Unaddressable, "address", path).with_source(error))?;
        Ok(Address::new(self.bucket.clone(), key))
    }

    /// The name below the entry: the whole path, or its digest where the path would grow too long.
    pub(super) fn name(id: &TrashId, bucket: &BucketName, key: &Key) -> String {
        let name = format!("{bucket}/{key}");
        if id.as_str().len() + 1 + name.len() <= key::MAX_KEY_BYTES {
            return name;
        }
        format!("{LONG}{}", sha256(key.as_str().as_bytes()))
    }

    /// What an entry is, for people: `http://127.0.0.1:9000/trash/20261120T021500Z-k3x9`.
    pub fn subject(&self, id: &TrashId) -> String {
        format!("{self}/{id}")
    }

    /// Writes the journal: the move has come so far.
    pub async fn save(&self, entry: &Entry) -> Result<()> {
        let text = serde_json::to_vec_pretty(entry)
            .map_err(|error| StoreError::new(ErrorKind::Other, "write", ENTRY).with_source(error))?;
        self.write(&self.address(&entry.id, ENTRY)?, text.into()).await
    }

    /// Reads a journal; `None` where there is none.
    pub async fn load(&self, id: &TrashId) -> Result<Option<Entry>> {
        let Some(bytes) = self.read(&self.address(id, ENTRY)?).await? else { return Ok(None) };
        let subject = || format!("{}/{ENTRY}", self.subject(id));
        let damaged = |error: serde_json::Error| TrashError::damaged("read", subject(), error);
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        if value["format"].as_u64() > Some(u64::from(manifest::FORMAT)) {
            return Err(TrashError::Unsupported { subject: subject() });
        }
        let entry: Entry = serde_json::from_value(value).map_err(damaged)?;
        if entry.id != *id {
            return Err(TrashError::damaged("read", subject(), format!("it is that of {}", entry.id)));
        }
        Ok(Some(entry))
    }

    pub(super) fn journal(&self, id: &TrashId) -> Result<Address> {
        self.address(id, ENTRY)
    }

    /// Removes a journal: the entry is no more.
    pub async fn forget(&self, id: &TrashId) -> Result<()> {
        Ok(self.store.delete(&self.address(id, ENTRY)?).await?)
    }

    /// The entry of this folder that a delete or a restore works on, or was interrupted in.
    pub async fn open_entry(&self, bucket: &BucketName, prefix: &str) -> Result<Option<TrashId>> {
        let at = self.mark(bucket, prefix)?;
        let Some(bytes) = self.read(&at).await? else { return Ok(None) };
        let id = String::from_utf8_lossy(&bytes).trim().parse();
        id.map(Some).map_err(|error| TrashError::damaged("read", at.to_string(), error))
    }

    /// Marks the folder as being worked on.
    pub async fn set_open(&self, entry: &Entry) -> Result<()> {
        self.write(&self.mark(&entry.bucket, &entry.prefix)?, entry.id.to_string().into()).await
    }

    pub async fn clear_open(&self, bucket: &BucketName, prefix: &str) -> Result<()> {
        Ok(self.store.delete(&self.mark(bucket, prefix)?).await?)
    }

    fn mark(&self, bucket: &BucketName, prefix: &str) -> Result<Address> {
        let path = format!("{OPEN}{}", sha256(format!("{bucket}/{prefix}").as_bytes()));
        let key = Key::new(path.clone());
        let key = key.map_err(|error| StoreError::new(ErrorKind::Unaddressable, "address", path).with_source(error))?;
        Ok(Address::new(self.bucket.clone(), key))
    }

    async fn write(&self, at: &Address, bytes: Bytes) -> Result<()> {
        let attributes = Attributes { content_type: Some("application/json".to_owned()), ..Attributes::default() };
        Ok(self.store.put(at, bytes, &attributes, Precondition::Overwrite).await.map(drop)?)
    }

    async fn read(&self, at: &Address) -> Result<Option<Bytes>> {
        match self.store.get(at, GetOptions::default()).await {
            Ok(object) => Ok(Some(transfer::collect(object.body, LONGEST_JOURNAL).await?)),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NoBucket) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The objects of an entry, in the order of their keys.
    pub async fn rows(&self, id: &TrashId) -> Result<BoxStream<'static, Result<ObjectRow>>> {
        let subject = format!("{}/{LIST}", self.subject(id));
        match self.store.get(&self.address(id, LIST)?, GetOptions::default()).await {
            Ok(object) => Ok(read_list(object.body, subject)),
            Err(error) if error.kind == ErrorKind::NotFound => {
                Err(TrashError::damaged("read", subject, "it is missing"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The ids of all entries, in the order of time, from one delimited listing.
    pub fn ids(&self) -> BoxStream<'static, Result<TrashId>> {
        let listing = self.store.list(&self.bucket, ListOptions::default().delimited()).map_err(TrashError::from);
        let ids = listing.try_filter_map(|listed| {
            let id = match &listed {
                Listed::Prefix(prefix) => prefix.as_str().trim_end_matches('/').parse().ok(),
                Listed::Object(_) => None,
            };
            std::future::ready(Ok(id))
        });
        ids.boxed()
    }

    /// The entries that a delete or a restore works on now, or was interrupted in.
    pub async fn open_entries(&self) -> Result<Vec<TrashId>> {
        let mut marks = objects(&self.store, &self.bucket, OPEN);
        let mut ids = Vec::new();
        while let Some(mark) = marks.try_next().await? {
            let at = Address::new(self.bucket.clone(), mark.key);
            let id = self.read(&at).await?.and_then(|bytes| String::from_utf8_lossy(&bytes).trim().parse().ok());
            ids.extend(id);
        }
        Ok(ids)
    }

    /// All that lies in the trash, in the order of time, and what is not dcs's among it. One delimited listing, and one
    /// read an entry.
    pub fn entries(&self) -> impl Stream<Item = Result<Found>> + Send + 'static {
        let this = self.clone();
        let listing = self.store.list(&self.bucket, ListOptions::default().delimited());
        let listing = listing.map_err(TrashError::from).try_filter(|listed| {
            let is_own = matches!(listed, Listed::Prefix(prefix) if prefix.as_str() == OWN);
            std::future::ready(!is_own)
        });
        listing
            .map_ok(move |listed| {
                let this = this.clone();
                async move { this.look_at(listed).await }
            })
            .try_buffered(READS)
            .try_filter_map(|found| std::future::ready(Ok(found)))
    }

    async fn look_at(&self, listed: Listed) -> Result<Option<Found>> {
        let prefix = match listed {
            Listed::Object(info) => return Ok(Some(Found::Foreign(info.key.as_str().to_owned()))),
            Listed::Prefix(prefix) => prefix,
        };
        let Ok(id) = prefix.as_str().trim_end_matches('/').parse::<TrashId>() else {
            return Ok(Some(Found::Foreign(prefix.as_str().to_owned())));
        };
        match self.load(&id).await {
            Ok(Some(entry)) => Ok(Some(Found::Entry(Box::new(entry)))),
            Ok(None) if self.is_emptied(&id).await? => Ok(None),
            Ok(None) => {
                let error = TrashError::damaged("read", format!("{}/{ENTRY}", self.subject(&id)), "it is missing");
                Ok(Some(Found::Broken(id, error)))
            }
            Err(error @ (TrashError::Damaged { .. } | TrashError::Unsupported { .. })) => {
                Ok(Some(Found::Broken(id, error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether nothing is left of an entry but folders, which a run that was killed while it emptied a directory store
    /// leaves, or nothing at all.
    async fn is_emptied(&self, id: &TrashId) -> Result<bool> {
        let posix = self.store.features().posix;
        let mut left = objects(&self.store, &self.bucket, &format!("{id}/"));
        while let Some(info) = left.try_next().await? {
            if !posix || !info.key.as_str().ends_with('/') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All objects of an entry, but not its journal, in the order of their keys.
    pub(super) fn listing(&self, id: &TrashId) -> BoxStream<'static, Result<crate::store::ObjectInfo>> {
        objects(&self.store, &self.bucket, &format!("{id}/"))
            .try_filter(|info| std::future::ready(!info.key.as_str().ends_with(&format!("/{ENTRY}")) || is_below(info)))
            .boxed()
    }
}

/// Whether an object called `entry.json` lies deeper than the journal does.
fn is_below(info: &crate::store::ObjectInfo) -> bool {
    info.key.as_str().matches('/').count() > 1
}

/// Names of objects whose path would be too long.
pub(super) const LONG: &str = ".long/";

/// The objects whose keys begin with `prefix`.
pub(super) fn objects(
    store: &Arc<dyn ObjectStore>,
    bucket: &BucketName,
    prefix: &str,
) -> BoxStream<'static, Result<crate::store::ObjectInfo>> {
    let options = ListOptions { prefix: prefix.to_owned(), ..ListOptions::default() };
    let listing = store.list(bucket, options).map_err(TrashError::from);
    let listing = listing.try_filter_map(|listed| async {
        Ok(match listed {
            Listed::Object(info) => Some(info),
            Listed::Prefix(_) => None,
        })
    });
    listing.boxed()
}
