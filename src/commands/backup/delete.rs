//! `dcs backup delete`

use clap::Args;

use crate::commands::open::Places;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, format};
use crate::repository::locks::Want;
use crate::steps::delete_backups::{self, DeleteOptions};

/// Delete backups, for good
///
/// Shows what would go, and asks. Packs that other backups need stay; what nobody needs any more, `dcs backup prune`
/// frees. A protected backup does not go, nor the last good one that holds a database, a bucket or the configuration.
/// What a run that was killed left of a backup can be named too.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Backups, as `dcs backup list` shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<BackupId>,

    /// Delete even the last good backup of something
    #[arg(long)]
    even_the_last: bool,

    /// Show what would be deleted, and delete nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, env = "DCS_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

pub(super) async fn run(args: DeleteArgs, session: &Session) -> Outcome {
    let repository = session.repository(args.dry_run).await?;
    let context = session.context(repository, [], [], &Places::default(), args.dry_run)?;
    let options = DeleteOptions { ids: args.ids, even_the_last: args.even_the_last };
    if args.dry_run {
        let plan = delete_backups::plan(&context, options).await?;
        session.ui().answer(&plan, &plan)?;
        return Ok(ExitCode::Done);
    }

    // Alone with the repository: nobody reads what goes, and no other deletion takes the other of two last ones.
    let lease = session.lock(&context.repository, &[Want::exclusive(Want::REPOSITORY)]).await?;
    let plan = delete_backups::plan(&context, options).await?;
    session.ui().note(plan.to_string().trim_end());
    session.ui().confirm(args.yes, "Delete these for good?").await?;

    let missing = plan.missing.clone();
    session.sets_out_to_destroy("backups", plan.backups.iter().map(|doomed| &doomed.id));
    let deleted = delete_backups::execute(&context, plan, &lease).await?;
    session.tell_moved(deleted.removed.objects, deleted.removed.bytes);
    session.tell_problems(deleted.report.problem_count);
    if deleted.report.is_clean() {
        session.has_destroyed_all();
    }
    session.ui().report(&deleted, &deleted)?;
    if deleted.report.is_clean() && missing.is_empty() {
        return Ok(ExitCode::Done);
    }
    for problem in &deleted.report.problems {
        session.ui().warn(&format!("{}: {}", problem.subject, problem.reason));
    }
    for id in &missing {
        session.ui().warn(&format!("there is no backup {id}"));
    }
    let count = format::count(deleted.report.problem_count + missing.len() as u64, "backup");
    Err(CommandError::new(ExitCode::Problems, format!("{count} could not be deleted"))
        .hint("See what there is: `dcs backup list`. Mend the cause and run the same command again."))
}
