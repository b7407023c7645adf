//! A dump under way: the snapshot, what was counted in it, and `pg_dump` reading the same snapshot.
//!
//! `pg_dump` is started before anything is counted, and has its own locks when it writes its first byte. Were it started
//! later, a TRUNCATE that queued up behind our locks would be in its way, and all three would wait for each other: PostgreSQL
//! cannot see that circle. In the moment that is left, a tool that waits is given up early, and all begins anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;

use super::catalog::Relation;
use super::custom_format::{self, Found};
use super::session::Session;
use super::{Server, catalog, items, properties, selected, snapshot};
use crate::database::tools::Tools;
use crate::database::{DatabaseError, DumpOptions, DumpSession, DumpStream, ErrorKind, Result};
use crate::model::database::{Fingerprint, SequenceRange, ServerInfo};
use crate::model::manifest::DumpSelection;
use crate::model::{ItemFolder, ItemTable, PrefixTemplate, RunId};

const LONGEST_GLOBALS: usize = 64 << 20;
const ATTEMPTS: usize = 5;
/// We hold every lock that `pg_dump` asks for: what it has to wait for waits for us.
const TOOL_LOCK_TIMEOUT: Duration = Duration::from_secs(3);
const ABORT_WAIT: Duration = Duration::from_secs(20);

pub(super) async fn preflight(server: &Server, run: &RunId) -> Result<ServerInfo> {
    let session = server.connect(server.database(), run).await?;
    check(server, &session).await.map(|(info, _)| info)
}

/// Everything a dump needs, checked before anything is begun.
async fn check(server: &Server, session: &Session) -> Result<(ServerInfo, Tools)> {
    let info = catalog::server(session, "look at").await?;
    let tools = server.tools("pg_dump", info.major).await?;
    catalog::check_readable(session, "dump").await?;
    Ok((info, tools))
}

pub(super) struct PostgresDump {
    server: Arc<Server>,
    run: RunId,
    session: Arc<Session>,
    application: String,
    /// Both until counting begins.
    relations: Vec<Relation>,
    sequences: Vec<SequenceRange>,
    counting: Option<JoinSet<Result<Fingerprint>>>,
    properties: String,
    globals: Option<(String, bool)>,
    /// Until it is opened.
    stream: Option<DumpStream>,
    ended: Arc<AtomicBool>,
    /// Of the stream, once it was opened.
    found: Option<Found>,
    selection: Option<DumpSelection>,
}

impl PostgresDump {
    pub(super) async fn begin(server: Arc<Server>, options: &DumpOptions) -> Result<Self> {
        let session = server.connect(server.database(), &options.run).await?;
        let (info, tools) = check(&server, &session).await?;
        let properties = properties::script(&session, info.major).await?;
        let globals = globals(&server, &session, &tools, &options.run).await?;
        let application = Server::application(&options.run);
        // Waiting for locks has a limit of its own, and counting has none.
        session.lift_limit().await?;
        let started = start(&server, &session, &tools, &application, options.selection.as_ref()).await?;
        Ok(Self {
            run: options.run.clone(),
            application,
            server,
            session: Arc::new(session),
            relations: started.relations,
            sequences: started.sequences,
            counting: None,
            properties,
            globals,
            stream: Some(started.stream),
            ended: Arc::default(),
            found: None,
            selection: options.selection.clone(),
        })
    }

    /// Counts in the snapshot, beside the tool that reads it.
    fn begin_counting(&mut self) {
        let (session, relations) = (Arc::clone(&self.session), std::mem::take(&mut self.relations));
        let sequences = std::mem::take(&mut self.sequences);
        let mut counting = JoinSet::new();
        counting.spawn(async move {
            let attempted = "count the rows of";
            let tables = catalog::counts(&session, attempted, &relations).await?;
            let large_objects = Some(catalog::large_objects(&session, attempted).await?);
            let rendering = catalog::rendering(&session, attempted).await?;
            Ok(Fingerprint { tables, sequences, large_objects, rendering })
        });
        self.counting = Some(counting);
    }

    async fn counted(&mut self) -> Result<Fingerprint> {
        let Some(counting) = &mut self.counting else { return Err(self.not_read()) };
        match counting.join_next().await {
            Some(Ok(counted)) => counted,
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => Err(self.not_read()),
        }
    }

    fn not_read(&self) -> DatabaseError {
        DatabaseError::new(ErrorKind::ToolFailed, "dump", self.server.subject.as_str())
            .with_detail("the dump was not read to its end")
    }

    /// Holds what the dump has against what was counted in the same snapshot, and notes what its rows are.
    fn take_contents(&self, fingerprint: &mut Fingerprint) -> Result<()> {
        let failed =
            |kind, detail| Err(DatabaseError::new(kind, "dump", self.server.subject.as_str()).with_detail(detail));
        match (self.found.as_ref().and_then(|found| found.get()), &self.selection) {
            (Some(archive), Some(_)) => selected::narrow(fingerprint, archive),
            (Some(_), None) => {}
            (None, Some(_)) => return failed(ErrorKind::Other, "what it selected cannot be told".to_owned()),
            (None, None) => return Ok(()),
        }
        let Some(archive) = self.found.as_ref().and_then(|found| found.get()) else { return Ok(()) };
        match selected::note_contents(fingerprint, archive) {
            Ok(()) => Ok(()),
            Err(difference) => failed(ErrorKind::ToolFailed, difference),
        }
    }
}

struct Started {
    relations: Vec<Relation>,
    sequences: Vec<SequenceRange>,
    stream: DumpStream,
}

/// Takes the snapshot and starts the tool on it, again while locks are in the way. Leaves the session in the snapshot.
async fn start(
    server: &Server,
    session: &Session,
    tools: &Tools,
    application: &str,
    selection: Option<&DumpSelection>,
) -> Result<Started> {
    let mut attempt = 1;
    loop {
        let taken = snapshot::take(session, server.limits.lock_timeout).await?;
        // The tool reads the sequences before it writes anything: what was before must be read before it starts.
        let sequences = catalog::sequences(session, "read the sequences of").await?;
        match try_start(server, tools, application, &taken.name, selection).await {
            Ok(stream) => return Ok(Started { relations: taken.relations, sequences, stream }),
            // The message of a timeout may be in the server's own language.
            Err(error) if matches!(error.kind, ErrorKind::ToolFailed | ErrorKind::Refused) && attempt < ATTEMPTS => {
                tracing::info!(%error, attempt, "a dump is begun anew");
                session.run("leave the snapshot of", "ROLLBACK").await?;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn try_start(
    server: &Server,
    tools: &Tools,
    application: &str,
    snapshot: &str,
    selection: Option<&DumpSelection>,
) -> Result<DumpStream> {
    let target = &server.tools_target;
    let mut arguments = vec![
        "--format=custom".to_owned(),
        "--compress=0".to_owned(),
        "--no-password".to_owned(),
        format!("--lock-wait-timeout={}", TOOL_LOCK_TIMEOUT.as_millis()),
        format!("--snapshot={snapshot}"),
        format!("--dbname={}", target.conninfo(tools.major, &target.database, application, &[])),
    ];
    arguments.extend(selection.map(selected::arguments).unwrap_or_default());
    let mut stream = server.tool("pg_dump", "dump", arguments).stream(tools).await?;
    let first = stream.try_next().await?;
    Ok(stream::iter(first.map(Ok)).chain(stream).boxed())
}

/// Ends the transaction of the session, and the tool wherever it runs.
async fn end(server: &Server, session: &Session, run: &RunId, application: &str) -> Result<()> {
    if session.is_closed() {
        let session = server.connect(server.database(), run).await?;
        return server.end_backends(&session, application).await;
    }
    session.run("leave the snapshot of", "ROLLBACK").await?;
    server.end_backends(session, application).await
}

/// The server's roles, with their passwords where the role may read these.
async fn globals(server: &Server, session: &Session, tools: &Tools, run: &RunId) -> Result<Option<(String, bool)>> {
    let sql = "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
    let holds_passwords: bool = session.row("read the roles of", sql, &[]).await?.get(0);
    let target = &server.tools_target;
    let conninfo = target.conninfo(tools.major, &target.database, &Server::application(run), &[]);
    let mut arguments = vec![
        "--globals-only".to_owned(),
        "--no-password".to_owned(),
        format!("--dbname={conninfo}"),
        format!("--database={}", target.database),
    ];
    if !holds_passwords {
        arguments.push("--no-role-passwords".to_owned());
    }
    match server.tool("pg_dumpall", "read the roles of", arguments).text(tools, LONGEST_GLOBALS).await {
        Ok(script) => Ok(Some((script, holds_passwords))),
        Err(error) if error.kind == ErrorKind::NoTool => {
            tracing::warn!(%error, "the roles are not in this backup");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[async_trait]
impl DumpSession for PostgresDump {
    fn properties(&self) -> Option<&str> {
        Some(&self.properties)
    }

    fn globals(&self) -> Option<(&str, bool)> {
        self.globals.as_ref().map(|(script, holds_passwords)| (script.as_str(), *holds_passwords))
    }

    async fn open(&mut self) -> Result<DumpStream> {
        let Some(dump) = self.stream.take() else {
            return Err(DatabaseError::new(ErrorKind::Other, "dump", self.server.subject.as_str())
                .with_detail("a session is dumped once"));
        };
        self.begin_counting();
        // What is read along is what is stored.
        let (dump, found) = custom_format::watched(custom_format::merged(dump));
        self.found = Some(found);
        // Noted only where the stream ends cleanly, which one that breaks never does.
        let state = (dump, Arc::clone(&self.ended));
        Ok(stream::try_unfold(state, |(mut dump, ended)| async move {
            let chunk = dump.try_next().await?;
            if chunk.is_none() {
                ended.store(true, Ordering::Release);
            }
            Ok(chunk.map(|chunk| (chunk, (dump, ended))))
        })
        .boxed())
    }

    async fn item_folders<'a>(
        &'a mut self,
        table: &ItemTable,
        template: &PrefixTemplate,
    ) -> Result<BoxStream<'a, Result<ItemFolder>>> {
        items::folders_in_transaction(&self.session, &self.server.subject, table, template).await
    }

    async fn finish(mut self: Box<Self>) -> Result<Fingerprint> {
        if !self.ended.load(Ordering::Acquire) {
            return Err(self.not_read());
        }
        let mut fingerprint = self.counted().await?;
        self.take_contents(&mut fingerprint)?;
        self.session.run("leave the snapshot of", "COMMIT").await?;
        let now = catalog::sequences(&self.session, "read the sequences of").await?;
        for sequence in &mut fingerprint.sequences {
            let same = now.iter().find(|other| other.schema == sequence.schema && other.name == sequence.name);
            // One that was dropped meanwhile stays at what it was.
            sequence.after = same.map_or(sequence.before, |same| same.before);
        }
        Ok(fingerprint)
    }

    async fn abort(mut self: Box<Self>) {
        drop((self.stream.take(), self.counting.take()));
        let ended = end(&self.server, &self.session, &self.run, &self.application);
        match tokio::time::timeout(ABORT_WAIT, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, application = self.application, "an aborted dump may run on"),
            Err(_) => tracing::warn!(application = self.application, "an aborted dump may run on: no answer"),
        }
    }
}
