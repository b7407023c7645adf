//! The rows of a table as `COPY` writes them in text format, told apart and summed up.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::model::database::RowsDigest;

/// Ends the rows of a table where a dump carries them.
const END: &[u8] = b"\\.";

/// Sums up rows that come in pieces of any size. Memory does not grow with a row.
#[derive(Default)]
pub struct RowsHasher {
    sum: u128,
    rows: u64,
    /// The begin of a row whose end has not come.
    begun: Option<Begun>,
    has_ended: bool,
}

struct Begun {
    hasher: Box<Xxh3>,
    length: usize,
    first: [u8; END.len()],
}

impl RowsHasher {
    /// Takes the next bytes; what follows the end of the rows counts no more.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !self.has_ended && !bytes.is_empty() {
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.begun.get_or_insert_default().take(bytes);
                return;
            };
            let (row, rest) = (&bytes[..end], &bytes[end + 1..]);
            match self.begun.take() {
                None => self.row(row == END, || xxh3_128(row)),
                Some(mut begun) => {
                    begun.take(row);
                    self.row(begun.is_end(), || begun.hasher.digest128());
                }
            }
            bytes = rest;
        }
    }

    fn row(&mut self, is_end: bool, digest: impl FnOnce() -> u128) {
        if is_end {
            self.has_ended = true;
        } else {
            self.rows += 1;
            self.sum = self.sum.wrapping_add(digest());
        }
    }

    /// How many rows there were, and what they sum up to.
    pub fn finish(self) -> (u64, RowsDigest) {
        (self.rows, RowsDigest::new(self.sum))
    }
}

impl Default for Begun {
    fn default() -> Self {
        Self { hasher: Box::new(Xxh3::new()), length: 0, first: [0; END.len()] }
    }
}

impl Begun {
    fn take(&mut self, bytes: &[u8]) {
        for (at, byte) in (self.length..END.len()).zip(bytes) {
            self.first[at] = *byte;
        }
        self.length = self.length.saturating_add(bytes.len());
        self.hasher.update(bytes);
    }

    fn is_end(&self) -> bool {
        self.length == END.len() && self.first == END
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summed(text: &[u8], piece: usize) -> (u64, RowsDigest) {
        let mut hasher = RowsHasher::default();
        text.chunks(piece).for_each(|bytes| hasher.update(bytes));
        hasher.finish()
    }

    #[test]
    fn rows_count_in_any_order_and_however_they_are_cut() {
        let whole = summed(b"1\tone\n2\ttwo\n\n\\\\.\n\\.\n\n\n", 99);
        assert_eq!(whole.0, 4);
        for piece in 1..9 {
            assert_eq!(summed(b"2\ttwo\n\\\\.\n1\tone\n\n\\.\n\n\n", piece), whole, "{piece}");
        }
        assert_eq!(summed(b"1\tone\n2\ttwo\n\n\\\\.\n", 5), whole, "an end that is not written changes nothing");
    }

    #[test]
    fn one_letter_or_one_more_row_makes_another_digest() {
        let digest = |text: &[u8]| summed(text, 7).1;
        let whole = digest(b"1\tone\n2\ttwo\n");
        assert_ne!(digest(b"1\tone\n2\ttwp\n"), whole);
        assert_ne!(digest(b"1\ttwo\n2\tone\n"), whole);
        assert_ne!(digest(b"1\tone\n2\ttwo\n2\ttwo\n"), whole);
        assert_ne!(digest(b"1\tone\n"), whole);
    }

    #[test]
    fn the_hash_is_that_of_the_reference() {
        // XXH3_128bits of an empty input and a seed of 0, as the reference implementation's documentation has it.
        assert_eq!(summed(b"\n", 1).1.to_string(), "99aa06d3014798d86001c324468d497f");
    }
}
