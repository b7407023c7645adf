//! The way back: an entry's objects to where they belong, and the end of an entry.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::bucket::objects;
use super::copying::{COPIES, Join, Target, copy_state, prove, proves};
use super::entry::Entry;
use super::error::Result;
use super::moving::{Mover, is_folder_of};
use super::objects::{ObjectRow, RowSpool};
use crate::archive::Hasher;
use crate::model::Key;
use crate::store::{Address, ErrorKind, GetOptions, ObjectInfo, ObjectStore, Version};

/// Objects that are named where there are too many to name.
const NAMED: usize = 5;
const PAGE: usize = 1000;
const DELETES: usize = 32;

/// What the folder of an entry has now, held against the entry.
#[derive(Debug, Clone, Default)]
pub struct Destination {
    /// Objects of the entry that are not there.
    pub missing: u64,
    /// Those that are there already, byte for byte.
    pub same: u64,
    /// Objects that are not the entry's own, and the first of them.
    pub foreign: u64,
    pub named: Vec<String>,
}

impl Destination {
    fn foreign(&mut self, key: &Key) {
        self.foreign += 1;
        if self.named.len() < NAMED {
            self.named.push(key.as_str().escape_debug().to_string());
        }
    }
}

impl Mover<'_> {
    /// Looks at where an entry's objects belong. Of an entry without a folder of its own, what a restore displaced, only
    /// the places of its objects count.
    pub async fn destination(&self, entry: &Entry) -> Result<Destination> {
        let mut found = Destination::default();
        let mut listing = Join::new(objects(&self.trash.store, &entry.bucket, &entry.prefix));
        let has_folder = !entry.prefix.is_empty();
        let mut rows = self.trash.rows(&entry.id).await?;
        while let Some(row) = rows.try_next().await? {
            while has_folder && listing.peek().await?.is_some_and(|info| info.key < row.key) {
                if let Some(info) = listing.take().await?
                    && !is_folder_of(&self.trash, &info.key, &row)
                {
                    found.foreign(&info.key);
                }
            }
            match listing.find(row.key.as_str()).await? {
                None => found.missing += 1,
                Some(info) if self.is_own(entry, &row, &info).await? => found.same += 1,
                Some(info) => found.foreign(&info.key),
            }
        }
        while has_folder && let Some(info) = listing.take().await? {
            found.foreign(&info.key);
        }
        Ok(found)
    }

    /// Whether what is at a row's place has the bytes of the entry's copy.
    async fn is_own(&self, entry: &Entry, row: &ObjectRow, info: &ObjectInfo) -> Result<bool> {
        let store = &self.trash.store;
        if info.size != row.size {
            return Ok(false);
        }
        if proves(store, &info.etag) && info.etag == row.copy_etag {
            return Ok(true);
        }
        // Other digests are other bytes, unless the server encrypts: then they tell nothing.
        let copy = self.trash.address(&entry.id, &row.name)?;
        Ok(digest(store, &entry.place(&row.key)).await? == digest(store, &copy).await?)
    }

    /// Copies every object of an entry in state `restoring` to its place, but for those that are there, and proves all.
    pub async fn copy_back(&self, entry: &Entry) -> Result<()> {
        let store = &self.trash.store;
        let listing = Join::new(objects(store, &entry.bucket, &entry.prefix));
        let rows = self.trash.rows(&entry.id).await?;
        let jobs = stream::try_unfold((rows, listing), |(mut rows, mut listing)| async move {
            let Some(row) = rows.try_next().await? else { return Ok(None) };
            let there = listing.find(row.key.as_str()).await?;
            Ok::<_, super::TrashError>(Some(((row, there), (rows, listing))))
        });
        let copied = jobs.map_ok(|(row, there)| async move {
            if let Some(info) = there
                && self.is_own(entry, &row, &info).await?
            {
                return Ok(ObjectRow { copy_etag: info.etag, ..row });
            }
            let from = self.trash.address(&entry.id, &row.name)?;
            let state = ObjectInfo {
                key: row.key.clone(),
                size: row.size,
                etag: row.copy_etag.clone(),
                modified: row.modified,
            };
            let etag = self.copy_of_entry(&from, &entry.place(&row.key), state).await?;
            Ok(ObjectRow { copy_etag: etag, ..row })
        });
        let mut spool = RowSpool::new(self.spool)?;
        {
            let mut copied = std::pin::pin!(copied.try_buffered(COPIES));
            while let Some(row) = copied.try_next().await? {
                spool.push(&row)?;
                self.progress.advance(1, row.size);
            }
        }
        let restored = objects(store, &entry.bucket, &entry.prefix);
        prove(store, spool.rows()?, restored, |row| Ok(Target::Listed(entry.place(&row.key)))).await
    }

    /// Copies out of the entry. Nobody changes what lies there: a copy that is gone or another is damage.
    async fn copy_of_entry(&self, from: &Address, to: &Address, state: ObjectInfo) -> Result<String> {
        let store = &self.trash.store;
        let (size, etag) = (state.size, state.etag.clone());
        let damaged = |detail: String| super::TrashError::damaged("restore", from.to_string(), detail);
        if !proves(store, &etag) {
            let head = match store.head(from).await {
                Err(error) if error.kind == ErrorKind::NotFound => return Err(damaged("it is missing".to_owned())),
                other => other?,
            };
            if (head.size, &head.etag) != (size, &etag) {
                return Err(damaged(format!("{} bytes with ETag {} are there", head.size, head.etag)));
            }
            return Ok(crate::store::transfer::copy(store, from, to, size, None).await?.etag);
        }
        match copy_state(store, from, to, state).await? {
            Some((copied, answered)) if copied.etag == etag => Ok(answered),
            Some((copied, _)) => Err(damaged(format!("its ETag is {} and not {etag}", copied.etag))),
            None => Err(damaged("it is missing".to_owned())),
        }
    }

    /// Removes everything of an entry, its journal last; where the bucket is versioned, every state of it: what stayed would
    /// belong to no entry. Done again after a crash, it goes on.
    pub async fn empty(&self, entry: &Entry) -> Result<()> {
        let bucket = &self.trash.bucket;
        let mut pages = self.trash.listing(&entry.id).try_chunks(PAGE);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| error.1)?;
            self.ensure_held(entry).await?;
            let bytes = page.iter().map(|info| info.size).sum();
            let count = page.len() as u64;
            self.delete(bucket, page.into_iter().map(|info| info.key).collect()).await?;
            self.progress.advance(count, bytes);
        }
        self.remove_versions(entry).await?;
        self.remove_journal(entry).await
    }

    /// Removes all states of the objects of an entry that a versioned bucket keeps.
    async fn remove_versions(&self, entry: &Entry) -> Result<()> {
        let own = self.trash.journal(&entry.id)?.key;
        let removed = self
            .versions(&format!("{}/", entry.id))
            .try_filter(|version| std::future::ready(version.info.key != own))
            .map_ok(|version| async move {
                let at = Address::new(self.trash.bucket.clone(), version.info.key);
                Ok(self.trash.store.delete_version(&at, &version.id).await?)
            })
            .try_buffer_unordered(DELETES);
        removed.try_collect().await
    }

    /// Removes the journal and its older states, the newest last: none of them must come back to life.
    async fn remove_journal(&self, entry: &Entry) -> Result<()> {
        let at = self.trash.journal(&entry.id)?;
        let states: Vec<Version> = self.versions(at.key.as_str()).try_collect().await?;
        for state in states.iter().rev() {
            self.trash.store.delete_version(&at, &state.id).await?;
        }
        if states.is_empty() { self.trash.forget(&entry.id).await } else { Ok(()) }
    }

    /// All states below a prefix, by key, the newest first; none where the store keeps no versions.
    fn versions(&self, prefix: &str) -> BoxStream<'_, Result<Version>> {
        let store = &self.trash.store;
        if !store.features().versions {
            return stream::empty().boxed();
        }
        let versions = store.versions(&self.trash.bucket, prefix.to_owned());
        let known = versions.take_while(|version| {
            let is_unsupported = version.as_ref().is_err_and(|error| error.kind == ErrorKind::Unsupported);
            std::future::ready(!is_unsupported)
        });
        known.map_err(super::TrashError::from).boxed()
    }
}

pub(super) async fn digest(store: &Arc<dyn ObjectStore>, at: &Address) -> Result<crate::model::Digest> {
    let mut body = store.get(at, GetOptions::default()).await?.body;
    let mut hasher = Hasher::new();
    while let Some(bytes) = body.try_next().await? {
        hasher.update(&bytes);
    }
    Ok(hasher.finish())
}
