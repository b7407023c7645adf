//! What of the live stores is backed up.

use super::{BucketName, Prefix};

/// One entry of `[backup].files`: a store, a bucket or all, a folder or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSource {
    pub store: String,
    /// None for every bucket of the store.
    pub bucket: Option<BucketName>,
    pub prefix: Prefix,
}
