//! What tells one database from another of the same name: its number, on this very cluster. A rename keeps it.

use super::session::Session;
use crate::database::Result;

/// A cluster that was made anew counts its databases from the start again, and has another identifier.
const IDENTITY: &str = "SELECT c.system_identifier::text || '/' || d.oid::text \
     FROM pg_catalog.pg_database d, pg_catalog.pg_control_system() c WHERE d.datname = $1";

/// `None` where there is no database of this name.
pub(super) async fn of(session: &Session, database: &str) -> Result<Option<String>> {
    let rows = session.rows("look at", IDENTITY, &[&database]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}
