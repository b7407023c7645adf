//! `dcs backup prune`

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::state;
use crate::cli::duration;
use crate::commands::open::Places;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::model::retention::{Retention, Rules};
use crate::repository::locks::{Locks, Want};
use crate::steps::Context;
use crate::steps::delete_backups::{self, Deleted};
use crate::steps::prune::{self, PruneOutline, Pruned};
use crate::steps::retention::{self, RetentionPlan};

/// Delete the backups that no rule keeps, and free the room of what none needs
///
/// The rules are those of `[backup.keep]`, or the --keep options instead; without any, no backup is deleted. Rules count
/// periods in UTC that have a backup, for each kind and for all that backups hold. One a day stays for 30 days unless
/// `daily` says otherwise. The last good and the last proven backup of anything stay, and those that are protected; nothing
/// goes while a source that lost much waits for `dcs backup accept`.
///
/// Packs and index segments that no backup names are marked, and go with the first prune after a grace period, counted
/// from the mark. Backups may run meanwhile. What killed runs left behind goes when it is older than that.
#[derive(Debug, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    keep: KeepArgs,

    /// Remove what was marked so long ago, as in `24h`, `7d` or `0s`; `grace` of `[backup]` by default, or a day
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "DCS_GRACE")]
    grace: Option<Duration>,

    /// Show what would be removed and marked, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, env = "DCS_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

/// Rules for all kinds, instead of the configuration's.
#[derive(Debug, Args)]
struct KeepArgs {
    /// Keep the last N backups
    #[arg(long = "keep-last", value_name = "N", env = "DCS_KEEP_LAST")]
    last: Option<u32>,

    /// Keep one of each of N hours
    #[arg(long = "keep-hourly", value_name = "N", env = "DCS_KEEP_HOURLY")]
    hourly: Option<u32>,

    /// Keep one of each of N days; 30 where any rule is given
    #[arg(long = "keep-daily", value_name = "N", env = "DCS_KEEP_DAILY")]
    daily: Option<u32>,

    /// Keep one of each of N weeks
    #[arg(long = "keep-weekly", value_name = "N", env = "DCS_KEEP_WEEKLY")]
    weekly: Option<u32>,

    /// Keep one of each of N months
    #[arg(long = "keep-monthly", value_name = "N", env = "DCS_KEEP_MONTHLY")]
    monthly: Option<u32>,

    /// Keep one of each of N years
    #[arg(long = "keep-yearly", value_name = "N", env = "DCS_KEEP_YEARLY")]
    yearly: Option<u32>,

    /// Keep all that began so long ago or later, as in `48h` or `7d`
    #[arg(long = "keep-within", value_name = "DURATION", value_parser = duration, env = "DCS_KEEP_WITHIN")]
    within: Option<Duration>,

    /// Keep all with this tag; may be given more than once
    #[arg(long = "keep-tag", value_name = "TAG", value_parser = state::tag)]
    tags: Vec<String>,
}

impl KeepArgs {
    fn retention(self) -> Result<Option<Retention>, CommandError> {
        let counts = [self.last, self.hourly, self.weekly, self.monthly, self.yearly];
        let is_given = counts.iter().any(Option::is_some) || self.daily.is_some() || self.within.is_some();
        if !is_given && self.tags.is_empty() {
            return Ok(None);
        }
        let [last, hourly, weekly, monthly, yearly] = counts.map(Option::unwrap_or_default);
        let (daily, within, tags) = (self.daily, self.within, self.tags);
        let all = Rules { last, hourly, daily, weekly, monthly, yearly, within, tags };
        if all.keeps_anything() {
            return Ok(Some(Retention { all, ..Retention::default() }));
        }
        let message = "the rules keep nothing";
        Err(CommandError::new(ExitCode::Usage, message)
            .hint("Keep at least one: `--keep-last 1`; or delete by name: `dcs backup delete ID`."))
    }
}

/// What would be done. Of what only the backups that go need, nothing is known yet.
#[derive(Serialize)]
struct Planned<'a> {
    retention: Option<&'a RetentionPlan>,
    #[serde(flatten)]
    sweep: PruneOutline<'a>,
}

#[derive(Serialize)]
struct Answer<'a> {
    deleted: &'a Deleted,
    frozen_by: Option<&'a crate::model::BackupId>,
    #[serde(flatten)]
    pruned: &'a Pruned,
}

pub(super) async fn run(args: PruneArgs, session: &Session) -> Outcome {
    let settings = &session.settings()?.backup;
    let grace = args.grace.unwrap_or(settings.grace());
    let retention = args.keep.retention()?.or_else(|| settings.keep.clone());
    let repository = session.repository(args.dry_run).await?;
    let context = session.context(repository, [], [], &Places::default(), args.dry_run)?;
    let locks = Locks::of(&context.repository, session.holder());
    if args.dry_run {
        return show(&context, &locks, retention.as_ref(), grace, session).await;
    }

    // Backups first: what only they needed is marked then.
    let (mut deleted, mut ruled) = (Deleted::default(), None);
    if let Some(retention) = &retention {
        let (plan, done) = delete(&context, retention, args.yes, session).await?;
        (deleted, ruled) = (done, Some(plan));
    }

    // One prune at a time; backups, restores and verifications go on beside it.
    let lease = session.lock(&context.repository, &[Want::exclusive(Want::PRUNE)]).await?;
    let plan = prune::plan(&context, &locks, grace).await?;
    session.ui().note(plan.to_string().trim_end());
    warn_of_the_budget(&plan, session)?;
    if plan.removes() {
        session.ui().confirm(args.yes, "Remove what is to be removed?").await?;
    }
    session.sets_out_to_destroy("what no backup needs", plan.doomed());
    let pruned = prune::execute(&context, &locks, plan, &lease).await?;
    session.tell_moved(pruned.removed.objects, pruned.removed.bytes);
    session.tell_problems(deleted.report.problem_count + pruned.report.problem_count);
    context.repository.thin_runs(context.repository.now().await?).await?;
    for run in &pruned.waits_for {
        session.ui().note(&format!("what {run} may still name is left for the next time"));
    }

    let frozen_by = ruled.as_ref().and_then(|plan| plan.frozen_by.as_ref());
    let text = match deleted.backups.len() as u64 {
        0 => pruned.to_string(),
        count => format!("deleted {}; {pruned}", format::count(count, "backup")),
    };
    session.ui().report(&text, &Answer { deleted: &deleted, frozen_by, pruned: &pruned })?;
    let failed = deleted.report.problem_count + pruned.report.problem_count;
    if failed > 0 {
        let message = format!("{} could not be removed", format::count(failed, "object"));
        return Err(
            CommandError::new(ExitCode::Problems, message).hint("Mend the cause and run the same command again.")
        );
    }
    session.has_destroyed_all();
    if let Some(id) = frozen_by {
        let message = format!("no backup was deleted, because in {id} a source is much smaller than it was");
        return Err(CommandError::new(ExitCode::Problems, message)
            .hint(format!("See what: `dcs backup show {id}`. If that is right: `dcs backup accept {id}`.")));
    }
    Ok(ExitCode::Done)
}

async fn show(
    context: &Context,
    locks: &Locks,
    retention: Option<&Retention>,
    grace: Duration,
    session: &Session,
) -> Outcome {
    let ruled = match retention {
        Some(retention) => Some(retention::plan(context, retention).await?),
        None => None,
    };
    let plan = prune::plan(context, locks, grace).await?;
    let told = ruled.as_ref().map_or_else(String::new, ToString::to_string);
    session.ui().answer(&format!("{told}{plan}"), &Planned { retention: ruled.as_ref(), sweep: plan.outline() })?;
    Ok(ExitCode::Done)
}

/// Deletes what no rule keeps, alone with the repository for that long.
async fn delete(
    context: &Context,
    retention: &Retention,
    yes: bool,
    session: &Session,
) -> Result<(RetentionPlan, Deleted), CommandError> {
    let mut plan = retention::plan(context, retention).await?;
    if !plan.deletes() {
        session.ui().note(plan.to_string().trim_end());
        return Ok((plan, Deleted::default()));
    }
    let lease = session.lock(&context.repository, &[Want::exclusive(Want::REPOSITORY)]).await?;
    // What was said of a backup meanwhile counts, and what was made or deleted.
    plan = retention::plan(context, retention).await?;
    session.ui().note(plan.to_string().trim_end());
    let deletion = retention::deletion(context, &plan).await?;
    let count = format::count(deletion.backups.len() as u64, "backup");
    if plan.deletes() {
        session.ui().confirm(yes, &format!("Delete {count} for good?")).await?;
    }
    session.sets_out_to_destroy("backups", deletion.backups.iter().map(|doomed| &doomed.id));
    let deleted = delete_backups::execute(context, deletion, &lease).await?;
    session.tell_moved(deleted.removed.objects, deleted.removed.bytes);
    session.unlock().await;
    Ok((plan, deleted))
}

fn warn_of_the_budget(plan: &prune::PrunePlan, session: &Session) -> Result<(), CommandError> {
    let Some(budget) = session.settings()?.backup.budget else { return Ok(()) };
    let outline = plan.outline();
    let room = outline.room();
    if room > budget {
        let (room, budget) = (format::bytes(room), format::bytes(budget));
        session.ui().warn(&format!("packs and indexes take {room}, and `budget` of [backup] is {budget}"));
    }
    Ok(())
}
