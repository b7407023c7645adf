//! Adoption: what others moved into the trash bucket becomes an entry.

use futures_util::TryStreamExt;

use super::{Deleted, Items};
use crate::model::item::TemplatePart;
use crate::model::{BucketName, ItemName, Prefix, item::ItemKind};
use crate::steps::{Result, StepError};
use crate::store::ListOptions;
use crate::trash::{Entry, EntryState, LOCKS, Origin, Row};

/// Makes an entry of a folder such as `books/42/` in the trash bucket, or finishes an interrupted adoption. Databases are
/// left alone: whoever moved the folder has set the status, or has not.
pub async fn adopt(items: &Items, folder: &Prefix, reason: &str) -> Result<Deleted> {
    items.require_trash().await?;
    let refused = |reason: &str| {
        let hint = "Name a folder as `dcs trash list` shows it: the bucket, and the path below, as in `books/42/`.";
        let (attempted, subject) = ("adopt", folder.to_string());
        StepError::Refused { attempted, subject, reason: reason.to_owned(), hint: Some(hint.to_owned()) }
    };
    let Some((bucket, prefix)) = folder.as_str().split_once('/').filter(|(_, prefix)| !prefix.is_empty()) else {
        return Err(refused("it names no folder in a bucket"));
    };
    if LOCKS.starts_with(&format!("{bucket}/")) || bucket.parse::<crate::model::TrashId>().is_ok() {
        return Err(refused("it is dcs's own"));
    }
    let bucket = BucketName::new(bucket).map_err(|_| refused("its first step is no bucket's name"))?;
    let lock = items.lock(&bucket, prefix).await?;
    let adopted = async {
        let open = match items.trash.open_entry(&bucket, prefix).await? {
            Some(id) => items.trash.load(&id).await?.filter(Entry::is_unfinished),
            None => None,
        };
        let mut entry = match open {
            Some(entry) if entry.adopted => entry,
            Some(entry) => {
                return Err(StepError::Refused {
                    attempted: "adopt",
                    subject: folder.to_string(),
                    reason: format!("{} of the same folder is {}", entry.id, entry.state.as_str()),
                    hint: Some(format!("Finish that first: `{}`.", entry.next_command())),
                });
            }
            None => begin(items, folder, bucket.clone(), prefix, reason).await?,
        };
        let mover = items.mover(&lock);
        // As in a delete, without a row: the foreign folder is the source.
        if entry.state == EntryState::Moving {
            mover.copy_in(&mut entry, true).await?;
            entry.state = EntryState::Archived;
            items.trash.save(&entry).await?;
        }
        mover.remove_originals(&mut entry).await?;
        items.clear_open(&entry).await;
        Ok(entry)
    };
    let adopted = adopted.await;
    lock.release().await;
    let Entry { id, item, objects, bytes, late, .. } = adopted?;
    Ok(Deleted { item, folder: folder.to_string(), entry: id, objects, bytes, late })
}

async fn begin(items: &Items, folder: &Prefix, bucket: BucketName, prefix: &str, reason: &str) -> Result<Entry> {
    if items.trash.store.list(&items.trash.bucket, ListOptions::prefix(folder)).try_next().await?.is_none() {
        let subject = format!("{}/{folder}", items.trash);
        return Err(StepError::NotFound { what: "object below", subject, hint: "See `dcs trash list`.".to_owned() });
    }
    let kind = items.kinds.values().find_map(|kind| Some((item_of(kind, &bucket, prefix)?, kind)));
    let mut entry = Entry::new(items.trash.store.now().await?, Origin::Adopted, bucket, prefix, items.maker(reason));
    if let Some((item, kind)) = kind {
        entry.item = Some(item);
        entry.row = if kind.table.is_some() { Row::Archived { prior: None } } else { Row::None };
    }
    items.trash.set_open(&entry).await?;
    items.trash.save(&entry).await?;
    Ok(entry)
}

/// The item whose folder this is, where the kind's folders are made of the id alone.
fn item_of(kind: &ItemKind, bucket: &BucketName, prefix: &str) -> Option<ItemName> {
    let (before, after) = match kind.template.parts() {
        [TemplatePart::Column(column), TemplatePart::Text(after)] if *column == kind.id => ("", after.as_str()),
        [TemplatePart::Text(before), TemplatePart::Column(column), TemplatePart::Text(after)] if *column == kind.id => {
            (before.as_str(), after.as_str())
        }
        _ => return None,
    };
    let id = prefix.strip_prefix(before)?.strip_suffix(after)?;
    if kind.bucket != *bucket || id.contains('/') {
        return None;
    }
    format!("{}/{id}", kind.name).parse().ok()
}
