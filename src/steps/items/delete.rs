//! Soft-delete: an item's folder to the trash, its row to `archived`.

use std::fmt;

use futures_util::TryStreamExt;
use serde::Serialize;

use super::row::Resolved;
use super::{ARCHIVED, ItemLock, Items};
use crate::model::{BucketName, ItemName, Prefix, TrashId, format};
use crate::steps::{Result, StepError};
use crate::store::{ErrorKind, ListOptions, Listed, StoreError};
use crate::trash::{Entry, EntryState, Mover, Origin, Row, TrashError};

#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Why, for those who find it in the trash.
    pub reason: String,
    /// Leave the row alone.
    pub skip_db: bool,
}

/// What a delete will do.
#[derive(Debug, Serialize)]
pub struct DeletePlan {
    pub item: ItemName,
    pub bucket: BucketName,
    pub prefix: String,
    #[serde(skip)]
    row: Row,
    /// An interrupted delete that will be finished.
    pub resumes: Option<TrashId>,
    pub objects: u64,
    pub bytes: u64,
}

impl fmt::Display for DeletePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (objects, bytes) = (format::count(self.objects, "object"), format::bytes(self.bytes));
        write!(formatter, "delete {}: {}/{} ({objects}, {bytes})", self.item, self.bucket, self.prefix)?;
        if let Row::Archived { prior } = &self.row {
            write!(formatter, ", status {} -> {ARCHIVED}", prior.as_deref().unwrap_or("NULL"))?;
        }
        match &self.resumes {
            Some(id) => write!(formatter, "; goes on with {id}, which was interrupted"),
            None => Ok(()),
        }
    }
}

/// What a delete did.
#[derive(Debug, Serialize)]
pub struct Deleted {
    pub item: Option<ItemName>,
    /// Where it was.
    pub folder: String,
    pub entry: TrashId,
    pub objects: u64,
    pub bytes: u64,
    /// Entries of what was written meanwhile.
    pub late: Vec<TrashId>,
}

impl fmt::Display for Deleted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (objects, bytes) = (format::count(self.objects, "object"), format::bytes(self.bytes));
        let what = self.item.as_ref().map_or_else(|| self.folder.clone(), ToString::to_string);
        write!(formatter, "{what}: {objects}, {bytes}, in the trash as {}", self.entry)?;
        if !self.late.is_empty() {
            let late: Vec<&str> = self.late.iter().map(TrashId::as_str).collect();
            write!(formatter, "; what was written meanwhile as {}", late.join(", "))?;
        }
        Ok(())
    }
}

/// Plans the delete of one item. Changes nothing; refuses what could not be undone.
pub async fn plan_delete(items: &Items, item: &ItemName, options: &DeleteOptions) -> Result<DeletePlan> {
    let mut plan = resolve(items, item, options).await?;
    let mut listing =
        items.trash.store.list(&plan.bucket, ListOptions { prefix: plan.prefix.clone(), ..ListOptions::default() });
    while let Some(listed) = listing.try_next().await? {
        if let Listed::Object(info) = listed {
            plan.objects += 1;
            plan.bytes += info.size;
        }
    }
    Ok(plan)
}

async fn resolve(items: &Items, item: &ItemName, options: &DeleteOptions) -> Result<DeletePlan> {
    let kind = items.kind(item)?;
    items.require_trash().await?;
    let Resolved { folder, row } = items.resolve(item, options.skip_db).await?;
    let bucket = kind.bucket.clone();
    let open = match items.trash.open_entry(&bucket, folder.as_str()).await? {
        Some(id) => items.trash.load(&id).await?,
        None => None,
    };
    let plan = DeletePlan {
        item: item.clone(),
        bucket,
        prefix: folder.as_str().to_owned(),
        row,
        resumes: open.as_ref().map(|entry| entry.id.clone()),
        objects: 0,
        bytes: 0,
    };
    match open {
        Some(entry) if is_begun_by(&entry, item) => Ok(plan),
        // All but the mark was done.
        Some(entry) if is_the_delete_of(&entry, &plan) && is_empty(items, &plan.bucket, &folder).await? => Ok(plan),
        Some(entry) if entry.is_unfinished() => Err(StepError::Refused {
            attempted: "delete",
            subject: item.to_string(),
            reason: format!("{} of it is {}", entry.id, entry.state.as_str()),
            hint: Some(format!("Finish that first: `{}`.", entry.next_command())),
        }),
        _ => {
            refuse_needless(items, &plan, &folder).await?;
            Ok(DeletePlan { resumes: None, ..plan })
        }
    }
}

/// Whether an entry is an interrupted delete of this very item: an adoption of the same folder is not.
fn is_begun_by(entry: &Entry, item: &ItemName) -> bool {
    matches!(entry.state, EntryState::Moving | EntryState::Archived)
        && entry.origin == Origin::Deleted
        && entry.item.as_ref() == Some(item)
}

/// Whether a complete entry is what this delete would come to.
fn is_the_delete_of(entry: &Entry, plan: &DeletePlan) -> bool {
    let is_archived = match &plan.row {
        Row::Archived { prior } => prior.as_deref() == Some(ARCHIVED),
        Row::None | Row::Skipped => true,
    };
    entry.state == EntryState::Complete && entry.item.as_ref() == Some(&plan.item) && is_archived
}

async fn is_empty(items: &Items, bucket: &BucketName, folder: &Prefix) -> Result<bool> {
    Ok(items.trash.store.list(bucket, ListOptions::prefix(folder)).try_next().await?.is_none())
}

/// Refuses an item that is deleted already, or that has nothing to move.
async fn refuse_needless(items: &Items, plan: &DeletePlan, folder: &Prefix) -> Result<()> {
    let is_empty = is_empty(items, &plan.bucket, folder).await?;
    let subject = plan.item.to_string();
    if plan.row == (Row::Archived { prior: Some(ARCHIVED.to_owned()) }) {
        let reason =
            if is_empty { "it is archived already" } else { "its status is archived, and its folder is not empty" };
        let hint = if is_empty {
            "See the trash: `dcs trash list`. Bring it back: `dcs restore ITEM`."
        } else {
            "Move the folder alone with `--skip-db`, or mend the status of the row."
        };
        let (reason, hint) = (reason.to_owned(), Some(hint.replace("ITEM", &subject)));
        return Err(StepError::Refused { attempted: "delete", subject, reason, hint });
    }
    if is_empty {
        let hint =
            format!("Check the id, and `bucket` and `prefix` in [items.{}]; see `dcs trash list`.", plan.item.kind());
        let subject = format!("{}/{folder}, the folder of {subject}", plan.bucket);
        return Err(StepError::NotFound { what: "object below", subject, hint });
    }
    Ok(())
}

/// Deletes one item, or finishes an interrupted delete of it. On an error nothing is lost, and a repeat goes on.
pub async fn delete(items: &Items, item: &ItemName, options: &DeleteOptions) -> Result<Deleted> {
    // Before the lock, so that what is refused leaves no trace; again under it, for others may have come first.
    let before = resolve(items, item, options).await?;
    let lock = items.lock(&before.bucket, &before.prefix).await?;
    let result = delete_locked(items, item, options, &before, &lock).await;
    lock.release().await;
    result
}

async fn delete_locked(
    items: &Items,
    item: &ItemName,
    options: &DeleteOptions,
    before: &DeletePlan,
    lock: &ItemLock,
) -> Result<Deleted> {
    let plan = resolve(items, item, options).await?;
    if plan.prefix != before.prefix {
        return Err(StepError::refused("delete", item.to_string(), "its row was changed this very moment"));
    }
    let mover = items.mover(lock);
    let (mut entry, is_resumed) = match &plan.resumes {
        Some(id) => (items.entry(id).await?, true),
        None => (begin(items, &plan, options).await?, false),
    };
    if options.skip_db && entry.row != Row::None {
        entry.row = Row::Skipped;
        items.trash.save(&entry).await?;
    }
    items.progress.begin("delete", 0, 0);

    // 1. Copies, proven and listed. A crash leaves copies that the next run takes over; every original is in place.
    if entry.state == EntryState::Moving {
        mover.copy_in(&mut entry, is_resumed).await?;

        // 2. The row. A crash leaves an archived row with all its objects; the next run finds it so and goes on.
        if let Row::Archived { prior } = &entry.row {
            let prior = items.archive(item, prior.clone()).await?;
            entry.row = Row::Archived { prior };
        }

        // 3. The entry says so. From here on originals may go: everything is here, and no published row needs them.
        entry.state = EntryState::Archived;
        items.trash.save(&entry).await?;
    } else if let (EntryState::Archived, Row::Archived { .. }) = (entry.state, &entry.row) {
        // Whoever published the row since the interruption: no original goes from under a published row.
        items.archive(item, Some(ARCHIVED.to_owned())).await?;
    }

    // 4. The originals, and what came meanwhile. A crash leaves some of them; the next run removes the rest.
    if entry.state == EntryState::Archived
        && let Err(error) = mover.remove_originals(&mut entry).await
    {
        return Err(undo_if_untouched(items, &mover, entry, error).await);
    }

    // 5. No longer under way. A crash before this leaves a mark to an entry that is complete: the next run finds it so.
    items.clear_open(&entry).await;
    items.progress.end();
    let folder = entry.folder();
    let Entry { id, item, objects, bytes, late, .. } = entry;
    Ok(Deleted { item, folder, entry: id, objects, bytes, late })
}

/// Marks the folder and writes the journal. A crash between the two leaves a mark to nothing, which means nothing.
async fn begin(items: &Items, plan: &DeletePlan, options: &DeleteOptions) -> Result<Entry> {
    let now = items.trash.store.now().await?;
    let maker = items.maker(&options.reason);
    let mut entry = Entry::new(now, Origin::Deleted, plan.bucket.clone(), &plan.prefix, maker);
    entry.item = Some(plan.item.clone());
    entry.row = plan.row.clone();
    items.trash.set_open(&entry).await?;
    items.trash.save(&entry).await?;
    Ok(entry)
}

/// Where nothing may be removed at all, the delete is taken back: the row is what it was, the copies go. Answers why.
async fn undo_if_untouched(items: &Items, mover: &Mover<'_>, mut entry: Entry, error: TrashError) -> StepError {
    let is_denied =
        matches!(&error, TrashError::Store(StoreError { kind: ErrorKind::Denied | ErrorKind::ReadOnly, .. }));
    let error = StepError::from(error);
    if !is_denied || !matches!(mover.all_in_place(&entry).await, Ok(true)) {
        return error;
    }
    let undone = async {
        // All originals are in place: that is `moving`. A crash after this leaves a delete to be done again or purged, never
        // an `archived` entry of a published row.
        entry.state = EntryState::Moving;
        items.trash.save(&entry).await?;
        if let (Some(item), Row::Archived { prior }) = (&entry.item, &entry.row) {
            items.publish(item, prior.as_deref()).await?;
        }
        entry.state = EntryState::Purging;
        items.trash.save(&entry).await?;
        mover.empty(&entry).await?;
        items.trash.clear_open(&entry.bucket, &entry.prefix).await?;
        Ok::<_, StepError>(())
    };
    if let Err(failed) = undone.await {
        tracing::warn!(error = %failed, "a delete that may not remove anything could not be taken back");
    }
    error
}
