//! Puts a proven copy in the place of a live SQLite file.
//!
//! Into a file that exists, the copy is loaded by the backup interface in one transaction, with the old contents saved
//! beside it first: programs that have the file open go on and see the new contents. A rename happens only where there is
//! nothing to rename over. A kill leaves the old contents or the new ones, never a mixture.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use tempfile::NamedTempFile;

use super::{exchange, file};
use crate::database::Result;
use crate::model::RunId;

pub(super) const ATTEMPTED: &str = "swap in";
const SIBLINGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The file itself, where `path` is a link to it.
pub(super) fn resolve(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What follows the live file's name where its old contents are kept; after it comes the run.
pub(super) const KEPT: &str = ".before-";

/// Where the old contents are kept.
pub(super) fn kept(live: &Path, run: &RunId) -> PathBuf {
    kept_by(live, run.short())
}

pub(super) fn kept_by(live: &Path, run: &str) -> PathBuf {
    file::sibling(live, &format!("{KEPT}{run}"))
}

/// Answers where the old contents are now, if there were any.
pub(super) fn swap(live: &Path, copy: &Path, spool: &Path, run: &RunId) -> Result<Option<String>> {
    let live = resolve(live);
    let there = live.exists();
    if !there && !SIBLINGS.iter().any(|suffix| file::sibling(&live, suffix).exists()) {
        install(copy, &live)?;
        return Ok(None);
    }
    let kept = kept(&live, run);
    // Where only a `-wal` or `-journal` is left, this makes an empty file, and SQLite clears what belonged to another.
    // Opened before the connection, and so closed after it, as `exchange` needs it.
    let descriptor = File::options().read(true).write(true).create(true).truncate(false).open(&live);
    let descriptor = descriptor.map_err(|error| file::io_failed(ATTEMPTED, &live, error))?;
    let mut connection = match file::open_to_write(&live) {
        Ok(connection) => connection,
        Err(error)
            if there
                && matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)) =>
        {
            replace_unreadable(&live, &kept, copy)?;
            return Ok(Some(kept.display().to_string()));
        }
        Err(error) => return Err(file::failed(ATTEMPTED, &live, error)),
    };
    let keep = |saved| if there { publish(saved, &kept, Some(&live)) } else { Ok(()) };
    exchange::exchange(&mut connection, &descriptor, (&live, copy, spool), keep)?;
    Ok(there.then(|| kept.display().to_string()))
}

/// Replaces a file that SQLite cannot read: no program can be at work in it. It is kept as it is, with what lies beside.
fn replace_unreadable(live: &Path, kept: &Path, copy: &Path) -> Result<()> {
    for suffix in [""].into_iter().chain(SIBLINGS) {
        let from = file::sibling(live, suffix);
        if from.exists() {
            let temporary = temporary(kept)?;
            copy_bytes(&from, &temporary)?;
            publish(temporary, &file::sibling(kept, suffix), Some(live))?;
        }
    }
    // All of it is kept: from here on a kill leaves an unreadable file, as before, or the new one.
    for suffix in SIBLINGS {
        let stale = file::sibling(live, suffix);
        if stale.exists() {
            fs::remove_file(&stale).map_err(|error| file::io_failed(ATTEMPTED, &stale, error))?;
        }
    }
    let temporary = temporary(live)?;
    copy_bytes(copy, &temporary)?;
    take_permissions(live, &temporary)?;
    temporary.persist(live).map_err(|error| file::io_failed(ATTEMPTED, live, error.error))?;
    sync_folder(live)
}

/// Makes `target`, which must not exist, a copy of a file.
fn install(from: &Path, target: &Path) -> Result<()> {
    let temporary = temporary(target)?;
    copy_bytes(from, &temporary)?;
    publish(temporary, target, None)
}

pub(super) fn temporary(target: &Path) -> Result<NamedTempFile> {
    let made = tempfile::Builder::new().prefix(".dcs-").tempfile_in(parent(target));
    made.map_err(|error| file::io_failed(ATTEMPTED, target, error))
}

fn copy_bytes(from: &Path, temporary: &NamedTempFile) -> Result<()> {
    let copied = File::open(from).and_then(|mut from| {
        std::io::copy(&mut from, &mut temporary.as_file())?;
        temporary.as_file().sync_all()
    });
    copied.map_err(|error| file::io_failed(ATTEMPTED, from, error))
}

/// Gives a finished file its name, which must be free.
fn publish(temporary: NamedTempFile, target: &Path, permissions_of: Option<&Path>) -> Result<()> {
    if let Some(other) = permissions_of {
        take_permissions(other, &temporary)?;
    }
    temporary.persist_noclobber(target).map_err(|error| file::io_failed(ATTEMPTED, target, error.error))?;
    sync_folder(target)
}

fn take_permissions(other: &Path, temporary: &NamedTempFile) -> Result<()> {
    let taken = fs::metadata(other).and_then(|metadata| {
        // Only root can give files away, and only root needs to.
        if let Err(error) = std::os::unix::fs::chown(temporary.path(), Some(metadata.uid()), Some(metadata.gid())) {
            tracing::debug!(%error, "the owner of a file could not be kept");
        }
        fs::set_permissions(temporary.path(), metadata.permissions())
    });
    taken.map_err(|error| file::io_failed(ATTEMPTED, other, error))
}

fn sync_folder(path: &Path) -> Result<()> {
    let synced = File::open(parent(path)).and_then(|folder| folder.sync_all());
    synced.map_err(|error| file::io_failed(ATTEMPTED, path, error))
}
