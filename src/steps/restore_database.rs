//! Restores databases: load beside the live one, compare, then let the two change places.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::Serialize;

use super::expected_time::{self, ExpectedTime};
use super::hooks::{Hooked, Hooks};
use super::journal::Recorder;
use super::{Context, Result, StepError, store_text};
use crate::database::{
    Affected, DatabaseError, ErrorKind, Extent, RestoreChoices, RestoreOptions, RestorePlan, RestoreSession,
};
use crate::model::format;
use crate::model::journal::{DatabaseRecord, DatabaseState};
use crate::model::manifest::{Artefact, DatabaseComponent};

/// What restoring one database will do.
#[derive(Debug)]
pub struct DatabaseRestorePlan {
    component: DatabaseComponent,
    target: String,
    options: RestoreOptions,
    pub plan: RestorePlan,
    expected: Option<ExpectedTime>,
}

impl DatabaseRestorePlan {
    /// As the configuration calls it.
    pub fn name(&self) -> &str {
        &self.component.name
    }

    /// What a journal says of it before anything is done.
    pub(super) fn record(&self, context: &Context) -> DatabaseRecord {
        let database = context.database(&self.component.name).ok();
        DatabaseRecord {
            name: self.component.name.clone(),
            target: self.target.clone(),
            state: DatabaseState::Planned,
            run: context.run.clone(),
            side: database.and_then(|database| database.side(&context.run)),
            identity: None,
            displaces: self.plan.displaces_live,
            kept_as: None,
        }
    }

    pub fn told(&self) -> Told<'_> {
        let (tables, rows) = contents(&self.component, &self.options.choices);
        Told {
            name: &self.component.name,
            target: &self.target,
            as_of: self.component.started_at,
            tables,
            rows,
            dump_bytes: self.component.dump.stored_size(),
            live: self.plan.live.as_ref(),
            kept_as: self.plan.kept_as.as_deref(),
            expected: self.expected.as_ref(),
            warnings: &self.plan.warnings,
        }
    }

    /// What comes, and what it costs.
    fn write_facts(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tables, rows) = contents(&self.component, &self.options.choices);
        let (tables, rows) = (format::count(tables, "table"), format::count(rows, "row"));
        let (dump, as_of) = (format::bytes(self.component.dump.stored_size()), self.component.started_at);
        write!(formatter, "\n    backup  {tables}, {rows}, {dump}, of {}", format::moment(as_of))?;
        if let Some(expected) = &self.expected {
            let time = format::duration(expected.duration());
            write!(formatter, "\n    takes   about {time}, by the proof of {}", expected.by)?;
        }
        let Some(live) = &self.plan.live else { return Ok(()) };
        if let Some(size) = live.size_bytes {
            write!(formatter, "\n    live    {}", format::bytes(size))?;
        }
        if !live.connections.is_empty() {
            let told: Vec<String> = live.connections.iter().map(ToString::to_string).collect();
            let count = format::count(live.connection_count(), "connection");
            write!(formatter, "\n    cuts    {count}: {}", told.join(", "))?;
        }
        let kept = self.plan.kept_as.as_deref().unwrap_or_default();
        write!(
            formatter,
            "\n    note: what was written since {as_of:.0} is lost from the live name, and kept in {kept}"
        )
    }
}

/// Tables with rows, and their rows.
fn contents(component: &DatabaseComponent, choices: &RestoreChoices) -> (u64, u64) {
    let tables = || choices.extent.tables(&component.fingerprint);
    (tables().count() as u64, tables().map(|table| table.rows).sum())
}

impl fmt::Display for DatabaseRestorePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, rows) = contents(&self.component, &self.options.choices);
        let rows = format::count(rows, "row");
        write!(formatter, "database {} ({rows}) to {}", self.component.name, self.target)?;
        match (&self.plan.kept_as, self.plan.displaces_live) {
            (Some(name), _) => write!(formatter, "; the live one is kept as {name}")?,
            (None, true) => write!(formatter, "; the live one is replaced")?,
            (None, false) => write!(formatter, "; there is no live one")?,
        }
        self.write_facts(formatter)?;
        for warning in &self.plan.warnings {
            write!(formatter, "\n    note: {warning}")?;
        }
        Ok(())
    }
}

/// The plan for scripts.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    name: &'a str,
    target: &'a str,
    as_of: Timestamp,
    tables: u64,
    rows: u64,
    dump_bytes: u64,
    live: Option<&'a Affected>,
    kept_as: Option<&'a str>,
    /// How long loading and comparing will take.
    expected: Option<&'a ExpectedTime>,
    warnings: &'a [String],
}

/// A database that answers with the backup's contents.
#[derive(Debug, Serialize)]
pub struct Restored {
    pub name: String,
    pub target: String,
    pub tables: u64,
    pub rows: u64,
    /// Whether the database is a new one beside the live one.
    #[serde(skip)]
    is_new: bool,
    /// What the displaced database is called now.
    pub kept_as: Option<String>,
}

impl fmt::Display for Restored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tables, rows) = (format::count(self.tables, "table"), format::count(self.rows, "row"));
        let into = if self.is_new { format!(" into {}", self.target) } else { String::new() };
        write!(formatter, "restored database {}{into}: {tables}, {rows}, as counted in the backup", self.name)?;
        match &self.kept_as {
            Some(name) => write!(formatter, "; the old one is kept as {name}"),
            None => Ok(()),
        }
    }
}

/// Checks everything that restoring a database needs. Changes nothing.
pub async fn plan(
    context: &Context,
    component: &DatabaseComponent,
    choices: RestoreChoices,
) -> Result<DatabaseRestorePlan> {
    let database = context.database(&component.name)?;
    if database.engine() != component.server.engine {
        let reason =
            format!("the backup is of {}, {} is {}", component.server.engine, database.describe(), database.engine());
        return Err(StepError::refused("restore database", &component.name, reason));
    }
    let options = RestoreOptions { choices, ..options(context, component).await? };
    let plan = database.plan_restore(&options).await?;
    if options.choices.must_be_new && plan.displaces_live {
        let reason = format!("{} exists, and only a new one is wanted", database.describe());
        return Err(StepError::refused("restore database", &component.name, reason)
            .with_hint("Choose another name with `--into`, or drop that database first."));
    }
    let is_whole = options.choices.extent == Extent::Everything;
    let expected = if is_whole { expected_time::of(context, component).await } else { None };
    Ok(DatabaseRestorePlan { component: component.clone(), target: database.describe(), options, plan, expected })
}

/// What a restore needs to know, read from the backup.
pub(super) async fn options(context: &Context, component: &DatabaseComponent) -> Result<RestoreOptions> {
    Ok(RestoreOptions {
        spool: context.spool.clone(),
        run: context.run.clone(),
        properties: read_text(context, component.properties.as_ref()).await?,
        globals: read_text(context, component.globals.as_ref()).await?,
        server: component.server.clone(),
        dump_bytes: component.dump.raw_size,
        choices: RestoreChoices::default(),
    })
}

async fn read_text(context: &Context, text: Option<&Artefact>) -> Result<Option<String>> {
    match text {
        Some(artefact) => Ok(Some(store_text::read_text(&context.repository, artefact).await?)),
        None => Ok(None),
    }
}

/// A side database that was loaded and proven, and waits for its swap.
pub struct Proven {
    session: Box<dyn RestoreSession>,
    component: DatabaseComponent,
    target: String,
    choices: RestoreChoices,
    /// What the live one will be called.
    kept_as: Option<String>,
}

impl Proven {
    /// As the configuration calls it.
    pub(super) fn name(&self) -> &str {
        &self.component.name
    }
}

/// Restores all: every one is loaded and proven before the first live one is touched.
pub async fn execute(
    context: &Context,
    plans: Vec<DatabaseRestorePlan>,
    hooks: &Hooks,
) -> Result<Hooked<Vec<Restored>>> {
    // One database by itself is taken back by its own name: that needs no journal.
    let recorder = Recorder::default();
    let proven = prove_all(context, plans, &recorder).await?;
    swap_all(context, proven, Vec::new(), hooks, &recorder).await
}

/// Loads and compares every database beside its live one. On an error the side databases are dropped again.
pub async fn prove_all(context: &Context, plans: Vec<DatabaseRestorePlan>, recorder: &Recorder) -> Result<Vec<Proven>> {
    let mut proven: Vec<Proven> = Vec::new();
    for plan in plans {
        match prove(context, plan, recorder).await {
            Ok(loaded) => proven.push(loaded),
            Err(error) => {
                discard_all(proven).await;
                return Err(error);
            }
        }
    }
    Ok(proven)
}

/// Drops side databases that will not be needed.
pub async fn discard_all(proven: Vec<Proven>) {
    for loaded in proven {
        loaded.session.discard().await;
    }
}

/// Between the hooks, lets each proven database take its live one's place. Where there is none to take a place, no hook
/// runs.
pub async fn swap_all(
    context: &Context,
    proven: Vec<Proven>,
    done: Vec<String>,
    hooks: &Hooks,
    recorder: &Recorder,
) -> Result<Hooked<Vec<Restored>>> {
    if proven.iter().all(|loaded| loaded.choices.must_be_new) {
        return Ok(Hooked { done: swap_each(context, proven, done, recorder).await?, after: None });
    }
    // Given up by one of the two, and by one only.
    let proven = Mutex::new(proven);
    let take = || std::mem::take(&mut *proven.lock().unwrap_or_else(PoisonError::into_inner));
    hooks.around(async { swap_each(context, take(), done, recorder).await }, async { discard_all(take()).await }).await
}

/// Lets each proven database take its live one's place. A crash between two leaves some old and some new, each whole;
/// the same command again restores the rest. `done` names what else is restored already.
async fn swap_each(
    context: &Context,
    proven: Vec<Proven>,
    mut done: Vec<String>,
    recorder: &Recorder,
) -> Result<Vec<Restored>> {
    let mut restored = Vec::new();
    let mut waiting = proven.into_iter();
    while let Some(mut loaded) = waiting.next() {
        if let Err(error) = noted::swap(&mut loaded, recorder).await {
            discard_all(std::iter::once(loaded).chain(waiting).collect()).await;
            return Err(error.after(done));
        }
        let kept_as = match loaded.session.swap().await {
            Ok(kept_as) => kept_as,
            Err(error) => {
                discard_all(waiting.collect()).await;
                return Err(StepError::from(error).after(done));
            }
        };
        noted::swapped(context, &loaded.component.name, kept_as.as_deref(), recorder).await;
        done.push(format!("database {}", loaded.component.name));
        let (tables, rows) = contents(&loaded.component, &loaded.choices);
        restored.push(Restored {
            tables,
            rows,
            is_new: loaded.choices.must_be_new,
            name: loaded.component.name,
            target: loaded.target,
            kept_as,
        });
    }
    Ok(restored)
}

async fn prove(context: &Context, plan: DatabaseRestorePlan, recorder: &Recorder) -> Result<Proven> {
    let component = plan.component;
    recorder.note_database(&component.name, |record| record.state = DatabaseState::Loading).await?;
    let mut session = context.database(&component.name)?.begin_restore(&plan.options).await?;
    context.progress.begin(&format!("database {}", component.name), 0, component.dump.raw_size);
    let loaded = load(context, session.as_mut(), &component).await;
    context.progress.end();
    let loaded = match loaded {
        Ok(()) => recorder.note_database(&component.name, |record| record.state = DatabaseState::Proven).await,
        Err(error) => Err(error),
    };
    match loaded {
        Ok(()) => {
            let (target, choices, kept_as) = (plan.target, plan.options.choices, plan.plan.kept_as);
            Ok(Proven { session, component, target, choices, kept_as })
        }
        Err(error) => {
            session.discard().await;
            Err(error)
        }
    }
}

/// Loads a dump into a side database.
pub(super) async fn load_dump(
    context: &Context,
    session: &mut dyn RestoreSession,
    component: &DatabaseComponent,
) -> Result<()> {
    let subject = component.name.clone();
    let progress = context.progress.clone();
    let raw = context
        .repository
        .open_artefact(&component.dump)
        .inspect_ok(move |bytes| progress.advance(0, bytes.len() as u64))
        .map_err(move |error| DatabaseError::new(ErrorKind::Source, "restore", subject.clone()).with_source(error));
    session.load(Box::pin(raw)).await?;
    Ok(())
}

async fn load(context: &Context, session: &mut dyn RestoreSession, component: &DatabaseComponent) -> Result<()> {
    load_dump(context, session, component).await?;
    let differences = session.compare(&component.fingerprint).await?;
    match differences.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            let reason = format!(
                "{} differences to what was counted; the first: {} has {} instead of {}",
                differences.len(),
                first.subject,
                first.found,
                first.expected
            );
            Err(StepError::Damaged { attempted: "restore database", subject: component.name.clone(), reason })
        }
    }
}

mod noted;
#[cfg(test)]
mod tests;
