//! Segments of keys as names of files and folders, and back.
//!
//! Most segments are their own name. The others are escaped: `.dcs=` and the percent-encoded segment for an object,
//! `.dcs+` for a folder, and what is too long for one name lies in folders `.dcs~`, a chunk each. An object whose plain
//! name a folder has taken is escaped too. Only what the functions here would write is read as escaped; any other name
//! stands for itself, so each name has one segment and each segment has its names.

use crate::model::percent;

const OBJECT: &str = ".dcs=";
const FOLDER: &str = ".dcs+";
const CHUNK: &str = ".dcs~";

const MOST_NAME_BYTES: usize = 255;
const CHUNK_BYTES: usize = MOST_NAME_BYTES - CHUNK.len();

/// Where an object lies in its bucket.
#[derive(Debug)]
pub(super) struct Place {
    /// Of the bucket's folder downwards.
    pub(super) folders: Vec<String>,
    /// The last segment of the key; empty where the key ends in `/`.
    pub(super) segment: String,
}

impl Place {
    pub(super) fn of(key: &str) -> Self {
        let (folders, segment) = split(key);
        Self { folders: folder_names(folders), segment: segment.to_owned() }
    }

    /// The file name of the object where no folder has taken it; `None` where only the escaped one will do.
    pub(super) fn plain(&self) -> Option<&str> {
        is_plain(&self.segment).then_some(&self.segment)
    }

    /// Whether the object lies under another name than its plain one, though it has one.
    pub(super) fn is_aside(&self, name: &str) -> bool {
        self.plain().is_some_and(|plain| plain != name)
    }

    /// The folders beside the plain name, and the file name in them.
    pub(super) fn escaped(&self) -> (Vec<String>, String) {
        escaped_object(&self.segment)
    }
}

/// What an escaped name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Escaped {
    Object(String),
    Folder(String),
    /// A folder of names that go on after this encoded text.
    More(String),
}

/// Cuts a key or prefix after its last `/`.
pub(super) fn split(text: &str) -> (&str, &str) {
    text.split_at(text.rfind('/').map_or(0, |slash| slash + 1))
}

/// The names of the folders that a text of whole segments, each ended by `/`, leads through.
pub(super) fn folder_names(folders: &str) -> Vec<String> {
    folders.split_terminator('/').flat_map(folder_name).collect()
}

/// The names that lead to the folder of one segment.
pub(super) fn folder_name(segment: &str) -> Vec<String> {
    if is_plain(segment) {
        return vec![segment.to_owned()];
    }
    let (mut names, last) = escape(segment, FOLDER);
    names.push(last);
    names
}

pub(super) fn escaped_object(segment: &str) -> (Vec<String>, String) {
    escape(segment, OBJECT)
}

/// Reads a name that lies in folders whose encoded text so far is `before`; `None` where it stands for itself.
pub(super) fn unescape(name: &str, before: &str) -> Option<Escaped> {
    if let Some(chunk) = name.strip_prefix(CHUNK) {
        let is_chunk = chunk.len() == CHUNK_BYTES && chunk.bytes().all(is_encoded);
        return is_chunk.then(|| Escaped::More(format!("{before}{chunk}")));
    }
    let (rest, is_folder) = match name.strip_prefix(OBJECT) {
        Some(rest) => (rest, false),
        None => (name.strip_prefix(FOLDER)?, true),
    };
    if rest.len() > CHUNK_BYTES || (rest.is_empty() && !before.is_empty()) {
        return None;
    }
    let encoded = format!("{before}{rest}");
    let segment = percent::decode(&encoded)?;
    let is_canonical = !segment.contains('/') && percent::encode_name(&segment) == encoded;
    match is_folder {
        _ if !is_canonical => None,
        true if is_plain(&segment) => None,
        true => Some(Escaped::Folder(segment)),
        false => Some(Escaped::Object(segment)),
    }
}

/// Whether a segment is a file name that stands for itself.
fn is_plain(segment: &str) -> bool {
    let is_name = !matches!(segment, "" | "." | "..") && segment.len() <= MOST_NAME_BYTES && !segment.contains('\0');
    is_name && unescape(segment, "").is_none()
}

fn escape(segment: &str, marker: &str) -> (Vec<String>, String) {
    let mut encoded = percent::encode_name(segment);
    let mut folders = Vec::new();
    while encoded.len() > CHUNK_BYTES {
        let rest = encoded.split_off(CHUNK_BYTES);
        folders.push(format!("{CHUNK}{encoded}"));
        encoded = rest;
    }
    (folders, format!("{marker}{encoded}"))
}

fn is_encoded(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a chain of names back, as a listing does.
    fn read_back(folders: &[String], last: &str) -> Option<Escaped> {
        let mut before = String::new();
        for name in folders {
            match unescape(name, &before) {
                Some(Escaped::More(text)) => before = text,
                _ => return None,
            }
        }
        unescape(last, &before)
    }

    #[test]
    fn every_segment_comes_back_from_its_names() {
        let long = "é".repeat(500);
        let exact = "x".repeat(250);
        let taken = format!(".dcs~{exact}");
        for segment in
            ["", ".", "..", "a", "a b", "100%", "\0", "\u{1}\r\n", &long, &exact, &taken, ".dcs=a", ".dcs+.."]
        {
            let (folders, last) = escaped_object(segment);
            assert!(folders.iter().chain([&last]).all(|name| name.len() <= MOST_NAME_BYTES));
            assert_eq!(read_back(&folders, &last), Some(Escaped::Object(segment.to_owned())), "{segment:?}");
            let names = folder_name(segment);
            let (last, folders) = names.split_last().unwrap();
            if names != [segment] {
                assert_eq!(read_back(folders, last), Some(Escaped::Folder(segment.to_owned())), "{segment:?}");
            }
        }
    }

    #[test]
    fn a_name_that_dcs_would_not_write_stands_for_itself() {
        for name in [".dcs", ".dcsx", ".dcs=%2e", ".dcs=%zz", ".dcs=a%2Fb", ".dcs=é", ".dcs+a", ".dcs~abc"] {
            assert_eq!(unescape(name, ""), None, "{name}");
            assert_eq!(Place::of(name).plain(), Some(name));
            assert_eq!(folder_name(name), [name]);
        }
    }

    #[test]
    fn a_name_that_reads_as_escaped_is_escaped_itself() {
        for name in [".dcs=", ".dcs=a", ".dcs+", ".dcs+.."] {
            assert_eq!(Place::of(name).plain(), None, "{name}");
        }
    }
}
