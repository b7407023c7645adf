//! Purge: entries out of the world.

use std::fmt;

use serde::Serialize;

use super::{Filter, ItemLock, Items, list};
use crate::model::{Report, TrashId, format};
use crate::steps::{Result, StepError};
use crate::trash::{Entry, EntryState};

/// What to purge.
#[derive(Debug, Clone, Default)]
pub struct PurgeOptions {
    /// These; where none is named, all that the filter takes.
    pub entries: Vec<TrashId>,
    pub filter: Filter,
}

/// What a purge will destroy.
#[derive(Debug, Serialize)]
pub struct PurgePlan {
    pub entries: Vec<Entry>,
    /// Entries that the filter takes and that are not finished: they stay.
    pub unfinished: Vec<TrashId>,
}

impl fmt::Display for PurgePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (objects, bytes) =
            self.entries.iter().fold((0, 0), |(objects, bytes), entry| (objects + entry.objects, bytes + entry.bytes));
        let (entries, objects) = (self.entries.len() as u64, format::count(objects, "object"));
        writeln!(formatter, "purge {} for good: {objects}, {}", format::count(entries, "entry"), format::bytes(bytes))?;
        for entry in &self.entries {
            let what = entry.item.as_ref().map_or_else(|| entry.folder(), ToString::to_string);
            let state = if entry.state == EntryState::Complete { "" } else { entry.state.as_str() };
            writeln!(formatter, "  {}  {what}  {}  {state}", entry.id, format::count(entry.objects, "object"))?;
        }
        for id in &self.unfinished {
            writeln!(formatter, "  {id}  stays: what was begun with it is not finished (`dcs trash list`)")?;
        }
        Ok(())
    }
}

/// What a purge did.
#[derive(Debug, Default, Serialize)]
pub struct Purged {
    pub entries: u64,
    pub objects: u64,
    pub bytes: u64,
    #[serde(flatten)]
    pub report: Report,
}

impl fmt::Display for Purged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = format::count(self.objects, "object");
        write!(formatter, "purged {}: {objects}, {}", format::count(self.entries, "entry"), format::bytes(self.bytes))
    }
}

/// Plans a purge. An entry that is named must be there, and must not be needed to finish what was begun.
pub async fn plan_purge(items: &Items, options: &PurgeOptions) -> Result<PurgePlan> {
    let mut plan = PurgePlan { entries: Vec::new(), unfinished: Vec::new() };
    for id in &options.entries {
        let entry = items.entry(id).await?;
        refuse_needed(&entry)?;
        plan.entries.push(entry);
    }
    if options.entries.is_empty() {
        for entry in list(items, &options.filter).await?.entries {
            match entry.state {
                EntryState::Complete | EntryState::Purging => plan.entries.push(entry),
                _ => plan.unfinished.push(entry.id),
            }
        }
    }
    Ok(plan)
}

/// A delete that is still copying has all its originals: its copies may go. Later, and in a restore, they are what there is.
fn refuse_needed(entry: &Entry) -> Result<()> {
    if !matches!(entry.state, EntryState::Archived | EntryState::Restoring | EntryState::Restored) {
        return Ok(());
    }
    Err(StepError::Refused {
        attempted: "purge",
        subject: entry.id.to_string(),
        reason: format!("it is {}: what was begun is not finished", entry.state.as_str()),
        hint: Some(format!("Finish that first: `{}`.", entry.next_command())),
    })
}

/// Carries the plan out. An entry that cannot be purged is a problem, and the others go on.
pub async fn purge(items: &Items, plan: PurgePlan) -> Result<Purged> {
    let mut purged = Purged::default();
    items.progress.begin("purge", plan.entries.iter().map(|entry| entry.objects).sum(), 0);
    for entry in plan.entries {
        let lock = match items.lock(&entry.bucket, &entry.prefix).await {
            Ok(lock) => lock,
            Err(error) => {
                purged.report.add(super::problem(entry.id.as_str(), &error));
                continue;
            }
        };
        match purge_one(items, &entry.id, &lock).await {
            Ok(()) => {
                purged.entries += 1;
                purged.objects += entry.objects;
                purged.bytes += entry.bytes;
            }
            Err(error) => {
                let problem = super::problem(entry.id.as_str(), &error);
                items.progress.problem(&problem);
                purged.report.add(problem);
            }
        }
        lock.release().await;
    }
    items.progress.end();
    Ok(purged)
}

async fn purge_one(items: &Items, id: &TrashId, lock: &ItemLock) -> Result<()> {
    // Looked at again under the lock: a restore may have come first.
    let mut entry = items.entry(id).await?;
    refuse_needed(&entry)?;
    if items.trash.open_entry(&entry.bucket, &entry.prefix).await?.as_ref() == Some(id) {
        items.trash.clear_open(&entry.bucket, &entry.prefix).await?;
    }
    // 1. Said before the first object goes. A crash leaves an entry that only a purge takes up again.
    entry.state = EntryState::Purging;
    items.trash.save(&entry).await?;
    // 2. Objects, and all their versions, then the journal.
    items.mover(lock).empty(&entry).await?;
    Ok(())
}
