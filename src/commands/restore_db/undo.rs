//! `dcs restore-db --undo`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{Outcome, Session};
use crate::commands::restore::Targets;
use crate::database::{Database, UndoOptions};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::manifest::Origins;
use crate::repository::locks::{self, Want};
use crate::steps::undo_database::{self, DatabaseUndoPlan, Undone};

/// How long the backup bucket may take to answer before the undo goes on without a lock.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// Put back what a restore displaced, of these databases; without a name, all that the last restore displaced
    ///
    /// What is live then is kept as a restore keeps it, so that another `--undo` goes forth again. No backup is needed.
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with_all = ["id", "at", "only", "stores", "no_owner", "assume_space"])]
    undo: Option<Vec<String>>,

    /// With `--undo`: what this run displaced, instead of what was displaced last; RUN as in NAME__before_RUN
    #[arg(long, value_name = "RUN", requires = "undo")]
    run: Option<String>,
}

impl UndoArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.undo.is_some()
    }
}

#[derive(Serialize)]
struct Answer {
    undone: Vec<Undone>,
}

pub(super) async fn run(args: UndoArgs, targets: &Targets, dry_run: bool, yes: bool, session: &Session) -> Outcome {
    // Look for what there is to put back, and choose.
    let names = args.undo.unwrap_or_default();
    let databases = databases(&names, targets, session)?;
    let find = async || {
        let candidates = undo_database::look(databases.clone(), session.run()).await?;
        undo_database::choose(candidates, args.run.as_deref(), !names.is_empty())
    };
    let mut chosen = find().await?;
    if !dry_run {
        lock(chosen.iter().map(undo_database::Chosen::target), session).await?;
        // Another run may have displaced something until we had the lock.
        chosen = find().await?;
    }

    // Plan: rights, names, who is connected. Nothing is changed yet.
    let options = UndoOptions { spool: session.spool()?, run: session.run().clone() };
    let plans = undo_database::plan(chosen, &options).await?;
    show(session, &plans, dry_run)?;
    if dry_run {
        return Ok(ExitCode::Done);
    }
    let displaced: Vec<&str> = plans.iter().filter(|plan| plan.displaces_live()).map(DatabaseUndoPlan::name).collect();
    session.ui().confirm_name(yes, "put the old database in place of the live one", &displaced, session.run()).await?;

    // Let each pair change places.
    let hooks = session.hooks(None, plans.iter().map(|plan| plan.name().to_owned()).collect())?;
    session.sets_out_to_destroy("live databases, kept beside", &displaced);
    let undone = undo_database::execute(plans, &options, &hooks).await?;
    session.has_destroyed_all();
    let mut text = String::new();
    undone.done.iter().for_each(|undone| _ = writeln!(text, "{undone}"));
    session.ui().report(&text, &Answer { undone: undone.done })?;
    undone.after.map_or(Ok(ExitCode::Done), |error| Err(error.into()))
}

/// Those that are named, or all that the configuration and the options know.
fn databases(
    names: &[String],
    targets: &Targets,
    session: &Session,
) -> Result<BTreeMap<String, Arc<dyn Database>>, CommandError> {
    let settings = if targets.names_databases() { session.settings_or_none()? } else { session.settings()? };
    let places = targets.places(&Origins::default(), session)?;
    let mut wanted: BTreeSet<&String> = names.iter().collect();
    if names.is_empty() {
        wanted.extend(places.databases.keys().chain(settings.databases.keys()));
    }
    if wanted.is_empty() {
        let message = "the configuration names no database to put back";
        return Err(CommandError::new(ExitCode::Usage, message).hint("Say where it is: `--database NAME=URL`."));
    }
    let mut databases = BTreeMap::new();
    for name in wanted {
        databases.insert(name.clone(), session.database(name, &places)?);
    }
    Ok(databases)
}

/// Takes the databases for this run alone. Where the backup bucket does not answer, there is no lock to be had, and none
/// that another run could hold or get: what was displaced can be put back all the same.
async fn lock(targets: impl Iterator<Item = String>, session: &Session) -> Result<(), CommandError> {
    if session.settings()?.repository.is_none() {
        return Ok(());
    }
    let wants: Vec<Want> = targets.map(|target| Want::exclusive(locks::database(&target))).collect();
    let reason = match tokio::time::timeout(LONGEST_LOOK, session.repository(false)).await {
        Ok(Ok(repository)) => match Box::pin(session.lock(&repository, &wants)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code == ExitCode::Locked => return Err(error),
            Err(error) => error.message,
        },
        Ok(Err(error)) => error.message,
        Err(_) => "it does not answer".to_owned(),
    };
    session.ui().warn(&format!("no lock was taken, because the backup bucket cannot be used: {reason}"));
    Ok(())
}

fn show(session: &Session, plans: &[DatabaseUndoPlan], dry_run: bool) -> Result<(), CommandError> {
    let mut text = "undo the restore of databases".to_owned();
    for plan in plans {
        write!(text, "\n  {plan}").ok();
    }
    if !dry_run {
        session.ui().note(&text);
        return Ok(());
    }
    let told: Vec<_> = plans.iter().map(DatabaseUndoPlan::told).collect();
    let json = serde_json::json!({ "plan": text.lines().collect::<Vec<_>>(), "databases": told });
    session.ui().answer(&text, &json)
}
