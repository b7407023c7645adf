//! Puts the side database in the live one's place.
//!
//! One transaction renames both, so that after a crash at any point either the old or the new one answers by the live name.
//! Renaming needs a database without sessions, and clients come back: a second session ends them as long as it takes.
//! Connections are never forbidden: a kill in between would leave a database that nobody can enter.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use super::note::Note;
use super::session::{Session, failed};
use super::{Server, names, plan, sql};
use crate::database::{DatabaseError, ErrorKind, Result};
use crate::model::RunId;

const ATTEMPTED: &str = "swap in";
/// Each waits up to some five seconds for sessions to go.
const ATTEMPTS: usize = 6;
const IN_USE: [SqlState; 3] = [SqlState::OBJECT_IN_USE, SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
const PAUSE: Duration = Duration::from_millis(50);
/// How long a server that went away may take to be there again, before it stays open what it did last.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What ends the sessions of some databases: all but our own that this role may end.
const END: &str = "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
     LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid \
     WHERE a.datid = ANY($1) AND a.pid <> pg_catalog.pg_backend_pid() \
     AND ($2 OR (NOT r.rolsuper AND (pg_catalog.pg_has_role(r.oid, 'MEMBER') \
     OR pg_catalog.pg_has_role('pg_signal_backend', 'MEMBER'))))";

/// What takes the live name.
pub(super) struct Incoming<'a> {
    pub(super) database: &'a str,
    /// Statements about it, under its new name, in the same transaction.
    pub(super) then: Vec<String>,
    /// Whether nothing may answer by that name yet.
    pub(super) must_be_new: bool,
}

/// Answers what the displaced database is called now.
pub(super) async fn swap(
    server: &Server,
    session: &Session,
    incoming: Incoming<'_>,
    run: &RunId,
) -> Result<Option<String>> {
    let live = server.database();
    let Some((side_oid, _)) = find(session, incoming.database).await? else {
        return Err(DatabaseError::new(ErrorKind::NotFound, ATTEMPTED, server.subject.as_str())
            .with_detail(incoming.database.to_owned()));
    };
    let displaced = find(session, live).await?;
    if incoming.must_be_new && displaced.is_some() {
        return Err(DatabaseError::new(ErrorKind::Refused, ATTEMPTED, server.subject.as_str())
            .with_detail(format!("a database {live:?} was made meanwhile"))
            .with_hint("Choose another name with `--into`."));
    }
    let kept = displaced.as_ref().map(|_| names::displaced(live, run));
    let mut statements = Vec::new();
    if let (Some((_, comment)), Some(kept)) = (&displaced, &kept) {
        statements.push(rename(live, kept));
        let note = Note::new(live, run, comment.as_deref()).into_comment();
        statements.push(format!("COMMENT ON DATABASE {} IS {}", sql::identifier(kept), sql::literal(&note)));
    }
    statements.push(rename(incoming.database, live));
    statements.extend(incoming.then);

    let superuser = plan::rights(session).await?.superuser;
    let oids: Vec<u32> = displaced.iter().map(|(oid, _)| *oid).chain([side_oid]).collect();
    let ending = server.connect_maintenance(run).await?;
    let is_done = AtomicBool::new(false);
    let renaming = async {
        let renamed = rename_all(session, &server.subject, &statements).await;
        is_done.store(true, Ordering::Relaxed);
        renamed
    };
    let (renamed, ()) = tokio::join!(renaming, end_sessions(&ending, &oids, superuser, &is_done));
    match renamed {
        Ok(()) => Ok(kept),
        // The answer to COMMIT may have been lost, not the commit.
        Err(error) if error.kind == ErrorKind::Unreachable => match is_in_place(server, run, side_oid).await {
            Ok(true) => Ok(kept),
            Ok(false) => Err(told_of(error, "nothing was changed")),
            Err(unknown) => Err(left_open(unknown, server)),
        },
        Err(error) => Err(name_holders(&ending, &oids, error).await),
    }
}

/// Asks what the live name stands for, of a server that may just be starting again. What is left of our own sessions is
/// ended first: a COMMIT that is still under way is over then, one way or the other.
async fn is_in_place(server: &Server, run: &RunId, side_oid: u32) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look(server, run, deadline).await {
            Ok(oid) => return Ok(oid == Some(side_oid)),
            Err(error) if error.kind != ErrorKind::Unreachable || Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The number of the database that has the live name, when none of our other sessions is left.
async fn look(server: &Server, run: &RunId, deadline: Instant) -> Result<Option<u32>> {
    let session = server.connect_maintenance(run).await?;
    server.end_own_sessions(&session, run, deadline).await?;
    Ok(find(&session, server.database()).await?.map(|(oid, _)| oid))
}

fn left_open(error: DatabaseError, server: &Server) -> DatabaseError {
    let error = told_of(error, "whether the new one is in place is not known; the old or the new one is, whole");
    DatabaseError { attempted: ATTEMPTED, subject: server.subject.clone(), ..error }.with_hint(
        "When the server is back, see what was displaced last: `dcs restore-db --undo --dry-run`. \
         If this run is not there, run the same command again.",
    )
}

/// Adds what holds now to what the server said.
fn told_of(error: DatabaseError, outcome: &str) -> DatabaseError {
    let detail = match &error.detail {
        Some(detail) => format!("{detail}; {outcome}"),
        None => outcome.to_owned(),
    };
    error.with_detail(detail)
}

fn rename(from: &str, to: &str) -> String {
    format!("ALTER DATABASE {} RENAME TO {}", sql::identifier(from), sql::identifier(to))
}

/// The number and the comment of a database.
async fn find(session: &Session, database: &str) -> Result<Option<(u32, Option<String>)>> {
    let sql = "SELECT oid, pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database \
         WHERE datname = $1";
    let rows = session.rows(ATTEMPTED, sql, &[&database]).await?;
    Ok(rows.first().map(|row| (row.get(0), row.get(1))))
}

async fn rename_all(session: &Session, subject: &str, statements: &[String]) -> Result<()> {
    let mut attempt = 1;
    loop {
        let Err(error) = try_rename(session, statements).await else { return Ok(()) };
        let in_use = error.code().is_some_and(|code| IN_USE.contains(code));
        let error = failed(ATTEMPTED, subject, error);
        if error.kind == ErrorKind::Unreachable {
            return Err(error);
        }
        session.run(ATTEMPTED, "ROLLBACK").await?;
        if !in_use || attempt == ATTEMPTS {
            return Err(error);
        }
        attempt += 1;
    }
}

async fn try_rename(session: &Session, statements: &[String]) -> std::result::Result<(), tokio_postgres::Error> {
    session.try_run("BEGIN; SET LOCAL lock_timeout = '10s'; SET LOCAL synchronous_commit = on").await?;
    for statement in statements {
        session.try_run(statement).await?;
    }
    session.try_run("COMMIT").await
}

/// Ends sessions until it is done. What the server was asked for it has done by then: it would end those who come to the new
/// database after a run that is long over.
async fn end_sessions(session: &Session, oids: &[u32], superuser: bool, is_done: &AtomicBool) {
    while !is_done.load(Ordering::Relaxed) {
        if let Err(error) = session.rows("end the sessions of", END, &[&oids, &superuser]).await {
            tracing::debug!(%error, "sessions could not be ended");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says who stood in the way, where somebody did.
async fn name_holders(session: &Session, oids: &[u32], error: DatabaseError) -> DatabaseError {
    let sql = "SELECT DISTINCT coalesce(usename::text, backend_type) FROM pg_catalog.pg_stat_activity \
         WHERE datid = ANY($1) AND pid <> pg_catalog.pg_backend_pid() ORDER BY 1";
    let holders = session.rows(ATTEMPTED, sql, &[&oids]).await.unwrap_or_default();
    let holders: Vec<String> = holders.iter().map(|row| row.get(0)).collect();
    let error = told_of(error, "nothing was changed");
    if error.kind != ErrorKind::Refused || holders.is_empty() {
        return error;
    }
    told_of(error, &format!("connected: {}", holders.join(", ")))
        .with_hint("Stop what is connected, and run the same command again.")
}
