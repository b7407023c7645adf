//! `dcs delete`

use clap::Args;

use super::items::{Several, once};
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::model::ItemName;
use crate::steps::items::{self, DeleteOptions};

/// Move items to the trash
///
/// The item's folder moves to the trash bucket, its whole path preserved, and the status of its row becomes `archived`.
/// No original goes before its copy is proven. Interrupted at any point, the same command again finishes the job.
/// `dcs restore` brings the item back.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Items, as in `books/42`
    #[arg(value_name = "ITEM", required = true)]
    items: Vec<ItemName>,

    /// Why, for those who find it in the trash
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    /// Leave the database alone, for when it is down or has no row
    #[arg(long)]
    skip_db: bool,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) async fn run(args: DeleteArgs, session: &Session) -> Outcome {
    let items = session.items(args.dry_run)?;
    let options = DeleteOptions { reason: args.reason, skip_db: args.skip_db };
    let named = once(args.items);
    if args.dry_run {
        let mut plans = Several::of(named.len());
        for item in &named {
            let plan = items::plan_delete(&items, item, &options).await;
            plans.add(item, plan.map_err(CommandError::from), session)?;
        }
        return plans.report("would ", session);
    }
    let mut deleted = Several::of(named.len());
    for item in &named {
        let result = items::delete(&items, item, &options).await;
        if let Ok(deleted) = &result {
            session.tell_moved(deleted.objects, deleted.bytes);
        }
        deleted.add(item, result.map_err(CommandError::from), session)?;
    }
    deleted.report("deleted ", session)
}
