//! `dcs restore`

use clap::Args;

use super::items::Several;
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::steps::StepError;
use crate::steps::items::{self, Items, RestoreOptions, RestorePlan, Restored, Selection};

/// Bring items back out of the trash
///
/// The folder goes back to where it was, and the status of the row to what it was. What is in the way is never mixed with
/// it: the command refuses, or with `--overwrite` sends it to the trash as an entry of its own. Interrupted at any point,
/// the same command again finishes the job. Backups come back with `restore-db`, `restore-files` and `restore-complete`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Trash entries, as `dcs trash list` shows them, or items, as in `books/42`
    #[arg(value_name = "ENTRY|ITEM", required = true)]
    what: Vec<Selection>,

    /// Take the newest of several entries of an item
    #[arg(long)]
    latest: bool,

    /// Send what is in the way to the trash
    #[arg(long)]
    overwrite: bool,

    /// Leave the database alone
    #[arg(long)]
    skip_db: bool,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask before something is replaced
    #[arg(long, env = "DCS_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

pub(super) async fn run(args: RestoreArgs, session: &Session) -> Outcome {
    let items = session.items(args.dry_run)?;
    let options = RestoreOptions { overwrite: args.overwrite, skip_db: args.skip_db, latest: args.latest };
    if args.dry_run {
        let mut plans = Several::of(args.what.len());
        for what in &args.what {
            plans.add(what, plan(&items, what, &options).await.map_err(CommandError::from), session)?;
        }
        return plans.report("would ", session);
    }
    let mut restored = Several::of(args.what.len());
    for what in &args.what {
        let result = one(&items, what, &options, args.yes, session).await;
        restored.add(what, result, session)?;
    }
    restored.report("", session)
}

async fn plan(items: &Items, what: &Selection, options: &RestoreOptions) -> Result<RestorePlan, StepError> {
    let entry = items::choose_entry(items, what, options).await?;
    items::plan_restore(items, &entry, options, None).await
}

async fn one(
    items: &Items,
    what: &Selection,
    options: &RestoreOptions,
    yes: bool,
    session: &Session,
) -> Result<Restored, CommandError> {
    let entry = items::choose_entry(items, what, options).await?;
    if options.overwrite {
        let plan = items::plan_restore(items, &entry, options, None).await?;
        if plan.displaces() {
            session.ui().note(&plan.to_string());
            session.ui().confirm(yes, "Send what is there to the trash?").await?;
            session.sets_out_to_destroy("live objects, kept in the trash", [what]);
        }
    }
    let restored = items::restore(items, &entry, options).await?;
    session.tell_moved(restored.objects, restored.bytes);
    if restored.displaced_to.is_some() {
        session.has_destroyed_all();
    }
    if restored.status_kept {
        session.ui().warn(&format!("the status of {what} was changed since it was deleted, and stays as it is"));
    }
    Ok(restored)
}
