//! Exchanges the contents of a live SQLite file: the old are saved and the new loaded under one lock.
//!
//! The backup interface locks its target with its first step, even one of no pages, and lets go of it with the last.
//! Nothing can be committed between the saving and the loading: what a program has committed is in the saved file or, if
//! it came after the exchange, in the live one.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tempfile::NamedTempFile;

use super::swap::{ATTEMPTED, temporary};
use super::{describe, file};
use crate::database::{DatabaseError, ErrorKind, Result, compare};

/// Between two attempts to take the lock: short, so that programs that write without a pause do not starve the restore.
const PAUSE: Duration = Duration::from_micros(100);
/// Offset and meaning of the header's "file format read version": https://www.sqlite.org/fileformat.html
const READ_VERSION: usize = 19;
const READ_VERSION_OF_WAL: u8 = 2;

/// Loads `copy` into `live`, which `connection` and `descriptor` have open. `keep` is given the old contents, whole and
/// on disk, before the new ones are loaded; when it fails, nothing has changed.
///
/// `descriptor` must be closed after the connection: closing any descriptor of a file gives up all locks of the process
/// on it.
pub(super) fn exchange(
    connection: &mut Connection,
    descriptor: &File,
    (live, copy, spool): (&Path, &Path, &Path),
    keep: impl FnOnce(NamedTempFile) -> Result<()>,
) -> Result<()> {
    let failed = |error| file::failed(ATTEMPTED, live, error);
    let source = source_for(connection, live, copy, spool)?;
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(failed)?;
    connection.busy_handler(Some(wait_a_little)).map_err(failed)?;
    let backup = Backup::new(&source, connection).map_err(failed)?;
    lock(&backup).map_err(failed)?;
    let saved = temporary(live)?;
    save(live, descriptor, &saved)?;
    keep(saved)?;
    match backup.step(-1).map_err(failed)? {
        StepResult::Done => Ok(()),
        _ => Err(failed(file::busy())),
    }
}

fn wait_a_little(attempts: i32) -> bool {
    std::thread::sleep(PAUSE);
    PAUSE * attempts.unsigned_abs() < file::PATIENCE
}

/// Locks the target: a step that copies no page.
fn lock(backup: &Backup<'_, '_>) -> std::result::Result<(), rusqlite::Error> {
    let deadline = Instant::now() + file::PATIENCE;
    loop {
        match backup.step(0)? {
            StepResult::Done | StepResult::More => return Ok(()),
            _ if Instant::now() < deadline => std::thread::sleep(PAUSE),
            _ => return Err(file::busy()),
        }
    }
}

/// Copies the contents of the locked file.
fn save(live: &Path, mut descriptor: &File, saved: &NamedTempFile) -> Result<()> {
    let io_failed = |error| file::io_failed(ATTEMPTED, live, error);
    let mut header = Vec::new();
    descriptor.rewind().map_err(io_failed)?;
    descriptor.take(READ_VERSION as u64 + 1).read_to_end(&mut header).map_err(io_failed)?;
    if header.get(READ_VERSION) == Some(&READ_VERSION_OF_WAL) {
        // Readers are let in, and the committed state is spread over the file and its log.
        return file::copy_to_file(ATTEMPTED, &file::open_live(live)?, saved.path());
    }
    // The lock keeps even readers out, and all that is committed is in the file.
    let copied = descriptor
        .rewind()
        .and_then(|()| io::copy(&mut descriptor, &mut saved.as_file()))
        .and_then(|_| saved.as_file().sync_all());
    copied.map_err(io_failed)
}

fn source_for(connection: &Connection, live: &Path, copy: &Path, spool: &Path) -> Result<Connection> {
    let failed = |error| file::failed(ATTEMPTED, live, error);
    let source = file::open_copy(copy).map_err(failed)?;
    let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed)?;
    let page_size = |connection: &Connection| file::number(connection, "PRAGMA page_size");
    let live_size = page_size(connection).map_err(failed)?;
    // A file in WAL mode keeps its page size, and takes in nothing of another.
    if journal.eq_ignore_ascii_case("wal") && page_size(&source).map_err(failed)? != live_size {
        return with_page_size(live, copy, live_size, &spool.join("repaged"));
    }
    Ok(source)
}

/// The same contents in pages of another size.
fn with_page_size(live: &Path, copy: &Path, page_size: u64, target: &Path) -> Result<Connection> {
    let failed = |error| file::failed(ATTEMPTED, live, error);
    // Of a file opened as immutable, SQLite keeps the page size; the copy is ours alone, so it need not be.
    let source = file::open_to_write(copy).map_err(failed)?;
    source.execute_batch(&format!("PRAGMA page_size = {page_size}")).map_err(failed)?;
    source.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map_err(failed)?;
    drop(source);
    file::check(ATTEMPTED, target, live)?;
    let (expected, found) = (file::count(ATTEMPTED, copy, live)?, file::count(ATTEMPTED, target, live)?);
    if !compare::differences(&expected, &found, |_, _| false).is_empty() {
        return Err(DatabaseError::new(ErrorKind::Damaged, ATTEMPTED, describe(live))
            .with_detail("the contents changed on the way to another page size"));
    }
    file::open_copy(target).map_err(failed)
}
