//! The folder of one run, and what killed runs left beside it.
//!
//! `RUN.lock` lies beside the folder `RUN`, and is there before and after it. The run keeps it locked; the lock ends with
//! the process, however that ends. A lock that can be had belongs to a run that was killed.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::process::end_server;
use crate::database::postgres::cluster;
use crate::database::{DatabaseError, ErrorKind, Result};
use crate::model::RunId;

const LOCK: &str = "lock";
/// A private server that does not run as ourselves passes through, and sees nothing on its way.
const PASSABLE: u32 = 0o711;
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// A folder that is removed with all that is in it, private servers included.
pub(super) struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder of a run below `root`, and removes those of runs that were killed.
    pub(super) fn make(root: &Path, run: &RunId) -> Result<Self> {
        make_root(root)?;
        sweep(root);
        let failed = |error| io_failed(root, error);
        let path = root.join(run.as_str());
        let lock = lock_path(&path);
        let opened = loop {
            let opened = File::options().write(true).create(true).truncate(false).mode(0o600).open(&lock);
            let opened = opened.map_err(failed)?;
            flock(&opened, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
            // A run that sweeps just now may have been faster, and have removed it.
            if lock.exists() {
                break opened;
            }
        };
        make_passable(&path).map_err(failed)?;
        Ok(Self { path, _lock: opened })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it; what cannot be removed is logged.
    pub(super) fn remove(&self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, folder = %self.path.display(), "a folder of a proof could not be removed");
        }
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.with_extension(LOCK)
}

/// Below a folder that everybody may write to, it must be our own.
fn make_root(root: &Path) -> Result<()> {
    let made = match fs::symlink_metadata(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above =
                root.parent().map_or(Ok(()), |above| DirBuilder::new().recursive(true).mode(PASSABLE).create(above));
            above.and_then(|()| make_passable(root))
        }
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else")),
    };
    made.map_err(|error| io_failed(root, error))
}

fn make_passable(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::set_permissions(folder, Permissions::from_mode(PASSABLE))
}

fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let lock = entry.path();
        if lock.extension().is_some_and(|extension| extension == LOCK)
            && let Err(error) = remove_dead(&lock)
        {
            tracing::warn!(%error, path = %lock.display(), "what a killed run left could not be removed");
        }
    }
}

fn remove_dead(lock: &Path) -> io::Result<()> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let opened = File::options().write(true).custom_flags(nofollow).open(lock)?;
    match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(()),
        locked => locked?,
    }
    tracing::info!(path = %lock.display(), "what a killed run left is removed");
    remove(&lock.with_extension(""))
}

/// The lock goes last: a kill before that leaves a folder that is found again.
fn remove(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        let mut servers = fs::read_dir(folder)?.flatten().map(|entry| cluster::data(&entry.path()));
        if !servers.all(|data| end_server(&data)) {
            return Err(io::Error::other("a server is at work in it"));
        }
        remove_all(folder)?;
    }
    fs::remove_file(lock_path(folder))
}

/// Removes a folder, though what was restored in it may forbid that, and though a program that was told to end may still
/// write into it.
pub(super) fn remove_all(folder: &Path) -> io::Result<()> {
    for _ in 0..ATTEMPTS {
        if fs::remove_dir_all(folder).is_ok() {
            return Ok(());
        }
        open_up(folder);
        std::thread::sleep(PAUSE);
    }
    fs::remove_dir_all(folder)
}

/// Lets ourselves into every folder.
fn open_up(folder: &Path) {
    // What cannot be opened up cannot be removed either, which is told then.
    fs::set_permissions(folder, Permissions::from_mode(0o700)).ok();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

pub(super) fn io_failed(root: &Path, error: io::Error) -> DatabaseError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull => ErrorKind::Full,
        _ => ErrorKind::Other,
    };
    DatabaseError::new(kind, "restore for proof in", root.display().to_string())
        .with_detail(error.to_string())
        .with_source(error)
        .with_hint("Set `state_dir` to a folder that dcs may write to.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_and_what_is_in_use_or_not_ours_stays() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("state/verify");
        let in_use = RunFolder::make(&root, &RunId::create()).unwrap();
        let foreign = root.join("foreign");
        fs::create_dir(&foreign).unwrap();
        let dead = root.join("23456789");
        fs::create_dir_all(dead.join("deep/er")).unwrap();
        fs::set_permissions(dead.join("deep"), Permissions::from_mode(0o500)).unwrap();
        fs::write(lock_path(&dead), "").unwrap();
        let own = RunFolder::make(&root, &RunId::create()).unwrap();
        assert!(!dead.exists() && !lock_path(&dead).exists());
        assert!(foreign.exists() && in_use.path().exists() && own.path().exists());
        in_use.remove();
        own.remove();
        fs::remove_dir(foreign).unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }
}
