//! What goes wrong inside a directory store, before it is known which operation it failed.

use std::io;

use rustix::io::Errno;

use crate::store::{ErrorKind, StoreError};

/// A failure without its operation and subject.
#[derive(Debug)]
pub(super) enum Fault {
    Os(Errno),
    Io(io::Error),
    Told(ErrorKind, String),
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(super) fn told(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self::Told(kind, detail.into())
    }

    /// Whether a folder or file on the way was not there, or was no folder.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Os(errno) if is_absence(*errno))
    }

    pub(super) fn of(self, attempted: &'static str, subject: impl Into<String>) -> StoreError {
        match self {
            Self::Told(kind, detail) => StoreError::new(kind, attempted, subject).with_detail(detail),
            Self::Os(Errno::XDEV) => StoreError::new(ErrorKind::Unsupported, attempted, subject)
                .with_detail("the bucket is on another file system than the root of the store"),
            // Some file systems take only UTF-8, or no control characters.
            Self::Os(errno @ Errno::ILSEQ) => {
                StoreError::new(ErrorKind::Unaddressable, attempted, subject).with_source(io::Error::from(errno))
            }
            Self::Os(errno) => StoreError::from_io(errno.into(), attempted, subject),
            Self::Io(error) => StoreError::from_io(error, attempted, subject),
        }
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Os(errno)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn is_absence(errno: Errno) -> bool {
    // A link is never followed, which answers LOOP, or NOTDIR where a folder is asked for.
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

/// The value, or `None` where the way to it ends.
pub(super) fn present<T>(result: rustix::io::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(errno) if is_absence(errno) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
