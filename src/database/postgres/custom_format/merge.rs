//! Merges the chunks of a table's rows. Before PostgreSQL 17 `pg_dump` writes each row as a chunk, whose length takes five
//! bytes and compresses badly: a fortieth of what a dump of short rows takes.
//!
//! To whoever reads the archive a chunk is nothing but bytes: readers put no meaning in where one ends. What is not understood
//! passes as it is, and so does an archive whose table of contents says where in it the rows lie.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::scan::{Scanner, Unit};
use super::toc::Entry;
use crate::database::DumpStream;

/// A number at its longest, with its sign.
const LONGEST_LENGTH: usize = 9;

/// The same archive with fewer chunks, none longer than a piece of the stream.
pub(in crate::database::postgres) fn merged(archive: DumpStream) -> DumpStream {
    stream::try_unfold(Some((archive, Merger::default())), |state| async move {
        let Some((mut archive, mut merger)) = state else { return Ok(None) };
        let piece = match archive.try_next().await? {
            Some(bytes) => (merger.update(&bytes), Some((archive, merger))),
            None => (merger.finish(), None),
        };
        Ok(Some(piece))
    })
    .try_filter(|bytes| std::future::ready(!bytes.is_empty()))
    .boxed()
}

#[derive(Default)]
struct Merger {
    scanner: Scanner,
    output: Output,
}

#[derive(Default)]
struct Output {
    /// Bytes of a number, after its sign.
    int_size: usize,
    bytes: BytesMut,
    /// The numbers of blocks that nothing points into.
    movable: HashSet<i64>,
    /// Whether the rows that pass by are of such a block.
    is_merging: bool,
    /// Where the chunk begins that is being filled: its length is not known yet.
    open: Option<usize>,
}

impl Merger {
    fn update(&mut self, bytes: &[u8]) -> Bytes {
        let Self { scanner, output } = self;
        // The memory of the last piece, where nobody holds that any more.
        output.bytes.reserve(bytes.len() + LONGEST_LENGTH);
        scanner.update(bytes, |unit, bytes| output.take(unit, bytes));
        output.close();
        output.bytes.split().freeze()
    }

    fn finish(self) -> Bytes {
        self.scanner.finish().rest.into()
    }
}

impl Output {
    fn take(&mut self, unit: Unit, bytes: &[u8]) {
        match unit {
            Unit::Chunk if self.is_merging => return,
            Unit::Rows if self.is_merging => self.open(),
            Unit::Head(int_size) => self.int_size = int_size,
            Unit::Entry(Entry::Rows(table)) if !table.is_placed => _ = self.movable.insert(table.id),
            Unit::BlockOfRows(id) => self.is_merging = self.movable.contains(&id),
            Unit::EndOfRows | Unit::Unknown => self.close(),
            Unit::Entry(_) | Unit::Chunk | Unit::Rows | Unit::LargeObject | Unit::Other => {}
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Leaves room for the length of a chunk, unless one is being filled.
    fn open(&mut self) {
        if self.open.is_none() {
            self.open = Some(self.bytes.len());
            self.bytes.resize(self.bytes.len() + 1 + self.int_size, 0);
        }
    }

    fn close(&mut self) {
        let Some(at) = self.open.take() else { return };
        let (begin, end) = (at + 1, at + 1 + self.int_size);
        let length = (self.bytes.len() - end).to_le_bytes();
        // As the length of a piece of the stream, which a number of the format holds: such pieces came in.
        let digits = self.int_size.min(length.len());
        self.bytes[begin..begin + digits].copy_from_slice(&length[..digits]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Watcher;
    use super::*;

    /// Numbers of two bytes after their sign, in an archive of version 1.14.
    fn number(value: i16) -> Vec<u8> {
        [&[u8::from(value < 0)][..], &value.unsigned_abs().to_le_bytes()].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [number(i16::try_from(text.len()).unwrap()), text.into()].concat()
    }

    /// An archive of the one table `books`, whose rows come in these chunks. `place` is 1 for "somewhere", 2 for "there".
    fn archive(place: u8, chunks: &[&str]) -> Vec<u8> {
        let none = || number(-1);
        let head = [
            b"PGDMP".to_vec(),
            vec![1, 14, 0, 2, 8, 1],
            number(0),
            number(0).repeat(7),
            text("x").repeat(3),
            number(1),
        ];
        let texts = ["1", "2", "books", "TABLE DATA"].map(text).concat();
        let copy = [none(), none(), text("COPY public.books (id) FROM stdin;\n"), text("public")].concat();
        let entry = [number(7), number(1), texts, number(3), copy, none().repeat(2), text("me"), text("false"), none()];
        let rows = chunks.iter().flat_map(|chunk| text(chunk));
        let rows = [[1].to_vec(), number(7), rows.collect(), number(0)].concat();
        [head.concat(), entry.concat(), vec![place; 9], rows].concat()
    }

    fn merged(archive: &[u8], piece: usize) -> Vec<u8> {
        let mut merger = Merger::default();
        let mut all: Vec<u8> = archive.chunks(piece).flat_map(|bytes| merger.update(bytes)).collect();
        all.extend(merger.finish());
        all
    }

    fn watched(archive: &[u8]) -> super::super::Archive {
        let mut watcher = Watcher::default();
        watcher.update(archive);
        watcher.finish().unwrap()
    }

    #[test]
    fn chunks_are_merged_and_the_rows_stay_the_same_in_whatever_pieces_they_come() {
        let apart = archive(1, &["1\n", "2\n", "33\n", "\\.\n\n\n"]);
        assert_eq!(merged(&apart, 1 << 20), archive(1, &["1\n2\n33\n\\.\n\n\n"]));
        for piece in 1..apart.len() {
            let merged = merged(&apart, piece);
            assert_eq!(watched(&merged).rows, watched(&apart).rows, "in pieces of {piece}");
            assert!(merged.len() <= apart.len() + 3 * apart.len() / piece);
        }
        assert_eq!(watched(&apart).rows[0].rows, 3);
    }

    #[test]
    fn what_is_not_understood_or_pointed_into_passes_as_it_is() {
        let mut damaged = archive(1, &[]);
        damaged.extend([99; 40]);
        let placed = archive(2, &["1\n", "2\n"]);
        for archive in [&b"no archive at all"[..], b"PGDMP", b"", &placed, &damaged, &placed[..placed.len() - 2]] {
            for piece in [1, 3, 1000] {
                assert_eq!(merged(archive, piece), archive, "in pieces of {piece}");
            }
        }
    }
}
