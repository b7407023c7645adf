//! What an entry holds, asked for key by key: also of an entry whose list was never written, because its run was killed.

use super::bucket::{LONG, TrashBucket, objects};
use super::copying::{Join, proves, state};
use super::error::Result;
use super::objects::ObjectRow;
use crate::model::{BucketName, Key, TrashId};
use crate::store::{Address, ObjectInfo};

/// A copy in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub at: Address,
    pub info: ObjectInfo,
    name: String,
}

impl Copy {
    /// As a line of the list. What the original's ETag and time were, only the run knew that copied it.
    pub fn row(&self, key: &Key) -> ObjectRow {
        let ObjectInfo { size, etag, modified, .. } = self.info.clone();
        ObjectRow { key: key.clone(), size, copy_etag: etag.clone(), etag, modified, name: self.name.clone() }
    }
}

/// The copies of an entry, read as far as the keys that were asked for.
pub struct Copies {
    trash: TrashBucket,
    id: TrashId,
    bucket: BucketName,
    listing: Join,
}

impl Copies {
    /// The copy of an object of this key. Keys must be asked for in order.
    pub async fn find(&mut self, key: &Key) -> Result<Option<Copy>> {
        let name = TrashBucket::name(&self.id, &self.bucket, key);
        let at = self.trash.address(&self.id, &name)?;
        let info = if name.starts_with(LONG) {
            state(&self.trash.store, &at).await?
        } else {
            self.listing.find(at.key.as_str()).await?
        };
        Ok(info.map(|info| Copy { at, info, name }))
    }
}

impl TrashBucket {
    /// What an entry holds of the objects of `bucket`.
    pub fn copies(&self, id: &TrashId, bucket: &BucketName) -> Copies {
        let listing = Join::new(objects(&self.store, &self.bucket, &format!("{id}/{bucket}/")));
        Copies { trash: self.clone(), id: id.clone(), bucket: bucket.clone(), listing }
    }

    /// Whether what is at a place has the bytes of a copy.
    pub async fn is_copied(&self, at: &Address, info: &ObjectInfo, copy: &Copy) -> Result<bool> {
        if info.size != copy.info.size {
            return Ok(false);
        }
        if proves(&self.store, &info.etag) && info.etag == copy.info.etag {
            return Ok(true);
        }
        Ok(super::back::digest(&self.store, at).await? == super::back::digest(&self.store, &copy.at).await?)
    }
}
