//! Takes a complete restore back, by its journal: the databases that were live are live again, what gave way comes back out
//! of the trash, and what the restore put there goes into it. Nothing is removed that the trash does not hold.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::TryStreamExt;
use serde::Serialize;

use super::continued::{Chain, chains};
use super::hooks::{Hooked, Hooks};
use super::journal::Recorder;
use super::place::Place;
use super::restore_files::{Displacer, Trash};
use super::undo_database::{self, Chosen, DatabaseUndoPlan};
use super::{Context, Result, StepError};
use crate::database::{Displaced, UndoOptions};
use crate::model::journal::{DatabaseRecord, DatabaseState, RestoreState, UndoRecord};
use crate::model::{Problem, Report, RestoreJournal, SourceName, format};
use crate::repository::Repository;

mod choose;
mod closing;
mod objects;
mod rows;

pub use choose::choose;
pub(super) use closing::close_entries;
use rows::{Action, jobs};

/// What taking a restore back will do.
pub struct RestoreUndoPlan {
    chain: Chain,
    trash: Option<Trash>,
    options: UndoOptions,
    databases: Vec<DatabaseUndoPlan>,
    removed: Count,
    back: Count,
    /// What will stay as it is, and why.
    stays: Report,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    objects: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, size: u64) {
        self.objects += 1;
        self.bytes += size;
    }
}

/// What was taken back.
#[derive(Debug, Default, Serialize)]
pub struct Undone {
    pub databases: Vec<undo_database::Undone>,
    /// Objects that gave way, and are back.
    pub put_back_objects: u64,
    /// Objects that the restore had added.
    pub removed_objects: u64,
    /// Trash entries that hold what the restore had put there.
    pub entries: Vec<String>,
    /// What stayed as it is, for a reason of its own.
    pub stays: Report,
    /// What could not be removed.
    #[serde(flatten)]
    pub report: Report,
}

impl RestoreUndoPlan {
    /// The live databases that will go aside, as the configuration calls them.
    pub fn displaced(&self) -> Vec<&str> {
        self.databases.iter().filter(|plan| plan.displaces_live()).map(DatabaseUndoPlan::name).collect()
    }

    pub fn databases(&self) -> &[DatabaseUndoPlan] {
        &self.databases
    }

    /// Whether objects will be replaced or removed.
    pub fn changes_objects(&self) -> bool {
        self.removed.objects + self.back.objects > 0
    }

    fn needs_hooks(&self) -> bool {
        let is_open = self.chain.0.iter().any(|journal| journal.hooks.is_open());
        !self.databases.is_empty() || self.changes_objects() || is_open || !self.chain.last().undos.is_empty()
    }
}

impl fmt::Display for RestoreUndoPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.chain.first(), self.chain.last());
        let (run, state) = (&last.run, last.state.as_str());
        write!(formatter, "undo the restore {run} of {}, begun at {:.0}, {state}", last.backup, first.began_at)?;
        for plan in &self.databases {
            write!(formatter, "\n  {plan}")?;
        }
        let mut line = |verb: &str, count: Count| {
            let (objects, bytes) = (format::count(count.objects, "object"), format::bytes(count.bytes));
            write!(formatter, "\n    {verb:<8} {objects}, {bytes}")
        };
        line("back", self.back)?;
        line("remove", self.removed)?;
        for Problem { subject, reason } in self.stays.problems.iter().take(MOST_TOLD) {
            write!(formatter, "\n    stays    {subject}: {reason}")?;
        }
        match self.stays.problem_count.saturating_sub(MOST_TOLD as u64) {
            0 => Ok(()),
            more => write!(formatter, "\n    stays    {more} more"),
        }
    }
}

/// What stays is told of so often.
const MOST_TOLD: usize = 10;
/// What the subject of a problem with a database begins with; that of an object begins with a store, and has no space.
const DATABASE: &str = "database ";

impl fmt::Display for Undone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for database in &self.databases {
            writeln!(formatter, "{database}")?;
        }
        let (back, removed) = (format::count(self.put_back_objects, "object"), self.removed_objects);
        write!(formatter, "undone: {back} put back, {removed} removed")?;
        if !self.entries.is_empty() {
            write!(formatter, "; what the restore had put there is in the trash as {}", self.entries.join(", "))?;
        }
        let stays = self.stays.problem_count + self.report.problem_count;
        if stays > 0 { write!(formatter, "; {stays} left as they are") } else { Ok(()) }
    }
}

/// Counts what there is to take back. Changes nothing.
pub async fn plan(
    context: &Context,
    chain: Chain,
    trash: Option<Trash>,
    options: UndoOptions,
) -> Result<RestoreUndoPlan> {
    check_targets(context, chain.last())?;
    let (mut stays, mut chosen) = (Report::default(), Vec::new());
    for record in &chain.last().databases {
        match find_displaced(context, &chain, &record.name).await? {
            Found::Displaced(displaced) => {
                let database = context.database(&record.name)?.clone();
                chosen.push(Chosen::of(record.name.clone(), database, displaced));
            }
            Found::Lost(reason) => stays.add(Problem::new(format!("{DATABASE}{}", record.name), reason)),
            Found::Nothing => {}
        }
    }
    let databases = undo_database::plan(chosen, &options).await?;
    let (removed, back) = (Count::default(), Count::default());
    let mut plan = RestoreUndoPlan { chain, trash, options, databases, removed, back, stays };
    context.progress.begin("compare", 0, 0);
    plan.count(context).await?;
    context.progress.end();
    Ok(plan)
}

impl RestoreUndoPlan {
    async fn count(&mut self, context: &Context) -> Result<()> {
        let (mut removed, mut back) = (Count::default(), Count::default());
        let place = self.trash.as_ref().map(|trash| &trash.place);
        let mut jobs = std::pin::pin!(jobs(context, &self.chain, place).await?);
        while let Some(job) = jobs.try_next().await? {
            context.progress.advance(1, 0);
            let needs_trash = match &job.action {
                Action::Nothing => false,
                Action::Stay(reason) => {
                    let subject = format!("{}/{}", job.row.source, job.row.key.as_str().escape_debug());
                    self.stays.add(Problem::new(subject, reason));
                    false
                }
                Action::Remove(info) => {
                    removed.add(info.size);
                    true
                }
                Action::PutBack { copy, over } => {
                    back.add(copy.info.size);
                    over.is_some()
                }
            };
            if needs_trash && !objects::takes(self.trash.as_ref(), &Place::of(context, &job.row.source, None)?) {
                return Err(no_trash(&job.row.source));
            }
        }
        (self.removed, self.back) = (removed, back);
        Ok(())
    }
}

fn no_trash(source: &SourceName) -> StepError {
    let reason = "what it put there goes to the trash, and there is none in that store";
    StepError::refused("undo the restore of", source.to_string(), reason)
        .with_hint("Set [trash] to another bucket of the same store.")
}

/// A restore is taken back only where it was done.
fn check_targets(context: &Context, journal: &RestoreJournal) -> Result<()> {
    let mut places = BTreeMap::new();
    for record in &journal.databases {
        places.insert(record.name.as_str(), (context.database(&record.name)?.describe(), &record.target));
    }
    for record in &journal.files {
        places.insert(record.source.as_str(), (context.store(record.source.store())?.describe(), &record.target));
    }
    match places.into_iter().find(|(_, (now, then))| now != *then) {
        None => Ok(()),
        Some((name, (now, then))) => {
            let reason = format!("the restore {} went to {then}, and {name} is {now} now", journal.run);
            Err(StepError::refused("undo the restore of", name, reason)
                .with_hint("Name the same places as that restore did, with `--store` and `--database`."))
        }
    }
}

enum Found {
    Displaced(Displaced),
    /// It was not swapped in, or is not live any more.
    Nothing,
    Lost(&'static str),
}

/// Finds what the first of the runs that swapped a database displaced: what was live before the restore.
async fn find_displaced(context: &Context, chain: &Chain, name: &str) -> Result<Found> {
    let database = context.database(name)?;
    let is_swapped = |record: &&DatabaseRecord| {
        matches!(record.state, DatabaseState::Swapping | DatabaseState::Swapped | DatabaseState::Undone)
    };
    let of = |journal| RestoreJournal::database(journal, name);
    let records: Vec<&DatabaseRecord> = chain.0.iter().filter_map(of).filter(is_swapped).collect();
    if records.last().is_none_or(|record| record.state == DatabaseState::Undone) {
        return Ok(Found::Nothing);
    }
    let displaced = database.displaced(&context.run).await?;
    for record in &records {
        let is_it = |displaced: &&Displaced| {
            displaced.run == record.run.short() && record.kept_as.as_ref().is_none_or(|kept| displaced.name == *kept)
        };
        if let Some(found) = displaced.iter().find(is_it) {
            return Ok(Found::Displaced(found.clone()));
        }
    }
    let live = database.identity(&context.run).await?;
    let Some(record) = records.iter().find(|record| record.identity.is_some() && record.identity == live) else {
        return Ok(Found::Nothing);
    };
    Ok(Found::Lost(if record.displaces {
        "what it took the place of is gone"
    } else {
        "there was none before; drop it by hand if it is not wanted"
    }))
}

/// Carries the plan out between the hooks. Run again after an interruption, it finishes.
pub async fn execute(context: &Context, plan: RestoreUndoPlan, hooks: &Hooks) -> Result<Hooked<Undone>> {
    let recorder = Recorder::resume(&context.repository, plan.chain.last().clone());
    let hooked = if plan.needs_hooks() {
        hooks.around(Box::pin(take_back(context, plan, &recorder)), async {}).await?
    } else {
        Hooked { done: Box::pin(take_back(context, plan, &recorder)).await?, after: None }
    };
    // What could not be removed may be another time.
    if hooked.done.report.is_clean() {
        recorder.note_after(|journal| journal.state = RestoreState::Undone).await;
    }
    Ok(hooked)
}

async fn take_back(context: &Context, plan: RestoreUndoPlan, recorder: &Recorder) -> Result<Undone> {
    let RestoreUndoPlan { chain, trash, options, databases, removed, back, stays } = plan;
    let mut undone = Undone { stays: of_databases(stays), ..Undone::default() };

    // 1. From here on no restore goes on with it.
    let (run, began_at) = (context.run.clone(), context.repository.now().await?);
    let begun = recorder.note(|journal| {
        journal.state = RestoreState::Undoing;
        journal.undos.push(UndoRecord { run, began_at, entries: Vec::new() });
    });
    begun.await?;

    // 2. What killed runs left beside the live databases goes, and what they put into the trash gets its list, so that all
    //    that lies there can be had back.
    for journal in &chain.0 {
        for record in &journal.databases {
            context.database(&record.name)?.drop_side(&journal.run, &context.run).await?;
        }
    }
    if let Some(trash) = &trash {
        close_entries(context, &chain, &trash.place).await?;
    }

    // 3. The databases: their rows point to objects that no restore removes. A crash leaves each the one or the other.
    for plan in databases {
        let name = plan.name().to_owned();
        undone.databases.extend(undo_database::put_back(vec![plan], &options).await?);
        recorder.note_database(&name, |record| record.state = DatabaseState::Undone).await?;
    }

    // 4. Objects, each kept before it goes. A crash leaves some back and some not; the next run takes the rest.
    let mut places = Vec::new();
    for files in &chain.last().files {
        places.push(Place::of(context, &files.source, None)?);
    }
    let reason = format!("put there by the restore {}, which was undone by the run {}", chain.last().run, context.run);
    let displacer = Displacer::new(context, trash.clone(), reason, &places).recorded_by(recorder);
    context.progress.begin("undo", removed.objects + back.objects, removed.bytes + back.bytes);
    let place = trash.as_ref().map(|trash| &trash.place);
    let taken = match jobs(context, &chain, place).await {
        Ok(jobs) => objects::take_back(context, jobs, &displacer, &mut undone).await,
        Err(error) => Err(error),
    };
    context.progress.end();
    let kept = displacer.finish().await;
    taken?;
    undone.entries = kept?.entries;
    Ok(undone)
}

/// What stays of the objects is found out anew.
fn of_databases(mut planned: Report) -> Report {
    planned.problems.retain(|problem| problem.subject.starts_with(DATABASE));
    planned.problem_count = planned.problems.len() as u64;
    planned
}

/// The restores that can be undone, the last one first.
pub async fn look(repository: &Repository) -> Result<(Vec<Chain>, Vec<String>)> {
    let journals = repository.restores().await?;
    let unreadable = journals.unreadable.iter().map(|error| format!("a journal cannot be used: {error}")).collect();
    let mut chains = chains(journals.found);
    chains.reverse();
    Ok((chains, unreadable))
}
