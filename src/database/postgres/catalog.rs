//! What a server and a database are, read from the catalogues. Every query here works from PostgreSQL 10 on.

use std::collections::BTreeMap;

use super::session::Session;
use super::sql;
use crate::database::{DatabaseError, ErrorKind, Result};
use crate::model::database::{Engine, SequenceRange, ServerInfo, TableCount};

const OLDEST: u32 = 10;

/// Tables and materialised views that a dump carries the contents of: not temporary, not an extension's own.
const RELATIONS: &str = "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relispopulated \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
     AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"";

const SEQUENCES: &str = "SELECT n.nspname::text, c.relname::text, pg_catalog.pg_sequence_last_value(c.oid) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
     AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"";

/// What the role that dumps may not read, by name.
const UNREADABLE: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'm', 'S') AND c.relpersistence <> 't' \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
     AND (NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') OR pg_catalog.row_security_active(c.oid) \
     OR NOT CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') \
     ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END) \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
     AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY 1 LIMIT 6";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    kind: String,
    populated: bool,
}

impl Relation {
    pub(super) fn can_be_locked(&self) -> bool {
        self.kind != "m"
    }

    pub(super) fn is_materialised_view(&self) -> bool {
        self.kind == "m"
    }

    fn has_rows_of_its_own(&self) -> bool {
        self.kind == "r" || (self.kind == "m" && self.populated)
    }
}

pub(super) async fn relations(session: &Session, attempted: &'static str) -> Result<Vec<Relation>> {
    let rows = session.rows(attempted, RELATIONS, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| Relation {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            kind: row.get(3),
            populated: row.get(4),
        })
        .collect())
}

/// Counts what has rows of its own: leaf tables, filled materialised views.
pub(super) async fn counts(
    session: &Session,
    attempted: &'static str,
    relations: &[Relation],
) -> Result<Vec<TableCount>> {
    let mut counted = Vec::new();
    for relation in relations.iter().filter(|relation| relation.has_rows_of_its_own()) {
        let sql = format!("SELECT count(*) FROM ONLY {}", sql::qualified(&relation.schema, &relation.name));
        let rows: i64 = session.row(attempted, &sql, &[]).await?.get(0);
        counted.push(TableCount {
            schema: relation.schema.clone(),
            name: relation.name.clone(),
            rows: u64::try_from(rows).unwrap_or_default(),
            content: None,
        });
    }
    Ok(counted)
}

/// Large objects, which no table of a user names.
pub(super) async fn large_objects(session: &Session, attempted: &'static str) -> Result<u64> {
    let sql = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata";
    let count: i64 = session.row(attempted, sql, &[]).await?.get(0);
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The settings on which the text of a value depends, as a tool finds them that connects as this role.
pub(super) async fn rendering(session: &Session, attempted: &'static str) -> Result<BTreeMap<String, String>> {
    let sql =
        "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('TimeZone', 'bytea_output', 'lc_monetary')";
    let rows = session.rows(attempted, sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The sequences as they are now; only `before` is filled.
pub(super) async fn sequences(session: &Session, attempted: &'static str) -> Result<Vec<SequenceRange>> {
    let rows = session.rows(attempted, SEQUENCES, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| SequenceRange { schema: row.get(0), name: row.get(1), before: row.get(2), after: None })
        .collect())
}

/// The server and the database that the session is connected to.
pub(super) async fn server(session: &Session, attempted: &'static str) -> Result<ServerInfo> {
    let sql = "SELECT pg_catalog.current_setting('server_version'), \
         pg_catalog.current_setting('server_version_num')::int8, \
         (SELECT pg_catalog.pg_encoding_to_char(encoding)::text FROM pg_catalog.pg_database \
         WHERE datname = pg_catalog.current_database()), \
         pg_catalog.pg_database_size(pg_catalog.current_database())";
    let row = session.row(attempted, sql, &[]).await?;
    let number: i64 = row.get(1);
    let major = u32::try_from(number / 10_000).unwrap_or_default();
    let version: String = row.get(0);
    if major < OLDEST {
        let detail = format!("the server is PostgreSQL {version}; {OLDEST} is the oldest that dcs knows");
        return Err(DatabaseError::new(ErrorKind::Refused, attempted, session.subject()).with_detail(detail));
    }
    let listed = "SELECT extname::text || ' ' || extversion FROM pg_catalog.pg_extension \
         WHERE extname <> 'plpgsql' ORDER BY extname::text COLLATE \"C\"";
    let extensions = session.rows(attempted, listed, &[]).await?;
    let size: i64 = row.get(3);
    Ok(ServerInfo {
        engine: Engine::Postgresql,
        version,
        major,
        encoding: row.get(2),
        size_bytes: u64::try_from(size).unwrap_or_default(),
        extensions: extensions.iter().map(|row| row.get(0)).collect(),
    })
}

/// Fails, naming them, when there are tables or sequences that the role may not read in full.
pub(super) async fn check_readable(session: &Session, attempted: &'static str) -> Result<()> {
    let rows = session.rows(attempted, UNREADABLE, &[]).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if names.len() > 5 {
        names.truncate(5);
        names.push("...".to_owned());
    }
    Err(DatabaseError::new(ErrorKind::Denied, attempted, session.subject())
        .with_detail(format!("the role may not read all of {}", names.join(", ")))
        .with_hint("Grant it the role pg_read_all_data and BYPASSRLS, or use the owner."))
}
