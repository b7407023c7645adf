//! `dcs restore-db`

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::restore::{Choice, Targets, choose, show};
use super::{Outcome, Session};
use crate::exit::ExitCode;
use crate::model::BackupId;
use crate::steps::restore_database::{self, DatabaseRestorePlan, Restored};
use crate::steps::verify;

/// Bring databases back out of a backup
///
/// The backup is checked first, then loaded into a new database beside the live one and compared with what was counted
/// when it was made. Only then the two change places; the old one is kept under another name.
#[derive(Debug, Args)]
pub struct RestoreDbArgs {
    #[command(flatten)]
    choice: Choice,

    /// Restore only this database of the backup; may be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    #[command(flatten)]
    targets: Targets,

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
    // Choose the backup and open what it goes to.
    let repository = session.repository(args.dry_run).await?;
    let only = &args.only;
    let holds = |manifest: &crate::model::Manifest| {
        let mut whole = manifest.databases.iter().filter(|database| database.selection.is_none());
        let has = |name: &String| whole.clone().any(|database| database.name == *name);
        only.iter().all(has) && whole.next().is_some()
    };
    let mut manifest = choose(session, &repository, &args.choice.selector(), "the databases asked for", holds).await?;
    if !only.is_empty() {
        manifest.databases.retain(|database| only.contains(&database.name));
    }
    manifest.files = None;
    manifest.config = None;
    let places = args.targets.places(&manifest.origins, session)?;
    let names: Vec<String> = manifest.databases.iter().map(|database| database.name.clone()).collect();
    let context = session.context(repository, [], names, &places, args.dry_run)?;
    if !args.dry_run {
        session.lock_to_restore(&context, &[]).await?;
    }

    // Plan: rights, tools, names. Nothing is changed yet.
    let mut plans = Vec::new();
    for component in &manifest.databases {
        plans.push(restore_database::plan(&context, component).await?);
    }
    show(session, &manifest.id, &shown(&manifest.id, &plans), args.dry_run)?;
    if args.dry_run {
        return Ok(ExitCode::Done);
    }
    let displaces = plans.iter().any(|plan| plan.plan.displaces_live);
    session.ui().confirm(args.yes || !displaces, "Restore over the live databases?").await?;

    // Check every byte that is needed before anything is touched.
    verify::require_intact(&context, &manifest).await?;

    // Load and prove all beside the live ones, then let them change places.
    let restored = restore_database::execute(&context, plans).await?;
    let mut text = String::new();
    for database in &restored {
        writeln!(text, "{database}").ok();
    }
    session.ui().report(&text, &Answer { backup: manifest.id, databases: restored })?;
    Ok(ExitCode::Done)
}

pub(super) fn shown(id: &BackupId, plans: &[DatabaseRestorePlan]) -> String {
    let mut text = format!("restore databases of {id}");
    for plan in plans {
        write!(text, "\n  {plan}").ok();
    }
    text
}
