//! `dcs backup prune`

use std::time::Duration;

use clap::Args;

use crate::cli::duration;
use crate::commands::open::Places;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::repository::locks::{Locks, Want};
use crate::steps::prune;

/// Free the room of what no backup needs any more
///
/// Packs and index segments that no backup names are marked, and go with the first prune after a grace period, counted
/// from the mark. Backups may run meanwhile. What killed runs left behind goes when it is older than that. No backup is
/// deleted: see `dcs backup delete`.
#[derive(Debug, Args)]
pub struct PruneArgs {
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

pub(super) async fn run(args: PruneArgs, session: &Session) -> Outcome {
    let grace = args.grace.unwrap_or(session.settings()?.backup.grace());
    let repository = session.repository(args.dry_run).await?;
    let context = session.context(repository, [], [], &Places::default(), args.dry_run)?;
    let locks = Locks::of(&context.repository, session.holder());
    if args.dry_run {
        let plan = prune::plan(&context, &locks, grace).await?;
        session.ui().answer(&plan, &plan.outline())?;
        return Ok(ExitCode::Done);
    }

    // One prune at a time; backups, restores and verifications go on beside it.
    let lease = session.lock(&context.repository, &[Want::exclusive(Want::PRUNE)]).await?;
    let plan = prune::plan(&context, &locks, grace).await?;
    session.ui().note(plan.to_string().trim_end());
    if plan.removes() {
        session.ui().confirm(args.yes, "Remove what is to be removed?").await?;
    }

    let pruned = prune::execute(&context, &locks, plan, &lease).await?;
    for run in &pruned.waits_for {
        session.ui().note(&format!("what {run} may still name is left for the next time"));
    }
    session.ui().report(&pruned, &pruned)?;
    if pruned.report.is_clean() {
        return Ok(ExitCode::Done);
    }
    let message = format!("{} could not be removed", format::count(pruned.report.problem_count, "object"));
    Err(CommandError::new(ExitCode::Problems, message).hint("Mend the cause and run the same command again."))
}
