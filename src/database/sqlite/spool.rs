//! Folders of runs in the spool.
//!
//! Each holds a file that its run keeps locked. The lock ends with the process, however that ends: a folder whose lock
//! can be had belongs to a run that was killed, and the next run removes it. One without the file is not touched.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tempfile::TempDir;

use super::file::io_failed;
use crate::database::Result;
use crate::model::RunId;

const LOCK: &str = "dcs-spool.lock";

/// A folder of one run, removed with all that SQLite may leave in it.
pub(super) struct PrivateFolder {
    folder: TempDir,
    _lock: File,
}

impl PrivateFolder {
    /// Makes a folder, and removes those of runs that were killed.
    pub(super) fn make(spool: &Path, run: &RunId) -> Result<Self> {
        let failed = |error| io_failed("spool in", spool, error);
        fs::create_dir_all(spool).map_err(failed)?;
        sweep(spool);
        loop {
            let folder = tempfile::Builder::new().prefix(&format!("dcs-{run}-")).tempdir_in(spool).map_err(failed)?;
            let lock = File::create_new(folder.path().join(LOCK)).map_err(failed)?;
            // Where files cannot be locked, nobody can lock this one to remove it.
            let is_taken = flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
            // A run that sweeps just now may have been faster: then the folder is, or will be, gone.
            if !is_taken && folder.path().join(LOCK).exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn close(self) -> io::Result<()> {
        self.folder.close()
    }
}

fn sweep(spool: &Path) {
    for entry in fs::read_dir(spool).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("dcs-")
            && let Err(error) = remove_dead(&entry.path())
        {
            tracing::debug!(%error, path = %entry.path().display(), "a folder in the spool is left as it is");
        }
    }
}

fn remove_dead(folder: &Path) -> io::Result<()> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let lock = match File::options().read(true).write(true).custom_flags(nofollow).open(folder.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        lock => lock?,
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(()),
        locked => locked?,
    }
    // The lock goes last: a kill before that leaves a folder that is found again.
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name() != Some(LOCK.as_ref()) {
            fs::remove_file(path)?;
        }
    }
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_is_in_use_or_not_ours_stays() {
        let spool = tempfile::tempdir().unwrap();
        let make = || PrivateFolder::make(spool.path(), &RunId::create()).unwrap();
        let in_use = make();
        let foreign = spool.path().join("dcs-of-another");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("copy"), "").unwrap();
        let dead = spool.path().join("dcs-23456789-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("copy"), "").unwrap();
        let own = make();
        assert!(!dead.exists());
        assert!(foreign.join("copy").exists() && in_use.path().exists() && own.path().exists());
        in_use.close().unwrap();
        own.close().unwrap();
        assert_eq!(fs::read_dir(spool.path()).unwrap().count(), 1);
    }
}
