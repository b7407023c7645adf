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
mod toc;

use cursor::{Cursor, Result, Stop};
use toc::{Entry, Head, Table};

const ROWS: u8 = 1;
const LARGE_OBJECTS: u8 = 3;
/// No entry of a table of contents is longer; memory must not grow with what is not one.
const LONGEST_UNIT: usize = 64 << 20;

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
    state: State,
    head: Head,
    /// By the number of their blocks.
    tables: HashMap<i64, Table>,
    /// Bytes of a unit whose end has not come.
    pending: Vec<u8>,
    archive: Archive,
}

#[derive(Default)]
enum State {
    #[default]
    Head,
    /// So many entries are left.
    Contents(u64),
    /// Before a block, or at the end.
    Block,
    /// In a block of rows, before a chunk of which so many bytes are left.
    Rows { table: Option<Table>, hasher: RowsHasher, left: usize },
    /// In a block of large objects: before the number of the next one.
    LargeObjects,
    /// In a large object, in a chunk of which so many bytes are left.
    LargeObject(usize),
    /// It was not understood.
    Lost,
}

impl Watcher {
    /// Takes the next bytes of the archive.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Lost) {
            return;
        }
        let mut joined = std::mem::take(&mut self.pending);
        let mut rest = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            joined.as_slice()
        };
        while !rest.is_empty() {
            match self.step(rest) {
                Ok(taken) => rest = &rest[taken..],
                Err(Stop::More) if rest.len() <= LONGEST_UNIT => break,
                Err(_) => {
                    self.state = State::Lost;
                    return;
                }
            }
        }
        self.pending = rest.to_vec();
    }

    /// What the archive holds; `None` where it was not understood to its end.
    pub(super) fn finish(self) -> Option<Archive> {
        (matches!(self.state, State::Block) && self.pending.is_empty()).then_some(self.archive)
    }

    /// Takes one unit off the front of `bytes`, and answers how long it was.
    fn step(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut cursor = Cursor::new(bytes, self.head.int_size);
        match &mut self.state {
            State::Head => {
                self.head = Head::read(&mut cursor)?;
                self.state = contents(self.head.entries);
            }
            State::Contents(left) => {
                let entry = self.head.entry(&mut cursor)?;
                self.state = contents(*left - 1);
                self.note(entry);
            }
            State::Block => match (cursor.byte()?, cursor.int()?) {
                (ROWS, id) => {
                    let (table, hasher) = (self.tables.remove(&id), RowsHasher::default());
                    self.state = State::Rows { table, hasher, left: 0 };
                }
                (LARGE_OBJECTS, _) => self.state = State::LargeObjects,
                _ => return Err(Stop::Unknown),
            },
            State::Rows { table, hasher, left: left @ 1.. } => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                if table.is_some() {
                    hasher.update(&bytes[..taken]);
                }
                return Ok(taken);
            }
            State::Rows { table, hasher, left } => {
                *left = length(&mut cursor)?;
                if *left == 0 {
                    self.archive.rows.extend(table.take().map(|table| counted(table, std::mem::take(hasher))));
                    self.state = State::Block;
                }
            }
            State::LargeObjects => {
                let number = cursor.int()?;
                self.archive.large_objects += u64::from(number != 0);
                self.state = if number == 0 { State::Block } else { State::LargeObject(0) };
            }
            State::LargeObject(left @ 1..) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                return Ok(taken);
            }
            State::LargeObject(left) => {
                *left = length(&mut cursor)?;
                if *left == 0 {
                    self.state = State::LargeObjects;
                }
            }
            State::Lost => return Err(Stop::Unknown),
        }
        Ok(cursor.at)
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

fn contents(left: u64) -> State {
    if left == 0 { State::Block } else { State::Contents(left) }
}

fn length(cursor: &mut Cursor<'_>) -> Result<usize> {
    usize::try_from(cursor.int()?).map_err(|_| Stop::Unknown)
}

fn counted(table: Table, hasher: RowsHasher) -> TableCount {
    let (rows, digest) = hasher.finish();
    let content = table.columns.map(|columns| TableContent { columns, digest });
    TableCount { schema: table.schema, name: table.name, rows, content }
}
