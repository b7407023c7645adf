//! Reads along an archive of `pg_dump --format=custom`, uncompressed, and sums up the rows of each table in it.
//!
//! The format has no description but its source, `pg_backup_archiver.c` and `pg_backup_custom.c` of PostgreSQL: a head, a table
//! of contents, then a block for each table's rows, cut in chunks with their lengths. Large objects come in blocks of another
//! kind. An archive that is not understood is passed by in silence: it is as good as ever, and only not summed up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::archive::RowsHasher;
use crate::database::DumpStream;
use crate::model::database::{TableContent, TableCount};

mod cursor;
mod merge;
mod rows;
mod scan;
mod toc;

pub(super) use merge::merged;
use rows::Passing;
pub(super) use rows::{Event, Reader};
use scan::{Scanner, Unit};
use toc::{Entry, Table};

/// What an archive holds.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// Tables with rows in it, counted and summed up.
    pub(super) rows: Vec<TableCount>,
    /// Schema and name of the tables and materialised views that it defines, of its sequences, and of those whose values it
    /// holds.
    pub(super) tables: BTreeSet<(String, String)>,
    pub(super) sequences: BTreeSet<(String, String)>,
    pub(super) sequence_values: BTreeSet<(String, String)>,
    pub(super) large_objects: u64,
}

/// What was found in an archive, once its stream has ended cleanly; nothing where it was not understood.
pub(super) type Found = Arc<OnceLock<Archive>>;

/// The same stream, read along.
pub(super) fn watched(archive: DumpStream) -> (DumpStream, Found) {
    let found = Found::default();
    let state = (archive, Watcher::default(), Arc::clone(&found));
    let stream = stream::try_unfold(state, |(mut archive, mut watcher, found)| async move {
        let Some(bytes) = archive.try_next().await? else {
            if let Some(archive) = watcher.finish() {
                // Nobody else sets it.
                drop(found.set(archive));
            } else {
                tracing::debug!("the archive is of a kind whose rows cannot be summed up");
            }
            return Ok(None);
        };
        watcher.update(&bytes);
        Ok(Some((bytes, (archive, watcher, found))))
    });
    (stream.boxed(), found)
}

/// What reads along.
#[derive(Default)]
pub(super) struct Watcher {
    scanner: Scanner,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    /// By the number of their blocks.
    tables: HashMap<i64, Table>,
    /// The table whose rows pass by.
    current: Option<(Table, RowsHasher)>,
    archive: Archive,
    /// Where rows are not only summed up.
    passing: Passing,
}

impl Watcher {
    /// Takes the next bytes of the archive.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let Self { scanner, seen } = self;
        scanner.update(bytes, |unit, bytes| seen.take(unit, bytes));
    }

    /// What the archive holds; `None` where it was not understood to its end.
    pub(super) fn finish(self) -> Option<Archive> {
        self.scanner.finish().is_whole.then_some(self.seen.archive)
    }
}

impl Seen {
    fn take(&mut self, unit: Unit, bytes: &[u8]) {
        match unit {
            Unit::Entry(entry) => self.note(entry),
            Unit::BlockOfRows(id) => {
                self.current = self.tables.remove(&id).map(|table| (table, RowsHasher::default()));
                self.passing.begin(self.current.as_ref().map(|(table, _)| table));
            }
            Unit::Rows => {
                if let Some((_, hasher)) = &mut self.current {
                    hasher.update(bytes);
                }
                self.passing.rows(bytes);
            }
            Unit::EndOfRows => {
                self.passing.end();
                self.archive.rows.extend(self.current.take().map(counted));
            }
            Unit::LargeObject => self.archive.large_objects += 1,
            Unit::Head(_) | Unit::Chunk | Unit::Other | Unit::Unknown => {}
        }
    }

    fn note(&mut self, entry: Entry) {
        let archive = &mut self.archive;
        match entry {
            Entry::Table(schema, name) => _ = archive.tables.insert((schema, name)),
            Entry::Sequence(schema, name) => _ = archive.sequences.insert((schema, name)),
            Entry::SequenceValue(schema, name) => _ = archive.sequence_values.insert((schema, name)),
            Entry::Rows(table) => drop(self.tables.insert(table.id, table)),
            Entry::Other => {}
        }
    }
}

fn counted((table, hasher): (Table, RowsHasher)) -> TableCount {
    let (rows, digest) = hasher.finish();
    let content = table.columns.map(|columns| TableContent { columns, digest });
    TableCount { schema: table.schema, name: table.name, rows, content }
}
