//! Takes an archive apart into units, whatever pieces it comes in.

use super::cursor::{Cursor, Result, Stop};
use super::toc::{Entry, Head};

const ROWS: u8 = 1;
const LARGE_OBJECTS: u8 = 3;
/// No entry of a table of contents is longer; memory must not grow with what is not one.
const LONGEST_UNIT: usize = 64 << 20;

/// What some bytes of an archive are. All units together are all of its bytes.
pub(super) enum Unit {
    /// The head, which says how many bytes a number has after its sign.
    Head(usize),
    /// An entry of the table of contents.
    Entry(Entry),
    /// The begin of a block of rows, with its number.
    BlockOfRows(i64),
    /// The length of a chunk of rows, which follows.
    Chunk,
    /// Rows, or pieces of some.
    Rows,
    EndOfRows,
    /// The begin of a large object.
    LargeObject,
    Other,
    /// This and all that follows is not understood.
    Unknown,
}

#[derive(Default)]
pub(super) struct Scanner {
    state: State,
    head: Head,
    /// Bytes of a unit whose end has not come.
    pending: Vec<u8>,
}

#[derive(Default)]
enum State {
    #[default]
    Head,
    /// So many entries are left.
    Contents(u64),
    /// Before a block, or at the end.
    Block,
    /// In a block of rows, in a chunk of which so many bytes are left.
    Rows(usize),
    /// In a block of large objects: before the number of the next one.
    LargeObjects,
    /// In a large object, in a chunk of which so many bytes are left.
    LargeObject(usize),
    /// It was not understood.
    Lost,
}

/// How an archive ended.
pub(super) struct Ended {
    /// Whether it was understood to its end.
    pub(super) is_whole: bool,
    /// Bytes that were of no unit.
    pub(super) rest: Vec<u8>,
}

impl Scanner {
    /// Takes the next bytes, and hands on each unit that is whole by now.
    pub(super) fn update(&mut self, bytes: &[u8], mut take: impl FnMut(Unit, &[u8])) {
        if matches!(self.state, State::Lost) {
            return take(Unit::Unknown, bytes);
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
                Ok((unit, length)) => {
                    take(unit, &rest[..length]);
                    rest = &rest[length..];
                }
                Err(Stop::More) if rest.len() <= LONGEST_UNIT => break,
                Err(_) => {
                    self.state = State::Lost;
                    return take(Unit::Unknown, rest);
                }
            }
        }
        self.pending = rest.to_vec();
    }

    pub(super) fn finish(self) -> Ended {
        Ended { is_whole: matches!(self.state, State::Block) && self.pending.is_empty(), rest: self.pending }
    }

    /// What begins at the front of `bytes`, and how long it is.
    fn step(&mut self, bytes: &[u8]) -> Result<(Unit, usize)> {
        let mut cursor = Cursor::new(bytes, self.head.int_size);
        let unit = match &mut self.state {
            State::Head => {
                self.head = Head::read(&mut cursor)?;
                self.state = contents(self.head.entries);
                Unit::Head(self.head.int_size)
            }
            State::Contents(left) => {
                let entry = self.head.entry(&mut cursor)?;
                self.state = contents(*left - 1);
                Unit::Entry(entry)
            }
            State::Block => match (cursor.byte()?, cursor.int()?) {
                (ROWS, id) => {
                    self.state = State::Rows(0);
                    Unit::BlockOfRows(id)
                }
                (LARGE_OBJECTS, _) => {
                    self.state = State::LargeObjects;
                    Unit::Other
                }
                _ => return Err(Stop::Unknown),
            },
            State::Rows(left @ 1..) => return Ok((Unit::Rows, some(bytes, left))),
            State::Rows(left) => {
                *left = length(&mut cursor)?;
                if *left > 0 {
                    Unit::Chunk
                } else {
                    self.state = State::Block;
                    Unit::EndOfRows
                }
            }
            State::LargeObjects => {
                let is_last = cursor.int()? == 0;
                self.state = if is_last { State::Block } else { State::LargeObject(0) };
                if is_last { Unit::Other } else { Unit::LargeObject }
            }
            State::LargeObject(left @ 1..) => return Ok((Unit::Other, some(bytes, left))),
            State::LargeObject(left) => {
                *left = length(&mut cursor)?;
                if *left == 0 {
                    self.state = State::LargeObjects;
                }
                Unit::Other
            }
            State::Lost => return Err(Stop::Unknown),
        };
        Ok((unit, cursor.at))
    }
}

fn contents(left: u64) -> State {
    if left == 0 { State::Block } else { State::Contents(left) }
}

/// As many bytes as there are of those that are `left`.
fn some(bytes: &[u8], left: &mut usize) -> usize {
    let taken = bytes.len().min(*left);
    *left -= taken;
    taken
}

fn length(cursor: &mut Cursor<'_>) -> Result<usize> {
    usize::try_from(cursor.int()?).map_err(|_| Stop::Unknown)
}
