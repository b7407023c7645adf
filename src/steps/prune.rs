//! Reclaims what no backup names: marks it, and removes what was marked for longer than a grace.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{Context, Result, StepError};
use crate::model::{BackupId, Report, format};
use crate::repository::locks::{Lease, Locks};
use crate::repository::prune::{self, Leftover, Survey};
use crate::repository::remove::Removed;
use crate::repository::{ErrorKind, RepositoryError};

/// What prune will do.
pub struct PrunePlan {
    survey: Survey,
    grace: Duration,
}

/// The plan as people and scripts read it.
#[derive(Debug, Serialize)]
pub struct PruneOutline<'a> {
    /// What backups need.
    used: Removed,
    /// What nobody needs, and will be marked.
    mark: Removed,
    /// What nobody needs, and was marked for long enough: it goes.
    remove: Removed,
    /// What nobody needs, and was not marked for long enough yet.
    wait: Removed,
    /// What killed runs left, and goes too.
    leftovers: &'a [Leftover],
    /// Packs of which little is needed: the next backup stores that little anew.
    sparse_packs: usize,
    sparse_bytes: u64,
}

impl PrunePlan {
    pub fn outline(&self) -> PruneOutline<'_> {
        let survey = &self.survey;
        let (mark, due) = (survey.unmarked_size, survey.due_size);
        PruneOutline {
            used: survey.used_size,
            mark: if self.grace.is_zero() { Removed::default() } else { mark },
            remove: if self.grace.is_zero() { due.and(mark) } else { due },
            wait: survey.marked_size,
            leftovers: &survey.leftovers,
            sparse_packs: survey.sparse.len(),
            sparse_bytes: survey.sparse.iter().map(|sparse| sparse.size).sum(),
        }
    }

    /// Whether anything is destroyed, so that somebody must say yes.
    pub fn removes(&self) -> bool {
        let outline = self.outline();
        outline.remove.objects > 0 || !outline.leftovers.is_empty()
    }
}

impl PrunePlan {
    /// What will be removed, a line each, for the audit log.
    pub fn doomed(&self) -> Vec<String> {
        let outline = self.outline();
        let size = |size: Removed| format!("{}, {}", format::count(size.objects, "object"), format::bytes(size.bytes));
        let marked = (outline.remove.objects > 0).then(|| format!("what was marked: {}", size(outline.remove)));
        let leftover = |Leftover { id, size: found }: &Leftover| format!("the unfinished {id}: {}", size(*found));
        marked.into_iter().chain(outline.leftovers.iter().map(leftover)).collect()
    }
}

impl fmt::Display for PrunePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outline = self.outline();
        let size = |size: Removed| format!("{}, {}", format::count(size.objects, "object"), format::bytes(size.bytes));
        writeln!(formatter, "backups need   {}", size(outline.used))?;
        writeln!(formatter, "to be removed  {}", size(outline.remove))?;
        for Leftover { id, size: found } in outline.leftovers {
            writeln!(formatter, "  and the unfinished {id}: {}", size(*found))?;
        }
        let grace = if self.grace.as_secs().is_multiple_of(3600) && !self.grace.is_zero() {
            format::count(self.grace.as_secs() / 3600, "hour")
        } else {
            format::duration(self.grace)
        };
        writeln!(formatter, "to be marked   {}; it goes after {grace}", size(outline.mark))?;
        if outline.wait.objects > 0 {
            writeln!(formatter, "marked before  {}; it waits for its time", size(outline.wait))?;
        }
        if outline.sparse_packs > 0 {
            let packs = format::count(outline.sparse_packs as u64, "pack");
            let bytes = format::bytes(outline.sparse_bytes);
            writeln!(formatter, "mostly dead    {packs}, {bytes}; the next backup stores anew what it needs of them")?;
        }
        Ok(())
    }
}

impl PruneOutline<'_> {
    /// Bytes in the repository after it was carried out, but for what backups have in their own folders.
    pub fn room(&self) -> u64 {
        self.used.bytes + self.mark.bytes + self.wait.bytes
    }
}

/// What prune did.
#[derive(Debug, Serialize)]
pub struct Pruned {
    pub marked: Removed,
    pub removed: Removed,
    pub leftovers: Vec<BackupId>,
    /// Runs that go on: what they may still name was left for the next time.
    pub waits_for: Vec<String>,
    pub sparse_packs: usize,
    #[serde(flatten)]
    pub report: Report,
}

impl fmt::Display for Pruned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |size: Removed| format!("{}, {}", format::count(size.objects, "object"), format::bytes(size.bytes));
        write!(formatter, "removed {}; marked {}", size(self.removed), size(self.marked))
    }
}

/// Looks for what nobody names. Changes nothing. A manifest that cannot be read ends it.
pub async fn plan(context: &Context, locks: &Locks, grace: Duration) -> Result<PrunePlan> {
    let survey = prune::survey(&context.repository, locks, &context.spool, grace).await.map_err(unknowable)?;
    Ok(PrunePlan { survey, grace })
}

/// Carries the plan out under the lock of `lease`, which is prune's own.
pub async fn execute(context: &Context, locks: &Locks, plan: PrunePlan, lease: &Lease) -> Result<Pruned> {
    let sparse_packs = plan.survey.sparse.len();
    let swept = prune::sweep(&context.repository, locks, lease, &context.run, plan.survey, plan.grace).await;
    let swept = swept.map_err(unknowable)?;
    for problem in &swept.report.problems {
        context.progress.problem(problem);
    }
    Ok(Pruned {
        marked: swept.marked,
        removed: swept.removed,
        leftovers: swept.leftovers,
        waits_for: swept.waits_for,
        sparse_packs,
        report: swept.report,
    })
}

/// What cannot be read may name anything: nothing is removed, and the way out is said.
fn unknowable(error: RepositoryError) -> StepError {
    if error.kind != ErrorKind::Damaged {
        return error.into();
    }
    let found = error.detail.clone().unwrap_or_default();
    let detail = format!("{found}; what it names is not known, so nothing is pruned until it is mended or deleted");
    error.with_detail(detail).into()
}
