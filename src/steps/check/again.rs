//! A second look at what seemed wrong: rows and objects were not read in the same moment.

use futures_util::TryStreamExt;

use super::super::Result;
use super::super::items::{ARCHIVED, Items};
use super::findings::{About, FindingKind, Suspect};
use crate::model::{BucketName, ItemName, Prefix};
use crate::store::{ErrorKind, ListOptions};

/// Whether it is still so.
pub(super) async fn still_holds(items: &Items, suspect: &Suspect) -> Result<bool> {
    match &suspect.about {
        About::Other => Ok(true),
        About::Folder { bucket, folder } => {
            Ok(has_objects(items, bucket, folder).await? && !is_named(items, bucket, folder).await?)
        }
        About::Row { item, folder } => row(items, suspect.kind(), item, folder).await,
    }
}

async fn row(items: &Items, kind: FindingKind, item: &ItemName, folder: &str) -> Result<bool> {
    let of = items.kind(item)?;
    let Some(row) = items.row(of, item).await? else { return Ok(false) };
    let is_archived = row.status.as_deref() == Some(ARCHIVED);
    let has_objects = has_objects(items, &of.bucket, folder).await?;
    Ok(match kind {
        FindingKind::Archived => is_archived && has_objects,
        _ => !is_archived && !has_objects,
    })
}

async fn has_objects(items: &Items, bucket: &BucketName, folder: &str) -> Result<bool> {
    let options = ListOptions { prefix: folder.to_owned(), ..ListOptions::default() };
    let mut listing = items.trash.store.list(bucket, options);
    match listing.try_next().await {
        Ok(first) => Ok(first.is_some()),
        // There is one, whose name is none.
        Err(error) if error.kind == ErrorKind::Unaddressable => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether a row names this folder by now, or one around it or in it.
async fn is_named(items: &Items, bucket: &BucketName, folder: &str) -> Result<bool> {
    let Ok(folder) = Prefix::new(folder) else { return Ok(false) };
    if folder.as_str().is_empty() {
        return Ok(false);
    }
    for kind in items.kinds.values().filter(|kind| kind.bucket == *bucket) {
        let Some((database, table)) = &kind.table else { continue };
        let around = items.database(database)?.items_around(table, &kind.template, &folder, None, 1).await?;
        if !around.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
