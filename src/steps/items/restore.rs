//! Restore: a trash entry back to where it was, and its row to what it was.

use std::fmt;
use std::str::FromStr;

use futures_util::TryStreamExt;
use serde::Serialize;

use super::row::RowRestored;
use super::{ARCHIVED, ItemLock, Items, no_entry};
use crate::model::id::InvalidId;
use crate::model::item::InvalidItem;
use crate::model::{ItemName, TrashId, format};
use crate::steps::{Result, StepError};
use crate::store::{ListOptions, Listed};
use crate::trash::{Destination, Displacement, Entry, EntryState, Found, Mover, Origin, Row};

#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Send what is in the way to the trash.
    pub overwrite: bool,
    /// Leave the row alone.
    pub skip_db: bool,
    /// Take the newest of several entries.
    pub latest: bool,
}

/// What to restore: an entry, or the entry of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    Entry(TrashId),
    Item(ItemName),
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let item = |_: InvalidId| text.parse().map(Self::Item);
        text.parse().map(Self::Entry).or_else(item).map_err(|_: InvalidItem| {
            format!("{text:?} is neither an entry, such as 20261120T021500Z-k3x9, nor an item, such as books/42")
        })
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(id) => fmt::Display::fmt(id, formatter),
            Self::Item(item) => fmt::Display::fmt(item, formatter),
        }
    }
}

/// What a restore will do.
#[derive(Debug, Serialize)]
pub struct RestorePlan {
    pub entry: TrashId,
    pub item: Option<ItemName>,
    pub bucket: String,
    pub prefix: String,
    pub objects: u64,
    pub bytes: u64,
    /// Objects that are in the way and go to the trash.
    pub displaced: u64,
    #[serde(skip)]
    row: Row,
}

impl RestorePlan {
    /// Whether something live will be replaced.
    pub fn displaces(&self) -> bool {
        self.displaced > 0
    }
}

impl fmt::Display for RestorePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (objects, bytes) = (format::count(self.objects, "object"), format::bytes(self.bytes));
        write!(formatter, "restore {} to {}/{} ({objects}, {bytes})", self.entry, self.bucket, self.prefix)?;
        if let Row::Archived { prior } = &self.row {
            write!(formatter, ", status {ARCHIVED} -> {}", prior.as_deref().unwrap_or(super::PUBLISHED))?;
        }
        if self.displaced > 0 {
            write!(formatter, "; {} that are there go to the trash", format::count(self.displaced, "object"))?;
        }
        Ok(())
    }
}

/// What a restore did.
#[derive(Debug, Serialize)]
pub struct Restored {
    pub entry: TrashId,
    pub item: Option<ItemName>,
    pub objects: u64,
    pub bytes: u64,
    /// The status that the row has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Whether the row was not archived any more, and was left alone.
    pub status_kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub displaced_to: Option<TrashId>,
    /// Entries of what was written while it was deleted; they stay in the trash.
    pub late: Vec<TrashId>,
}

impl fmt::Display for Restored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (objects, bytes) = (format::count(self.objects, "object"), format::bytes(self.bytes));
        let what = self.item.as_ref().map_or_else(|| self.entry.to_string(), ToString::to_string);
        write!(formatter, "restored {what}: {objects}, {bytes}")?;
        match &self.status {
            Some(status) if self.status_kept => {
                write!(formatter, "; its status was changed meanwhile and stays {status}")?;
            }
            Some(status) => write!(formatter, ", status {status}")?,
            None => {}
        }
        if let Some(entry) = &self.displaced_to {
            write!(formatter, "; what was there is in the trash as {entry}")?;
        }
        if !self.late.is_empty() {
            let late: Vec<&str> = self.late.iter().map(TrashId::as_str).collect();
            write!(formatter, "; what was written while it was deleted is still in the trash: {}", late.join(", "))?;
        }
        Ok(())
    }
}

/// Finds the entry that is meant: the one of this id, or the item's. Of several it takes one that was begun, or the newest
/// where that is asked for.
pub async fn choose_entry(items: &Items, selection: &Selection, options: &RestoreOptions) -> Result<Entry> {
    let item = match selection {
        Selection::Entry(id) => return items.entry(id).await,
        Selection::Item(item) => item,
    };
    items.kind(item)?;
    let mut found: Vec<Entry> = Vec::new();
    let mut entries = std::pin::pin!(items.trash.entries());
    while let Some(entry) = entries.try_next().await? {
        if let Found::Entry(entry) = entry
            && entry.item.as_ref() == Some(item)
            && !matches!(entry.origin, Origin::Late { .. })
            && entry.state != EntryState::Purging
        {
            found.push(*entry);
        }
    }
    found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
    let begun = found.iter().rposition(|entry| matches!(entry.state, EntryState::Restoring | EntryState::Restored));
    if let Some(position) = begun {
        return Ok(found.swap_remove(position));
    }
    match found.len() {
        0 => Err(no_entry(&format!("of {item}"))),
        count if count == 1 || options.latest => Ok(found.swap_remove(count - 1)),
        count => {
            let names: Vec<String> = found
                .iter()
                .map(|entry| format!("{} ({})", entry.id, format::count(entry.objects, "object")))
                .collect();
            Err(StepError::Refused {
                attempted: "restore",
                subject: item.to_string(),
                reason: format!("there are {count} entries of it: {}", names.join(", ")),
                hint: Some("Name the entry, as in `dcs restore ENTRY`, or take the newest with `--latest`.".to_owned()),
            })
        }
    }
}

/// Plans the restore of one entry. Changes nothing; refuses what would lose something, or mix two things.
pub async fn plan_restore(
    items: &Items,
    entry: &Entry,
    options: &RestoreOptions,
    mover: Option<&Mover<'_>>,
) -> Result<RestorePlan> {
    refuse_unfinished(items, entry).await?;
    let row = if options.skip_db { Row::Skipped } else { check_row(items, entry).await? };
    let mut plan = RestorePlan {
        entry: entry.id.clone(),
        item: entry.item.clone(),
        bucket: entry.bucket.to_string(),
        prefix: entry.prefix.clone(),
        objects: entry.objects,
        bytes: entry.bytes,
        displaced: 0,
        row,
    };
    if entry.state == EntryState::Restored {
        return Ok(plan);
    }
    let free = NoLease;
    let looking = items.looking(&free);
    let found = mover.unwrap_or(&looking).destination(entry).await?;
    plan.displaced = found.foreign;
    if found.foreign > 0 && !options.overwrite {
        return Err(in_the_way(entry, &found));
    }
    Ok(plan)
}

fn in_the_way(entry: &Entry, found: &Destination) -> StepError {
    let more = if found.foreign > found.named.len() as u64 { ", ..." } else { "" };
    StepError::Refused {
        attempted: "restore",
        subject: entry.id.to_string(),
        reason: format!(
            "{} already has {} that are not of this entry ({}{more}); the entry has {}",
            entry.folder(),
            format::count(found.foreign, "object"),
            found.named.join(", "),
            format::count(entry.objects, "object"),
        ),
        hint: Some("Send what is there to the trash with `--overwrite`, or move it away.".to_owned()),
    }
}

/// Only what is whole can be restored, and only where nothing else is under way.
async fn refuse_unfinished(items: &Items, entry: &Entry) -> Result<()> {
    let refused = |reason: String, hint: String| {
        let (attempted, subject) = ("restore", entry.id.to_string());
        Err(StepError::Refused { attempted, subject, reason, hint: Some(hint) })
    };
    if !matches!(entry.state, EntryState::Complete | EntryState::Restoring | EntryState::Restored) {
        let reason = format!("it is {}: what was begun is not finished", entry.state.as_str());
        return refused(reason, format!("Finish that first: `{}`.", entry.next_command()));
    }
    let Some(open) = items.trash.open_entry(&entry.bucket, &entry.prefix).await? else { return Ok(()) };
    match items.trash.load(&open).await? {
        Some(other) if other.id != entry.id && other.is_unfinished() => {
            let reason = format!("{} of the same folder is {}", other.id, other.state.as_str());
            refused(reason, format!("Finish that first: `{}`.", other.next_command()))
        }
        _ => Ok(()),
    }
}

/// Looks at the item's row before anything moves.
async fn check_row(items: &Items, entry: &Entry) -> Result<Row> {
    let (Some(item), false) = (&entry.item, entry.row == Row::None) else { return Ok(Row::None) };
    let kind = items.kind(item)?;
    let refused = |reason: String| StepError::Refused {
        attempted: "restore",
        subject: format!("{item} ({})", entry.id),
        reason,
        hint: Some("Mend the row, or restore the objects alone with `--skip-db`.".to_owned()),
    };
    let Some(row) = items.row(kind, item).await? else {
        return if kind.table.is_none() { Ok(Row::None) } else { Err(refused("its row is gone".to_owned())) };
    };
    let folder = Items::folder(kind, item, &row)?;
    if (folder.as_str(), &kind.bucket) != (entry.prefix.as_str(), &entry.bucket) {
        return Err(refused(format!(
            "its row now says {}/{folder}, and the entry is of {}",
            kind.bucket,
            entry.folder()
        )));
    }
    Ok(match &entry.row {
        Row::Archived { prior } => Row::Archived { prior: prior.clone() },
        _ => Row::Archived { prior: None },
    })
}

/// Restores one entry, or finishes a restore of it. On an error nothing is lost, and a repeat goes on.
pub async fn restore(items: &Items, entry: &Entry, options: &RestoreOptions) -> Result<Restored> {
    let lock = items.lock(&entry.bucket, &entry.prefix).await?;
    let result = restore_locked(items, &entry.id, options, &lock).await;
    lock.release().await;
    result
}

async fn restore_locked(items: &Items, id: &TrashId, options: &RestoreOptions, lock: &ItemLock) -> Result<Restored> {
    let mut entry = items.entry(id).await?;
    let mover = items.mover(lock);
    let plan = plan_restore(items, &entry, options, Some(&mover)).await?;
    items.progress.begin("restore", plan.objects, plan.bytes);
    let mut displaced_to = None;
    let mut row = RowRestored::None;
    if entry.state != EntryState::Restored {
        // 1. Under way. A crash leaves an entry that holds everything, and says that a restore was begun.
        items.trash.set_open(&entry).await?;
        entry.state = EntryState::Restoring;
        items.trash.save(&entry).await?;

        // 2. What is in the way goes to the trash. A crash leaves it there, or in both places.
        let begun = displacement_begun(items, &entry).await?;
        if plan.displaces() || begun.is_some() {
            displaced_to = Some(displace(items, &mover, &mut entry, begun).await?);
        }

        // 3. Copies at their places, proven. A crash leaves some; the next run takes them for what they are.
        mover.copy_back(&entry).await?;

        // 4. The row. A crash leaves a published row with all its objects.
        row = match (&plan.row, &entry.item) {
            (Row::Archived { prior }, Some(item)) => items.publish(item, prior.as_deref()).await?,
            _ => RowRestored::None,
        };

        // 5. From here on the entry is not needed: a run that finds it so only empties it.
        entry.state = EntryState::Restored;
        items.trash.save(&entry).await?;
    }

    // 6. The entry goes, its journal last.
    items.trash.clear_open(&entry.bucket, &entry.prefix).await?;
    mover.empty(&entry).await?;
    items.progress.end();
    let (status, status_kept) = match row {
        RowRestored::None => (None, false),
        RowRestored::Set(status) => (Some(status), false),
        RowRestored::Kept(status) => (Some(status.unwrap_or_else(|| "NULL".to_owned())), true),
    };
    let Entry { id, item, objects, bytes, late, .. } = entry;
    Ok(Restored { entry: id, item, objects, bytes, status, status_kept, displaced_to, late })
}

/// The entry of what was in the way that an interrupted run began to fill.
async fn displacement_begun(items: &Items, entry: &Entry) -> Result<Option<Entry>> {
    match &entry.displaced {
        Some(id) => Ok(items.trash.load(id).await?.filter(Entry::is_unfinished)),
        None => Ok(None),
    }
}

/// Moves what is in the way into an entry of its own: the whole folder, or where the entry has none, what lies at the places
/// of its objects.
async fn displace(items: &Items, mover: &Mover<'_>, entry: &mut Entry, begun: Option<Entry>) -> Result<TrashId> {
    let maker = items.maker(&format!("displaced by a restore of {}", entry.id));
    if entry.prefix.is_empty() {
        let mut displacement =
            Displacement::begin(items.trash.clone(), entry.bucket.clone(), &items.spool, maker).await?;
        let mut rows = items.trash.rows(&entry.id).await?;
        let mut listing = items.trash.store.list(&entry.bucket, ListOptions::default());
        let mut row = rows.try_next().await?;
        while let Some(listed) = listing.try_next().await? {
            let Listed::Object(info) = listed else { continue };
            while row.as_ref().is_some_and(|row| row.key < info.key) {
                row = rows.try_next().await?;
            }
            if row.as_ref().is_some_and(|row| row.key == info.key) {
                displacement.take(&info).await?;
            }
        }
        return Ok(displacement.finish().await?.id);
    }
    let mut displaced = if let Some(displaced) = begun {
        displaced
    } else {
        let now = items.trash.store.now().await?;
        let displaced = Entry::new(now, Origin::Displaced, entry.bucket.clone(), &entry.prefix, maker);
        entry.displaced = Some(displaced.id.clone());
        items.trash.save(entry).await?;
        items.trash.save(&displaced).await?;
        displaced
    };
    if displaced.state == EntryState::Moving {
        mover.copy_in(&mut displaced, true).await?;
        displaced.state = EntryState::Archived;
        items.trash.save(&displaced).await?;
    }
    mover.remove_originals(&mut displaced).await?;
    Ok(displaced.id)
}

/// Looking needs no lock.
struct NoLease;

#[async_trait::async_trait]
impl crate::trash::Lease for NoLease {
    async fn ensure_held(&self) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err("nothing may be destroyed without a lock".into())
    }
}

impl Items {
    fn looking<'a>(&'a self, lease: &'a NoLease) -> Mover<'a> {
        Mover { trash: self.trash.clone(), spool: &self.spool, progress: self.progress.as_ref(), lease }
    }
}
