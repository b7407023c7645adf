//! Copies what a restore will overwrite into the trash, as an entry of its own.
//!
//! An original is overwritten only after [`Displacement::take`] answered for it: the copy is there, of the same size and
//! in the trash for good, whatever happens to the run.

use std::path::Path;

use super::bucket::TrashBucket;
use super::copying::copy_state;
use super::entry::{Entry, EntryState, Maker, Origin};
use super::error::{Result, TrashError};
use super::moving::write_list;
use super::objects::{ObjectRow, RowSpool};
use crate::model::BucketName;
use crate::store::ObjectInfo;

/// An entry that is being filled.
pub struct Displacement {
    trash: TrashBucket,
    entry: Entry,
    rows: RowSpool,
}

impl Displacement {
    /// Begins an entry for objects of `bucket`, as [`Self::prepare`] and [`Self::open`] do.
    pub async fn begin(trash: TrashBucket, bucket: BucketName, spool: &Path, maker: Maker) -> Result<Self> {
        let displacement = Self::prepare(trash, bucket, spool, maker).await?;
        displacement.open().await?;
        Ok(displacement)
    }

    /// Chooses the id of an entry for objects of `bucket`. Nothing is in the trash yet.
    pub async fn prepare(trash: TrashBucket, bucket: BucketName, spool: &Path, maker: Maker) -> Result<Self> {
        let entry = Entry::new(trash.store.now().await?, Origin::Displaced, bucket, "", maker);
        Ok(Self { trash, entry, rows: RowSpool::new(spool)? })
    }

    /// Writes the entry's journal; only then may anything be put in. A crash from here on leaves an entry in state `moving`
    /// that holds copies of what still is, or was, in place.
    pub async fn open(&self) -> Result<()> {
        if !self.trash.store.bucket_exists(&self.trash.bucket).await? {
            self.trash.store.create_bucket(&self.trash.bucket).await?;
        }
        self.trash.save(&self.entry).await
    }

    /// Goes on with an entry whose run was killed. Its rows are to be listed again.
    pub fn resume(trash: TrashBucket, entry: Entry, spool: &Path) -> Result<Self> {
        Ok(Self { trash, entry, rows: RowSpool::new(spool)? })
    }

    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Copies one object into the entry and proves the copy; of one that is gone there is nothing to keep. To be called in
    /// the order of the keys.
    pub async fn take(&mut self, info: &ObjectInfo) -> Result<()> {
        let Some(row) = self.copy(info).await? else { return Ok(()) };
        self.list(&row)
    }

    /// Copies one object into the entry and proves the copy; `None` of one that is gone. The row is to be given to
    /// [`Self::list`], in the order of the keys.
    pub async fn copy(&self, info: &ObjectInfo) -> Result<Option<ObjectRow>> {
        let store = &self.trash.store;
        let from = self.entry.place(&info.key);
        let name = TrashBucket::name(&self.entry.id, &self.entry.bucket, &info.key);
        let to = self.trash.address(&self.entry.id, &name)?;
        let unproven = |detail: String| TrashError::Unproven { subject: from.to_string(), detail };
        let Some((state, copy_etag)) = copy_state(store, &from, &to, info.clone()).await? else { return Ok(None) };
        let head = store.head(&to).await?;
        if head.size != state.size || head.etag != copy_etag {
            return Err(unproven(format!("the copy has {} bytes instead of {}", head.size, state.size)));
        }
        let ObjectInfo { key, size, etag, modified } = state;
        Ok(Some(ObjectRow { key, size, etag, modified, copy_etag, name }))
    }

    /// Puts what was copied on the entry's list.
    pub fn list(&mut self, row: &ObjectRow) -> Result<()> {
        self.rows.push(row)
    }

    /// Writes the list of objects and marks the entry complete.
    pub async fn finish(mut self) -> Result<Entry> {
        write_list(&self.trash, &self.entry.id, &mut self.rows).await?;
        (self.entry.objects, self.entry.bytes) = (self.rows.objects, self.rows.bytes);
        self.entry.state = EntryState::Complete;
        self.trash.save(&self.entry).await?;
        Ok(self.entry)
    }
}
