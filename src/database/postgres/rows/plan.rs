//! Whether tables can take the rows of a backup, found out by looking only.

use std::collections::BTreeSet;

use super::tables::Tables;
use crate::database::postgres::plan::{denied, refused};
use crate::database::postgres::session::Session;
use crate::database::postgres::{Server, sql};
use crate::database::{DatabaseError, ErrorKind, Result, RowsOptions, RowsPlan};
use crate::model::database::TableCount;

const ATTEMPTED: &str = "look at the tables of";
/// Nobody reads more names.
const LISTED: usize = 6;

/// Each table in its order: what it is, whether this role owns it, may read, fill and empty it, and its columns.
const TABLES: &str = "SELECT c.oid, c.relkind::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'), \
     pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT'), \
     pg_catalog.has_table_privilege(c.oid, 'TRUNCATE'), \
     ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a \
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) \
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, at) \
     LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema \
     LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name ORDER BY w.at";

/// What refers to these tables from elsewhere.
const REFERRING: &str = "SELECT DISTINCT n.nspname::text || '.' || c.relname::text FROM pg_catalog.pg_constraint k \
     JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE k.contype = 'f' AND k.confrelid = ANY($1) AND NOT k.conrelid = ANY($1) ORDER BY 1";

pub(in crate::database::postgres) async fn plan(server: &Server, options: &RowsOptions) -> Result<RowsPlan> {
    let session = server.connect(server.database(), &options.run).await.map_err(|error| match error.kind {
        ErrorKind::NotFound if !options.replaces => {
            error.with_hint("Make it first: the same command with `--schema-only` instead of `--data-only`.")
        }
        _ => error,
    })?;
    session.lift_limit().await?;
    let tables = check(&session, options).await?;
    let mut plan = RowsPlan::default();
    for table in &options.expected.tables {
        let count = format!("SELECT count(*) FROM ONLY {}", sql::qualified(&table.schema, &table.name));
        let rows: i64 = session.row(ATTEMPTED, &count, &[]).await?.get(0);
        let rows = u64::try_from(rows).unwrap_or_default();
        plan.live.push(TableCount { rows, content: None, ..table.clone() });
    }
    let silenced = tables.silenced();
    if !silenced.is_empty() {
        plan.warnings.push(format!("these triggers do not fire for the rows: {}", listed(silenced)));
    }
    Ok(plan)
}

/// Fails, naming them, where tables cannot take the rows.
pub(super) async fn check(session: &Session, options: &RowsOptions) -> Result<Tables> {
    let tables = &options.expected.tables;
    let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let rows = session.rows(ATTEMPTED, TABLES, &[&schemas, &names]).await?;
    let (mut oids, mut absent, mut locked_out, mut owned) = (Vec::new(), Vec::new(), Vec::new(), true);
    for (table, row) in tables.iter().zip(&rows) {
        let name = format!("{}.{}", table.schema, table.name);
        let (Some(oid), Some("r")) = (row.get::<_, Option<u32>>(0), row.get::<_, Option<&str>>(1)) else {
            absent.push(name);
            continue;
        };
        check_columns(session, table, &name, row.get(5))?;
        let (may_fill, may_empty): (bool, bool) = (row.get(3), row.get(4));
        if !may_fill || (options.replaces && !may_empty) {
            locked_out.push(name);
        }
        owned &= row.get::<_, bool>(2);
        oids.push(oid);
    }
    if !absent.is_empty() {
        return Err(refused(session, &format!("there is no table {}", listed(absent)))
            .with_hint("Restore beside the live database with `--into NEWNAME`, definitions and all."));
    }
    if !locked_out.is_empty() {
        return Err(not_owner(session, &format!("the role may not replace the rows of {}", listed(locked_out))));
    }
    let found = Tables::look(session, oids).await?;
    if found.are_altered() && !owned {
        return Err(not_owner(
            session,
            "the role does not own all of these tables, which have triggers or foreign keys",
        ));
    }
    if options.replaces {
        check_referring(session, &found).await?;
    } else {
        check_empty(session, tables).await?;
    }
    Ok(found)
}

fn check_columns(session: &Session, table: &TableCount, name: &str, live: Vec<String>) -> Result<()> {
    let live: BTreeSet<String> = live.into_iter().collect();
    let wanted = table.content.iter().flat_map(|content| &content.columns);
    let absent: Vec<String> = wanted.filter(|column| !live.contains(*column)).cloned().collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(refused(session, &format!("the table {name} has no column {}", listed(absent)))
        .with_hint("Restore beside the live database with `--into NEWNAME`, definitions and all."))
}

async fn check_referring(session: &Session, tables: &Tables) -> Result<()> {
    let rows = session.rows(ATTEMPTED, REFERRING, &[&tables.oids]).await?;
    let referring: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if referring.is_empty() {
        return Ok(());
    }
    let flags: Vec<String> = referring.iter().map(|name| format!("--table {name}")).collect();
    Err(refused(session, &format!("rows of {} refer to these tables", listed(referring))).with_hint(format!(
        "Restore these together: add `{}`; or restore with `--into NEWNAME`.",
        listed_by(flags, " ")
    )))
}

async fn check_empty(session: &Session, tables: &[TableCount]) -> Result<()> {
    let mut filled = Vec::new();
    for table in tables {
        let any = format!("SELECT EXISTS (SELECT FROM ONLY {})", sql::qualified(&table.schema, &table.name));
        if session.row(ATTEMPTED, &any, &[]).await?.get(0) {
            filled.push(format!("{}.{}", table.schema, table.name));
        }
    }
    if filled.is_empty() {
        return Ok(());
    }
    Err(refused(session, &format!("there are rows in {}", listed(filled)))
        .with_hint("Empty these tables first; or replace the rows of the live database with `--in-place`."))
}

fn not_owner(session: &Session, detail: &str) -> DatabaseError {
    denied(session, detail).with_hint("Name their owner in the database's URL.")
}

fn listed(names: Vec<String>) -> String {
    listed_by(names, ", ")
}

fn listed_by(mut names: Vec<String>, between: &str) -> String {
    if names.len() > LISTED {
        names.truncate(LISTED);
        names.push("...".to_owned());
    }
    names.join(between)
}
