//! The snapshot that a dump and its fingerprint share.
//!
//! The tables are locked before the snapshot is taken: a TRUNCATE committed between the two empties a table for readers of
//! the older snapshot, so that a dump which locks later would lack what the fingerprint counted.

use std::time::Duration;

use super::catalog::{self, Relation};
use super::session::Session;
use super::sql;
use crate::database::{DatabaseError, ErrorKind, Result};
use crate::model::Limits;

const ATTEMPTED: &str = "take a snapshot of";
const ATTEMPTS: usize = 6;
const LOCKED_AT_ONCE: usize = 200;

pub(super) struct Snapshot {
    /// What `pg_dump --snapshot` takes. Valid while the session's transaction lasts.
    pub(super) name: String,
    pub(super) relations: Vec<Relation>,
}

/// Leaves the session in the snapshot's transaction.
pub(super) async fn take(session: &Session, lock_timeout: Duration) -> Result<Snapshot> {
    for _ in 0..ATTEMPTS {
        let listed = catalog::relations(session, ATTEMPTED).await?;
        if let Some(name) = try_take(session, &listed, lock_timeout).await? {
            return Ok(Snapshot { name, relations: listed });
        }
        session.run(ATTEMPTED, "ROLLBACK").await?;
    }
    Err(DatabaseError::new(ErrorKind::Refused, ATTEMPTED, session.subject())
        .with_detail("tables came and went each time they were listed and locked")
        .with_hint("Run the same command again when no migration is running."))
}

/// `None` when the tables are no longer those that were listed.
async fn try_take(session: &Session, listed: &[Relation], lock_timeout: Duration) -> Result<Option<String>> {
    // Neither these nor LOCK take the snapshot; the first query does.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let milliseconds = Limits::milliseconds(lock_timeout);
    session.run(ATTEMPTED, &format!("{begin}; SET LOCAL lock_timeout = {milliseconds}")).await?;
    let tables: Vec<String> = listed
        .iter()
        .filter(|relation| relation.can_be_locked())
        .map(|relation| format!("ONLY {}", sql::qualified(&relation.schema, &relation.name)))
        .collect();
    for batch in tables.chunks(LOCKED_AT_ONCE) {
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", batch.join(", "));
        match session.run("lock the tables of", &lock).await {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind == ErrorKind::Refused => {
                return Err(
                    error.with_hint("Run the same command again when no ALTER TABLE or VACUUM FULL is running.")
                );
            }
            Err(error) => return Err(error),
        }
    }
    if catalog::relations(session, ATTEMPTED).await? != listed {
        return Ok(None);
    }
    session.row(ATTEMPTED, "SELECT pg_catalog.pg_export_snapshot()", &[]).await.map(|row| Some(row.get(0)))
}
