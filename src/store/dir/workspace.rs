//! The folder `.dcs` of a store's root: files being written, uploads under way, attributes that found no other place.
//!
//! It lies on the file system of the buckets, so that what is finished moves into its bucket in one rename. A file that
//! a dead writer left is removed a day later by the first write of another.

use std::fs::File;
use std::os::fd::OwnedFd;

use jiff::{SignedDuration, Timestamp};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::fault::{Result, present};
use super::status::Status;
use super::tree::{Finished, open_folder};

pub(super) const NAME: &str = ".dcs";
const TEMPORARY: &str = "tmp";
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A name in the folder for files being written.
pub(super) struct Temporary {
    pub(super) folder: OwnedFd,
    pub(super) name: String,
}

impl Temporary {
    pub(super) fn finished(&self) -> Finished<'_> {
        Finished { folder: &self.folder, name: &self.name }
    }

    /// Removes what is still there; best effort, for a file that stays is swept later.
    pub(super) fn discard(&self) {
        if unlinkat(&self.folder, &self.name, AtFlags::empty()) == Err(Errno::ISDIR) {
            discard_folder(&self.folder, &self.name);
        }
    }
}

/// Opens `.dcs/NAME` for writing, and makes it, readable by its owner only.
pub(super) fn open(root: &OwnedFd, name: &str) -> Result<OwnedFd> {
    let workspace = make(root, NAME)?;
    make(&workspace, name)
}

/// Opens `.dcs/NAME` if it is there.
pub(super) fn find(root: &OwnedFd, name: &str) -> Result<Option<OwnedFd>> {
    match present(open_folder(root, NAME))? {
        Some(workspace) => present(open_folder(&workspace, name)),
        None => Ok(None),
    }
}

fn make(parent: &OwnedFd, name: &str) -> Result<OwnedFd> {
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(open_folder(parent, name)?),
        Err(errno) => Err(errno.into()),
    }
}

/// A fresh name for a file, link or folder.
pub(super) fn temporary(root: &OwnedFd) -> Result<Temporary> {
    let folder = open(root, TEMPORARY)?;
    Ok(Temporary { folder, name: fresh_name() })
}

pub(super) fn fresh_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

pub(super) fn create_file(folder: &OwnedFd, name: &str) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, flags, Mode::from_raw_mode(0o666))?))
}

pub(super) fn open_file(folder: &OwnedFd, name: &str, access: OFlags) -> Result<Option<File>> {
    // Without NONBLOCK, opening a pipe that took the name meanwhile would wait for its other end.
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(present(openat(folder, name, flags, Mode::empty()))?.map(File::from))
}

/// Removes files that writers left more than a day ago, by the time that no program can set.
pub(super) fn sweep(root: &OwnedFd, now: Timestamp) -> Result<()> {
    let Some(folder) = find(root, TEMPORARY)? else { return Ok(()) };
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let Some(status) = Status::at(&folder, name)? else { continue };
        if !matches!(name, "." | "..") && now.duration_since(status.changed()) > ABANDONED_AFTER {
            Temporary { folder: folder.try_clone()?, name: name.to_owned() }.discard();
        }
    }
    Ok(())
}

/// Removes a folder and the files in it, none of which is a folder; best effort.
pub(super) fn discard_folder(parent: &OwnedFd, name: &str) {
    if let Ok(folder) = open_folder(parent, name)
        && let Ok(entries) = Dir::read_from(&folder)
    {
        for entry in entries.flatten() {
            // The entries `.` and `..` are folders, which this call refuses.
            let _: rustix::io::Result<()> = unlinkat(&folder, entry.file_name(), AtFlags::empty());
        }
    }
    let _: rustix::io::Result<()> = unlinkat(parent, name, AtFlags::REMOVEDIR);
}
