//! PostgreSQL: queries by tokio-postgres, contents by the server's own `pg_dump` and `pg_restore`.
//!
//! Nothing here reads the environment: passwords and search paths come in with the options.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::Result;
use super::tools::{Places, Tool, Tools};
use super::{
    Database, DatabaseError, Displaced, DumpOptions, DumpSession, ErrorKind, FolderStream, RestoreOptions, RestorePlan,
    RestoreSession, RowsOptions, RowsPlan, RowsSession, UndoOptions, UndoPlan,
};
use crate::model::database::{Engine, ServerInfo};
use crate::model::{ItemRow, ItemTable, Limits, Prefix, PrefixTemplate, RunId, Secret, StatusChange, id};

mod catalog;
pub(super) mod cluster;
mod contents;
mod custom_format;
mod dump;
mod identity;
mod items;
mod names;
mod note;
mod partial;
mod plan;
mod properties;
mod restore;
mod roles;
mod room;
mod rows;
mod scratch;
mod selected;
mod session;
mod snapshot;
mod sql;
mod standing;
mod swap;
mod target;
mod tls;
mod undo;
mod watcher;

pub use watcher::DumpWatcher;

use session::Session;
use target::Target;

const PAUSE: Duration = Duration::from_millis(50);

/// Where a database is and how to reach it.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://USER@HOST:PORT/DATABASE`; a socket folder as host is percent-encoded.
    pub url: String,
    /// Goes before a password in the URL.
    pub password: Option<Secret>,
    /// A command that runs the server's tools where they are: `docker exec -i pg`.
    pub tools: Option<Vec<String>>,
    /// The server as the tools see it, where that is not `url`: a container has ports of its own.
    pub tools_url: Option<String>,
    /// Folders to look for tools in, besides `installed`.
    pub search_path: Vec<PathBuf>,
    /// The folder that holds the tools as `MAJOR/bin`.
    pub installed: PathBuf,
    pub limits: Limits,
}

impl PostgresOptions {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            tools: None,
            tools_url: None,
            search_path: Vec::new(),
            installed: PathBuf::from("/usr/lib/postgresql"),
            limits: Limits::default(),
        }
    }
}

/// One database on a server.
pub struct PostgresDatabase {
    server: Arc<Server>,
}

impl PostgresDatabase {
    /// Reads the options; connects to nothing.
    pub fn open(options: PostgresOptions) -> Result<Self> {
        let limits = options.limits;
        let target = Target::parse(&options.url, &limits)?;
        let tools_target = match options.tools_url.as_deref() {
            Some(url) => Target::parse(url, &limits)?,
            None => target.clone(),
        };
        let password = options.password.or_else(|| target.password());
        let subject = target.describe(&target.database);
        if options.tools.is_some() && password.as_ref().is_some_and(|secret| secret.expose().contains('\n')) {
            return Err(DatabaseError::new(ErrorKind::Refused, "use", subject)
                .with_detail("a password of several lines cannot be handed to tools in a container"));
        }
        let tools = options.tools.filter(|prefix| !prefix.is_empty());
        let places = Places { prefix: tools, search_path: options.search_path, installed: options.installed };
        Ok(Self { server: Arc::new(Server { target, tools_target, password, places, limits, subject }) })
    }
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresDatabase({})", self.server.subject)
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    fn describe(&self) -> String {
        self.server.subject.clone()
    }

    fn database(&self) -> &str {
        &self.server.target.database
    }

    fn engine(&self) -> Engine {
        Engine::Postgresql
    }

    async fn preflight_dump(&self) -> Result<ServerInfo> {
        dump::preflight(&self.server, &RunId::create()).await
    }

    async fn begin_dump(&self, options: &DumpOptions) -> Result<Box<dyn DumpSession>> {
        Ok(Box::new(dump::PostgresDump::begin(Arc::clone(&self.server), options).await?))
    }

    async fn plan_restore(&self, options: &RestoreOptions) -> Result<RestorePlan> {
        plan::plan(&self.server, options).await
    }

    async fn begin_restore(&self, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        Ok(Box::new(restore::PostgresRestore::begin(Arc::clone(&self.server), options).await?))
    }

    async fn plan_rows(&self, options: &RowsOptions) -> Result<RowsPlan> {
        rows::plan(&self.server, options).await
    }

    async fn begin_rows(&self, options: &RowsOptions) -> Result<Box<dyn RowsSession>> {
        Ok(Box::new(rows::PostgresRows::begin(Arc::clone(&self.server), options).await?))
    }

    async fn begin_scratch(&self, name: &str, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        Ok(Box::new(restore::PostgresRestore::begin_scratch(Arc::clone(&self.server), name, options).await?))
    }

    async fn sweep_scratch(&self, own: &[String], run: &RunId) {
        scratch::sweep(&self.server, own, run).await;
    }

    async fn displaced(&self, run: &RunId) -> Result<Vec<Displaced>> {
        undo::displaced(&self.server, run).await
    }

    async fn neighbours(&self) -> Result<Vec<String>> {
        standing::neighbours(&self.server, &RunId::create()).await
    }

    async fn plan_undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<UndoPlan> {
        undo::plan(&self.server, displaced, options).await
    }

    async fn undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<Option<String>> {
        undo::undo(&self.server, displaced, options).await
    }

    async fn identity(&self, run: &RunId) -> Result<Option<String>> {
        identity::of(&self.server.connect_maintenance(run).await?, self.server.database()).await
    }

    fn side(&self, run: &RunId) -> Option<String> {
        Some(names::side(self.server.database(), run))
    }

    async fn drop_side(&self, of: &RunId, run: &RunId) -> Result<()> {
        let session = self.server.connect_maintenance(run).await?;
        restore::drop_database(&session, &names::side(self.server.database(), of)).await
    }

    async fn item_row(&self, table: &ItemTable, id: &str, columns: &[String]) -> Result<Option<ItemRow>> {
        items::row(&self.server, table, id, columns).await
    }

    async fn set_item_status(
        &self,
        table: &ItemTable,
        id: &str,
        expected: Option<&str>,
        status: &str,
    ) -> Result<StatusChange> {
        items::set_status(&self.server, table, id, expected, status).await
    }

    async fn items_around(
        &self,
        table: &ItemTable,
        template: &PrefixTemplate,
        folder: &Prefix,
        id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        items::around(&self.server, table, template, folder, id, limit).await
    }

    async fn item_folders(&self, table: &ItemTable, template: &PrefixTemplate) -> Result<FolderStream> {
        items::folders(&self.server, table, template).await
    }
}

/// What all sessions of one database share.
struct Server {
    target: Target,
    tools_target: Target,
    password: Option<Secret>,
    places: Places,
    limits: Limits,
    subject: String,
}

impl Server {
    fn database(&self) -> &str {
        &self.target.database
    }

    async fn connect(&self, database: &str, run: &RunId) -> Result<Session> {
        let (password, limit) = (self.password.as_ref(), self.limits.statement_timeout);
        Session::connect(&self.target, database, password, &Self::session_application(run), limit).await
    }

    /// Connects to a database that is there on every server and is not the one at stake.
    async fn connect_maintenance(&self, run: &RunId) -> Result<Session> {
        let mut first = None;
        for database in ["postgres", "template1"].into_iter().filter(|name| *name != self.database()) {
            match self.connect(database, run).await {
                Ok(session) => return Ok(session),
                Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Denied) => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(first.unwrap_or_else(|| DatabaseError::new(ErrorKind::NotFound, "connect to", self.subject.as_str())))
    }

    async fn tools(&self, program: &str, major: u32) -> Result<Tools> {
        Tools::find(&self.places, program, major, &self.subject).await
    }

    fn tool(&self, program: &'static str, attempted: &'static str, arguments: Vec<String>) -> Tool<'_> {
        let password = self.password.as_ref();
        Tool { program, attempted, arguments, password, subject: &self.subject }
    }

    /// The name of all our own sessions in one run.
    fn session_application(run: &RunId) -> String {
        format!("dcs-{run}")
    }

    /// A name by which the backend of one tool can be found and ended.
    fn application(run: &RunId) -> String {
        format!("dcs-{run}-{}", &id::random_name()[..12])
    }

    /// Ends the backends of this name but that of `session`: those of a tool that may run where killing our child does not
    /// reach it, or our own.
    async fn end_backends(&self, session: &Session, application: &str) -> Result<()> {
        let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE application_name = $1 AND pid <> pg_catalog.pg_backend_pid()";
        session.rows("end the tool of", sql, &[&application]).await.map(drop)
    }

    /// Ends all sessions of a run but this one, and waits until they are gone: what they were at is over then, one way or
    /// the other.
    async fn end_own_sessions(&self, session: &Session, run: &RunId, deadline: Instant) -> Result<()> {
        const ATTEMPTED: &str = "end the sessions of";
        let application = Self::session_application(run);
        let left = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE application_name = $1 \
             AND pid <> pg_catalog.pg_backend_pid()";
        loop {
            self.end_backends(session, &application).await?;
            if session.row(ATTEMPTED, left, &[&application]).await?.get::<_, i64>(0) == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(DatabaseError::new(ErrorKind::Unreachable, ATTEMPTED, self.subject.as_str())
                    .with_detail("a session of this run does not end"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
