//! `dcs trash purge`

use clap::Args;

use super::list::Which;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::TrashId;
use crate::steps::items::{self, PurgeOptions};

/// Destroy what is in the trash, for good
///
/// Shows what would go, and asks. Where the bucket is versioned, all versions go. Interrupted, the next purge finishes.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// Trash entries, as `dcs trash list` shows them
    #[arg(value_name = "ENTRY", conflicts_with_all = ["older_than", "kind", "all"])]
    entries: Vec<TrashId>,

    #[command(flatten)]
    which: Which,

    /// Every entry
    #[arg(long)]
    all: bool,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, env = "DCS_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

pub(super) async fn run(args: PurgeArgs, session: &Session) -> Outcome {
    // Nothing is chosen by itself: what is destroyed is named.
    let items = session.items(args.dry_run)?;
    items.require_trash().await?;
    if args.entries.is_empty() && args.which.is_all() && !args.all {
        let listing = items::list(&items, &items::Filter::default()).await?;
        let message = format!(
            "say what to purge; the trash holds {}",
            crate::model::format::count(listing.entries.len() as u64, "entry")
        );
        return Err(CommandError::new(ExitCode::Usage, message)
            .hint("See them: `dcs trash list`. Name entries, or `--older-than 30d`, `--kind KIND`, `--all`."));
    }

    // Plan, show, ask.
    let filter = args.which.filter(&items, session).await?;
    let plan = items::plan_purge(&items, &PurgeOptions { entries: args.entries, filter }).await?;
    if args.dry_run {
        session.ui().answer(&plan, &plan)?;
        return Ok(ExitCode::Done);
    }
    if plan.entries.is_empty() {
        session.ui().note("there is nothing to purge");
        session.ui().report(&"", &items::Purged::default())?;
        return Ok(ExitCode::Done);
    }
    session.ui().note(plan.to_string().trim_end());
    session.ui().confirm(args.yes, "Destroy these for good?").await?;

    session.sets_out_to_destroy("trash entries", plan.entries.iter().map(|entry| &entry.id));
    let purged = items::purge(&items, plan).await?;
    session.tell_moved(purged.objects, purged.bytes);
    session.tell_problems(purged.report.problem_count);
    session.ui().report(&purged, &purged)?;
    if purged.report.is_clean() {
        session.has_destroyed_all();
        return Ok(ExitCode::Done);
    }
    for problem in &purged.report.problems {
        session.ui().warn(&format!("{}: {}", problem.subject, problem.reason));
    }
    let message = format!("{} were not purged", crate::model::format::count(purged.report.problem_count, "entry"));
    Err(CommandError::new(ExitCode::Problems, message).hint("Mend the cause and run the same command again."))
}
