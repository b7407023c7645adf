//! One object of a directory store opened, written, copied or removed; to be called on blocking threads.
//!
//! A write is a finished, synced file before it is the object. Killed before the rename it leaves a file in `.dcs/tmp`
//! and the old object; killed after it, the new object.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rustix::fs::{CWD, Mode, OFlags, fsync, mkdirat, openat, readlinkat, symlinkat};
use rustix::io::Errno;

use super::aside::with_kept_etag;
use super::attributes::{Sidecar, has_headers, read_headers, set_link_posix, set_posix, write_headers};
use super::fault::{Fault, Result, is_absence, present};
use super::names::Place;
use super::read::Opened;
use super::status::{Kind, Status};
use super::tree::{Removal, find, open_folder, place_file, place_folder, remove};
use super::workspace::{self, Temporary};
use crate::model::{Attributes, BucketName, FileKind, Key, Posix};
use crate::store::{Address, ErrorKind, Precondition, Stored};

/// How often an object is looked up again that was replaced between being found and being opened.
const LOOKS: usize = 10;

/// The root folder of a store.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) path: PathBuf,
    /// Whether attributes may lie in files of their own.
    pub(super) made_by_dcs: bool,
    swept: AtomicBool,
}

/// An open bucket, and where one object lies in it.
pub(super) struct Spot {
    pub(super) root: OwnedFd,
    pub(super) bucket: OwnedFd,
    pub(super) at: Address,
    pub(super) place: Place,
}

impl Spot {
    pub(super) fn sidecar(&self) -> Sidecar<'_> {
        Sidecar::of(&self.root, &self.at.bucket, &self.place)
    }
}

/// An object that is there, with what it carries.
pub(super) struct Source {
    pub(super) opened: Opened,
    pub(super) attributes: Attributes,
}

impl Files {
    pub(super) fn new(path: PathBuf, made_by_dcs: bool) -> Self {
        Self { path, made_by_dcs, swept: AtomicBool::new(false) }
    }

    pub(super) fn subject(&self, what: &dyn std::fmt::Display) -> String {
        format!("{}/{what}", self.path.display())
    }

    pub(super) fn root(&self) -> Result<OwnedFd> {
        match openat(CWD, &self.path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(root) => Ok(root),
            Err(errno) if is_absence(errno) => {
                Err(Fault::told(ErrorKind::NoBucket, format!("there is no folder {}", self.path.display())))
            }
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn bucket(&self, root: &OwnedFd, bucket: &BucketName) -> Result<OwnedFd> {
        let found = present(open_folder(root, bucket.as_str()))?;
        found.ok_or_else(|| Fault::told(ErrorKind::NoBucket, format!("there is no folder {}", self.subject(bucket))))
    }

    pub(super) fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        // The parent of the root must be there: a path that is wholly wrong, or not mounted, is not made.
        make_folder(CWD, &self.path)?;
        let root = self.root()?;
        make_folder(&root, bucket.as_str())?;
        fsync(&root)?;
        self.bucket(&root, bucket)?;
        Ok(())
    }

    pub(super) fn spot(&self, at: &Address) -> Result<Spot> {
        let root = self.root()?;
        let bucket = self.bucket(&root, &at.bucket)?;
        Ok(Spot { root, bucket, at: at.clone(), place: Place::of(at.key.as_str()) })
    }

    /// The same for a write, the first of which removes what dead writers have left.
    pub(super) fn spot_to_write(&self, at: &Address) -> Result<Spot> {
        let spot = self.spot(at)?;
        if !self.swept.swap(true, Ordering::Relaxed) {
            workspace::sweep(&spot.root, Timestamp::now())?;
        }
        Ok(spot)
    }

    pub(super) fn open(&self, spot: &Spot) -> Result<Source> {
        for _ in 0..LOOKS {
            let Some(found) = find(&spot.bucket, &spot.place)? else { break };
            let opened = match found.status.kind {
                Kind::Symlink => None,
                Kind::Folder => present(open_folder(&found.folder, &found.name))?.map(File::from),
                Kind::File | Kind::Special => workspace::open_file(&found.folder, &found.name, OFlags::RDONLY)?,
            };
            let Some(file) = opened else {
                if found.status.kind == Kind::Symlink
                    && let Some(target) = present(readlinkat(&found.folder, &found.name, Vec::new()))?
                {
                    return self.link(spot, found.folder, found.status, target.into_bytes());
                }
                continue;
            };
            let status = Status::of(&file)?;
            if status.kind == found.status.kind {
                let is_aside = spot.place.is_aside(&found.name) && status.kind == Kind::File;
                let status = if is_aside { with_kept_etag(&file, status) } else { status };
                let headers = read_headers(&file)?;
                return self.source(spot, file, status, headers, None);
            }
        }
        Err(Errno::NOENT.into())
    }

    fn link(&self, spot: &Spot, folder: OwnedFd, status: Status, target: Vec<u8>) -> Result<Source> {
        let target = String::from_utf8(target)
            .map_err(|_| Fault::told(ErrorKind::Unaddressable, "the target of the link is not UTF-8"))?;
        self.source(spot, File::from(folder), status, None, Some(target))
    }

    fn source(
        &self,
        spot: &Spot,
        file: File,
        status: Status,
        headers: Option<Attributes>,
        target: Option<String>,
    ) -> Result<Source> {
        let mut attributes = match headers {
            Some(headers) => headers,
            None if self.made_by_dcs => spot.sidecar().read(&status)?.unwrap_or_default(),
            None => Attributes::default(),
        };
        attributes.posix = Some(status.posix(target));
        let subject = self.subject(&spot.at);
        Ok(Source { opened: Opened { file, status, subject }, attributes })
    }

    pub(super) fn put(
        &self,
        at: &Address,
        body: &[u8],
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        let spot = self.spot_to_write(at)?;
        if precondition == Precondition::CreateNew && find(&spot.bucket, &spot.place)?.is_some() {
            return Err(Fault::told(ErrorKind::Precondition, "the object exists"));
        }
        self.write(&spot, attributes, body.is_empty(), |file| Ok(file.write_all(body)?))
    }

    pub(super) fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        let source = self.open(&self.spot(from)?)?;
        let mut attributes = attributes.unwrap_or(&source.attributes).clone();
        let is_file = source.opened.status.kind == Kind::File;
        if !is_file {
            attributes.posix = source.attributes.posix;
        }
        let length = source.opened.status.size();
        self.write(&self.spot_to_write(to)?, &attributes, !is_file, |file| {
            // Between two files this moves no byte through the process where the kernel can do without.
            if io::copy(&mut (&source.opened.file).take(length), file)? != length {
                return Err(Fault::told(ErrorKind::Truncated, "the file was cut short while it was copied"));
            }
            source.opened.check_unchanged()
        })
    }

    pub(super) fn remove(&self, spot: &Spot, durably: bool) -> Result<()> {
        let before = self.before(spot)?;
        if let Removal::Removed(folder) = remove(&spot.bucket, &spot.place)?
            && durably
        {
            fsync(&folder)?;
        }
        if let Some(before) = before {
            spot.sidecar().forget(&before);
        }
        Ok(())
    }

    /// The state whose attributes go when it goes.
    fn before(&self, spot: &Spot) -> Result<Option<Status>> {
        if !self.made_by_dcs {
            return Ok(None);
        }
        Ok(find(&spot.bucket, &spot.place)?.map(|found| found.status))
    }

    fn write(
        &self,
        spot: &Spot,
        attributes: &Attributes,
        is_empty: bool,
        write: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<Stored> {
        let temporary = workspace::temporary(&spot.root)?;
        let stored = match &attributes.posix {
            Some(posix) if is_empty && posix.kind == FileKind::Symlink => {
                self.write_link(spot, &temporary, attributes, posix)
            }
            Some(posix) if is_empty && posix.kind == FileKind::Folder && spot.place.segment.is_empty() => {
                self.write_folder(spot, &temporary, attributes, posix)
            }
            _ => self.write_file(spot, &temporary, attributes, write),
        };
        if stored.is_err() {
            temporary.discard();
        }
        stored
    }

    fn write_file(
        &self,
        spot: &Spot,
        temporary: &Temporary,
        attributes: &Attributes,
        write: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<Stored> {
        let mut file = workspace::create_file(&temporary.folder, &temporary.name)?;
        write(&mut file)?;
        self.publish(spot, temporary, &file, attributes)
    }

    /// Gives a file that has its bytes its attributes, makes it durable, and then makes it the object.
    pub(super) fn publish(
        &self,
        spot: &Spot,
        temporary: &Temporary,
        file: &File,
        attributes: &Attributes,
    ) -> Result<Stored> {
        let are_kept = write_headers(file, attributes)?;
        if let Some(posix) = attributes.posix.as_ref().filter(|posix| posix.kind == FileKind::File) {
            set_posix(file, posix)?;
        }
        file.sync_all()?;
        let before = self.before(spot)?;
        let status = Status::of(file)?;
        self.keep_aside(spot, &status, attributes, are_kept)?;
        place_file(&spot.bucket, &spot.place, &temporary.finished())?;
        forget(spot, before.as_ref(), &status);
        Ok(Stored { etag: Status::of(file)?.etag() })
    }

    fn write_link(&self, spot: &Spot, temporary: &Temporary, attributes: &Attributes, posix: &Posix) -> Result<Stored> {
        let Some(target) = &posix.target else {
            return Err(Fault::told(ErrorKind::Other, "a link needs a target"));
        };
        let Temporary { folder, name } = temporary;
        symlinkat(target, folder, name)?;
        set_link_posix(folder, name, posix)?;
        let before = self.before(spot)?;
        let status = Status::at(folder, name)?.ok_or(Errno::NOENT)?;
        self.keep_aside(spot, &status, attributes, !has_headers(attributes))?;
        place_file(&spot.bucket, &spot.place, &temporary.finished())?;
        forget(spot, before.as_ref(), &status);
        look(spot)
    }

    fn write_folder(
        &self,
        spot: &Spot,
        temporary: &Temporary,
        attributes: &Attributes,
        posix: &Posix,
    ) -> Result<Stored> {
        mkdirat(&temporary.folder, &temporary.name, Mode::RWXU)?;
        let folder = File::from(open_folder(&temporary.folder, &temporary.name)?);
        let are_kept = write_headers(&folder, attributes)?;
        set_posix(&folder, posix)?;
        folder.sync_all()?;
        self.keep_aside(spot, &Status::of(&folder)?, attributes, are_kept)?;
        if place_folder(&spot.bucket, &spot.place, &temporary.finished())? {
            return Ok(Stored { etag: Status::of(&folder)?.etag() });
        }
        // The folder holds objects: the key beside them becomes a file like any other.
        temporary.discard();
        self.write_file(spot, temporary, attributes, |_| Ok(()))
    }

    fn keep_aside(&self, spot: &Spot, status: &Status, attributes: &Attributes, are_kept: bool) -> Result<()> {
        match (are_kept, self.made_by_dcs) {
            (true, _) => Ok(()),
            (false, true) => spot.sidecar().write(status, attributes),
            (false, false) => Err(Fault::told(
                ErrorKind::Unsupported,
                "the file system takes no extended attribute for the headers and user metadata of the object",
            )),
        }
    }

    /// The buckets of the store: the folders whose names are names of buckets, sorted.
    pub(super) fn buckets(&self) -> Result<Vec<BucketName>> {
        let root = self.root()?;
        let mut buckets = Vec::new();
        for entry in rustix::fs::Dir::read_from(&root)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            let is_own = matches!(name.as_ref(), "." | ".." | workspace::NAME);
            let status = if is_own { None } else { Status::at(&root, &name)? };
            match status.map(|status| status.kind) {
                Some(Kind::Folder) => {}
                Some(Kind::Symlink) => {
                    tracing::warn!("the link {} is no bucket and is left out", self.subject(&name));
                    continue;
                }
                _ => continue,
            }
            match BucketName::new(name.as_ref()) {
                Ok(bucket) => buckets.push(bucket),
                Err(error) => tracing::warn!(%error, "a folder of the store is left out"),
            }
        }
        buckets.sort_unstable();
        Ok(buckets)
    }

    /// Removes objects without waiting for the disk: a power failure may bring some back, and a repeat removes them.
    pub(super) fn remove_all(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        let remove = |key: Key| {
            let at = Address::new(bucket.clone(), key);
            let removed = self.spot(&at).and_then(|spot| self.remove(&spot, false));
            (at.key, removed)
        };
        keys.into_iter().map(remove).collect()
    }
}

fn forget(spot: &Spot, before: Option<&Status>, now: &Status) {
    if let Some(before) = before.filter(|before| before.fingerprint() != now.fingerprint()) {
        spot.sidecar().forget(before);
    }
}

fn look(spot: &Spot) -> Result<Stored> {
    let found = find(&spot.bucket, &spot.place)?.ok_or(Errno::NOENT)?;
    Ok(Stored { etag: found.status.etag() })
}

fn make_folder(parent: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> Result<()> {
    match mkdirat(parent, path, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
