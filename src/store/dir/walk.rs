//! Listing a bucket in key order with one sorted folder level in memory for each depth.
//!
//! A folder sorts as its name and `/`, which is where its keys lie among its siblings' (`a-b` before `a/b`). An entry
//! that has no key (no UTF-8, too long) is an error in the stream, and the listing goes on after it.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use futures_util::stream::{self, BoxStream, StreamExt};
use rustix::fs::{Dir, OFlags};
use tokio::sync::mpsc;

use super::aside::with_kept_etag;
use super::fault::{Fault, Result as FaultResult, present};
use super::names::{Escaped, Place, folder_name, folder_names, split, unescape};
use super::status::{Kind, Status};
use super::tree::{descend, open_folder};
use super::workspace::open_file;
use crate::model::{Key, Prefix};
use crate::store::{ErrorKind, ListOptions, Listed, Result};

/// Lines handed over at once, and how many such batches wait for the reader.
const BATCH: usize = 128;
const BATCHES_AHEAD: usize = 4;

type Batch = Vec<Result<Listed>>;
type Flow = ControlFlow<()>;

/// Lists on a blocking thread; `open` is called there.
pub(super) fn list(
    subject: String,
    options: ListOptions,
    open: impl FnOnce() -> Result<OwnedFd> + Send + 'static,
) -> BoxStream<'static, Result<Listed>> {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut walk = Walk { options, subject, batch: Vec::new(), sender };
        // A break means that nobody reads any more.
        let _: Flow = match open() {
            Ok(bucket) => walk.bucket(&bucket),
            Err(error) => walk.emit(Err(error)),
        };
        let _: Flow = walk.flush();
    });
    let batches =
        stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|batch| (batch, receiver)) });
    batches.flat_map(stream::iter).boxed()
}

struct Walk {
    options: ListOptions,
    subject: String,
    batch: Batch,
    sender: mpsc::Sender<Batch>,
}

/// An entry of a folder that is part of a key.
struct Entry {
    /// The segment, with a `/` where it is a folder.
    sort: String,
    escaped: bool,
}

/// The entries of one folder, sorted, and what was in it that is no part of a key.
#[derive(Default)]
struct Level {
    entries: Vec<Entry>,
    faults: Vec<(String, Fault)>,
    is_empty: bool,
}

impl Walk {
    fn bucket(&mut self, bucket: &OwnedFd) -> Flow {
        let prefix = self.options.prefix.clone();
        let (folders, beginning) = split(&prefix);
        match descend(bucket, &folder_names(folders)) {
            Ok(Some(folder)) => self.folder(&folder, folders, beginning),
            Ok(None) => Flow::Continue(()),
            Err(fault) => self.fault(folders, fault),
        }
    }

    /// Lists what lies in a folder whose keys begin with `before`, if the next segment begins with `beginning`.
    fn folder(&mut self, folder: &OwnedFd, before: &str, beginning: &str) -> Flow {
        let level = match Level::read(folder) {
            Ok(level) => level,
            Err(fault) => return self.fault(before, fault),
        };
        if level.is_empty && beginning.is_empty() && !before.is_empty() {
            return self.empty_folder(folder, before);
        }
        for (name, fault) in level.faults {
            self.fault(&format!("{before}{name}"), fault)?;
        }
        for entry in level.entries.iter().filter(|entry| entry.sort.starts_with(beginning)) {
            let text = format!("{before}{}", entry.sort);
            if entry.sort.ends_with('/') {
                self.subfolder(folder, entry, &text)?;
            } else {
                self.object(folder, entry, text)?;
            }
        }
        Flow::Continue(())
    }

    fn object(&mut self, folder: &OwnedFd, entry: &Entry, text: String) -> Flow {
        if !self.is_wanted(&text) {
            return Flow::Continue(());
        }
        match status(folder, entry) {
            Ok(Some(status)) => self.line(text, &status),
            // Gone since the folder was read.
            Ok(None) => Flow::Continue(()),
            Err(fault) => self.fault(&text, fault),
        }
    }

    fn subfolder(&mut self, folder: &OwnedFd, entry: &Entry, text: &str) -> Flow {
        let after = self.options.start_after.as_deref();
        if after.is_some_and(|after| after >= text && !after.starts_with(text)) {
            return Flow::Continue(());
        }
        let Ok(prefix) = Prefix::new(text) else {
            return self.fault(text, Fault::told(ErrorKind::Unaddressable, "the path is longer than a key may be"));
        };
        if self.options.delimited {
            return self.emit(Ok(Listed::Prefix(prefix)));
        }
        let names = if entry.escaped { folder_name(entry.segment()) } else { vec![entry.segment().to_owned()] };
        match descend(folder, &names) {
            Ok(Some(inner)) => self.folder(&inner, text, ""),
            Ok(None) => Flow::Continue(()),
            Err(fault) => self.fault(text, fault),
        }
    }

    fn empty_folder(&mut self, folder: &OwnedFd, key: &str) -> Flow {
        if !self.is_wanted(key) {
            return Flow::Continue(());
        }
        match Status::of(folder) {
            Ok(status) => self.line(key.to_owned(), &status),
            Err(fault) => self.fault(key, fault),
        }
    }

    fn line(&mut self, text: String, status: &Status) -> Flow {
        match Key::new(text) {
            Ok(key) => self.emit(Ok(Listed::Object(status.info(key)))),
            Err(error) => {
                let fault = Fault::told(ErrorKind::Unaddressable, "the path is longer than a key may be");
                self.fault(&error.subject, fault)
            }
        }
    }

    fn is_wanted(&self, key: &str) -> bool {
        self.options.start_after.as_deref().is_none_or(|after| key > after)
    }

    fn fault(&mut self, at: &str, fault: Fault) -> Flow {
        let subject = format!("{}/{}", self.subject, at.escape_debug());
        self.emit(Err(fault.of("list", subject)))
    }

    fn emit(&mut self, line: Result<Listed>) -> Flow {
        self.batch.push(line);
        if self.batch.len() < BATCH { Flow::Continue(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Flow {
        let batch = std::mem::take(&mut self.batch);
        match self.sender.blocking_send(batch) {
            Ok(()) => Flow::Continue(()),
            Err(_) => Flow::Break(()),
        }
    }
}

fn status(folder: &OwnedFd, entry: &Entry) -> FaultResult<Option<Status>> {
    if !entry.escaped {
        return Ok(Status::at(folder, entry.segment())?.filter(Status::is_object));
    }
    let place = Place { folders: Vec::new(), segment: entry.segment().to_owned() };
    let (names, last) = place.escaped();
    let Some(folder) = descend(folder, &names)? else { return Ok(None) };
    let Some(status) = Status::at(&folder, &last)?.filter(Status::is_object) else { return Ok(None) };
    if status.kind != Kind::File || !place.is_aside(&last) {
        return Ok(Some(status));
    }
    // A file that may be listed but not read shows its new ETag.
    let file = open_file(&folder, &last, OFlags::RDONLY).ok().flatten();
    Ok(Some(file.map_or(status.clone(), |file| with_kept_etag(&file, status))))
}

impl Entry {
    fn segment(&self) -> &str {
        self.sort.strip_suffix('/').unwrap_or(&self.sort)
    }
}

impl Level {
    fn read(folder: &OwnedFd) -> FaultResult<Self> {
        let mut level = Self { is_empty: true, ..Self::default() };
        level.read_names(folder, "")?;
        // Both names of one object: the plain one counts, as it does for a reader.
        level.entries.sort_unstable_by(|a, b| (&a.sort, a.escaped).cmp(&(&b.sort, b.escaped)));
        level.entries.dedup_by(|later, earlier| later.sort == earlier.sort);
        Ok(level)
    }

    fn read_names(&mut self, folder: &OwnedFd, before: &str) -> FaultResult<()> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            self.is_empty = false;
            match std::str::from_utf8(name) {
                Ok(name) => self.take(folder, name, Kind::of(entry.file_type()), before)?,
                Err(_) => self.refuse(&String::from_utf8_lossy(name), "the file name is not UTF-8"),
            }
        }
        Ok(())
    }

    fn take(&mut self, folder: &OwnedFd, name: &str, kind: Option<Kind>, before: &str) -> FaultResult<()> {
        // Some file systems do not say the kind along with the name.
        let kind = match kind {
            Some(kind) => kind,
            None => match Status::at(folder, name)? {
                Some(status) => status.kind,
                None => return Ok(()),
            },
        };
        let (segment, escaped) = match (unescape(name, before), kind) {
            (_, Kind::Special) => {
                tracing::warn!(name, "a pipe, socket or device is left out of the listing");
                return Ok(());
            }
            (None, _) if before.is_empty() => (name.to_owned(), false),
            (Some(Escaped::Object(segment)), Kind::File | Kind::Symlink)
            | (Some(Escaped::Folder(segment)), Kind::Folder) => (segment, true),
            (Some(Escaped::More(before)), Kind::Folder) => {
                return match present(open_folder(folder, name))? {
                    Some(inner) => self.read_names(&inner, &before),
                    None => Ok(()),
                };
            }
            _ => {
                self.refuse(name, "the name has a meaning of its own in a directory store");
                return Ok(());
            }
        };
        let sort = if kind == Kind::Folder { segment + "/" } else { segment };
        self.entries.push(Entry { sort, escaped });
        Ok(())
    }

    fn refuse(&mut self, name: &str, detail: &str) {
        self.faults.push((name.to_owned(), Fault::told(ErrorKind::Unaddressable, detail)));
    }
}
