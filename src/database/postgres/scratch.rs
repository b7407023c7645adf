//! Databases for proofs on a server that has others: each is told by its name, `NAME__verify_RRRR`, and by its comment, and
//! guarded by a lock of the session that made it.
//!
//! The name alone gives nobody the right to drop a database: somebody may have called one of his own so. One that was made
//! and not yet marked when its run was killed stays, empty.
//!
//! The lock ends with that session, however it ends, on whatever host: a database whose lock can be had is one that a
//! killed run left behind.

use std::time::{Duration, Instant};

use super::session::Session;
use super::{Server, names, restore, sql};
use crate::database::Result;
use crate::model::RunId;

/// Tells these locks from those of applications.
const LOCKS: &str = "1145262966";
const MARK: &str = "made by dcs for a proof, to be dropped";
const PATIENCE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(50);

/// The statement that marks a database as one that may be dropped.
pub(super) fn mark(name: &str) -> String {
    format!("COMMENT ON DATABASE {} IS {}", sql::identifier(name), sql::literal(MARK))
}

/// Whether a database is marked; `None` where there is none.
async fn is_marked(session: &Session, name: &str) -> Result<Option<bool>> {
    let sql = "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = $1";
    let rows = session.rows("look for scratch databases on", sql, &[&name]).await?;
    Ok(rows.first().map(|row| row.get::<_, Option<&str>>(0) == Some(MARK)))
}

/// Takes the lock of a scratch database before there is one.
pub(super) async fn guard(session: &Session, name: &str) -> Result<()> {
    let sql = format!("SELECT pg_catalog.pg_advisory_lock({LOCKS}, pg_catalog.hashtext($1))");
    session.rows("lock a scratch database on", &sql, &[&name]).await.map(drop)
}

async fn try_guard(session: &Session, name: &str) -> Result<bool> {
    let sql = format!("SELECT pg_catalog.pg_try_advisory_lock({LOCKS}, pg_catalog.hashtext($1))");
    Ok(session.row("lock a scratch database on", &sql, &[&name]).await?.get(0))
}

async fn unguard(session: &Session, name: &str) -> Result<()> {
    let sql = format!("SELECT pg_catalog.pg_advisory_unlock({LOCKS}, pg_catalog.hashtext($1))");
    session.rows("unlock a scratch database on", &sql, &[&name]).await.map(drop)
}

/// See [`crate::database::Database::sweep_scratch`].
pub(super) async fn sweep(server: &Server, own: &[String], run: &RunId) {
    let own: Vec<String> = own.iter().map(|name| names::scratch(name, run)).collect();
    if let Err(error) = try_sweep(server, &own, run).await {
        let named = if own.is_empty() { "those of earlier runs".to_owned() } else { own.join(", ") };
        tracing::warn!(%error, databases = named, "scratch databases could not be looked for; drop them by hand");
    }
}

async fn try_sweep(server: &Server, own: &[String], run: &RunId) -> Result<()> {
    let session = server.connect_maintenance(run).await?;
    // A session of ours that was cut off may still be making one: nobody sees it, but its lock is held.
    for name in own {
        let deadline = Instant::now() + PATIENCE;
        while !try_guard(&session, name).await? && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
        }
        match is_marked(&session, name).await? {
            Some(true) => remove(&session, name).await,
            Some(false) => tracing::warn!(database = name, "a database is not marked as made for a proof: look at it"),
            None => {}
        }
    }
    let sql = "SELECT datname::text FROM pg_catalog.pg_database WHERE datname::text ~ '__verify_[a-z0-9]{4}$'";
    for row in session.rows("look for scratch databases on", sql, &[]).await? {
        let name: String = row.get(0);
        if !names::is_scratch(&name) || own.contains(&name) || is_marked(&session, &name).await? != Some(true) {
            continue;
        }
        if try_guard(&session, &name).await? {
            tracing::info!(database = name, "a scratch database of a killed run is dropped");
            remove(&session, &name).await;
        }
    }
    Ok(())
}

async fn remove(session: &Session, name: &str) {
    if let Err(error) = restore::drop_database(session, name).await {
        tracing::warn!(%error, database = name, "a scratch database could not be dropped; drop it by hand");
    }
    if let Err(error) = unguard(session, name).await {
        tracing::debug!(%error, "a lock is left to the end of the session");
    }
}
