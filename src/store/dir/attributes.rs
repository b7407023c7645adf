//! Attributes of files: mode, owner and time in the file system itself, the others as JSON in one extended attribute.
//!
//! Where the file system takes no such attribute, a store that dcs made keeps the JSON in a file of its own, named
//! after the object's key, length and time: it is written before the object appears, and belongs to no other state of it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown, fgetxattr, fsetxattr,
    fsync, futimens, renameat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::fault::{Fault, Result};
use super::names::Place;
use super::status::Status;
use super::tree::{descend, ensure, persist, prune};
use super::workspace;
use crate::model::{Attributes, BucketName, Posix};
use crate::store::ErrorKind;

const XATTR: &str = "user.dcs.attributes";
const MOST_XATTR_BYTES: usize = 65536;
const SIDECARS: &str = "attributes";
const SET_IDS: u32 = 0o6000;

/// Sets owner, mode and time of an open file or folder. The owner stays as it is where this user may not give it away.
pub(super) fn set_posix(file: impl AsFd, posix: &Posix) -> Result<()> {
    let given = fchown(&file, Some(Uid::from_raw(posix.uid)), Some(Gid::from_raw(posix.gid)));
    // A program that runs as its owner must not come to run as another one.
    let mode = if is_owner_given(given)? { posix.mode } else { posix.mode & !SET_IDS };
    fchmod(&file, Mode::from_raw_mode(mode))?;
    futimens(&file, &times(posix.mtime_nanoseconds))?;
    Ok(())
}

/// The same for a link, which has no mode.
pub(super) fn set_link_posix(folder: &OwnedFd, name: &str, posix: &Posix) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(posix.uid), Gid::from_raw(posix.gid));
    is_owner_given(chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))?;
    utimensat(folder, name, &times(posix.mtime_nanoseconds), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn is_owner_given(given: rustix::io::Result<()>) -> Result<bool> {
    match given {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn times(nanoseconds: i64) -> Timestamps {
    let time =
        Timespec { tv_sec: nanoseconds.div_euclid(1_000_000_000), tv_nsec: nanoseconds.rem_euclid(1_000_000_000) };
    Timestamps { last_access: time, last_modification: time }
}

/// Whether there is anything that the file system itself does not hold.
pub(super) fn has_headers(attributes: &Attributes) -> bool {
    Attributes { posix: None, ..attributes.clone() } != Attributes::default()
}

/// Keeps the headers in the file; `false` where the file system does not take them.
pub(super) fn write_headers(file: &File, attributes: &Attributes) -> Result<bool> {
    if !has_headers(attributes) {
        return Ok(true);
    }
    match fsetxattr(file, XATTR, &json(attributes)?, XattrFlags::empty()) {
        Ok(()) => Ok(true),
        // None at all, or none as long.
        Err(Errno::OPNOTSUPP | Errno::PERM | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads the headers out of the file; `None` where it has none.
pub(super) fn read_headers(file: &File) -> Result<Option<Attributes>> {
    let mut buffer = vec![0; 4096];
    let length = loop {
        match fgetxattr(file, XATTR, &mut buffer[..]) {
            Ok(length) => break length,
            Err(Errno::RANGE) if buffer.len() < MOST_XATTR_BYTES => buffer.resize(MOST_XATTR_BYTES, 0),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    };
    parse(&buffer[..length]).map(Some)
}

fn json(attributes: &Attributes) -> Result<Vec<u8>> {
    let headers = Attributes { posix: None, ..attributes.clone() };
    serde_json::to_vec(&headers).map_err(|error| Fault::told(ErrorKind::Other, error.to_string()))
}

fn parse(json: &[u8]) -> Result<Attributes> {
    serde_json::from_slice(json)
        .map_err(|error| Fault::told(ErrorKind::Other, format!("the attributes are not readable: {error}")))
}

/// The files that hold the headers of one object.
pub(super) struct Sidecar<'a> {
    root: &'a OwnedFd,
    /// Below the folder of all sidecars.
    names: Vec<String>,
}

impl<'a> Sidecar<'a> {
    pub(super) fn of(root: &'a OwnedFd, bucket: &BucketName, place: &Place) -> Self {
        let (folders, last) = place.escaped();
        let mut names = vec![bucket.as_str().to_owned()];
        names.extend(place.folders.iter().cloned().chain(folders).chain([last]));
        Self { root, names }
    }

    /// Writes the headers of the state that `status` describes, durably.
    pub(super) fn write(&self, status: &Status, attributes: &Attributes) -> Result<()> {
        let temporary = workspace::temporary(self.root)?;
        let mut file = workspace::create_file(&temporary.folder, &temporary.name)?;
        file.write_all(&json(attributes)?)?;
        file.sync_all()?;
        let all = workspace::open(self.root, SIDECARS)?;
        persist(|| {
            let folder = ensure(&all, &self.names)?;
            renameat(&temporary.folder, &temporary.name, &folder, status.fingerprint())?;
            Ok(fsync(&folder)?)
        })
    }

    pub(super) fn read(&self, status: &Status) -> Result<Option<Attributes>> {
        let Some((_, folder)) = self.folder()? else { return Ok(None) };
        let Some(mut file) = workspace::open_file(&folder, &status.fingerprint(), OFlags::RDONLY)? else {
            return Ok(None);
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        parse(&text).map(Some)
    }

    /// Forgets the state that `status` describes; best effort, for no other state reads its headers.
    pub(super) fn forget(&self, status: &Status) {
        if let Ok(Some((all, folder))) = self.folder() {
            let _: rustix::io::Result<()> = unlinkat(&folder, status.fingerprint(), AtFlags::empty());
            prune(&all, &self.names);
        }
    }

    fn folder(&self) -> Result<Option<(OwnedFd, OwnedFd)>> {
        let Some(all) = workspace::find(self.root, SIDECARS)? else { return Ok(None) };
        Ok(descend(&all, &self.names)?.map(|folder| (all, folder)))
    }
}
