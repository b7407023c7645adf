//! From what is configured to the buckets that are there, and their objects in order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt};

use super::{Context, Result, StepError};
use crate::model::{BucketName, FileSource, Prefix, SourceName};
use crate::repository::{self, Repository};
use crate::store::{ErrorKind, ListOptions, Listed, ObjectInfo, ObjectStore, StoreError};

/// A bucket to back up, whole or some of its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: SourceName,
    /// Sorted, none inside another; one root prefix for the whole bucket.
    pub prefixes: Vec<Prefix>,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.name)?;
        for prefix in self.prefixes.iter().filter(|prefix| !prefix.is_root()) {
            write!(formatter, " {prefix}")?;
        }
        Ok(())
    }
}

/// Finds the buckets that `files` names, sorted. A bucket that is not there is an error; `store/*` of a store without
/// buckets is refused, for an unmounted disk looks just like that.
pub async fn expand(context: &Context, files: &[FileSource]) -> Result<Vec<Source>> {
    let mut found: BTreeMap<String, Source> = BTreeMap::new();
    for file in files {
        let store = context.store(&file.store)?;
        let buckets = match &file.bucket {
            Some(bucket) => vec![bucket.clone()],
            None => all_buckets(&file.store, store).await?,
        };
        for bucket in buckets {
            if !store.bucket_exists(&bucket).await? {
                let subject = format!("{bucket} of the store {} at {}", file.store, store.describe());
                return Err(StoreError::new(ErrorKind::NoBucket, "back up", subject).into());
            }
            if is_own(&context.repository, store, &bucket).await? && file.prefix.overlaps(&context.repository.prefix) {
                if file.bucket.is_none() {
                    continue;
                }
                let reason = format!("{}/{bucket} is the backup bucket, which cannot back up itself", file.store);
                return Err(StepError::Configuration(reason));
            }
            let name = SourceName::new(&file.store, &bucket);
            let entry = found.entry(name.as_str().to_owned()).or_insert(Source { name, prefixes: Vec::new() });
            entry.prefixes.push(file.prefix.clone());
        }
    }
    let mut sources: Vec<Source> = found.into_values().collect();
    for source in &mut sources {
        source.prefixes.sort();
    }
    Ok(sources)
}

/// Whether a bucket is the repository's own, also in a store that goes by another name: two URLs may lead to one server.
pub(super) async fn is_own(own: &Repository, store: &Arc<dyn ObjectStore>, bucket: &BucketName) -> Result<bool> {
    if *bucket != own.bucket {
        return Ok(false);
    }
    match Repository::open(store.clone(), bucket.clone(), own.prefix.clone()).await {
        Ok(found) => Ok(found.id == own.id),
        Err(error) if error.kind == repository::ErrorKind::Store => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Every bucket of a store. The trash is backed up too: what lies in it can still be wanted.
async fn all_buckets(name: &str, store: &Arc<dyn ObjectStore>) -> Result<Vec<BucketName>> {
    let buckets = store.buckets().await?;
    if buckets.is_empty() {
        let reason = "the store has no buckets; an unmounted disk looks like that".to_owned();
        let hint = Some("Check the store, or name its buckets in [backup].files.".to_owned());
        let subject = format!("{name}/* at {}", store.describe());
        return Err(StepError::Refused { attempted: "back up", subject, reason, hint });
    }
    Ok(buckets)
}

/// The objects below a prefix, in order.
pub fn listing(
    store: &Arc<dyn ObjectStore>,
    bucket: &BucketName,
    prefix: &Prefix,
) -> BoxStream<'static, Result<ObjectInfo>> {
    ordered(store.list(bucket, ListOptions::prefix(prefix)), bucket.clone())
}

/// The objects of a listing. One that is not in order is an error: merging it would lose objects.
pub(super) fn ordered(
    listing: BoxStream<'static, std::result::Result<Listed, StoreError>>,
    bucket: BucketName,
) -> BoxStream<'static, Result<ObjectInfo>> {
    let mut last: Option<String> = None;
    let objects = listing.filter_map(move |listed| {
        let item = match listed {
            Ok(Listed::Object(info)) => Some(in_order(&mut last, info, &bucket)),
            Ok(Listed::Prefix(_)) => None,
            Err(error) => Some(Err(error.into())),
        };
        std::future::ready(item)
    });
    objects.boxed()
}

fn in_order(last: &mut Option<String>, info: ObjectInfo, bucket: &BucketName) -> Result<ObjectInfo> {
    let key = info.key.as_str();
    if last.as_deref().is_some_and(|last| last >= key) {
        let error = StoreError::new(ErrorKind::Unsupported, "list", bucket.to_string());
        return Err(error.with_detail(format!("{} comes out of order", key.escape_debug())).into());
    }
    *last = Some(key.to_owned());
    Ok(info)
}
