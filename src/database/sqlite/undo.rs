//! Puts the contents that a restore kept back into the live file, as carefully as a restore puts in its own.
//!
//! The kept file stays where it is: it is a copy, and whoever is sure removes it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use super::spool::PrivateFolder;
use super::{file, restore, swap};
use crate::database::{Affected, DatabaseError, Displaced, ErrorKind, Result, UndoOptions, UndoPlan};

const ATTEMPTED: &str = "put back the contents of";

/// What was displaced from this file, the last first.
pub(super) fn displaced(live: &Path) -> Result<Vec<Displaced>> {
    let live = swap::resolve(live);
    let folder = swap::parent(&live);
    let entries = fs::read_dir(folder).map_err(|error| file::io_failed("look beside", &live, error))?;
    let mut found: Vec<Displaced> = entries.flatten().filter_map(|entry| of(&entry.path(), &live)).collect();
    found.sort_by(|one, other| (other.until, &other.name).cmp(&(one.until, &one.name)));
    Ok(found)
}

fn of(path: &Path, live: &Path) -> Option<Displaced> {
    let name = path.file_name()?.as_encoded_bytes();
    let run = name.strip_prefix(live.file_name()?.as_encoded_bytes())?.strip_prefix(swap::KEPT.as_bytes())?;
    let run = std::str::from_utf8(run).ok().filter(|run| run.len() == 4)?;
    let metadata = path.metadata().ok().filter(fs::Metadata::is_file)?;
    // Written once, when it was displaced.
    let until = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let (name, run) = (path.display().to_string(), run.to_owned());
    Some(Displaced { name, run, until, size_bytes: Some(metadata.len()) })
}

/// A file that nobody wrote to since: a restore goes into the live file, so that only its state can tell.
pub(super) fn identity(live: &Path) -> Result<Option<String>> {
    let live = swap::resolve(live);
    let look = |path: &Path| match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file::io_failed("look at", path, error)),
    };
    let Some(metadata) = look(&live)? else { return Ok(None) };
    let log = look(&file::sibling(&live, "-wal"))?.map_or(0, |log| log.len());
    let (device, inode, size) = (metadata.dev(), metadata.ino(), metadata.size());
    Ok(Some(format!("{device}/{inode}/{size}/{}.{:09}/{log}", metadata.mtime(), metadata.mtime_nsec())))
}

fn kept(live: &Path, displaced: &Displaced) -> PathBuf {
    swap::kept_by(live, &displaced.run)
}

pub(super) fn plan(live: &Path, displaced: &Displaced, options: &UndoOptions) -> Result<UndoPlan> {
    let live = swap::resolve(live);
    drop(open(&kept(&live, displaced))?);
    let size = displaced.size_bytes.unwrap_or_default();
    let facts = restore::look_at_target(&live, size, &options.spool, &options.run)?;
    let affected = facts.live_bytes.map(|bytes| Affected { size_bytes: Some(bytes), connections: Vec::new() });
    Ok(UndoPlan { live: affected, kept_as: facts.kept_as, warnings: facts.warnings })
}

/// Answers where the contents that were live are now.
pub(super) fn undo(live: &Path, displaced: &Displaced, options: &UndoOptions) -> Result<Option<String>> {
    let live = swap::resolve(live);
    let kept = kept(&live, displaced);
    let folder = PrivateFolder::make(&options.spool, &options.run)?;
    let copy = folder.path().join("copy");
    file::copy_to_file(ATTEMPTED, &open(&kept)?, &copy)?;
    file::check(ATTEMPTED, &copy, &kept).map_err(unsound)?;
    let swapped = swap::swap(&live, &copy, folder.path(), &options.run)?;
    if let Err(error) = folder.close() {
        tracing::warn!(%error, "a spooled copy could not be removed");
    }
    Ok(swapped)
}

/// Opens a kept file. Without a `-wal` nobody has it open, and nothing is made beside it.
fn open(kept: &Path) -> Result<Connection> {
    if file::sibling(kept, "-wal").exists() {
        return file::open_live(kept).map_err(unsound);
    }
    let opened = file::open_copy(kept).and_then(|connection| file::size(&connection).map(|_| connection));
    opened.map_err(|error| unsound(file::failed(ATTEMPTED, kept, error)))
}

/// What cannot be loaded is kept as it was.
fn unsound(error: DatabaseError) -> DatabaseError {
    if error.kind != ErrorKind::Damaged {
        return error;
    }
    let detail = error.detail.clone().unwrap_or_default();
    DatabaseError { kind: ErrorKind::Refused, ..error }
        .with_detail(format!("it is no sound database, and was none when it was displaced: {detail}"))
        .with_hint("Nothing was changed. Restore a backup instead: `dcs backup list`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_displaced_from_this_very_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join("a.db");
        for name in ["a.db.before-ab12", "a.db.before-ab12-wal", "xa.db.before-ab12", "a.db.before-toolong", "a.db"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let found = displaced(&live).unwrap();
        assert_eq!(found.iter().map(|one| one.run.as_str()).collect::<Vec<_>>(), ["ab12"]);
        assert_eq!(kept(&live, &found[0]), folder.path().join("a.db.before-ab12"));
    }
}
