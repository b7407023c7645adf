//! Which backups go because no rule keeps them.

use std::collections::HashSet;
use std::fmt;

use futures_util::StreamExt;
use serde::Serialize;

use super::delete_backups::{self, DeletePlan, Doomed};
use super::{Context, Result};
use crate::model::retention::{self, Candidate, Retention, Standing};
use crate::model::{BackupId, Manifest, format};
use crate::repository::evidence::Proof;
use crate::repository::manifests::Backup;
use crate::repository::state::Mark;
use crate::repository::{ErrorKind, layout};

/// What becomes of each backup.
#[derive(Debug, Serialize)]
pub struct RetentionPlan {
    /// Newest first.
    pub backups: Vec<Ruled>,
    /// The backup for which nothing may go: a source lost much in it, and nobody has accepted that.
    pub frozen_by: Option<BackupId>,
}

/// A backup, and the rules that keep it.
#[derive(Debug, Serialize)]
pub struct Ruled {
    pub id: BackupId,
    /// Empty: it goes.
    pub kept_by: Vec<String>,
    #[serde(skip)]
    state: &'static str,
}

impl RetentionPlan {
    fn going(&self) -> impl Iterator<Item = &Ruled> {
        self.backups.iter().filter(|backup| backup.kept_by.is_empty() && self.frozen_by.is_none())
    }

    /// Whether anything is destroyed.
    pub fn deletes(&self) -> bool {
        self.going().next().is_some()
    }
}

impl fmt::Display for RetentionPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let going = self.going().count() as u64;
        let kept = self.backups.len() as u64 - going;
        writeln!(formatter, "keep {}, delete {going}", format::count(kept, "backup"))?;
        for Ruled { id, kept_by, .. } in &self.backups {
            match (kept_by.as_slice(), &self.frozen_by) {
                ([], None) => writeln!(formatter, "  {id}  goes: no rule keeps it")?,
                ([], Some(_)) => writeln!(formatter, "  {id}  no rule keeps it; stays while nothing may go")?,
                (rules, _) => writeln!(formatter, "  {id}  {}", rules.join(", "))?,
            }
        }
        Ok(())
    }
}

/// Looks at all backups by the rules. Changes nothing.
pub async fn plan(context: &Context, retention: &Retention) -> Result<RetentionPlan> {
    let repository = &context.repository;
    let now = repository.now().await?;
    let proofs = repository.proofs().await?;
    let mut ids = repository.backup_ids().await?;
    ids.reverse();
    let (mut candidates, mut frozen_by, mut settled) = (Vec::new(), None, HashSet::new());
    let mut manifests = std::pin::pin!(repository.manifests(&ids));
    while let Some(Backup { id, manifest }) = manifests.next().await {
        match manifest {
            Ok(manifest) => {
                let is_proven = matches!(proofs.get(&id), Some(Proof::Proven { .. }));
                let candidate = candidate(context, &manifest, is_proven).await?;
                // Once a later one is good, somebody has said that the loss is right, or it was none.
                if candidate.standing == Standing::Good {
                    settled.insert(id.kind());
                } else if manifest.report.shrunken && frozen_by.is_none() && !settled.contains(&id.kind()) {
                    frozen_by = Some(id);
                }
                candidates.push(candidate);
            }
            // Of a run that goes on, or was interrupted: prune knows when such a one may go.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) if matches!(error.kind, ErrorKind::Damaged | ErrorKind::Unsupported) => {
                let at = id.began().unwrap_or(now);
                let (tags, holds) = Default::default();
                let standing = Standing::Unreadable;
                candidates.push(Candidate { id, at, standing, is_protected: false, is_proven: false, tags, holds });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let kept = retention::decide(&candidates, retention, now);
    let backups = candidates.into_iter().zip(kept).map(|(candidate, kept_by)| {
        let state = if candidate.standing == Standing::Good { "good" } else { "not good" };
        Ruled { id: candidate.id, kept_by, state }
    });
    Ok(RetentionPlan { backups: backups.collect(), frozen_by })
}

async fn candidate(context: &Context, manifest: &Manifest, is_proven: bool) -> Result<Candidate> {
    let repository = &context.repository;
    let is_good = repository.why_not_good(manifest).await?.is_none();
    Ok(Candidate {
        id: manifest.id.clone(),
        at: manifest.started_at,
        standing: if is_good { Standing::Good } else { Standing::NotGood },
        is_protected: repository.is_said(&manifest.id, Mark::Protected).await?,
        is_proven,
        tags: repository.tags(manifest).await?,
        holds: delete_backups::contents(manifest),
    })
}

/// What is to be deleted, measured.
pub async fn deletion(context: &Context, plan: &RetentionPlan) -> Result<DeletePlan> {
    let mut backups = Vec::new();
    for Ruled { id, state, .. } in plan.going() {
        let own = context.repository.measure_folder(&layout::backup_folder(id)).await?;
        backups.push(Doomed { id: id.clone(), state, own });
    }
    Ok(DeletePlan { backups, missing: Vec::new() })
}
