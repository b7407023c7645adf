//! One connection to a server, and what its errors mean.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, CopyInSink, Error, Row, SimpleQueryMessage};

use super::target::Target;
use super::tls;
use crate::database::{DatabaseError, ErrorKind, Result};
use crate::model::{Limits, Secret, format};

/// Whatever an operator or an application has set against long work is off in our own sessions, and row security too:
/// a policy that hides rows is an error, never a smaller count. `$1` is our own limit.
const SETTINGS: &str = "SELECT pg_catalog.set_config(name, CASE name WHEN 'search_path' THEN 'pg_catalog' \
     WHEN 'statement_timeout' THEN $1::pg_catalog.text WHEN 'row_security' THEN 'off' WHEN 'default_transaction_read_only' THEN 'off' ELSE '0' END, false) \
     FROM pg_catalog.pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout', \
     'idle_in_transaction_session_timeout', 'transaction_timeout', 'row_security', 'default_transaction_read_only', \
     'search_path')";

/// How much longer than its limit a statement may take to be answered before the server is taken for gone. The server ends
/// what takes too long, and then nothing of it is done; of one that does not answer, nobody knows.
const GRACE: Duration = Duration::from_secs(5);

pub(super) struct Session {
    client: Client,
    connection: AbortHandle,
    subject: String,
    limit: Duration,
    is_lifted: AtomicBool,
    has_given_up: AtomicBool,
}

impl Session {
    pub(super) async fn connect(
        target: &Target,
        database: &str,
        password: Option<&Secret>,
        application: &str,
        limit: Duration,
    ) -> Result<Self> {
        let connecting = Self::open(target, database, password, application, limit);
        let Some(patience) = Limits::of(target.connect_timeout) else { return connecting.await };
        tokio::time::timeout(patience, connecting).await.unwrap_or_else(|_| {
            Err(DatabaseError::new(ErrorKind::Unreachable, "connect to", target.describe(database))
                .with_detail(format!("no answer within {}", format::duration(patience))))
        })
    }

    async fn open(
        target: &Target,
        database: &str,
        password: Option<&Secret>,
        application: &str,
        limit: Duration,
    ) -> Result<Self> {
        let subject = target.describe(database);
        let config = target.config(database, password, application);
        let connector = tls::connector(target, &subject)?;
        let (client, connection) = config.connect(connector).await.map_err(|error| {
            let denied = password.is_none() && error.as_db_error().is_none() && io_cause(&error).is_none();
            let failed = failed("connect to", &subject, error);
            // The crate's own refusal, before the server could say anything: it was asked for a password and has none.
            if denied && failed.kind != ErrorKind::Unreachable {
                DatabaseError { kind: ErrorKind::Denied, ..failed }
            } else {
                failed
            }
        })?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        let (is_lifted, has_given_up) = (AtomicBool::new(true), AtomicBool::new(false));
        let connection = connection.abort_handle();
        let session = Self { client, connection, subject, limit, is_lifted, has_given_up };
        session.rows("connect to", SETTINGS, &[&Limits::milliseconds(limit).to_string()]).await?;
        session.is_lifted.store(Limits::of(limit).is_none(), Ordering::Relaxed);
        Ok(session)
    }

    /// Lets statements take as long as they need from here on: those that read or write whole tables.
    pub(super) async fn lift_limit(&self) -> Result<()> {
        self.run("use", "SET statement_timeout = 0").await?;
        self.is_lifted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for an answer; where none comes, cuts the connection, and with it what waits for it.
    async fn answer<T>(
        &self,
        asked: impl Future<Output = std::result::Result<T, Error>>,
    ) -> std::result::Result<T, Error> {
        if self.is_lifted.load(Ordering::Relaxed) {
            return asked.await;
        }
        let mut asked = std::pin::pin!(asked);
        if let Ok(answered) = tokio::time::timeout(self.limit + GRACE, &mut asked).await {
            return answered;
        }
        self.has_given_up.store(true, Ordering::Relaxed);
        self.connection.abort();
        asked.await
    }

    pub(super) fn failed(&self, attempted: &'static str, error: Error) -> DatabaseError {
        let failed = failed(attempted, &self.subject, error);
        if failed.kind == ErrorKind::Unreachable && self.has_given_up.load(Ordering::Relaxed) {
            return failed.with_detail(format!("no answer within {}", format::duration(self.limit + GRACE)));
        }
        failed
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn rows(
        &self,
        attempted: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        self.answer(self.client.query(sql, parameters)).await.map_err(|error| self.failed(attempted, error))
    }

    pub(super) async fn row(
        &self,
        attempted: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row> {
        self.answer(self.client.query_one(sql, parameters)).await.map_err(|error| self.failed(attempted, error))
    }

    /// Runs statements as text, without parameters: what takes no snapshot before it must not be prepared.
    pub(super) async fn run(&self, attempted: &'static str, sql: &str) -> Result<()> {
        self.answer(self.client.batch_execute(sql)).await.map_err(|error| self.failed(attempted, error))
    }

    /// Answers rows as they are asked for. The session must live as long.
    pub(super) async fn stream(
        &self,
        attempted: &'static str,
        sql: &str,
    ) -> Result<impl Stream<Item = Result<Row>> + Send + use<>> {
        let subject = self.subject.clone();
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = self.client.query_raw(sql, none).await.map_err(|error| failed(attempted, &subject, error))?;
        Ok(rows.map_err(move |error| failed(attempted, &subject, error)))
    }

    /// Runs a `COPY ... TO STDOUT` and answers what it writes.
    pub(super) async fn copy_out(
        &self,
        attempted: &'static str,
        sql: &str,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<'_>> {
        let told = move |error| failed(attempted, &self.subject, error);
        let rows = self.client.copy_out(sql).await.map_err(told)?;
        Ok(rows.map_err(told))
    }

    /// Runs a `COPY ... FROM STDIN` and answers what takes its rows.
    pub(super) async fn copy_in(&self, attempted: &'static str, sql: &str) -> Result<CopyInSink<Bytes>> {
        self.client.copy_in(sql).await.map_err(|error| self.failed(attempted, error))
    }

    /// Runs statements as text, with the database's own search path, and answers the first value of the first row.
    pub(super) async fn first_text(&self, attempted: &'static str, sql: &str) -> Result<Option<String>> {
        self.run(attempted, "RESET search_path").await?;
        let messages = self.answer(self.client.simple_query(sql)).await;
        let messages = messages.map_err(|error| self.failed(attempted, error))?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(row.filter(|row| !row.is_empty()).and_then(|row| row.get(0)).map(str::to_owned))
    }

    /// Like [`Self::run`], answering the server's error code too, where callers decide by it.
    pub(super) async fn try_run(&self, sql: &str) -> std::result::Result<(), Error> {
        self.answer(self.client.batch_execute(sql)).await
    }
}

/// What an error of the driver means to callers.
pub(super) fn failed(attempted: &'static str, subject: &str, error: Error) -> DatabaseError {
    let kind = match error.code() {
        Some(code) => kind_of(code),
        None if error.is_closed() || io_cause(&error).is_some() => ErrorKind::Unreachable,
        None => match std::error::Error::source(&error) {
            Some(cause) if cause.to_string().contains("password") => ErrorKind::Denied,
            // A refused TLS handshake, a timeout: nothing that a server said.
            _ if attempted == "connect to" => ErrorKind::Unreachable,
            _ => ErrorKind::Other,
        },
    };
    let told = match error.as_db_error() {
        Some(database) => {
            let mut text = database.message().to_owned();
            for more in [database.detail(), database.hint()].into_iter().flatten() {
                text.push_str("; ");
                text.push_str(more);
            }
            Some(text)
        }
        None => std::error::Error::source(&error).map(ToString::to_string),
    };
    let is_too_slow = error.code() == Some(&SqlState::QUERY_CANCELED);
    let mut failed = DatabaseError::new(kind, attempted, subject).with_source(error);
    if is_too_slow {
        let hint =
            "Run the same command again when the server is less busy, or raise `statement_timeout` in [databases].";
        failed = failed.with_hint(hint);
    }
    match told {
        Some(text) => failed.with_detail(text),
        None => failed,
    }
}

fn kind_of(code: &SqlState) -> ErrorKind {
    if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION, SqlState::INSUFFICIENT_PRIVILEGE]
        .contains(code)
    {
        return ErrorKind::Denied;
    }
    if [SqlState::INVALID_CATALOG_NAME, SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code) {
        return ErrorKind::NotFound;
    }
    if [SqlState::LOCK_NOT_AVAILABLE, SqlState::DUPLICATE_DATABASE, SqlState::OBJECT_IN_USE].contains(code) {
        return ErrorKind::Refused;
    }
    match code.code() {
        "53100" => ErrorKind::Full,
        "53300" | "57P01" | "57P02" | "57P03" => ErrorKind::Unreachable,
        other if other.starts_with("08") => ErrorKind::Unreachable,
        _ => ErrorKind::Other,
    }
}

fn io_cause(error: &Error) -> Option<&io::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        cause = current.source();
    }
    None
}
