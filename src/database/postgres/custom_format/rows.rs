//! Hands on the rows of some tables, as they stand in an archive.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::toc::Table;
use super::{Archive, Seen, Watcher};

/// What comes out of an archive, in order: a table, its rows in pieces of any size, its end.
#[derive(Debug)]
pub(in crate::database::postgres) enum Event {
    Begin {
        schema: String,
        name: String,
        /// None where they are not told.
        columns: Option<Vec<String>>,
    },
    /// What `COPY` reads, the end mark included.
    Rows(Bytes),
    End,
}

/// Reads an archive for the rows of the tables that are wanted, by schema and name.
pub(in crate::database::postgres) struct Reader(Watcher);

impl Reader {
    pub(in crate::database::postgres) fn new(wanted: BTreeSet<(String, String)>) -> Self {
        let passing = Passing { wanted, ..Passing::default() };
        Self(Watcher { seen: Seen { passing, ..Seen::default() }, ..Watcher::default() })
    }

    /// Takes the next bytes of the archive, and answers what is in them.
    pub(in crate::database::postgres) fn update(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.0.update(bytes);
        std::mem::take(&mut self.0.seen.passing.events)
    }

    /// What the archive holds; `None` where it was not understood to its end.
    pub(in crate::database::postgres) fn finish(self) -> Option<Archive> {
        self.0.finish()
    }
}

/// What was passed on of the bytes that came last; of nothing, where nothing is wanted.
#[derive(Default)]
pub(super) struct Passing {
    wanted: BTreeSet<(String, String)>,
    is_open: bool,
    events: Vec<Event>,
}

impl Passing {
    pub(super) fn begin(&mut self, table: Option<&Table>) {
        let Some(Table { schema, name, columns, .. }) = table else { return };
        let key = (schema.clone(), name.clone());
        self.is_open = self.wanted.contains(&key);
        if self.is_open {
            self.events.push(Event::Begin { schema: key.0, name: key.1, columns: columns.clone() });
        }
    }

    pub(super) fn rows(&mut self, bytes: &[u8]) {
        if self.is_open {
            self.events.push(Event::Rows(Bytes::copy_from_slice(bytes)));
        }
    }

    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.events.push(Event::End);
        }
    }
}
