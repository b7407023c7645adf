//! Restores rows alone: into empty tables of another database, or in place of the rows of live ones.
//!
//! What is replaced is dumped first, while nobody can write to it, and that backup is protected. From there to the end there is
//! one transaction: whatever stops the run before it is committed has changed nothing.

use std::fmt;

use futures_util::TryStreamExt;
use serde::Serialize;

use super::backup::{self, BackupOptions};
use super::backup_state::{self, Saying};
use super::hooks::{Hooked, Hooks};
use super::{Context, Result, StepError};
use crate::database::{DatabaseError, ErrorKind, Extent, RowsOptions, RowsPlan, RowsSession};
use crate::model::database::{Difference, Fingerprint, TableCount};
use crate::model::manifest::{DatabaseComponent, DumpSelection};
use crate::model::{BackupId, format};
use crate::repository::locks::Lease;

/// How many tables a plan tells of, one by one.
const MOST_TOLD: usize = 20;
/// A command line takes no more; then whole schemas are dumped.
const LONGEST_NAMES: usize = 60_000;

/// What restoring rows will do.
#[derive(Debug)]
pub struct RowsRestorePlan {
    component: DatabaseComponent,
    target: String,
    options: RowsOptions,
    plan: RowsPlan,
}

/// What dumps the rows that will be replaced.
#[derive(Debug)]
pub struct Safety {
    pub options: BackupOptions,
    pub lease: Lease,
    /// Who says that the backup must stay.
    pub user: String,
}

/// Tables with the rows of a backup.
#[derive(Debug, Serialize)]
pub struct RowsRestored {
    pub name: String,
    pub target: String,
    pub tables: u64,
    pub rows: u64,
    /// The backup of what was there.
    pub kept_in: Option<BackupId>,
}

/// Checks everything that the rows need. Changes nothing.
pub async fn plan(
    context: &Context,
    component: &DatabaseComponent,
    extent: &Extent,
    replaces: bool,
) -> Result<RowsRestorePlan> {
    let database = context.database(&component.name)?;
    let refused = |reason: String| StepError::refused("restore rows of database", &component.name, reason);
    if database.engine() != component.server.engine {
        let (then, now) = (component.server.engine, database.engine());
        return Err(refused(format!("the backup is of {then}, {} is {now}", database.describe())));
    }
    let chosen: Vec<TableCount> = extent.tables(&component.fingerprint).cloned().collect();
    let (tables, computed): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|table| table.content.is_some());
    let expected = Fingerprint { tables, rendering: component.fingerprint.rendering.clone(), ..Fingerprint::default() };
    let options = RowsOptions {
        run: context.run.clone(),
        encoding: component.server.encoding.clone(),
        with_loose_sequences: *extent == Extent::Everything,
        expected,
        replaces,
    };
    let mut plan = database.plan_rows(&options).await?;
    if options.expected.tables.is_empty() && !computed.is_empty() {
        let hint = "Restore beside the live database with `--into NEWNAME`.";
        return Err(refused("the backup does not say what the rows of these tables are".to_owned()).with_hint(hint));
    }
    if options.expected.tables.is_empty() {
        return Err(refused("the backup holds no rows of it".to_owned()));
    }
    if !computed.is_empty() {
        let names: Vec<String> = computed.iter().map(name_of).collect();
        plan.warnings.push(format!("rows that are computed are not brought: refresh {} afterwards", names.join(", ")));
    }
    if options.with_loose_sequences && component.fingerprint.large_objects.is_some_and(|count| count > 0) {
        plan.warnings.push("large objects are not brought".to_owned());
    }
    Ok(RowsRestorePlan { component: component.clone(), target: database.describe(), options, plan })
}

impl RowsRestorePlan {
    /// As the configuration calls it.
    pub fn name(&self) -> &str {
        &self.component.name
    }

    /// What of the live database will be replaced, as a dump takes it.
    pub fn touched(&self) -> DumpSelection {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let tables = &self.options.expected.tables;
        let names: Vec<String> =
            tables.iter().map(|table| format!("{}.{}", quoted(&table.schema), quoted(&table.name))).collect();
        if names.iter().map(|name| name.len() + 10).sum::<usize>() <= LONGEST_NAMES {
            return DumpSelection { tables: names, ..DumpSelection::default() };
        }
        let mut schemas: Vec<String> = tables.iter().map(|table| quoted(&table.schema)).collect();
        schemas.dedup();
        DumpSelection { schemas, ..DumpSelection::default() }
    }
}

fn name_of(table: &TableCount) -> String {
    format!("{}.{}", table.schema, table.name)
}

impl fmt::Display for RowsRestorePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = &self.options.expected.tables;
        let (count, rows) = (format::count(tables.len() as u64, "table"), format::count(self.rows(), "row"));
        write!(formatter, "database {}: {rows} of {count} into {}", self.component.name, self.target)?;
        for (table, live) in tables.iter().zip(&self.plan.live).take(MOST_TOLD) {
            let comes = format::count(table.rows, "row");
            write!(formatter, "\n    {}: ", name_of(table))?;
            if self.options.replaces {
                write!(formatter, "{} go, ", format::count(live.rows, "row"))?;
            }
            write!(formatter, "{comes} come")?;
        }
        if tables.len() > MOST_TOLD {
            write!(formatter, "\n    and {} more", format::count((tables.len() - MOST_TOLD) as u64, "table"))?;
        }
        if self.options.replaces {
            formatter.write_str(
                "\n    note: first these tables are dumped into a protected backup; from then on nobody can write to \
                 them, and while the rows are put in, nobody can read them\
                 \n    note: all of it is one transaction: it is seen whole, or not at all",
            )?;
        }
        for warning in &self.plan.warnings {
            write!(formatter, "\n    note: {warning}")?;
        }
        Ok(())
    }
}

impl RowsRestorePlan {
    fn rows(&self) -> u64 {
        self.options.expected.rows()
    }
}

impl fmt::Display for RowsRestored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tables, rows) = (format::count(self.tables, "table"), format::count(self.rows, "row"));
        write!(formatter, "restored {rows} of {tables} into {}, read back and compared", self.target)?;
        let Some(kept_in) = &self.kept_in else { return Ok(()) };
        write!(
            formatter,
            "\n  what was there is in the protected backup {kept_in}; to go back: \
             dcs restore-db {kept_in} --only {} --data-only --in-place",
            self.name
        )
    }
}

/// Puts the rows in: between the hooks and after a safety dump, where they replace others.
pub async fn execute(
    context: &Context,
    plan: RowsRestorePlan,
    safety: Option<Safety>,
    hooks: &Hooks,
) -> Result<Hooked<RowsRestored>> {
    if safety.is_none() {
        return Ok(Hooked { done: put_in(context, plan, None).await?, after: None });
    }
    hooks.around(put_in(context, plan, safety), async {}).await
}

async fn put_in(context: &Context, plan: RowsRestorePlan, safety: Option<Safety>) -> Result<RowsRestored> {
    let RowsRestorePlan { component, target, options, .. } = plan;
    // 1. Nobody else writes to the tables from here on: what is dumped is what is replaced.
    let mut session = context.database(&component.name)?.begin_rows(&options).await?;

    // 2. A run that is stopped after this leaves the backup, and the rows as they were.
    let kept_in = match safety {
        None => None,
        Some(safety) => match Box::pin(keep(context, safety)).await {
            Ok(id) => Some(id),
            Err(error) => {
                session.abort().await;
                return Err(error);
            }
        },
    };

    // 3. All in one transaction, which ends only when the rows were read back.
    context.progress.begin(&format!("rows of database {}", component.name), 0, component.dump.raw_size);
    let loaded = load(context, session.as_mut(), &component).await;
    context.progress.end();
    if let Err(error) = loaded {
        session.abort().await;
        return Err(error);
    }
    session.commit().await?;
    let (tables, rows) = (options.expected.tables.len() as u64, options.expected.rows());
    Ok(RowsRestored { name: component.name, target, tables, rows, kept_in })
}

/// Backs up what will be replaced, and protects that.
async fn keep(context: &Context, safety: Safety) -> Result<BackupId> {
    let plan = backup::plan(context, safety.options).await?;
    let manifest = backup::execute(context, plan, Some(&safety.lease)).await?;
    if !manifest.is_good() {
        let reason = format!("the backup {} of what is there has problems; nothing was changed", manifest.id);
        return Err(StepError::refused("replace", "the rows", reason)
            .with_hint(format!("See them: `dcs backup show {}`.", manifest.id)));
    }
    backup_state::state(context, &manifest.id, Saying::Protect, &safety.user, false).await?;
    context.progress.note(&format!("what is there now is in the protected backup {}", manifest.id));
    Ok(manifest.id)
}

async fn load(context: &Context, session: &mut dyn RowsSession, component: &DatabaseComponent) -> Result<()> {
    let (subject, progress) = (component.name.clone(), context.progress.clone());
    let raw = context
        .repository
        .open_artefact(&component.dump)
        .inspect_ok(move |bytes| progress.advance(0, bytes.len() as u64))
        .map_err(move |error| DatabaseError::new(ErrorKind::Source, "restore", subject.clone()).with_source(error));
    session.load(Box::pin(raw)).await?;
    session.raise_sequences(&component.fingerprint.sequences).await?;
    match session.compare().await?.as_slice() {
        [] => Ok(()),
        // The archive held what was dumped: it is the tables that do not keep it as it was.
        [Difference { subject, expected, found }, ..] => {
            let reason = format!("read back, {subject} has {found} instead of {expected}; nothing was changed");
            Err(StepError::refused("restore rows of database", &component.name, reason)
                .with_hint("Its columns may be of other types now: restore with `--into NEWNAME`."))
        }
    }
}
