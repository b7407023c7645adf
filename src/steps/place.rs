//! Where the objects of a source go: where they came from, or another bucket or folder of one.

use std::sync::Arc;

use super::{Context, Result};
use crate::model::{BucketName, Key, Prefix, SourceName};
use crate::store::{self, Address, ErrorKind, ObjectStore, StoreError};

/// Another place than a source's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// As the configuration calls it.
    pub store: String,
    pub bucket: BucketName,
    pub prefix: Prefix,
}

/// A bucket, or a folder of one.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) bucket: BucketName,
    pub(super) prefix: Prefix,
    /// `STORE/BUCKET`, for people.
    pub(super) name: SourceName,
}

impl Place {
    /// The source's own, or the other where there is one.
    pub(super) fn of(context: &Context, source: &SourceName, to: Option<&Elsewhere>) -> Result<Self> {
        let (name, prefix) = match to {
            Some(to) => (SourceName::new(&to.store, &to.bucket), to.prefix.clone()),
            None => (source.clone(), Prefix::root()),
        };
        Ok(Self { store: context.store(name.store())?.clone(), bucket: name.bucket(), prefix, name })
    }

    /// Where an object of this key goes; a key that would grow too long is `Unaddressable`.
    pub(super) fn address(&self, key: &Key) -> store::Result<Address> {
        let key = self.prefix.key(key.as_str()).map_err(|error| {
            let subject = format!("{}/{}", self.name, key.as_str().escape_debug());
            StoreError::new(ErrorKind::Unaddressable, "put", subject).with_source(error)
        })?;
        Ok(Address::new(self.bucket.clone(), key))
    }
}
