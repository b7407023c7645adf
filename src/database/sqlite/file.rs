//! What all work on SQLite files needs: opening, copying, checking, counting, and what their errors mean.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::describe;
use crate::database::{DatabaseError, ErrorKind, Result};
use crate::model::database::{Engine, Fingerprint, ServerInfo, TableCount};

/// How long to wait for others to let go of a file.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
const SHOWN_FAULTS: usize = 5;
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

pub(super) fn failed(attempted: &'static str, path: &Path, error: rusqlite::Error) -> DatabaseError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => ErrorKind::Damaged,
        Some(ErrorCode::DiskFull) => ErrorKind::Full,
        Some(ErrorCode::CannotOpen) if !path.exists() => ErrorKind::NotFound,
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => ErrorKind::Denied,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Refused,
        _ => ErrorKind::Other,
    };
    let failed = DatabaseError::new(kind, attempted, describe(path)).with_detail(error.to_string()).with_source(error);
    match kind {
        ErrorKind::Refused => {
            failed.with_hint("Another program holds the file locked; run the same command again later.")
        }
        _ => failed,
    }
}

/// What was found damaged on the way to a dump is the live file, and no backup.
pub(super) fn of_the_live_file(error: DatabaseError) -> DatabaseError {
    if error.kind != ErrorKind::Damaged {
        return error;
    }
    DatabaseError { kind: ErrorKind::Other, ..error }.with_hint(
        "The live file is damaged: bring it back with `dcs restore-db`, or see what `.recover` of sqlite3 saves.",
    )
}

pub(super) fn io_failed(attempted: &'static str, path: &Path, error: io::Error) -> DatabaseError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::AlreadyExists => ErrorKind::Refused,
        _ => ErrorKind::Other,
    };
    DatabaseError::new(kind, attempted, describe(path)).with_detail(error.to_string()).with_source(error)
}

/// Opens a file that others may be using, to read it.
pub(super) fn open_live(path: &Path) -> Result<Connection> {
    fs::metadata(path).map_err(|error| io_failed("open", path, error))?;
    let plain = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // A file with an interrupted transaction has to be mended before it can be read: that takes the right to write.
    let opened = read_schema(path, plain | OpenFlags::SQLITE_OPEN_READ_ONLY);
    let opened = match opened {
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)) => {
            read_schema(path, plain | OpenFlags::SQLITE_OPEN_READ_WRITE)
        }
        other => other,
    };
    opened.map_err(|error| failed("open", path, error))
}

/// Opens a file that others may be using, to change it.
pub(super) fn open_to_change(path: &Path) -> Result<Connection> {
    fs::metadata(path).map_err(|error| io_failed("open", path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    read_schema(path, flags).map_err(|error| failed("open", path, error))
}

/// Opens a file to change it, making it where there is none.
pub(super) fn open_to_write(path: &Path) -> std::result::Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    read_schema(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Opens a file that nobody changes, without making a `-wal` beside it.
pub(super) fn open_copy(path: &Path) -> std::result::Result<Connection, rusqlite::Error> {
    let encoded = percent_encode(path.as_os_str().as_encoded_bytes(), PLAIN);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{encoded}?immutable=1"), flags)
}

fn read_schema(path: &Path, flags: OpenFlags) -> std::result::Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    number(&connection, "PRAGMA schema_version")?;
    Ok(connection)
}

pub(super) fn number(connection: &Connection, sql: &str) -> std::result::Result<u64, rusqlite::Error> {
    let number: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or_default())
}

pub(super) fn size(connection: &Connection) -> std::result::Result<u64, rusqlite::Error> {
    Ok(number(connection, "PRAGMA page_count")? * number(connection, "PRAGMA page_size")?)
}

pub(super) fn info(connection: &Connection, path: &Path) -> Result<ServerInfo> {
    let read = || -> std::result::Result<ServerInfo, rusqlite::Error> {
        Ok(ServerInfo {
            engine: Engine::Sqlite,
            version: rusqlite::version().to_owned(),
            major: 3,
            encoding: connection.query_row("PRAGMA encoding", [], |row| row.get(0))?,
            size_bytes: size(connection)?,
            extensions: Vec::new(),
        })
    };
    read().map_err(|error| failed("look at", path, error))
}

/// Copies everything in one step: one state of the source, and one transaction on the target.
pub(super) fn copy(source: &Connection, target: &mut Connection) -> std::result::Result<(), rusqlite::Error> {
    let deadline = Instant::now() + PATIENCE;
    let backup = Backup::new(source, target)?;
    loop {
        match backup.step(-1)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ if Instant::now() < deadline => std::thread::sleep(PAUSE),
            _ => return Err(busy()),
        }
    }
}

pub(super) fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)
}

/// Makes `target`, a new file, a copy of `source`, on disk when this returns.
pub(super) fn copy_to_file(attempted: &'static str, source: &Connection, target: &Path) -> Result<()> {
    let copied = || -> std::result::Result<(), rusqlite::Error> {
        let mut connection = Connection::open(target)?;
        // Nobody sees the file before it is whole; it is flushed once, below.
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
        copy(source, &mut connection)?;
        connection.close().map_err(|(_, error)| error)
    };
    copied().map_err(|error| failed(attempted, target, error))?;
    File::open(target).and_then(|file| file.sync_all()).map_err(|error| io_failed(attempted, target, error))
}

/// Fails unless the copy at `path` is a sound database; `subject` is what people know it as.
pub(super) fn check(attempted: &'static str, path: &Path, subject: &Path) -> Result<()> {
    let connection = open_copy(path).map_err(|error| failed(attempted, subject, error))?;
    let ask = |sql: &str| -> std::result::Result<Vec<String>, rusqlite::Error> {
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    // The full check needs every collation that an index uses, and an application may bring its own.
    let collation = |error: &rusqlite::Error| error.to_string().contains("no such collation sequence");
    let faults = match ask("PRAGMA integrity_check(100)") {
        Err(error) if collation(&error) => ask("PRAGMA quick_check(100)"),
        other => other,
    };
    let faults = faults.map_err(|error| failed(attempted, subject, error))?;
    if faults == ["ok"] {
        return Ok(());
    }
    let shown: Vec<&str> = faults.iter().take(SHOWN_FAULTS).map(String::as_str).collect();
    Err(DatabaseError::new(ErrorKind::Damaged, attempted, describe(subject)).with_detail(shown.join("; ")))
}

/// Counts the rows of every table in the copy at `path`.
pub(super) fn count(attempted: &'static str, path: &Path, subject: &Path) -> Result<Fingerprint> {
    let counted = || -> std::result::Result<Fingerprint, rusqlite::Error> {
        let connection = open_copy(path)?;
        // Virtual tables have no page of their own; what lies behind them is counted as the tables it is.
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name COLLATE BINARY";
        let names: Vec<String> =
            connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<std::result::Result<_, _>>()?;
        let mut tables = Vec::new();
        for name in names {
            let quoted = name.replace('"', "\"\"");
            let rows = number(&connection, &format!("SELECT count(*) FROM \"{quoted}\" NOT INDEXED"))?;
            tables.push(TableCount { schema: String::new(), name, rows, content: None });
        }
        Ok(Fingerprint { tables, ..Fingerprint::default() })
    };
    counted().map_err(|error| failed(attempted, subject, error))
}

/// The first column of the first row that a statement answers, as SQLite's own shell would write it.
pub(super) fn first_text(path: &Path, subject: &Path, statement: &str) -> Result<Option<String>> {
    let ask = || -> std::result::Result<Option<String>, rusqlite::Error> {
        let connection = open_copy(path)?;
        let mut statement = connection.prepare(statement)?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(match row.get_ref(0)? {
            ValueRef::Null => None,
            ValueRef::Integer(number) => Some(number.to_string()),
            ValueRef::Real(number) => Some(format!("{number:?}")),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        })
    };
    ask().map_err(|error| failed("ask", subject, error))
}

/// Fails when the file system that holds `folder` has no room for `bytes` more.
pub(super) fn check_space(attempted: &'static str, folder: &Path, bytes: u64) -> Result<()> {
    let there = folder.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(folder);
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let Ok(room) = rustix::fs::statvfs(there) else { return Ok(()) };
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if free >= bytes {
        return Ok(());
    }
    Err(DatabaseError::new(ErrorKind::Full, attempted, describe(folder))
        .with_detail(format!("{bytes} bytes are needed, {free} are free"))
        .with_hint("Make room, or set state_dir to a folder on a larger file system."))
}

/// The file that SQLite keeps beside `path`.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
