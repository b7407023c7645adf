//! `dcs restore-db`

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::restore::{Choice, Loading, Targets, choose, show_with_databases};
use super::{Outcome, Session};
use crate::exit::ExitCode;
use crate::model::{BackupId, Manifest};
use crate::steps::restore_database::{self, DatabaseRestorePlan, Restored};
use crate::steps::verify;

mod into;
mod rows;
mod undo;

/// Bring databases back out of a backup
///
/// The backup is checked first, then loaded into a new database beside the live one and compared with what was counted
/// when it was made. Only then the two change places; the old one is kept under another name, and `--undo` puts it back.
/// With `--into` the new database keeps a name of its own, and nothing live is touched; with `--data-only --in-place` rows
/// of live tables are replaced.
#[derive(Debug, Args)]
pub struct RestoreDbArgs {
    #[command(flatten)]
    choice: Choice,

    /// Restore only this database of the backup; may be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    #[command(flatten)]
    into: into::IntoArgs,

    #[command(flatten)]
    undo: undo::UndoArgs,

    #[command(flatten)]
    targets: Targets,

    #[command(flatten)]
    loading: Loading,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, env = "DCS_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

#[derive(Serialize)]
struct Answer {
    backup: BackupId,
    databases: Vec<Restored>,
}

pub(super) async fn run(args: RestoreDbArgs, session: &Session) -> Outcome {
    args.into.check()?;
    if args.undo.is_wanted() {
        return undo::run(args.undo, &args.targets, args.dry_run, args.yes, session).await;
    }

    // Choose the backup and open what it goes to.
    let repository = session.repository(args.dry_run).await?;
    let only = &args.only;
    // A dump of a part is restored beside the live database only, and only where it is named.
    let takes_parts = args.into.takes_parts() && args.choice.names_one();
    let holds = |manifest: &Manifest| {
        let mut whole = manifest.databases.iter().filter(|database| takes_parts || database.selection.is_none());
        let has = |name: &String| whole.clone().any(|database| database.name == *name);
        only.iter().all(has) && whole.next().is_some()
    };
    let mut manifest = choose(session, &repository, &args.choice.selector(), "the databases asked for", holds).await?;
    if !only.is_empty() {
        manifest.databases.retain(|database| only.contains(&database.name));
    }
    manifest.files = None;
    manifest.config = None;
    let mut places = args.targets.places(&manifest.origins, session)?;
    let mut choices = args.loading.choices(session)?;
    args.into.apply(&manifest, &mut places, &mut choices, session)?;
    let names: Vec<String> = manifest.databases.iter().map(|database| database.name.clone()).collect();
    let context = session.context(repository, [], names, &places, args.dry_run)?;
    let lease = if args.dry_run { None } else { Some(session.lock_to_restore(&context, &[]).await?) };
    if args.into.is_data_only() {
        return Box::pin(rows::run(&args.into, manifest, &context, lease, args.yes, session)).await;
    }

    // Plan: rights, tools, names. Nothing is changed yet.
    let mut plans = Vec::new();
    for component in &manifest.databases {
        plans.push(restore_database::plan(&context, component, choices.clone()).await?);
    }
    show_with_databases(session, &manifest.id, &shown(&manifest.id, &plans), &plans, args.dry_run)?;
    if args.dry_run {
        return Ok(ExitCode::Done);
    }
    session.ui().confirm_name(args.yes, "restore over the live database", &displaced(&plans), &manifest.id).await?;

    // Check every byte that is needed before anything is touched.
    verify::require_intact(&context, &manifest).await?;

    // Load and prove all beside the live ones, then let them change places.
    let hooks = session.hooks(Some(&manifest.id), plans.iter().map(|plan| plan.name().to_owned()).collect())?;
    session.sets_out_to_destroy("live databases, kept beside", displaced(&plans));
    let restored = restore_database::execute(&context, plans, &hooks).await?;
    session.has_destroyed_all();
    let mut text = String::new();
    for database in &restored.done {
        writeln!(text, "{database}").ok();
    }
    session.ui().report(&text, &Answer { backup: manifest.id, databases: restored.done })?;
    restored.after.map_or(Ok(ExitCode::Done), |error| Err(error.into()))
}

/// The live databases that will go aside, as the configuration calls them.
pub(super) fn displaced(plans: &[DatabaseRestorePlan]) -> Vec<&str> {
    plans.iter().filter(|plan| plan.plan.displaces_live).map(DatabaseRestorePlan::name).collect()
}

pub(super) fn shown(id: &BackupId, plans: &[DatabaseRestorePlan]) -> String {
    let mut text = format!("restore databases of {id}");
    for plan in plans {
        write!(text, "\n  {plan}").ok();
    }
    text
}
