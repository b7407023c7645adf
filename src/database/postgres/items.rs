//! Rows of items. Each call has a connection of its own.
//!
//! The session has the role's own search path: it says which table is meant, and the table's triggers rely on it. All
//! else in a statement is qualified, operators too, so that nothing which others have put into that path is run.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::session::Session;
use super::{Server, sql};
use crate::database::items::{COMPARE, LOOK_AROUND, READ, SET, Subject};
use crate::database::{DatabaseError, ErrorKind, FolderStream, Result};
use crate::model::item::TemplatePart;
use crate::model::{ItemFolder, ItemRow, ItemTable, Limits, Prefix, PrefixTemplate, RunId, StatusChange};

/// Everything with rows that has the name, its columns, and their types without a length: a cast to `varchar(3)` cuts.
const COLUMNS: &str = "SELECT c.oid, n.nspname::text, c.relname::text, a.attname::text, \
     pg_catalog.format('%I.%I', tn.nspname, t.typname) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
     JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace \
     WHERE c.oid = pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid AND c.relkind::text = ANY ('{r,p,v,m,f}') \
     AND a.attnum > 0 AND NOT a.attisdropped";

/// Sessions that may hold what somebody waits for. Row locks are not listed; their holders have the table locked too.
const HOLDERS: &str = "SELECT a.pid, a.usename::text, a.application_name, a.xact_start::text \
     FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
     WHERE l.relation = $1 AND l.granted AND l.mode <> 'AccessShareLock' AND l.pid <> pg_catalog.pg_backend_pid() \
     AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
     ORDER BY a.xact_start LIMIT 1";

/// What is answered as done is on the server's disk, whatever was set for the application's own changes.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
     SELECT pg_catalog.set_config('synchronous_commit', 'on', true) \
     WHERE pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'";

pub(super) async fn row(server: &Server, table: &ItemTable, id: &str, columns: &[String]) -> Result<Option<ItemRow>> {
    let needed = [&table.id, &table.status].into_iter().chain(columns);
    let rows = Rows::find(server, READ, table, needed).await?;
    match rows.row(id, columns).await {
        Ok(row) => Ok(row),
        Err(error) => Err(rows.explain(error).await),
    }
}

pub(super) async fn set_status(
    server: &Server,
    table: &ItemTable,
    id: &str,
    expected: Option<&str>,
    status: &str,
) -> Result<StatusChange> {
    let rows = Rows::find(server, SET, table, [&table.id, &table.status]).await?;
    let ended = match rows.change(id, expected, status).await {
        Ok(StatusChange::Done) => match rows.session.run(SET, "COMMIT").await {
            Ok(()) => Ok(StatusChange::Done),
            Err(error) => Err(rows.refusal(status, error)),
        },
        other => {
            // Whether or not this arrives, nothing is committed.
            rows.session.run(SET, "ROLLBACK").await.ok();
            other
        }
    };
    match ended {
        Ok(change) => Ok(change),
        Err(error) => Err(rows.explain(error).await),
    }
}

pub(super) async fn around(
    server: &Server,
    table: &ItemTable,
    template: &PrefixTemplate,
    folder: &Prefix,
    id: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    let columns = template.columns();
    let rows = Rows::find(server, LOOK_AROUND, table, [&table.id].into_iter().chain(&columns)).await?;
    match rows.around(template, folder, id, limit).await {
        Ok(ids) => Ok(ids),
        Err(error) => Err(rows.explain(error).await),
    }
}

pub(super) async fn folders(server: &Server, table: &ItemTable, template: &PrefixTemplate) -> Result<FolderStream> {
    let columns = template.columns();
    let needed = [&table.id, &table.status].into_iter().chain(&columns);
    let rows = Rows::find(server, COMPARE, table, needed).await?;
    rows.session.lift_limit().await?;
    let found = match rows.session.stream(COMPARE, &rows.folders(template)).await {
        Ok(found) => found,
        Err(error) => return Err(rows.explain(error).await),
    };
    // The session lives as long as its rows come.
    let state = (found.boxed(), rows.session);
    let next = |(mut found, session): (BoxStream<'static, Result<Row>>, Session)| async move {
        Ok(found.try_next().await?.map(|row| (item_folder(&row), (found, session))))
    };
    Ok(stream::try_unfold(state, next).boxed())
}

/// The same in a transaction that goes on, and that a failure leaves as it was.
pub(super) async fn folders_in_transaction<'a>(
    session: &'a Session,
    database: &str,
    table: &ItemTable,
    template: &PrefixTemplate,
) -> Result<BoxStream<'a, Result<ItemFolder>>> {
    const BEGIN: &str = "SAVEPOINT dcs_items; SELECT pg_catalog.set_config('search_path', reset_val, true) \
         FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'search_path'";
    session.run(COMPARE, BEGIN).await?;
    let found = async {
        let subject = Subject { attempted: COMPARE, table, database };
        let columns = template.columns();
        let needed = [&table.id, &table.status].into_iter().chain(&columns);
        let rows = Rows::on(session, subject, needed).await?;
        match session.stream(COMPARE, &rows.folders(template)).await {
            Ok(found) => Ok(found),
            Err(error) => Err(subject.about(error)),
        }
    };
    match found.await {
        Ok(found) => Ok(found.map_ok(|row| item_folder(&row)).boxed()),
        Err(error) => {
            session.run(COMPARE, "ROLLBACK TO SAVEPOINT dcs_items").await?;
            Err(error)
        }
    }
}

fn item_folder(row: &Row) -> ItemFolder {
    ItemFolder { id: row.get(0), status: row.get(1), folder: row.get(2) }
}

/// The rows of a table that is there, with the columns that are needed.
struct Rows<'a, S = Session> {
    session: S,
    subject: Subject<'a>,
    oid: u32,
    /// Quoted and qualified, as are the types.
    table: String,
    types: BTreeMap<String, String>,
}

impl<'a> Rows<'a> {
    async fn find(
        server: &'a Server,
        attempted: &'static str,
        table: &'a ItemTable,
        needed: impl IntoIterator<Item = &String>,
    ) -> Result<Self> {
        let subject = Subject { attempted, table, database: &server.subject };
        let session = server.connect(server.database(), &RunId::create()).await?;
        let milliseconds = Limits::milliseconds(server.limits.lock_timeout);
        session.run(attempted, &format!("RESET search_path; SET lock_timeout = {milliseconds}")).await?;
        Self::on(session, subject, needed).await
    }
}

impl<'a, S: Borrow<Session>> Rows<'a, S> {
    /// In a session that has the role's own search path.
    async fn on(session: S, subject: Subject<'a>, needed: impl IntoIterator<Item = &String>) -> Result<Self> {
        let (attempted, table) = (subject.attempted, subject.table);
        let name = match table.table.split_once('.') {
            Some((schema, name)) => sql::qualified(schema, name),
            None => sql::identifier(&table.table),
        };
        let columns =
            session.borrow().rows(attempted, COLUMNS, &[&name]).await.map_err(|error| match code(&error) {
                // No table can have this name.
                "42601" | "42602" => subject.no_table(),
                _ => subject.about(error),
            })?;
        let first = columns.first().ok_or_else(|| subject.no_table())?;
        let (oid, table) = (first.get(0), sql::qualified(first.get(1), first.get(2)));
        let types: BTreeMap<String, String> = columns.iter().map(|row| (row.get(3), row.get(4))).collect();
        match needed.into_iter().find(|column| !types.contains_key(*column)) {
            Some(missing) => Err(subject.no_column(missing)),
            None => Ok(Self { session, subject, oid, table, types }),
        }
    }

    fn session(&self) -> &Session {
        self.session.borrow()
    }

    async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.session().rows(self.subject.attempted, sql, parameters).await
    }

    /// Whether the id column's type has this value at all.
    async fn can_be(&self, id: &str) -> Result<bool> {
        let sql = format!("SELECT CAST($1::pg_catalog.text AS {}) IS NULL", self.types[&self.subject.table.id]);
        match self.query(&sql, &[&id]).await {
            Ok(_) => Ok(true),
            // A data exception, or the CHECK of a domain.
            Err(error) if code(&error).starts_with("22") || code(&error) == "23514" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The rows with the id `$1`: those that an index finds and that have it to the letter.
    fn matching(&self) -> String {
        let id = &self.subject.table.id;
        format!(
            "t.{column} OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS {}) \
             AND {} COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) $1",
            self.types[id],
            text(id),
            column = sql::identifier(id)
        )
    }

    /// The one row with the id.
    async fn one(&self, id: &str, columns: &str, locking: &str) -> Result<Option<Row>> {
        let sql = format!("SELECT {columns} FROM {} AS t WHERE {} LIMIT 2{locking}", self.table, self.matching());
        let mut rows = self.query(&sql, &[&id]).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            _ => Err(self.subject.not_unique(id)),
        }
    }

    async fn row(&self, id: &str, columns: &[String]) -> Result<Option<ItemRow>> {
        if !self.can_be(id).await? {
            return Ok(None);
        }
        let wanted: Vec<String> =
            [&self.subject.table.status].into_iter().chain(columns).map(|name| text(name)).collect();
        let found = self.one(id, &wanted.join(", "), "").await?;
        Ok(found.map(|row| ItemRow {
            status: row.get(0),
            columns: columns.iter().enumerate().map(|(index, name)| (name.clone(), row.get(index + 1))).collect(),
        }))
    }

    /// Leaves the change to be committed where it is done.
    async fn change(&self, id: &str, expected: Option<&str>, status: &str) -> Result<StatusChange> {
        if !self.can_be(id).await? {
            return Ok(StatusChange::Gone);
        }
        self.session().run(SET, BEGIN).await?;
        let column = &self.subject.table.status;
        let Some(row) = self.one(id, &text(column), " FOR UPDATE").await? else { return Ok(StatusChange::Gone) };
        let found: Option<String> = row.get(0);
        if found.as_deref() != expected {
            return Ok(StatusChange::Differs(found));
        }
        let update = format!(
            "UPDATE {} AS t SET {} = CAST($2::pg_catalog.text AS {}) WHERE {} RETURNING 1",
            self.table,
            sql::identifier(column),
            self.types[column],
            self.matching()
        );
        let changed = self.query(&update, &[&id, &status]).await.map_err(|error| self.refusal(status, error))?;
        let now: Option<String> = self.one(id, &text(column), "").await?.and_then(|row| row.get(0));
        if changed.len() != 1 || now.as_deref() != Some(status) {
            return Err(self.subject.not_set(changed.len(), now.as_deref()));
        }
        Ok(StatusChange::Done)
    }

    async fn around(
        &self,
        template: &PrefixTemplate,
        folder: &Prefix,
        id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT COALESCE(r.id, 'NULL') FROM (SELECT {} AS id, {} AS folder FROM {} AS t) AS r \
             WHERE (pg_catalog.left(r.folder, pg_catalog.length($1::pg_catalog.text)) \
             COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) $1 \
             OR pg_catalog.left($1, pg_catalog.length(r.folder)) \
             COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) r.folder) \
             AND ($2::pg_catalog.text IS NULL OR r.id IS NULL \
             OR r.id COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.<>) $2) \
             ORDER BY r.id COLLATE pg_catalog.\"C\" LIMIT $3::pg_catalog.int8",
            text(&self.subject.table.id),
            folder_of(template),
            self.table
        );
        let rows = self.query(&sql, &[&folder.as_str(), &id, &i64::from(limit)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The query for all rows with their folders.
    fn folders(&self, template: &PrefixTemplate) -> String {
        format!(
            "SELECT r.id, r.status, r.folder FROM (SELECT {} AS id, {} AS status, {} AS folder FROM {} AS t) AS r \
             ORDER BY r.folder COLLATE pg_catalog.\"C\" NULLS FIRST",
            text(&self.subject.table.id),
            text(&self.subject.table.status),
            folder_of(template),
            self.table
        )
    }

    /// What an error of a change means: the value is not one for this column, or a trigger is against it.
    fn refusal(&self, status: &str, error: DatabaseError) -> DatabaseError {
        let code = code(&error);
        if ["22", "23", "44"].iter().any(|class| code.starts_with(class)) || ["P0001", "428C9"].contains(&code) {
            return self.subject.refused(status, error);
        }
        error
    }

    async fn explain(&self, error: DatabaseError) -> DatabaseError {
        let hint = match code(&error) {
            "55P03" => self.holder().await,
            "42501" => {
                "Grant the role SELECT and UPDATE on the table; if the table has row security, BYPASSRLS too.".into()
            }
            "40001" | "40P01" => "Others change the table at the same time; run the same command again.".into(),
            "25006" => "The server takes no changes; name the one that does in `url`.".into(),
            // Made here, with all that there is to say.
            "" => return if error.source.is_some() { self.subject.about(error) } else { error },
            _ => return self.subject.about(error),
        };
        let kind = if error.kind == ErrorKind::Other { ErrorKind::Refused } else { error.kind };
        self.subject.about(DatabaseError { kind, ..error }.with_hint(hint))
    }

    async fn holder(&self) -> String {
        let found = self.query(HOLDERS, &[&self.oid]).await.unwrap_or_default();
        let Some(row) = found.first() else {
            return "Look in pg_stat_activity for a long transaction, and run the same command again without it."
                .into();
        };
        let shown = |index: usize| row.get::<_, Option<String>>(index).unwrap_or_else(|| "unknown".to_owned());
        format!(
            "The server process {} (role {:?}, program {:?}) may hold the lock, in a transaction since {}; \
             run the same command again when it has ended.",
            row.get::<_, i32>(0),
            shown(1),
            shown(2),
            shown(3)
        )
    }
}

/// The folder of a row, as an expression.
fn folder_of(template: &PrefixTemplate) -> String {
    let parts = template.parts().iter().map(|part| match part {
        TemplatePart::Text(words) => format!("{}::pg_catalog.text", sql::literal(words)),
        TemplatePart::Column(column) => text(column),
    });
    parts.collect::<Vec<_>>().join(" OPERATOR(pg_catalog.||) ")
}

fn text(column: &str) -> String {
    format!("t.{}::pg_catalog.text", sql::identifier(column))
}

/// The server's code; empty where the server said nothing.
fn code(error: &DatabaseError) -> &str {
    let cause = error.source.as_deref().and_then(|source| source.downcast_ref::<tokio_postgres::Error>());
    cause.and_then(tokio_postgres::Error::code).map_or("", SqlState::code)
}
