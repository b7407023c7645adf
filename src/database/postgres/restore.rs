//! A restore under way, in a database of its own beside the live one.
//!
//! The live database is touched by [`super::swap`] alone. What a killed run leaves is a side database that nobody uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_postgres::error::SqlState;

use super::custom_format::{self, Found};
use super::properties::Properties;
use super::roles::Roles;
use super::session::{Session, failed};
use super::swap::{self, Incoming};
use super::{Server, catalog, contents, identity, names, partial, plan, scratch, sql};
use crate::database::tools::{Feed, Tools};
use crate::database::{
    DatabaseError, DumpStream, ErrorKind, Extent, RestoreChoices, RestoreOptions, RestoreSession, Result, compare,
};
use crate::model::RunId;
use crate::model::database::{Difference, Fingerprint, TableCount};

const ATTEMPTED: &str = "restore";

pub(super) struct PostgresRestore {
    server: Arc<Server>,
    run: RunId,
    tools: Tools,
    side: String,
    spool: PathBuf,
    late: Vec<String>,
    /// Of the archive that was loaded.
    found: Option<Found>,
    /// Without the backup's roles, nothing can belong to them.
    has_roles: bool,
    /// Keeps other runs from taking a scratch database for left behind.
    _guard: Option<Session>,
    choices: RestoreChoices,
}

impl PostgresRestore {
    pub(super) async fn begin(server: Arc<Server>, options: &RestoreOptions) -> Result<Self> {
        let session = server.connect_maintenance(&options.run).await?;
        let side = names::side(server.database(), &options.run);
        Self::make(server, &session, side, options, !options.choices.no_owner, false).await
    }

    pub(super) async fn begin_scratch(server: Arc<Server>, name: &str, options: &RestoreOptions) -> Result<Self> {
        let session = server.connect_maintenance(&options.run).await?;
        let side = names::scratch(name, &options.run);
        scratch::guard(&session, &side).await?;
        plan::check_scratch(&session, options).await?;
        let restore = Self::make(server, &session, side, options, options.globals.is_some(), true).await?;
        Ok(Self { _guard: Some(session), ..restore })
    }

    async fn make(
        server: Arc<Server>,
        session: &Session,
        side: String,
        options: &RestoreOptions,
        has_roles: bool,
        is_scratch: bool,
    ) -> Result<Self> {
        let info = catalog::server(session, ATTEMPTED).await?;
        let tools = server.tools("pg_restore", info.major.max(options.server.major)).await?;
        if has_roles {
            let rights = plan::rights(session).await?;
            Roles::parse(options.globals.as_deref()).create_missing(session, rights.superuser).await?;
        }

        let properties = Properties::parse(options.properties.as_deref(), &side);
        let mut properties = if has_roles { properties } else { properties.without_roles() };
        if is_scratch {
            // Its comment is the mark by which it may be dropped.
            properties.early.retain(|statement| !statement.starts_with("COMMENT"));
            properties.early.insert(0, scratch::mark(&side));
        }
        session.lift_limit().await?;
        let created = session.run("create a database on", &properties.create).await.map_err(in_a_locale);
        let (run, late, choices) = (options.run.clone(), properties.late, options.choices.clone());
        let spool = options.spool.clone();
        let restore = Self { server, run, tools, side, spool, late, found: None, has_roles, _guard: None, choices };
        if let Err(error) = created {
            // The answer may have been lost, not the database. One without its mark is not a proof's to drop.
            if error.kind == ErrorKind::Unreachable && !is_scratch {
                restore.end_creation().await;
                Box::new(restore).discard().await;
            }
            return Err(error);
        }
        if let Err(error) = apply(session, &properties.early).await {
            Box::new(restore).discard().await;
            return Err(error);
        }
        Ok(restore)
    }

    async fn restore_arguments(&self, session: &Session, application: &str) -> Result<Vec<String>> {
        // A setting of the restored database must not keep it from being filled.
        let settings = ["default_transaction_read_only=off", "statement_timeout=0", "row_security=off"];
        let conninfo = self.server.tools_target.conninfo(self.tools.major, &self.side, application, &settings);
        let mut arguments = vec![
            "--format=custom".to_owned(),
            "--exit-on-error".to_owned(),
            "--no-password".to_owned(),
            // A subscription would make the side database impossible to drop.
            "--no-subscriptions".to_owned(),
            format!("--dbname={}", conninfo),
        ];
        // On a server without tablespaces of its own, everything goes where the database is.
        let sql = "SELECT count(*) FROM pg_catalog.pg_tablespace WHERE spcname !~ '^pg_'";
        if session.row(ATTEMPTED, sql, &[]).await?.get::<_, i64>(0) == 0 {
            arguments.push("--no-tablespaces".to_owned());
        }
        if !self.has_roles {
            arguments.extend(["--no-owner".to_owned(), "--no-privileges".to_owned()]);
        }
        Ok(arguments)
    }

    async fn feed(&self, arguments: &[String], more: Vec<String>) -> Result<Feed> {
        let arguments = arguments.iter().cloned().chain(more).collect();
        self.server.tool("pg_restore", ATTEMPTED, arguments).feed(&self.tools).await
    }

    async fn pass_on(&self, arguments: &[String], mut dump: DumpStream) -> Result<()> {
        match &self.choices.extent {
            Extent::Everything if self.choices.jobs > 1 => self.load_at_once(arguments, dump).await,
            Extent::Everything => self.feed(arguments, Vec::new()).await?.all(dump).await,
            Extent::Definitions => self.feed(arguments, vec!["--schema-only".to_owned()]).await?.all(dump).await,
            Extent::Rows(selected) => {
                // The definitions come first in an archive, and their tool ends without reading on.
                let definitions = self.feed(arguments, vec!["--section=pre-data".to_owned()]).await?;
                let read = definitions.what_it_takes(&mut dump).await?;
                let again = stream::iter(read.into_iter().map(Ok)).chain(dump).boxed();
                self.feed(arguments, partial::arguments(selected)).await?.all(again).await
            }
        }
    }

    /// Loads several tables at once, for which the tool has to find its way about the archive. The file has no name from the
    /// moment it is made: nothing is left behind however the process ends.
    async fn load_at_once(&self, arguments: &[String], mut dump: DumpStream) -> Result<()> {
        let spooled = |error: std::io::Error| {
            let kind = if error.kind() == std::io::ErrorKind::StorageFull { ErrorKind::Full } else { ErrorKind::Other };
            DatabaseError::new(kind, "spool the dump for", self.server.subject.as_str())
                .with_source(error)
                .with_hint("Restore without a spool: `--jobs 1`.")
        };
        let file = tempfile::tempfile_in(&self.spool).map_err(spooled)?;
        let mut writing = tokio::fs::File::from_std(file);
        while let Some(chunk) = dump.try_next().await? {
            writing.write_all(&chunk).await.map_err(spooled)?;
        }
        writing.rewind().await.map_err(spooled)?;
        let file = writing.into_std().await;
        // One after the other: left to itself the tool makes the triggers of a partitioned table, which has no rows of its own,
        // while those of its partitions are still loaded, and they fire.
        let jobs = format!("--jobs={}", self.choices.jobs);
        for (section, jobs) in [("pre-data", "--jobs=1"), ("data", jobs.as_str()), ("post-data", jobs.as_str())] {
            let more = [format!("--section={section}"), jobs.to_owned(), "/dev/stdin".to_owned()];
            let arguments = arguments.iter().cloned().chain(more).collect();
            let input = file.try_clone().map_err(spooled)?;
            self.server.tool("pg_restore", ATTEMPTED, arguments).run_on(&self.tools, input).await?;
        }
        Ok(())
    }

    /// Says of each table what its rows were in the archive, which the server has taken over as they are.
    fn add_contents(&self, tables: &mut [TableCount]) {
        let Some(found) = self.found.as_ref().and_then(|found| found.get()) else { return };
        let found: BTreeMap<_, _> =
            found.rows.iter().map(|table| ((&table.schema, &table.name), &table.content)).collect();
        for table in tables {
            table.content = found.get(&(&table.schema, &table.name)).copied().cloned().flatten();
        }
    }

    async fn put_in_place(&self) -> Result<Option<String>> {
        let session = self.server.connect_maintenance(&self.run).await?;
        apply(&session, &self.late).await?;
        let must_be_new = self.choices.must_be_new;
        let incoming = Incoming { database: &self.side, then: Vec::new(), must_be_new };
        swap::swap(&self.server, &session, incoming, &self.run).await
    }

    /// Ends a session that may still be making the database, which is not there to be dropped until then.
    async fn end_creation(&self) {
        let ended = async {
            let session = self.server.connect_maintenance(&self.run).await?;
            self.server.end_own_sessions(&session, &self.run, Instant::now() + swap::PATIENCE).await
        };
        if let Err(error) = ended.await {
            tracing::debug!(%error, "a session that makes a database could not be ended");
        }
    }

    async fn drop_side(&self) -> Result<()> {
        let session = self.server.connect_maintenance(&self.run).await?;
        drop_database(&session, &self.side).await
    }
}

/// What a server does not know of an encoding or a locale, the system below it does not have.
fn in_a_locale(error: DatabaseError) -> DatabaseError {
    match error.kind {
        ErrorKind::Other => error.with_hint("The server's system must have the locale of the backup: see `locale -a`."),
        _ => error,
    }
}

/// Drops a database and ends what is connected to it. One that is not there is as good.
pub(super) async fn drop_database(session: &Session, name: &str) -> Result<()> {
    let ended = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1";
    let info = catalog::server(session, "drop").await?;
    session.lift_limit().await?;
    // FORCE came with 13; before, what is connected is ended a moment earlier.
    let force = if info.major >= 13 {
        " WITH (FORCE)"
    } else {
        session.rows("drop", ended, &[&name]).await?;
        ""
    };
    session.run("drop", &format!("DROP DATABASE IF EXISTS {}{force}", sql::identifier(name))).await
}

/// Applies properties; those about roles that do not exist are left out, as the plan said.
async fn apply(session: &Session, properties: &[String]) -> Result<()> {
    for statement in properties {
        let Err(error) = session.try_run(statement).await else { continue };
        if error.code() == Some(&SqlState::UNDEFINED_OBJECT) {
            // Never the whole statement: values of settings may be secrets.
            let about = sql::words(statement).into_iter().take(3).collect::<Vec<_>>().join(" ");
            tracing::warn!(about, "a property was left out: its role does not exist");
            continue;
        }
        return Err(failed("set the properties of", session.subject(), error)
            .with_hint("Restore as a superuser, or as a role that owns what the backup holds."));
    }
    Ok(())
}

#[async_trait]
impl RestoreSession for PostgresRestore {
    async fn load(&mut self, dump: DumpStream) -> Result<()> {
        let session = self.server.connect(&self.side, &self.run).await?;
        let application = Server::application(&self.run);
        let arguments = self.restore_arguments(&session, &application).await?;
        let (dump, found) = custom_format::watched(dump);
        self.found = Some(found);
        if let Err(error) = self.pass_on(&arguments, dump).await {
            if let Err(other) = self.server.end_backends(&session, &application).await {
                tracing::debug!(error = %other, "the backend of a failed tool could not be ended");
            }
            return Err(error);
        }
        session.lift_limit().await?;
        session.run("analyze", "ANALYZE").await
    }

    async fn compare(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>> {
        let session = self.server.connect(&self.side, &self.run).await?;
        session.lift_limit().await?;
        session.run(ATTEMPTED, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let relations = catalog::relations(&session, "compare").await?;
        let mut tables = catalog::counts(&session, "compare", &relations).await?;
        self.add_contents(&mut tables);
        if self.choices.extent != Extent::Everything {
            return Ok(partial::differences(&self.choices.extent, &expected.tables, &relations, &tables));
        }
        let sequences = catalog::sequences(&session, "compare").await?;
        let large_objects = Some(catalog::large_objects(&session, "compare").await?);
        let views: BTreeSet<_> = relations
            .iter()
            .filter(|relation| relation.is_materialised_view())
            .map(|relation| (relation.schema.as_str(), relation.name.as_str()))
            .collect();
        let found = Fingerprint { tables, sequences, large_objects, ..Fingerprint::default() };
        Ok(compare::differences(expected, &found, |schema, name| views.contains(&(schema, name))))
    }

    async fn compare_contents(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>> {
        let session = self.server.connect(&self.side, &self.run).await?;
        session.lift_limit().await?;
        contents::differences(&session, expected).await
    }

    async fn ask(&mut self, statement: &str) -> Result<Option<String>> {
        let session = self.server.connect(&self.side, &self.run).await?;
        session.lift_limit().await?;
        session.first_text("ask", statement).await
    }

    async fn settle(&mut self) -> Result<()> {
        apply(&self.server.connect_maintenance(&self.run).await?, &self.late).await
    }

    async fn identity(&mut self) -> Result<Option<String>> {
        identity::of(&self.server.connect_maintenance(&self.run).await?, &self.side).await
    }

    async fn swap(self: Box<Self>) -> Result<Option<String>> {
        let swapped = self.put_in_place().await;
        if swapped.is_err() {
            // By its name: where it is in place all the same, there is none to drop.
            self.discard().await;
        }
        swapped
    }

    async fn discard(self: Box<Self>) {
        match self.drop_side().await {
            Ok(()) => {}
            // It may never have been made, or have its place: the next restore names it where it is left.
            Err(error) if error.kind == ErrorKind::Unreachable => {
                tracing::warn!(
                    database = self.side,
                    "a side database may be left on the server, which cannot be asked"
                );
            }
            Err(error) => {
                tracing::warn!(%error, database = self.side, "a side database could not be dropped; drop it by hand");
            }
        }
    }
}
