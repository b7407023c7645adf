//! A dump under way: the snapshot, what was counted in it, and `pg_dump` reading the same snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::session::Session;
use super::{Server, catalog, properties, snapshot};
use crate::database::tools::Tools;
use crate::database::{DatabaseError, DumpOptions, DumpSession, DumpStream, ErrorKind, Result};
use crate::model::RunId;
use crate::model::database::{Fingerprint, ServerInfo};

const LONGEST_GLOBALS: usize = 64 << 20;
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
    session: Session,
    tools: Tools,
    snapshot: String,
    application: String,
    fingerprint: Fingerprint,
    properties: String,
    globals: Option<(String, bool)>,
    opened: bool,
    ended: Arc<AtomicBool>,
}

impl PostgresDump {
    pub(super) async fn begin(server: Arc<Server>, options: &DumpOptions) -> Result<Self> {
        let session = server.connect(server.database(), &options.run).await?;
        let (info, tools) = check(&server, &session).await?;
        let properties = properties::script(&session, info.major).await?;
        let globals = globals(&server, &session, &tools, &options.run).await?;
        let snapshot = snapshot::take(&session, server.lock_timeout).await?;
        let tables = catalog::counts(&session, "count the rows of", &snapshot.relations).await?;
        let sequences = catalog::sequences(&session, "read the sequences of").await?;
        Ok(Self {
            run: options.run.clone(),
            application: Server::application(&options.run),
            server,
            session,
            tools,
            snapshot: snapshot.name,
            fingerprint: Fingerprint { tables, sequences },
            properties,
            globals,
            opened: false,
            ended: Arc::default(),
        })
    }

    async fn end_tool(&self) -> Result<()> {
        if self.session.is_closed() {
            let session = self.server.connect(self.server.database(), &self.run).await?;
            return self.server.end_backends(&session, &self.application).await;
        }
        self.session.run("leave the snapshot of", "ROLLBACK").await?;
        self.server.end_backends(&self.session, &self.application).await
    }
}

/// The server's roles, with their passwords where the role may read these.
async fn globals(server: &Server, session: &Session, tools: &Tools, run: &RunId) -> Result<Option<(String, bool)>> {
    let sql = "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
    let holds_passwords: bool = session.row("read the roles of", sql, &[]).await?.get(0);
    let conninfo = server.tools_target.conninfo(&server.tools_target.database, &Server::application(run), &[]);
    let mut arguments = vec![
        "--globals-only".to_owned(),
        "--no-password".to_owned(),
        format!("--dbname={conninfo}"),
        format!("--database={}", server.tools_target.database),
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
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn properties(&self) -> Option<&str> {
        Some(&self.properties)
    }

    fn globals(&self) -> Option<(&str, bool)> {
        self.globals.as_ref().map(|(script, holds_passwords)| (script.as_str(), *holds_passwords))
    }

    async fn open(&mut self) -> Result<DumpStream> {
        if std::mem::replace(&mut self.opened, true) {
            return Err(DatabaseError::new(ErrorKind::Other, "dump", self.server.subject.as_str())
                .with_detail("a session is dumped once"));
        }
        let target = &self.server.tools_target;
        let arguments = vec![
            "--format=custom".to_owned(),
            "--compress=0".to_owned(),
            "--no-password".to_owned(),
            format!("--lock-wait-timeout={}", self.server.lock_timeout.as_millis().max(1)),
            format!("--snapshot={}", self.snapshot),
            format!("--dbname={}", target.conninfo(&target.database, &self.application, &[])),
        ];
        let dump = self.server.tool("pg_dump", "dump", arguments).stream(&self.tools).await?;
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

    async fn finish(mut self: Box<Self>) -> Result<Fingerprint> {
        if !self.ended.load(Ordering::Acquire) {
            return Err(DatabaseError::new(ErrorKind::ToolFailed, "dump", self.server.subject.as_str())
                .with_detail("the dump was not read to its end"));
        }
        self.session.run("leave the snapshot of", "COMMIT").await?;
        let now = catalog::sequences(&self.session, "read the sequences of").await?;
        for sequence in &mut self.fingerprint.sequences {
            let same = now.iter().find(|other| other.schema == sequence.schema && other.name == sequence.name);
            // One that was dropped meanwhile stays at what it was.
            sequence.after = same.map_or(sequence.before, |same| same.before);
        }
        Ok(self.fingerprint)
    }

    async fn abort(self: Box<Self>) {
        match tokio::time::timeout(ABORT_WAIT, self.end_tool()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, application = self.application, "an aborted dump may run on"),
            Err(_) => tracing::warn!(application = self.application, "an aborted dump may run on: no answer"),
        }
    }
}
