//! What the file system says of a file, and the ETag that is made of it.

use std::os::fd::AsFd;

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, Stat, fstat, statat};

use super::fault::{Result, present};
use crate::model::{FileKind, Key, Posix};
use crate::store::ObjectInfo;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Symlink,
    Folder,
    /// A pipe, a socket or a device: never an object.
    Special,
}

impl Kind {
    /// `None` where the file system does not say.
    pub(super) fn of(file_type: FileType) -> Option<Self> {
        match file_type {
            FileType::RegularFile => Some(Self::File),
            FileType::Symlink => Some(Self::Symlink),
            FileType::Directory => Some(Self::Folder),
            FileType::Unknown => None,
            _ => Some(Self::Special),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Status {
    pub(super) kind: Kind,
    length: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    pub(super) mtime: i64,
    ctime: i64,
    inode: u64,
    /// Where a rename moved the ctime: the one that counts for the ETag.
    kept_ctime: Option<i64>,
}

impl Status {
    /// Of an open file.
    pub(super) fn of(file: impl AsFd) -> Result<Self> {
        Ok(Self::from_stat(&fstat(file)?))
    }

    /// Of a name in a folder, itself and not what it may point to; `None` where it is not there.
    pub(super) fn at(folder: impl AsFd, name: &str) -> Result<Option<Self>> {
        Ok(present(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW))?.map(|stat| Self::from_stat(&stat)))
    }

    fn from_stat(stat: &Stat) -> Self {
        Self {
            kind: Kind::of(FileType::from_raw_mode(stat.st_mode)).unwrap_or(Kind::Special),
            length: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            ctime: nanoseconds(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
            inode: stat.st_ino,
            kept_ctime: None,
        }
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Symlink)
    }

    /// Bytes of the object's body: links and folders have none.
    pub(super) fn size(&self) -> u64 {
        if self.kind == Kind::File { self.length } else { 0 }
    }

    pub(super) fn etag(&self) -> String {
        self.etag_at(self.kept_ctime.unwrap_or(self.ctime))
    }

    fn etag_at(&self, ctime: i64) -> String {
        format!("{:x}-{:x}-{ctime:x}-{:x}", self.length, self.mtime, self.inode)
    }

    /// Takes an earlier ETag of the file for its own, if that differs in the ctime only.
    pub(super) fn keeping(self, etag: &str) -> Self {
        let ctime = etag.split('-').nth(2).and_then(|ctime| u64::from_str_radix(ctime, 16).ok());
        let kept_ctime = ctime.map(u64::cast_signed).filter(|ctime| self.etag_at(*ctime) == etag);
        Self { kept_ctime, ..self }
    }

    /// Whether the bytes may be others than they were at `before`. Not by ctime: it moves when the file is renamed away,
    /// and then the open one is still whole.
    pub(super) fn is_rewritten_since(&self, before: &Self) -> bool {
        (self.length, self.mtime) != (before.length, before.mtime)
    }

    pub(super) fn modified(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.mtime)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// When the file came to be what it is, as no program can set it.
    pub(super) fn changed(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.ctime)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// What a copy of the file keeps: its length and its time.
    pub(super) fn fingerprint(&self) -> String {
        format!("{:x}-{:x}", self.length, self.mtime)
    }

    pub(super) fn info(&self, key: Key) -> ObjectInfo {
        ObjectInfo { key, size: self.size(), etag: self.etag(), modified: self.modified() }
    }

    pub(super) fn posix(&self, target: Option<String>) -> Posix {
        let kind = match self.kind {
            Kind::Symlink => FileKind::Symlink,
            Kind::Folder => FileKind::Folder,
            Kind::File | Kind::Special => FileKind::File,
        };
        Posix { kind, mode: self.mode, uid: self.uid, gid: self.gid, mtime_nanoseconds: self.mtime, target }
    }
}

/// When the object of a directory store came to be what it is, which its ETag tells; `None` for an ETag of another store.
pub fn changed_at(etag: &str) -> Option<Timestamp> {
    let fields: Vec<&str> = etag.split('-').collect();
    let [_length, _mtime, ctime, _inode] = fields[..] else { return None };
    let ctime = u64::from_str_radix(ctime, 16).ok()?.cast_signed();
    Timestamp::from_nanosecond(i128::from(ctime)).ok()
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
