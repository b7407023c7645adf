//! The ETag of an object that gave its plain name to a folder.
//!
//! The rename moves the file's ctime, and with it the ETag that a writer was answered and is about to compare. So the
//! file takes its ETag along in an extended attribute, which holds as long as length, time and inode are the same. On a
//! file system without such attributes the object has a new ETag then, as if it had been written anew.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, XattrFlags, fgetxattr, fsetxattr};

use super::fault::Result;
use super::status::{Kind, Status};
use super::workspace::open_file;

const XATTR: &str = "user.dcs.etag";

/// Writes the ETag into a file that is about to be renamed.
pub(super) fn keep_etag(folder: &OwnedFd, name: &str, status: &Status) -> Result<()> {
    if status.kind == Kind::File
        && let Some(file) = open_file(folder, name, OFlags::RDONLY)?
        && let Err(errno) = fsetxattr(&file, XATTR, status.etag().as_bytes(), XattrFlags::empty())
    {
        tracing::debug!(name, %errno, "an object that makes room for a folder gets a new ETag");
    }
    Ok(())
}

/// The status of a file under its escaped name, with the ETag that it had under its plain one.
pub(super) fn with_kept_etag(file: &File, status: Status) -> Status {
    let mut buffer = [0; 128];
    let kept = fgetxattr(file, XATTR, &mut buffer[..]).ok().and_then(|length| buffer.get(..length));
    match kept.and_then(|kept| std::str::from_utf8(kept).ok()) {
        Some(etag) => status.keeping(etag),
        None => status,
    }
}
