//! The files of a bucket: finding an object, moving one into place, removing one with the folders it leaves empty.
//!
//! Every step goes through an open folder and never through a link, so nothing outside the bucket is ever reached, and
//! no path is too long. An object lies under its plain name, or under its escaped one where a folder has the plain name.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::aside::keep_etag;
use super::fault::{Fault, Result, is_absence, present};
use super::names::{Place, escaped_object};
use super::status::{Kind, Status};
use crate::store::ErrorKind;

/// How often a write begins again because others removed or made the same folders meanwhile.
const ATTEMPTS: usize = 100;

/// An object that is there: a file, a link, or an empty folder.
pub(super) struct Found {
    pub(super) folder: OwnedFd,
    pub(super) name: String,
    pub(super) status: Status,
}

/// A file that is finished but lies elsewhere on the file system.
pub(super) struct Finished<'a> {
    pub(super) folder: &'a OwnedFd,
    pub(super) name: &'a str,
}

pub(super) fn open_folder(at: impl AsFd, name: &str) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the folder that `names` lead to; `None` where there is none.
pub(super) fn descend(from: impl AsFd, names: &[String]) -> Result<Option<OwnedFd>> {
    let mut folder = from.as_fd().try_clone_to_owned()?;
    for name in names {
        match present(open_folder(&folder, name))? {
            Some(next) => folder = next,
            None => return Ok(None),
        }
    }
    Ok(Some(folder))
}

pub(super) fn find(bucket: &OwnedFd, place: &Place) -> Result<Option<Found>> {
    let Some(folder) = descend(bucket, &place.folders)? else { return Ok(None) };
    let (names, last) = place.escaped();
    // Another writer may move the object from its plain name to the escaped one, or replace the escaped by the plain,
    // between two looks: the third look sees either.
    for _ in 0..2 {
        if let Some(plain) = place.plain()
            && let Some(status) = Status::at(&folder, plain)?.filter(Status::is_object)
        {
            return Ok(Some(Found { folder, name: plain.to_owned(), status }));
        }
        if let Some(folder) = descend(&folder, &names)?
            && let Some(status) = Status::at(&folder, &last)?.filter(Status::is_object)
        {
            return Ok(Some(Found { folder, name: last, status }));
        }
    }
    if place.segment.is_empty() { find_empty_folder(bucket, place) } else { Ok(None) }
}

fn find_empty_folder(bucket: &OwnedFd, place: &Place) -> Result<Option<Found>> {
    let Some((name, parents)) = place.folders.split_last() else { return Ok(None) };
    let Some(parent) = descend(bucket, parents)? else { return Ok(None) };
    let Some(folder) = present(open_folder(&parent, name))? else { return Ok(None) };
    if !is_empty(&folder)? {
        return Ok(None);
    }
    let status = Status::of(&folder)?;
    Ok(Some(Found { folder: parent, name: name.clone(), status }))
}

pub(super) fn is_empty(folder: &OwnedFd) -> Result<bool> {
    for entry in Dir::read_from(folder)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a finished file the object, in one rename: before it the old object is seen, after it the new one.
pub(super) fn place_file(bucket: &OwnedFd, place: &Place, finished: &Finished<'_>) -> Result<()> {
    let placed = persist(|| {
        let folder = ensure(bucket, &place.folders)?;
        rename_into(&folder, place, finished)
    });
    if placed.is_err() {
        prune(bucket, &place.folders);
    }
    placed
}

/// Makes a finished empty folder the object; `false` where the folder is there and not empty.
pub(super) fn place_folder(bucket: &OwnedFd, place: &Place, finished: &Finished<'_>) -> Result<bool> {
    let Some((name, parents)) = place.folders.split_last() else { return Ok(false) };
    persist(|| {
        let parent = ensure(bucket, parents)?;
        match renameat(finished.folder, finished.name, &parent, name) {
            Ok(()) => {
                fsync(&parent)?;
                Ok(true)
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(Errno::NOTDIR) => {
                move_aside(&parent, name)?;
                Err(Errno::NOENT.into())
            }
            Err(errno) => Err(errno.into()),
        }
    })
}

/// Repeats what failed because a folder came or went under its hands.
pub(super) fn persist<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(fault) if fault.is_absence() || matches!(fault, Fault::Os(Errno::ISDIR | Errno::EXIST)) => {}
            done => return done,
        }
    }
    attempt()
}

fn rename_into(folder: &OwnedFd, place: &Place, finished: &Finished<'_>) -> Result<()> {
    let (names, last) = place.escaped();
    if let Some(plain) = place.plain() {
        let taken = Status::at(folder, plain)?;
        let is_free = match &taken {
            Some(status) => status.kind != Kind::Folder,
            None => !is_escaped_taken(folder, &names, &last)?,
        };
        if is_free {
            refuse_special(taken.as_ref())?;
            renameat(finished.folder, finished.name, folder, plain)?;
            fsync(folder)?;
            return Ok(());
        }
    }
    let folder = ensure(folder, &names)?;
    renameat(finished.folder, finished.name, &folder, &last)?;
    fsync(&folder)?;
    Ok(())
}

fn is_escaped_taken(folder: &OwnedFd, names: &[String], last: &str) -> Result<bool> {
    match descend(folder, names)? {
        Some(folder) => Ok(Status::at(&folder, last)?.is_some()),
        None => Ok(false),
    }
}

fn refuse_special(taken: Option<&Status>) -> Result<()> {
    match taken {
        Some(status) if status.kind == Kind::Special => {
            Err(Fault::told(ErrorKind::Unaddressable, "a pipe, socket or device has the name"))
        }
        _ => Ok(()),
    }
}

/// Opens the folder that `names` lead to, and makes what is missing.
pub(super) fn ensure(from: impl AsFd, names: &[String]) -> Result<OwnedFd> {
    let mut folder = from.as_fd().try_clone_to_owned()?;
    for name in names {
        folder = persist(|| enter_or_make(&folder, name))?;
    }
    Ok(folder)
}

fn enter_or_make(parent: &OwnedFd, name: &str) -> Result<OwnedFd> {
    match open_folder(parent, name) {
        Ok(folder) => Ok(folder),
        Err(Errno::NOENT) => {
            mkdirat(parent, name, Mode::from_raw_mode(0o777))?;
            fsync(parent)?;
            Ok(open_folder(parent, name)?)
        }
        Err(errno) if is_absence(errno) => {
            move_aside(parent, name)?;
            Err(Errno::NOENT.into())
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Gives the object under a plain name its escaped one, so that a folder can have the plain name.
fn move_aside(folder: &OwnedFd, name: &str) -> Result<()> {
    let status = Status::at(folder, name)?;
    refuse_special(status.as_ref())?;
    let Some(status) = status.filter(Status::is_object) else { return Ok(()) };
    let (names, last) = escaped_object(name);
    let target = ensure(folder, &names)?;
    keep_etag(folder, name, &status)?;
    renameat(folder, name, &target, &last)?;
    fsync(&target)?;
    Ok(())
}

/// Removes the object, and the folders that are empty then. Absence is no error.
pub(super) fn remove(bucket: &OwnedFd, place: &Place) -> Result<Removal> {
    let Some(folder) = descend(bucket, &place.folders)? else { return Ok(Removal::WasAbsent) };
    let (names, last) = place.escaped();
    // The escaped name first: were the plain one gone before it, an older state could show.
    let mut removed = match descend(&folder, &names)? {
        Some(escaped) => unlink_object(&escaped, &last)?,
        None => false,
    };
    if removed {
        prune(&folder, &names);
    }
    if let Some(plain) = place.plain() {
        removed |= unlink_object(&folder, plain)?;
    }
    let was_empty_folder = || Ok::<bool, Fault>(place.segment.is_empty() && is_empty(&folder)?);
    if removed || was_empty_folder()? {
        prune(bucket, &place.folders);
        return Ok(Removal::Removed(folder));
    }
    Ok(Removal::WasAbsent)
}

/// What a removal found.
pub(super) enum Removal {
    WasAbsent,
    /// Durable once this folder is synced.
    Removed(OwnedFd),
}

fn unlink_object(folder: &OwnedFd, name: &str) -> Result<bool> {
    match Status::at(folder, name)? {
        Some(status) if status.is_object() => Ok(present(unlinkat(folder, name, AtFlags::empty()))?.is_some()),
        _ => Ok(false),
    }
}

/// Removes empty folders from the innermost outwards, up to the first that is not empty; never `from` itself.
pub(super) fn prune(from: &OwnedFd, names: &[String]) {
    for depth in (0..names.len()).rev() {
        let Ok(Some(parent)) = descend(from, &names[..depth]) else { continue };
        match unlinkat(&parent, &names[depth], AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(_) => return,
        }
    }
}
