//! Marks what a survey found, and removes what was marked for long enough. The order of the steps is the whole of its
//! safety: see the module above.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use jiff::SignedDuration;

use super::marks::{MarkFile, MarkWriter};
use super::names::{Candidate, Names};
use super::sparse;
use super::survey::{Leftover, Survey, all_ids, is_due, parse_unmarked, running};
use crate::model::{BackupId, Problem, Report, RunId};
use crate::repository::error::{ErrorKind, Result};
use crate::repository::locks::{Held, Lease, Locks};
use crate::repository::remove::{BATCH, Removed};
use crate::repository::spool::Sorter;
use crate::repository::{Repository, layout};

/// The machines of one store may differ by so much in their time; a run that began so soon after a mark is taken for one
/// that began before it.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(2);

/// What was done.
#[derive(Debug, Default)]
pub struct Swept {
    pub marked: Removed,
    pub removed: Removed,
    pub leftovers: Vec<BackupId>,
    /// Runs for which something was put off to the next time.
    pub waits_for: Vec<String>,
    pub report: Report,
}

/// Carries out what a survey found. What cannot be removed is a problem, and the rest goes on; without the lease nothing
/// does.
pub async fn sweep(
    repository: &Repository,
    locks: &Locks,
    lease: &Lease,
    run: &RunId,
    mut survey: Survey,
    grace: Duration,
) -> Result<Swept> {
    let mut swept = Swept { marked: survey.unmarked_size, ..Swept::default() };
    lease.ensure_held().await?;
    sparse::write(repository, &survey.sparse).await?;

    // 1. Marks. A crash leaves marks that a later run finds; until they are gone, backups store anew what they name.
    mark(repository, run, &mut survey, grace).await?;

    // 2. Only now the locks: who began before the marks and is still there may name what they name.
    let running = running(locks).await?;
    let now = repository.now().await?;
    let due = survey.marks.iter().map(|file| is_due(file.modified, now, grace) && !waits(file, &running)).collect();
    swept.waits_for = running.iter().map(ToString::to_string).collect();
    let mut sweep = Sweep { repository, lease, due, swept };

    // 3. Folders that will never be backups. With nobody running, nobody is at work in one.
    if running.is_empty() {
        for leftover in &survey.leftovers {
            sweep.leftover(leftover).await?;
        }
    }

    // 4. Only after the locks the manifests: whoever gave its lock back has written what it wrote.
    let names = sweep.new_names(&survey.read, survey.candidates).await?;

    // 5. What is still named by none; and each mark once nothing of it is left to remove.
    sweep.candidates(names).await?;
    sweep.marks(&survey.marks).await?;
    Ok(sweep.swept)
}

/// Whether a run that may have begun before the mark still goes on.
fn waits(file: &MarkFile, running: &[Held]) -> bool {
    running.iter().any(|held| held.since.duration_since(file.modified) <= CLOCKS_DIFFER)
}

/// Writes the marks, whole files at a time. Without a grace, what they name may go at once.
async fn mark(repository: &Repository, run: &RunId, survey: &mut Survey, grace: Duration) -> Result<()> {
    let mut writer = MarkWriter::new(repository, run);
    let before = survey.marks.len();
    let mut unmarked = std::pin::pin!(std::mem::replace(&mut survey.unmarked, Sorter::new("", 0)).finish().await?);
    while let Some(record) = unmarked.try_next().await? {
        let Some((size, path)) = parse_unmarked(&record.value) else { continue };
        let mark = before + writer.push(&path).await?;
        if grace.is_zero() {
            survey.candidates.push(record.key, Candidate { path, size, mark }.value()).await?;
        }
    }
    writer.write().await?;
    survey.marks.extend(writer.files);
    Ok(())
}

struct Sweep<'a> {
    repository: &'a Repository,
    lease: &'a Lease,
    /// By the numbers of the marks: whether what they name may go.
    due: Vec<bool>,
    swept: Swept,
}

impl<'a> Sweep<'a> {
    async fn leftover(&mut self, leftover: &Leftover) -> Result<()> {
        let id = &leftover.id;
        if self.repository.get(&layout::manifest(id)).await?.is_some() {
            return Ok(());
        }
        match self.repository.remove_leftover(id, self.lease).await {
            Ok(removed) => {
                self.swept.removed.add(removed);
                self.swept.leftovers.push(id.clone());
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::LockLost => Err(error),
            Err(error) => {
                self.swept.report.add(Problem::new(format!("{}{id}", layout::BACKUPS), &error));
                Ok(())
            }
        }
    }

    /// What backups name that were not there yet, beside what may go. Manifests never change, so those that were read
    /// before need not be read again.
    async fn new_names(&self, read: &BTreeSet<BackupId>, candidates: Sorter) -> Result<Names<'a>> {
        let mut names = Names::new(self.repository, candidates);
        let ids: Vec<BackupId> = all_ids(self.repository).await?.into_iter().filter(|id| !read.contains(id)).collect();
        let mut manifests = std::pin::pin!(self.repository.manifests(&ids));
        while let Some(backup) = manifests.next().await {
            match backup.manifest {
                Ok(manifest) => names.manifest(&manifest).await?,
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(names)
    }

    async fn candidates(&mut self, names: Names<'_>) -> Result<()> {
        let mut batch = Vec::new();
        let mut groups = std::pin::pin!(names.finish().await?);
        while let Some(group) = groups.try_next().await? {
            let going = group.candidates.into_iter().filter(|candidate| self.due.get(candidate.mark) == Some(&true));
            batch.extend(going.filter(|_| !group.is_named));
            if batch.len() >= BATCH {
                self.remove(std::mem::take(&mut batch)).await?;
            }
        }
        self.remove(batch).await
    }

    async fn remove(&mut self, batch: Vec<Candidate>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.lease.ensure_held().await?;
        let mut marks = BTreeMap::new();
        for Candidate { path, size, mark } in batch {
            marks.insert(self.repository.address(&path)?.key, (size, mark));
        }
        let keys = marks.keys().cloned().collect();
        for (key, result) in self.repository.store.delete_many(&self.repository.bucket, keys).await {
            let Some((bytes, mark)) = marks.get(&key).copied() else { continue };
            match result {
                Ok(()) => self.swept.removed.add(Removed { objects: 1, bytes }),
                // Its mark stays, so that backups go on without it, and the next run tries again.
                Err(error) => {
                    self.due[mark] = false;
                    self.swept.report.add(Problem::new(key.as_str(), &error));
                }
            }
        }
        Ok(())
    }

    async fn marks(&mut self, files: &[MarkFile]) -> Result<()> {
        for (file, due) in files.iter().zip(&self.due) {
            if *due {
                self.repository.remove(&file.path).await?;
            }
        }
        Ok(())
    }
}
