//! `dcs restore-complete --undo`

use clap::Args;
use serde::Serialize;

use super::{Outcome, Session};
use crate::commands::restore::Targets;
use crate::database::UndoOptions;
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, RunId, SourceName};
use crate::steps::undo_database::DatabaseUndoPlan;
use crate::steps::undo_restore::{self, RestoreUndoPlan, Undone};

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// Take a complete restore back: that of this run, or the last one that is not undone
    ///
    /// Databases that were displaced are live again, and what is live then is kept as a restore keeps it. Objects that
    /// gave way come back out of the trash; what the restore put there goes to the trash. What was changed since stays as
    /// it is and is named. Finishes also what was interrupted, restore and undo alike.
    #[arg(
        long,
        value_name = "RUN",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with_all = ["id", "at", "skip_damaged", "afresh", "config_to", "no_owner", "assume_space"]
    )]
    undo: Option<String>,
}

impl UndoArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.undo.is_some()
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    run: &'a RunId,
    backup: &'a BackupId,
    #[serde(flatten)]
    undone: &'a Undone,
}

pub(super) async fn run(args: UndoArgs, targets: &Targets, dry_run: bool, yes: bool, session: &Session) -> Outcome {
    // Choose the restore, and open what it went to.
    let wanted = args.undo.filter(|run| !run.is_empty());
    let repository = session.repository(dry_run).await?;
    let chains = look(&repository, session).await?;
    let chain = undo_restore::choose(chains, wanted.as_deref())?;
    let journal = chain.last().clone();
    session.choose(&journal.backup);
    let places = targets.places(&journal.origins, session)?;
    let sources: Vec<SourceName> = journal.files.iter().map(|files| files.source.clone()).collect();
    let stores = sources.iter().map(|source| source.store().to_owned()).collect::<Vec<_>>();
    let names: Vec<String> = journal.databases.iter().map(|database| database.name.clone()).collect();
    let context = session.context(repository, stores, names.clone(), &places, dry_run)?;
    let trash = session.trash(&places, dry_run)?;
    let mut chain = chain;
    if !dry_run {
        session.lock_to_restore(&context, &sources).await?;
        // Another run may have come further until we had the lock.
        chain = undo_restore::choose(look(&context.repository, session).await?, Some(journal.run.as_str()))?;
    }
    if chain.is_undone() {
        session.ui().note(&format!("the restore {} is undone already", journal.run));
        return Ok(ExitCode::Done);
    }

    // Plan: what comes back, what goes, what stays. Nothing is changed yet.
    let options = UndoOptions { spool: session.spool()?, run: session.run().clone() };
    let plan = undo_restore::plan(&context, chain, trash, options).await?;
    show(session, &plan, &journal.run, dry_run)?;
    if dry_run {
        return Ok(ExitCode::Done);
    }
    let displaced = plan.displaced();
    if displaced.is_empty() {
        session.ui().confirm(yes || !plan.changes_objects(), "Take what was restored away again?").await?;
    }
    session.ui().confirm_name(yes, "put the old state in place of the live one", &displaced, &journal.run).await?;

    // Take it back.
    let hooks = session.hooks(Some(&journal.backup), names)?;
    let mut replaced: Vec<String> = displaced.iter().map(|name| format!("database {name}")).collect();
    if plan.changes_objects() {
        replaced.extend(sources.iter().map(|source| format!("objects of {source}")));
    }
    session.sets_out_to_destroy("what is live, kept beside or in the trash", replaced);
    let undone = Box::pin(undo_restore::execute(&context, plan, &hooks)).await?;
    let answer = Answer { run: &journal.run, backup: &journal.backup, undone: &undone.done };
    session.ui().report(&undone.done, &answer)?;
    session.tell_problems(undone.done.stays.problem_count + undone.done.report.problem_count);
    if undone.done.report.is_clean() {
        session.has_destroyed_all();
    }
    if let Some(error) = undone.after {
        return Err(error.into());
    }
    code(&undone.done, &journal.run)
}

async fn look(
    repository: &crate::repository::Repository,
    session: &Session,
) -> Result<Vec<crate::steps::continued::Chain>, CommandError> {
    let (chains, unreadable) = undo_restore::look(repository).await?;
    for warning in &unreadable {
        session.ui().warn(warning);
    }
    Ok(chains)
}

fn show(session: &Session, plan: &RestoreUndoPlan, run: &RunId, dry_run: bool) -> Result<(), CommandError> {
    let text = plan.to_string();
    if !dry_run {
        session.ui().note(&text);
        return Ok(());
    }
    let told: Vec<_> = plan.databases().iter().map(DatabaseUndoPlan::told).collect();
    let json = serde_json::json!({ "run": run, "plan": text.lines().collect::<Vec<_>>(), "databases": told });
    session.ui().answer(&text, &json)
}

/// Done, or exit 3 where something is not as it was before the restore.
fn code(undone: &Undone, run: &RunId) -> Outcome {
    if let Some(first) = undone.report.problems.first() {
        let (count, subject, reason) = (undone.report.problem_count, &first.subject, &first.reason);
        let message = format!("{count} objects were not taken back, first {subject}: {reason}");
        return Err(CommandError::new(ExitCode::Problems, message)
            .hint(format!("Mend the cause and run it again: `dcs restore-complete --undo {run}`.")));
    }
    let Some(first) = undone.stays.problems.first() else { return Ok(ExitCode::Done) };
    let (count, subject, reason) = (undone.stays.problem_count, &first.subject, &first.reason);
    let message =
        format!("the restore {run} is undone, but for {count} that stay as they are, first {subject}: {reason}");
    Err(CommandError::new(ExitCode::Problems, message)
        .hint("What was there before lies in the trash: `dcs trash list`, and `dcs restore ENTRY --overwrite`."))
}
