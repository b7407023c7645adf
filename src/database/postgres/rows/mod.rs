//! Rows into tables that are there, in one transaction of our own: what `pg_restore --single-transaction` commits, nobody could
//! have compared before.
//!
//! The rows are those of the archive's blocks, which are the text of `COPY`. Triggers of the user's do not fire: the rows are as
//! those had left them. Foreign keys are kept: those between the tables are checked once all rows are in.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::CopyInSink;

use super::custom_format::{Event, Reader};
use super::session::Session;
use super::{Server, catalog, contents, sql};
use crate::database::{DatabaseError, DumpStream, ErrorKind, Result, RowsOptions, RowsSession, compare};
use crate::model::Limits;
use crate::model::database::{Difference, SequenceRange, TableCount};

mod plan;
mod tables;

pub(super) use plan::plan;
use tables::Tables;

const ATTEMPTED: &str = "restore rows into";
const LOCKED_AT_ONCE: usize = 200;

pub(super) struct PostgresRows {
    server: Arc<Server>,
    session: Session,
    options: RowsOptions,
    tables: Tables,
    /// By which the server knows what became of it.
    transaction: i64,
}

impl PostgresRows {
    /// Takes the tables: writers wait from here on, readers only while rows are put in.
    pub(super) async fn begin(server: Arc<Server>, options: &RowsOptions) -> Result<Self> {
        let session = server.connect(server.database(), &options.run).await?;
        // Reading and writing whole tables takes its time; waiting for others has a limit of its own.
        session.lift_limit().await?;
        contents::render_as(&session, &options.expected).await?;
        let lock_timeout = Limits::milliseconds(server.limits.lock_timeout);
        session.run(ATTEMPTED, &format!("BEGIN; SET LOCAL lock_timeout = {lock_timeout}")).await?;
        let names: Vec<String> = options.expected.tables.iter().map(name_of).collect();
        let mode = if options.replaces { "EXCLUSIVE" } else { "ACCESS EXCLUSIVE" };
        for batch in names.chunks(LOCKED_AT_ONCE) {
            let lock = format!("LOCK TABLE {} IN {mode} MODE", batch.join(", "));
            session.run("lock tables of", &lock).await.map_err(in_use)?;
        }
        let tables = plan::check(&session, options).await?;
        let transaction = session.row(ATTEMPTED, "SELECT pg_catalog.txid_current()", &[]).await?.get(0);
        Ok(Self { server, session, options: options.clone(), tables, transaction })
    }

    /// Empties the tables and prepares them for rows in any order.
    async fn prepare(&self) -> Result<()> {
        for statement in self.tables.before() {
            self.session.run(ATTEMPTED, &statement).await.map_err(in_use)?;
        }
        let names: Vec<String> = self.options.expected.tables.iter().map(name_of).collect();
        if self.options.replaces {
            // One statement for all: what they refer to among themselves is no obstacle then.
            let truncate = format!("TRUNCATE {}", names.join(", "));
            self.session.run("empty tables of", &truncate).await.map_err(in_use)?;
        }
        self.in_encoding(&self.options.encoding).await
    }

    async fn in_encoding(&self, encoding: &str) -> Result<()> {
        self.session.run(ATTEMPTED, &format!("SET client_encoding = {}", sql::literal(encoding))).await
    }

    async fn copy(&self, mut dump: DumpStream) -> Result<()> {
        let wanted = self.options.expected.tables.iter().map(|table| (table.schema.clone(), table.name.clone()));
        let mut reader = Reader::new(wanted.collect());
        let mut sink: Option<Pin<Box<CopyInSink<Bytes>>>> = None;
        let failed = |error| self.session.failed(ATTEMPTED, error);
        while let Some(bytes) = dump.try_next().await? {
            for event in reader.update(&bytes) {
                match event {
                    Event::Begin { schema, name, columns } => {
                        let into = copy_into(&schema, &name, columns.as_deref());
                        sink = Some(Box::pin(self.session.copy_in(ATTEMPTED, &into).await?));
                    }
                    Event::Rows(rows) => {
                        if let Some(sink) = &mut sink {
                            sink.send(rows).await.map_err(failed)?;
                        }
                    }
                    Event::End => {
                        if let Some(mut sink) = sink.take() {
                            sink.as_mut().finish().await.map_err(failed).map_err(violated)?;
                        }
                    }
                }
            }
        }
        let Some(archive) = reader.finish() else { return Err(self.not_understood()) };
        let differences = compare::archived(&self.options.expected, &archive.rows);
        match differences.first() {
            None => Ok(()),
            Some(first) => {
                let told = format!("{} has {} instead of {}", first.subject, first.found, first.expected);
                Err(self.error(ErrorKind::Damaged).with_detail(told))
            }
        }
    }

    /// Lets everything that was deferred be checked, and puts triggers and keys back as they were.
    async fn finish(&self) -> Result<()> {
        self.in_encoding("UTF8").await?;
        let checked = self.session.run("check the foreign keys of", "SET CONSTRAINTS ALL IMMEDIATE").await;
        checked.map_err(violated)?;
        for statement in self.tables.after() {
            self.session.run(ATTEMPTED, &statement).await?;
        }
        Ok(())
    }

    fn error(&self, kind: ErrorKind) -> DatabaseError {
        DatabaseError::new(kind, ATTEMPTED, self.session.subject())
    }

    fn not_understood(&self) -> DatabaseError {
        self.error(ErrorKind::Refused)
            .with_detail("the archive is of a kind whose rows cannot be told apart")
            .with_hint("Restore them beside the live ones: `--into NEWNAME`.")
    }

    /// Whether the transaction was committed, as the server knows it.
    async fn was_committed(&self) -> Result<Option<bool>> {
        let session = self.server.connect(self.server.database(), &self.options.run).await?;
        let row = session.row(ATTEMPTED, "SELECT pg_catalog.txid_status($1)", &[&self.transaction]).await?;
        Ok(match row.get(0) {
            Some("committed") => Some(true),
            Some("aborted") => Some(false),
            _ => None,
        })
    }
}

fn name_of(table: &TableCount) -> String {
    format!("ONLY {}", sql::qualified(&table.schema, &table.name))
}

fn copy_into(schema: &str, name: &str, columns: Option<&[String]>) -> String {
    let columns: Vec<String> = columns.unwrap_or_default().iter().map(|column| sql::identifier(column)).collect();
    let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    format!("COPY {}{columns} FROM STDIN", sql::qualified(schema, name))
}

/// What the tables do not take was refused before anybody saw it.
fn violated(error: DatabaseError) -> DatabaseError {
    let cause = error.source.as_deref().and_then(|source| source.downcast_ref::<tokio_postgres::Error>());
    let code = cause.and_then(tokio_postgres::Error::code).map_or("", |code| code.code());
    if !code.starts_with("23") {
        return error;
    }
    DatabaseError { kind: ErrorKind::Refused, ..error }.with_hint(
        "Nothing was changed. Restore tables together that refer to each other, or beside the live ones with `--into NEWNAME`.",
    )
}

fn in_use(error: DatabaseError) -> DatabaseError {
    match error.kind {
        ErrorKind::Refused => {
            error.with_hint("Nothing was changed. Stop what uses these tables, and run the same command again.")
        }
        _ => error,
    }
}

#[async_trait]
impl RowsSession for PostgresRows {
    async fn load(&mut self, dump: DumpStream) -> Result<()> {
        self.prepare().await?;
        self.copy(dump).await?;
        self.finish().await
    }

    async fn raise_sequences(&mut self, sequences: &[SequenceRange]) -> Result<()> {
        let owned = self.tables.sequences(&self.session).await?;
        for now in catalog::sequences(&self.session, ATTEMPTED).await? {
            let is_its = |then: &&SequenceRange| then.schema == now.schema && then.name == now.name;
            let is_owned = owned.contains(&(now.schema.clone(), now.name.clone()));
            let Some(then) = sequences.iter().find(is_its).and_then(|then| then.after.or(then.before)) else {
                continue;
            };
            let is_behind = now.before.is_none_or(|now| now.unsigned_abs() < then.unsigned_abs());
            if is_behind && (is_owned || self.options.with_loose_sequences) {
                let name = sql::literal(&sql::qualified(&now.schema, &now.name));
                let raise = format!("SELECT pg_catalog.setval({name}::regclass, {then})");
                self.session.run("set a sequence of", &raise).await?;
            }
        }
        Ok(())
    }

    async fn compare(&mut self) -> Result<Vec<Difference>> {
        self.in_encoding(&self.options.encoding).await?;
        let mut differences = Vec::new();
        for table in &self.options.expected.tables {
            differences.extend(contents::difference(&self.session, table).await?);
        }
        self.in_encoding("UTF8").await?;
        Ok(differences)
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Err(error) = self.session.run("commit the rows of", "COMMIT").await else {
            for table in &self.options.expected.tables {
                let analyze = format!("ANALYZE {}", sql::qualified(&table.schema, &table.name));
                if let Err(error) = self.session.run("analyze", &analyze).await {
                    tracing::warn!(%error, "run ANALYZE by hand: the server's plans are those of the rows of before");
                    break;
                }
            }
            return Ok(());
        };
        if error.kind != ErrorKind::Unreachable {
            return Err(error);
        }
        // The answer may have been lost, not the commit.
        match self.was_committed().await {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(error),
            Ok(None) | Err(_) => Err(error.with_hint(
                "Nobody knows whether the rows are the old or the new ones; look, or run the same command again.",
            )),
        }
    }

    async fn abort(self: Box<Self>) {
        if let Err(error) = self.session.run("undo the rows of", "ROLLBACK").await {
            tracing::debug!(%error, "a transaction ends with its session");
        }
    }
}
