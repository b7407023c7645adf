//! Runs in the catalogue: which are known, and what they come to.

use rusqlite::{Connection, Row, named_params, params};
use serde::Serialize;

use super::{Catalog, CatalogError, ErrorKind, Result};
use crate::model::RunRecord;

/// Which runs are asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub repository: String,
    /// Began at this second of 1970 or later; and before that one.
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// This command; `backup` takes every `backup ...`.
    pub command: Option<String>,
    pub failed: bool,
    /// The newest so many; all without.
    pub limit: Option<u32>,
}

/// What all the runs asked for come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    pub runs: u64,
    pub succeeded: u64,
    /// Ended with exit code 3.
    pub with_problems: u64,
    pub seconds: f64,
    /// Bytes that backups stored.
    pub stored_bytes: u64,
}

const CHOSEN: &str = "repository = :repository AND started >= :since AND started < :until \
     AND (:command IS NULL OR command = :command OR substr(command, 1, length(:command) + 1) = :command || ' ') \
     AND (NOT :failed OR code <> 0)";

impl Catalog {
    /// Begins to hold what is known against what there is.
    pub async fn begin(&self, repository: &str) -> Result<()> {
        let repository = repository.to_owned();
        self.with(move |connection| {
            connection.execute("UPDATE runs SET seen = 0 WHERE repository = ?1", params![repository])?;
            Ok(())
        })
        .await
    }

    /// Notes that these are there, and answers which of them are not known.
    pub async fn unknown(&self, repository: &str, paths: Vec<String>) -> Result<Vec<String>> {
        let repository = repository.to_owned();
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            let mut unknown = Vec::new();
            {
                let mut see = transaction.prepare("UPDATE runs SET seen = 1 WHERE repository = ?1 AND path = ?2")?;
                for path in paths {
                    if see.execute(params![repository, path])? == 0 {
                        unknown.push(path);
                    }
                }
            }
            transaction.commit()?;
            Ok(unknown)
        })
        .await
    }

    /// Takes records in.
    pub async fn add(&self, repository: &str, records: Vec<(String, RunRecord)>) -> Result<()> {
        let repository = repository.to_owned();
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            for (path, record) in records {
                insert(&transaction, &repository, &path, &record)?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Ends it: what was not seen is not there any more.
    pub async fn end(&self, repository: &str) -> Result<()> {
        let repository = repository.to_owned();
        self.with(move |connection| {
            connection.execute("DELETE FROM runs WHERE repository = ?1 AND seen = 0", params![repository])?;
            Ok(())
        })
        .await
    }

    /// The runs asked for, the oldest first.
    pub async fn runs(&self, query: Query) -> Result<Vec<RunRecord>> {
        self.with(move |connection| {
            let limit = query.limit.map_or(-1, i64::from);
            let sql = format!("SELECT record FROM runs WHERE {CHOSEN} ORDER BY started DESC, path DESC LIMIT {limit}");
            let mut statement = connection.prepare(&sql)?;
            let parameters = named_params! {
                ":repository": query.repository, ":since": query.since.unwrap_or(i64::MIN),
                ":until": query.until.unwrap_or(i64::MAX), ":command": query.command, ":failed": query.failed,
            };
            let texts = statement.query_map(parameters, |row| row.get::<_, String>(0))?;
            let mut records = texts.map(|text| read(&text?)).collect::<Result<Vec<_>>>()?;
            records.reverse();
            Ok(records)
        })
        .await
    }

    pub async fn totals(&self, query: Query) -> Result<Totals> {
        self.with(move |connection| {
            let sql = format!(
                "SELECT count(*), coalesce(sum(code = 0), 0), coalesce(sum(code = 3), 0), coalesce(sum(seconds), 0.0), \
                 coalesce(sum(stored_bytes), 0) FROM runs WHERE {CHOSEN}"
            );
            let parameters = named_params! {
                ":repository": query.repository, ":since": query.since.unwrap_or(i64::MIN),
                ":until": query.until.unwrap_or(i64::MAX), ":command": query.command, ":failed": query.failed,
            };
            Ok(connection.query_row(&sql, parameters, totals)?)
        })
        .await
    }
}

fn totals(row: &Row<'_>) -> rusqlite::Result<Totals> {
    let count = |column: usize| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
    Ok(Totals {
        runs: count(0)?,
        succeeded: count(1)?,
        with_problems: count(2)?,
        seconds: row.get(3)?,
        stored_bytes: count(4)?,
    })
}

fn insert(connection: &Connection, repository: &str, path: &str, record: &RunRecord) -> Result<()> {
    let text = serde_json::to_string(record).map_err(|error| CatalogError::new(ErrorKind::Other, error.to_string()))?;
    let bytes = |count: Option<u64>| i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)",
        params![
            repository,
            path,
            record.started_at.as_second(),
            record.seconds(),
            record.command,
            record.exit_code,
            bytes(record.facts.bytes),
            bytes(record.facts.stored_bytes),
            text
        ],
    )?;
    Ok(())
}

fn read(text: &str) -> Result<RunRecord> {
    serde_json::from_str(text).map_err(|error| CatalogError::new(ErrorKind::Damaged, error.to_string()))
}
