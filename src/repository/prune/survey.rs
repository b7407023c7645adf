//! Looks through a repository for what nobody names. Changes nothing.
//!
//! Memory does not grow with what there is: names are sorted through the spool.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::live::Live;
use super::marks::{MarkFile, mark_files};
use super::names::{Candidate, Group, Names, There};
use super::sparse::Sparse;
use crate::model::{BackupId, Key};
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::locks::{Held, Locks, Mode, Want};
use crate::repository::remove::Removed;
use crate::repository::spool::Sorter;
use crate::repository::{Repository, layout};
use crate::store::{ListOptions, Listed};

/// Names in memory, while they are sorted, and those that something will become of.
const NAMES_BYTES: usize = 16 << 20;
const FOUND_BYTES: usize = 4 << 20;

/// What there is to remove, and what to mark.
pub struct Survey {
    /// By the store's clock.
    pub began: Timestamp,
    /// The backups whose manifests were read.
    pub(super) read: BTreeSet<BackupId>,
    pub(super) marks: Vec<MarkFile>,
    /// What nobody names and nothing marks yet: `identity`, `size path`.
    pub(super) unmarked: Sorter,
    /// What nobody names and something marks.
    pub(super) candidates: Sorter,
    /// Folders that no run will make backups of.
    pub leftovers: Vec<Leftover>,
    /// The packs that the next backup should leave, the emptiest first.
    pub sparse: Vec<Sparse>,
    pub unmarked_size: Removed,
    /// What the marks that are old enough name.
    pub due_size: Removed,
    /// What younger marks name.
    pub marked_size: Removed,
    /// What backups name.
    pub used_size: Removed,
}

/// A folder below `backups/` of a run that will not finish it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Leftover {
    pub id: BackupId,
    #[serde(flatten)]
    pub size: Removed,
}

/// Who shares the repository, as far as prune has to know.
pub(super) async fn running(locks: &Locks) -> Result<Vec<Held>> {
    let mut held = locks.seen().await?;
    // What cannot be read may be anything.
    held.retain(|held| held.holder.is_none() || held.wants.iter().any(shares));
    Ok(held)
}

fn shares(want: &Want) -> bool {
    want.resource == Want::REPOSITORY && want.mode == Mode::Shared
}

/// Whether what was last touched at `modified` is older than the grace, by the store's clock.
pub(super) fn is_due(modified: Timestamp, now: Timestamp, grace: Duration) -> bool {
    // A store of several machines may have more than one clock: what seems to be of the future is of now.
    let age = now.duration_since(modified);
    grace.is_zero() || (!age.is_negative() && age.unsigned_abs() >= grace)
}

/// Looks through the repository. A manifest or a list that cannot be read ends it: what it names is not known.
pub async fn survey(repository: &Repository, locks: &Locks, spool: &Path, grace: Duration) -> Result<Survey> {
    let began = repository.now().await?;
    let running = running(locks).await?;
    let mut survey = Survey {
        began,
        read: BTreeSet::new(),
        marks: mark_files(repository).await?,
        unmarked: Sorter::new(spool, FOUND_BYTES),
        candidates: Sorter::new(spool, FOUND_BYTES),
        leftovers: Vec::new(),
        sparse: Vec::new(),
        unmarked_size: Removed::default(),
        due_size: Removed::default(),
        marked_size: Removed::default(),
        used_size: Removed::default(),
    };
    let mut names = Names::new(repository, Sorter::new(spool, NAMES_BYTES).unique());
    for (number, file) in survey.marks.iter().enumerate() {
        names.mark(number, file).await?;
    }
    names.listings().await?;
    names.damaged().await?;
    // The manifests last: one that appears meanwhile is read as well, and its packs are not marked for nothing.
    let mut live = Live::new(repository, spool);
    let ids = all_ids(repository).await?;
    let mut manifests = std::pin::pin!(repository.manifests(&ids));
    while let Some(backup) = manifests.next().await {
        match backup.manifest {
            Ok(manifest) => {
                names.manifest(&manifest).await?;
                live.manifest(&manifest).await?;
                survey.read.insert(backup.id);
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                let leftover =
                    if running.is_empty() { leftover(repository, &backup.id, began, grace).await? } else { None };
                match leftover {
                    Some(leftover) => survey.leftovers.push(leftover),
                    None => names.partial(&backup.id).await?,
                }
            }
            Err(error) => return Err(error),
        }
    }
    // Packs of a run that goes on have no manifest yet; a mark would be in vain, and cost the run after it.
    let oldest_run = running.iter().map(|held| held.since).min();
    let is_settled = |there: &There| there.modified <= began && oldest_run.is_none_or(|since| there.modified < since);
    let mut groups = std::pin::pin!(names.finish().await?);
    while let Some(group) = groups.try_next().await? {
        if group.is_named {
            let grown = is_due(group.there.iter().map(|there| there.modified).max().unwrap_or(began), began, grace);
            live.pack(&group, grown).await?;
            survey.count_used(&group);
        } else if let Some(mark) = survey.oldest_mark(&group) {
            survey.note_marked(&group, mark, grace).await?;
        } else if group.there.iter().all(is_settled) {
            survey.note_unmarked(&group).await?;
        }
    }
    survey.sparse = live.sparse().await?;
    Ok(survey)
}

impl Survey {
    fn count_used(&mut self, group: &Group) {
        group.there.iter().for_each(|there| self.used_size.add(there.size()));
    }

    fn oldest_mark(&self, group: &Group) -> Option<usize> {
        group.marks.iter().copied().min_by_key(|mark| self.marks.get(*mark).map(|file| file.modified))
    }

    async fn note_marked(&mut self, group: &Group, mark: usize, grace: Duration) -> Result<()> {
        let due = self.marks.get(mark).is_some_and(|file| is_due(file.modified, self.began, grace));
        for there in &group.there {
            let size = if due { &mut self.due_size } else { &mut self.marked_size };
            size.add(there.size());
            let candidate = Candidate { path: there.path.clone(), size: there.size, mark };
            self.candidates.push(group.identity.as_str(), candidate.value()).await?;
        }
        Ok(())
    }

    async fn note_unmarked(&mut self, group: &Group) -> Result<()> {
        for there in &group.there {
            self.unmarked_size.add(there.size());
            self.unmarked.push(group.identity.as_str(), format!("{}\t{}", there.size, there.path)).await?;
        }
        Ok(())
    }
}

/// All folders below `backups/`. One that is no backup as this dcs knows them may name what this dcs cannot see.
pub(super) async fn all_ids(repository: &Repository) -> Result<Vec<BackupId>> {
    let folder = format!("{}{}", repository.prefix, layout::BACKUPS);
    let options = ListOptions { prefix: folder.clone(), delimited: true, ..ListOptions::default() };
    let mut listing = repository.store.list(&repository.bucket, options);
    let mut ids = Vec::new();
    while let Some(listed) = listing.next().await {
        let listed = listed.map_err(|error| RepositoryError::from_store(error, "list", layout::BACKUPS))?;
        let Listed::Prefix(prefix) = listed else { continue };
        let name = prefix.as_str().strip_prefix(&folder).and_then(|name| name.strip_suffix('/')).unwrap_or_default();
        ids.push(name.parse().map_err(|error| {
            let subject = format!("{}{}", layout::BACKUPS, name.escape_debug());
            RepositoryError::new(ErrorKind::Unsupported, "read", subject).with_source(error)
        })?);
    }
    Ok(ids)
}

/// What lies in a folder without a manifest, where all of it is older than the grace.
async fn leftover(repository: &Repository, id: &BackupId, now: Timestamp, grace: Duration) -> Result<Option<Leftover>> {
    let folder = layout::backup_folder(id);
    let options = ListOptions { prefix: format!("{}{folder}", repository.prefix), ..ListOptions::default() };
    let mut listing = repository.store.list(&repository.bucket, options);
    let mut size = Removed::default();
    while let Some(listed) = listing.next().await {
        let listed = listed.map_err(|error| RepositoryError::from_store(error, "list", folder.as_str()))?;
        let Listed::Object(info) = listed else { continue };
        if !is_due(info.modified, now, grace) {
            return Ok(None);
        }
        size.add(Removed { objects: 1, bytes: info.size });
    }
    Ok(Some(Leftover { id: id.clone(), size }))
}

impl There {
    fn size(&self) -> Removed {
        Removed { objects: 1, bytes: self.size }
    }
}

/// The size and the path of what is to be marked.
pub(super) fn parse_unmarked(value: &[u8]) -> Option<(u64, Key)> {
    let (size, path) = std::str::from_utf8(value).ok()?.split_once('\t')?;
    Some((size.parse().ok()?, Key::new(path).ok()?))
}
