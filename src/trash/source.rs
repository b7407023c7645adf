//! Where the objects of an entry come from.

use crate::model::{BucketName, Key};
use crate::store::{Address, ErrorKind, ObjectInfo, StoreError};

use super::bucket::TrashBucket;
use super::entry::Entry;
use super::error::Result;

/// The folder that a move empties. Its keys are those of the entry's bucket, behind `base`: nothing, unless the folder lies
/// in the trash bucket itself and is adopted.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) bucket: BucketName,
    /// With the base.
    pub(super) prefix: String,
    base: String,
}

impl Source {
    pub(super) fn of(entry: &Entry, trash: &TrashBucket) -> Self {
        if entry.adopted {
            let base = format!("{}/", entry.bucket);
            let prefix = format!("{base}{}", entry.prefix);
            return Self { bucket: trash.bucket.clone(), prefix, base };
        }
        Self { bucket: entry.bucket.clone(), prefix: entry.prefix.clone(), base: String::new() }
    }

    /// Where the object of a row's key is, as long as it is there.
    pub(super) fn address(&self, key: &Key) -> Result<Address> {
        let path = format!("{}{key}", self.base);
        let key = Key::new(path.clone());
        let key = key.map_err(|error| StoreError::new(ErrorKind::Unaddressable, "address", path).with_source(error))?;
        Ok(Address::new(self.bucket.clone(), key))
    }

    /// What a listing shows, with the key of the row.
    pub(super) fn info(&self, info: ObjectInfo) -> Result<ObjectInfo> {
        let Some(rest) = info.key.as_str().strip_prefix(&self.base).filter(|_| !self.base.is_empty()) else {
            return Ok(info);
        };
        let key = Key::new(rest)
            .map_err(|error| StoreError::new(ErrorKind::Unaddressable, "address", rest).with_source(error))?;
        Ok(ObjectInfo { key, ..info })
    }
}
