//! Rows of items in a file that others may be using.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use tokio::sync::mpsc;

use super::{describe, file};
use crate::database::items::{COMPARE, LOOK_AROUND, READ, SET, Subject};
use crate::database::{DatabaseError, Result};
use crate::model::item::TemplatePart;
use crate::model::{ItemFolder, ItemRow, ItemTable, Prefix, PrefixTemplate, StatusChange};

type Answer<T> = std::result::Result<T, rusqlite::Error>;

pub(super) fn row(path: &Path, table: &ItemTable, id: &str, columns: &[String]) -> Result<Option<ItemRow>> {
    let database = describe(path);
    let rows = Rows { path, subject: Subject { attempted: READ, table, database: &database } };
    let connection = file::open_live(path)?;
    rows.check(&connection, [&table.id, &table.status].into_iter().chain(columns))?;
    let wanted: Vec<String> = [&table.status].into_iter().chain(columns).map(|name| text(name)).collect();
    rows.one(&connection, id, &wanted.join(", "), |row| {
        let values = columns.iter().enumerate().map(|(index, name)| Ok((name.clone(), row.get(index + 1)?)));
        Ok(ItemRow { status: row.get(0)?, columns: values.collect::<Answer<_>>()? })
    })
}

pub(super) fn set_status(
    path: &Path,
    table: &ItemTable,
    id: &str,
    expected: Option<&str>,
    status: &str,
) -> Result<StatusChange> {
    let database = describe(path);
    let rows = Rows { path, subject: Subject { attempted: SET, table, database: &database } };
    let failed = |error| rows.failed(error);
    let mut connection = file::open_to_change(path)?;
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(failed)?;
    // Undone where it is not committed.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    rows.check(&transaction, [&table.id, &table.status])?;
    let read = || rows.one(&transaction, id, &text(&table.status), |row| row.get(0));
    let Some(found) = read()? else { return Ok(StatusChange::Gone) };
    let found: Option<String> = found;
    if found.as_deref() != expected {
        return Ok(StatusChange::Differs(found));
    }
    let sql = format!("UPDATE {} SET {} = ?2 WHERE {}", rows.table(), quoted(&table.status), rows.matching());
    let changed = transaction.execute(&sql, params![id, status]).map_err(|error| rows.refusal(status, error))?;
    let now = read()?.flatten();
    if changed != 1 || now.as_deref() != Some(status) {
        return Err(rows.subject.not_set(changed, now.as_deref()));
    }
    transaction.commit().map_err(|error| rows.refusal(status, error))?;
    Ok(StatusChange::Done)
}

pub(super) fn around(
    path: &Path,
    table: &ItemTable,
    template: &PrefixTemplate,
    folder: &Prefix,
    id: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    let database = describe(path);
    let rows = Rows { path, subject: Subject { attempted: LOOK_AROUND, table, database: &database } };
    let connection = file::open_live(path)?;
    rows.check(&connection, [&table.id].into_iter().chain(&template.columns()))?;
    // Compared as bytes: of a text, `length` and `substr` see what is before its first NUL.
    let sql = format!(
        "SELECT coalesce(r.id, 'NULL') FROM \
         (SELECT {} AS id, CAST({} AS BLOB) AS folder, CAST(?1 AS BLOB) AS asked FROM {}) AS r \
         WHERE (substr(r.folder, 1, length(r.asked)) = r.asked OR substr(r.asked, 1, length(r.folder)) = r.folder) \
         AND (?2 IS NULL OR r.id IS NULL OR r.id COLLATE BINARY <> ?2) ORDER BY r.id COLLATE BINARY NULLS LAST LIMIT ?3",
        text(&table.id),
        folder_of(template),
        rows.table()
    );
    let found =
        || connection.prepare(&sql)?.query_map(params![folder.as_str(), id, limit], |row| row.get(0))?.collect();
    let found: Answer<Vec<String>> = found();
    found.map_err(|error| rows.failed(error))
}

/// Sends every row with its folder, until nobody takes them.
pub(super) fn folders(
    path: &Path,
    table: &ItemTable,
    template: &PrefixTemplate,
    rows_to: &mpsc::Sender<ItemFolder>,
) -> Result<()> {
    let database = describe(path);
    let rows = Rows { path, subject: Subject { attempted: COMPARE, table, database: &database } };
    let connection = file::open_live(path)?;
    rows.check(&connection, [&table.id, &table.status].into_iter().chain(&template.columns()))?;
    let sql = format!(
        "SELECT r.id, r.status, r.folder FROM (SELECT {} AS id, {} AS status, {} AS folder FROM {}) AS r \
         ORDER BY r.folder COLLATE BINARY NULLS FIRST",
        text(&table.id),
        text(&table.status),
        folder_of(template),
        rows.table()
    );
    let send = || -> Answer<()> {
        let mut statement = connection.prepare(&sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let folder = ItemFolder { id: row.get(0)?, status: row.get(1)?, folder: row.get(2)? };
            if rows_to.blocking_send(folder).is_err() {
                break;
            }
        }
        Ok(())
    };
    send().map_err(|error| rows.failed(error))
}

/// The folder of a row, as an expression.
fn folder_of(template: &PrefixTemplate) -> String {
    let parts = template.parts().iter().map(|part| match part {
        TemplatePart::Text(words) => format!("'{}'", words.replace('\'', "''")),
        TemplatePart::Column(column) => text(column),
    });
    parts.collect::<Vec<_>>().join(" || ")
}

#[derive(Clone, Copy)]
struct Rows<'a> {
    path: &'a Path,
    subject: Subject<'a>,
}

impl Rows<'_> {
    fn failed(&self, error: rusqlite::Error) -> DatabaseError {
        self.subject.about(file::failed(self.subject.attempted, self.path, error))
    }

    /// What an error of a change means: a constraint, a trigger or a strict type is against the value.
    fn refusal(&self, status: &str, error: rusqlite::Error) -> DatabaseError {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                self.subject.refused(status, self.failed(error))
            }
            _ => self.failed(error),
        }
    }

    fn table(&self) -> String {
        format!("main.{} AS t", quoted(&self.subject.table.table))
    }

    /// SQLite may take a quoted name that is no column's for a text, so that they are looked up first.
    fn check<'c>(&self, connection: &Connection, needed: impl IntoIterator<Item = &'c String>) -> Result<()> {
        let listed = || -> Answer<Vec<String>> {
            let sql = "SELECT name FROM pragma_table_xinfo(?1, 'main')";
            connection.prepare(sql)?.query_map([&self.subject.table.table], |row| row.get(0))?.collect()
        };
        let columns = listed().map_err(|error| self.failed(error))?;
        if columns.is_empty() {
            return Err(self.subject.no_table());
        }
        let is_there = |needed: &String| columns.iter().any(|column| column.eq_ignore_ascii_case(needed));
        match needed.into_iter().find(|column| !is_there(column)) {
            Some(missing) => Err(self.subject.no_column(missing)),
            None => Ok(()),
        }
    }

    /// The rows with the id `?1`: those that an index finds, whichever way they hold it, and that have it to the letter.
    fn matching(&self) -> String {
        let id = &self.subject.table.id;
        format!("t.{} IN (?1, CAST(?1 AS NUMERIC), CAST(?1 AS BLOB)) AND {} COLLATE BINARY = ?1", quoted(id), text(id))
    }

    /// The one row with the id.
    fn one<T>(
        &self,
        connection: &Connection,
        id: &str,
        columns: &str,
        read: impl Fn(&rusqlite::Row<'_>) -> Answer<T>,
    ) -> Result<Option<T>> {
        let sql = format!("SELECT {columns} FROM {} WHERE {} LIMIT 2", self.table(), self.matching());
        let found = || -> Answer<Vec<T>> { connection.prepare(&sql)?.query_map([id], &read)?.collect() };
        let mut found = found().map_err(|error| self.failed(error))?;
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => Err(self.subject.not_unique(id)),
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(column: &str) -> String {
    format!("CAST(t.{} AS TEXT)", quoted(column))
}
