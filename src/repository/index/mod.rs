//! The index of a backup: one line an object, sorted by source and key, in segments.
//!
//! Where a segment ends is decided by the keys alone, and its name is the digest of its bytes: a run in which little
//! changed writes few segments, and one in which nothing changed none.

pub mod find;
pub mod reader;
pub mod writer;

pub use find::segments_of;
pub use reader::{read_index, read_usable};
pub use writer::IndexWriter;

use crate::model::IndexRow;

/// Bytes of the lines of one segment at most, so that a segment's memory has a bound whatever the rows are.
const LARGEST_SEGMENT: usize = 32 << 20;

/// Whether `next` may come after `last`.
fn is_in_order(last: Option<&IndexRow>, next: &IndexRow) -> bool {
    last.is_none_or(|last| last.order() < next.order())
}
