//! Backups out of the repository. What they alone needed of packs and index segments, the next `prune` finds.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::StreamExt;
use serde::Serialize;

use super::{Context, Result, StepError};
use crate::model::{BackupId, Manifest, Problem, Report, format};
use crate::repository::locks::Lease;
use crate::repository::remove::Removed;
use crate::repository::state::Mark;
use crate::repository::{ErrorKind, RepositoryError, layout};

/// What to delete.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    pub ids: Vec<BackupId>,
    /// Also a backup without which there is no good one of something that it holds.
    pub even_the_last: bool,
}

/// What will be deleted.
#[derive(Debug, Serialize)]
pub struct DeletePlan {
    pub backups: Vec<Doomed>,
    /// Named, and not there.
    pub missing: Vec<BackupId>,
}

/// A backup that will go.
#[derive(Debug, Serialize)]
pub struct Doomed {
    pub id: BackupId,
    /// `good`, `not good`, `damaged`, or `unfinished`: a folder without a manifest.
    pub state: &'static str,
    /// What lies in its own folder.
    #[serde(flatten)]
    pub own: Removed,
}

impl fmt::Display for DeletePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "delete {} for good", format::count(self.backups.len() as u64, "backup"))?;
        for Doomed { id, state, own } in &self.backups {
            let (objects, bytes) = (format::count(own.objects, "object"), format::bytes(own.bytes));
            writeln!(formatter, "  {id}  {state}  {objects} of its own, {bytes}")?;
        }
        self.missing.iter().try_for_each(|id| writeln!(formatter, "  {id}  is not there"))
    }
}

/// What was deleted.
#[derive(Debug, Default, Serialize)]
pub struct Deleted {
    pub backups: Vec<BackupId>,
    #[serde(flatten)]
    pub removed: Removed,
    #[serde(flatten)]
    pub report: Report,
}

impl fmt::Display for Deleted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backups = format::count(self.backups.len() as u64, "backup");
        let freed = format::bytes(self.removed.bytes);
        write!(formatter, "deleted {backups}, {freed}; `dcs backup prune` frees what only they needed")
    }
}

/// A backup as the plan needs to know it.
struct Known {
    id: BackupId,
    state: &'static str,
    /// What it holds, where it is good.
    holds: BTreeSet<String>,
}

/// Plans a deletion. Refuses a protected backup, and the last good one of anything.
pub async fn plan(context: &Context, options: DeleteOptions) -> Result<DeletePlan> {
    let wanted: BTreeSet<&BackupId> = options.ids.iter().collect();
    let known = look(context, &wanted).await?;
    let mut plan = DeletePlan { backups: Vec::new(), missing: Vec::new() };
    for id in &wanted {
        let Some(known) = known.iter().find(|known| known.id == **id) else {
            plan.missing.push((*id).clone());
            continue;
        };
        refuse_protected(context, id).await?;
        let own = context.repository.measure_folder(&layout::backup_folder(id)).await?;
        plan.backups.push(Doomed { id: (*id).clone(), state: known.state, own });
    }
    if let (true, Some(first)) = (plan.backups.is_empty(), plan.missing.first()) {
        return Err(RepositoryError::new(ErrorKind::NotFound, "delete backup", first.as_str()).into());
    }
    if !options.even_the_last {
        refuse_the_last(&known, &wanted)?;
    }
    Ok(plan)
}

/// Reads all manifests, keeping little of each.
async fn look(context: &Context, wanted: &BTreeSet<&BackupId>) -> Result<Vec<Known>> {
    let repository = &context.repository;
    let ids = repository.backup_ids().await?;
    let mut found = Vec::new();
    let mut manifests = std::pin::pin!(repository.manifests(&ids));
    while let Some(backup) = manifests.next().await {
        let (state, holds) = match backup.manifest {
            Ok(manifest) => match repository.why_not_good(&manifest).await? {
                None => ("good", contents(&manifest)),
                Some(_) => ("not good", BTreeSet::new()),
            },
            Err(error) => match error.kind {
                ErrorKind::NotFound => ("unfinished", BTreeSet::new()),
                ErrorKind::Damaged => ("damaged", BTreeSet::new()),
                // What a newer dcs wrote may hold whatever: it is no reason to let another go, and does not go itself.
                ErrorKind::Unsupported if !wanted.contains(&backup.id) => continue,
                _ => return Err(error.into()),
            },
        };
        found.push(Known { id: backup.id, state, holds });
    }
    Ok(found)
}

/// What a backup holds, by the words of a message. A part of a database stands for no other part of it.
pub(super) fn contents(manifest: &Manifest) -> BTreeSet<String> {
    let databases = manifest.databases.iter().map(|database| match &database.selection {
        None => format!("the database {}", database.name),
        Some(only) => format!("the database {}, only {only}", database.name),
    });
    let sources = manifest.files.iter().flat_map(|files| &files.sources);
    let sources = sources.map(|summary| format!("the files of {}", summary.source));
    let config = manifest.config.iter().map(|_| "the configuration".to_owned());
    databases.chain(sources).chain(config).collect()
}

async fn refuse_protected(context: &Context, id: &BackupId) -> Result<()> {
    if !context.repository.is_said(id, Mark::Protected).await? {
        return Ok(());
    }
    let error = StepError::refused("delete backup", id.as_str(), "it is protected");
    Err(error.with_hint(format!("Nothing was changed. If it may go after all: `dcs backup unprotect {id}`.")))
}

fn refuse_the_last(known: &[Known], wanted: &BTreeSet<&BackupId>) -> Result<()> {
    let (going, staying): (Vec<&Known>, Vec<&Known>) = known.iter().partition(|known| wanted.contains(&known.id));
    let kept: BTreeSet<&String> = staying.iter().flat_map(|known| &known.holds).collect();
    for known in going {
        if let Some(lost) = known.holds.iter().find(|held| !kept.contains(held)) {
            let reason = format!("no other good backup would be left that holds {lost}");
            let error = StepError::refused("delete backup", known.id.as_str(), reason);
            return Err(error.with_hint(
                "Nothing was changed. Make a new backup first: `dcs backup complete`; or say `--even-the-last`.",
            ));
        }
    }
    Ok(())
}

/// Carries the plan out. A backup that cannot be deleted is a problem, and the others go on; without the lock nothing does.
pub async fn execute(context: &Context, plan: DeletePlan, lease: &Lease) -> Result<Deleted> {
    let mut deleted = Deleted::default();
    let alone = plan.backups.len() == 1;
    for Doomed { id, .. } in plan.backups {
        match context.repository.delete_backup(&id, lease).await {
            Ok(removed) => {
                deleted.removed.add(removed);
                deleted.backups.push(id);
            }
            Err(error) if alone || error.kind == ErrorKind::LockLost => return Err(error.into()),
            Err(error) => {
                let problem = Problem::new(id.as_str(), super::with_causes(&error));
                context.progress.problem(&problem);
                deleted.report.add(problem);
            }
        }
    }
    Ok(deleted)
}
