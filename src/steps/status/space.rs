//! How much room everything takes: one listing of each bucket, in constant memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::model::{BucketName, Problem};
use crate::repository::Repository;
use crate::steps::{Result, with_causes};
use crate::store::{ErrorKind, ListOptions, Listed, ObjectStore, StoreError};

/// What a repository takes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Space {
    pub objects: u64,
    pub bytes: u64,
    /// Bytes that came in the last day, and in the last seven.
    pub day_bytes: u64,
    pub week_bytes: u64,
}

/// What one bucket holds.
#[derive(Debug, Serialize)]
pub struct Usage {
    /// `STORE/BUCKET`.
    pub bucket: String,
    pub objects: u64,
    pub bytes: u64,
    pub largest: Option<Largest>,
}

#[derive(Debug, Serialize)]
pub struct Largest {
    pub key: String,
    pub bytes: u64,
}

/// What is stored once is never written again: how old an object is tells when its bytes came.
pub(super) async fn of(repository: &Repository, now: Timestamp) -> Result<Space> {
    let before = |days: i64| now.checked_sub(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MIN);
    let (day, week) = (before(1), before(7));
    let mut space = Space::default();
    let mut listing = repository.store.list(&repository.bucket, ListOptions::prefix(&repository.prefix));
    while let Some(listed) = listing.next().await {
        let Some(info) = object(listed)? else { continue };
        space.objects += 1;
        space.bytes += info.size;
        space.day_bytes += if info.modified >= day { info.size } else { 0 };
        space.week_bytes += if info.modified >= week { info.size } else { 0 };
    }
    Ok(space)
}

/// An object of a listing; what no key can name is passed over.
fn object(
    listed: std::result::Result<Listed, StoreError>,
) -> std::result::Result<Option<crate::store::ObjectInfo>, StoreError> {
    match listed {
        Ok(Listed::Object(info)) => Ok(Some(info)),
        Ok(Listed::Prefix(_)) => Ok(None),
        Err(error) if error.kind == ErrorKind::Unaddressable => Ok(None),
        Err(error) => Err(error),
    }
}

/// What every bucket of these stores holds. A bucket that cannot be listed is a problem.
pub async fn usage(stores: &BTreeMap<String, Arc<dyn ObjectStore>>, problems: &mut Vec<Problem>) -> Vec<Usage> {
    let mut found = Vec::new();
    for (name, store) in stores {
        let buckets = match store.buckets().await {
            Ok(buckets) => buckets,
            Err(error) => {
                problems.push(Problem::new(format!("store {name}"), with_causes(&error)));
                continue;
            }
        };
        for bucket in buckets {
            match usage_of(store, &bucket).await {
                Ok(usage) => found.push(Usage { bucket: format!("{name}/{bucket}"), ..usage }),
                Err(error) => problems.push(Problem::new(format!("{name}/{bucket}"), with_causes(&error))),
            }
        }
    }
    found
}

async fn usage_of(store: &Arc<dyn ObjectStore>, bucket: &BucketName) -> std::result::Result<Usage, StoreError> {
    let mut usage = Usage { bucket: String::new(), objects: 0, bytes: 0, largest: None };
    let mut listing = store.list(bucket, ListOptions::default());
    while let Some(listed) = listing.next().await {
        let Some(info) = object(listed)? else { continue };
        usage.objects += 1;
        usage.bytes += info.size;
        if usage.largest.as_ref().is_none_or(|largest| largest.bytes < info.size) {
            usage.largest = Some(Largest { key: info.key.as_str().to_owned(), bytes: info.size });
        }
    }
    Ok(usage)
}
