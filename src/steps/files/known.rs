//! Content that is stored already, so that it need not be read or stored again.
//!
//! Two keep it: what the parent holds under other keys, found by ETag and size (a book that was moved to the trash is not
//! even read), and what this run itself stored, found by digest. Both have a bound: what is not found is stored again.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Digest, IndexRow};
use crate::repository::pack::Placed;

/// New objects whose content is looked for in the parent: 16 bytes each.
const MOST_WANTED: usize = 1 << 18;
/// Places remembered, about 200 bytes each, of either kind.
const MOST_PLACES: usize = 1 << 16;
/// Below this an object is stored again in less time than it is looked for.
const LEAST_BYTES: u64 = 512;

/// What new objects ask of the parent's index.
#[derive(Debug, Default)]
pub(super) struct Wanted(HashSet<u64>);

impl Wanted {
    /// Notes an object that must be read unless its content is found.
    pub(super) fn add(&mut self, etag: &str, size: u64) {
        if self.0.len() < MOST_WANTED && size >= LEAST_BYTES && is_of_content(etag) {
            self.0.insert(hash(etag, size));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug, Default)]
pub(super) struct Known {
    by_etag: HashMap<(String, u64), Placed>,
    by_digest: HashMap<Digest, Placed>,
}

impl Known {
    /// Takes a row of the parent, if it is wanted.
    pub(super) fn learn(&mut self, row: &IndexRow, wanted: &Wanted) {
        if self.by_etag.len() < MOST_PLACES && wanted.0.contains(&hash(&row.etag, row.size)) && is_of_content(&row.etag)
        {
            let placed = Placed { sha256: row.sha256, pieces: row.pieces.clone() };
            self.by_etag.insert((row.etag.clone(), row.size), placed);
        }
    }

    /// Where the parent keeps the content of an object with this ETag and size.
    pub(super) fn in_parent(&self, etag: &str, size: u64) -> Option<&Placed> {
        // Most runs have nothing to look for, and need no key for it.
        if self.by_etag.is_empty() { None } else { self.by_etag.get(&(etag.to_owned(), size)) }
    }

    /// Notes what this run stored. Once full, what was noted before is forgotten: copies mostly lie near each other.
    pub(super) fn note(&mut self, placed: &Placed, size: u64) {
        if size < LEAST_BYTES || placed.pieces.len() > 1 {
            return;
        }
        if self.by_digest.len() >= MOST_PLACES {
            self.by_digest.clear();
        }
        self.by_digest.insert(placed.sha256, placed.clone());
    }

    pub(super) fn in_run(&self, sha256: &Digest) -> Option<&Placed> {
        self.by_digest.get(sha256)
    }
}

/// Whether equal ETags mean equal bytes: the MD5 of an object, or of its parts with their number. Stores make those of
/// encrypted objects, and dcs those of files, so that they are never equal.
fn is_of_content(etag: &str) -> bool {
    let (md5, parts) = etag.split_once('-').unwrap_or((etag, "1"));
    md5.len() == 32 && md5.bytes().all(|byte| byte.is_ascii_hexdigit()) && parts.parse::<u32>().is_ok()
}

fn hash(etag: &str, size: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (etag, size).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::sha256;
    use crate::model::{Attributes, Key, SourceName};

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn row(etag: &str, size: u64) -> IndexRow {
        IndexRow {
            source: SourceName::try_from("live/books".to_owned()).unwrap(),
            key: Key::new("a").unwrap(),
            size,
            etag: etag.to_owned(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            sha256: sha256(b"abc"),
            attributes: Attributes::default(),
            pieces: Vec::new(),
        }
    }

    #[test]
    fn content_is_known_by_an_etag_that_is_made_of_it_and_its_size() {
        let (mut wanted, mut known) = (Wanted::default(), Known::default());
        let multipart = format!("{MD5}-2");
        for etag in [MD5, &multipart, "200-18a-18b-5f", "an-etag"] {
            wanted.add(etag, 1000);
            known.learn(&row(etag, 1000), &wanted);
        }
        known.learn(&row(MD5, 2000), &wanted);
        assert!(known.in_parent(MD5, 1000).is_some() && known.in_parent(&multipart, 1000).is_some());
        assert!(known.in_parent(MD5, 2000).is_none() && known.in_parent("200-18a-18b-5f", 1000).is_none());
        assert!(known.in_parent("an-etag", 1000).is_none());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut known = Known::default();
        for number in 0..=MOST_PLACES as u64 {
            known.note(&Placed { sha256: sha256(&number.to_le_bytes()), pieces: Vec::new() }, 1000);
        }
        assert_eq!(known.by_digest.len(), 1);
    }
}
