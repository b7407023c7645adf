//! Tar entries made and read one by one, as bytes: what stores and compresses them is another's concern.
//!
//! A name in a tar is for people who look inside; it never leads out of the folder it is unpacked in, and nothing but the
//! index says which object an entry is.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{Corrupt, sha256};

const BLOCK: usize = 512;

/// What ends an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Most bytes of a file's name on common file systems, less room for a suffix.
const LONGEST_SEGMENT: usize = 255 - 15;

/// Most bytes of the long names that may stand before an entry.
const LARGEST_EXTENSION: u64 = 64 << 10;

/// What a tar says of an entry beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Made by [`entry_name`].
    pub name: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970; earlier times are not kept.
    pub mtime_seconds: u64,
}

fn plain_header(entry: &Entry, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(entry.mode & 0o7777);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(entry.mtime_seconds);
    header.set_size(size);
    header
}

/// Makes the blocks of a symbolic link, which has no content. A target that no tar can hold becomes an empty file.
pub fn link_header(entry: &Entry, target: &str) -> Vec<u8> {
    let mut link = plain_header(entry, tar::EntryType::Symlink, 0);
    let mut builder = tar::Builder::new(Vec::new());
    match builder.append_link(&mut link, &entry.name, target) {
        Ok(()) => std::mem::take(builder.get_mut()),
        Err(_) => header(entry, 0),
    }
}

/// Makes the blocks of a folder.
pub fn folder_header(entry: &Entry) -> Vec<u8> {
    let mut folder = plain_header(entry, tar::EntryType::Directory, 0);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut folder, &entry.name, std::io::empty())
        .expect("the name is relative and without dot segments");
    std::mem::take(builder.get_mut())
}

/// Makes the blocks that come before the content of an entry.
pub fn header(entry: &Entry, size: u64) -> Vec<u8> {
    let mut header = plain_header(entry, tar::EntryType::Regular, size);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, &entry.name, std::io::empty())
        .expect("the name is relative and without dot segments");
    std::mem::take(builder.get_mut())
}

/// The zeros that fill the last block of an entry's content.
pub fn padding(size: u64) -> &'static [u8] {
    let used = usize::try_from(size % BLOCK as u64).expect("less than a block");
    &END[..(BLOCK - used) % BLOCK]
}

/// The path of an object inside a tar: `SOURCE/KEY`, with `%` before what is no plain part of a path.
pub fn entry_name(source: &str, key: &str) -> String {
    let mut name = source.to_owned();
    for segment in key.split('/') {
        name.push('/');
        name.push_str(&plain_segment(segment));
    }
    name
}

/// Different segments become different ones: a percent sign is never left as it was.
fn plain_segment(segment: &str) -> String {
    let mut plain = String::new();
    for character in segment.chars() {
        if character.is_control() || character == '%' || matches!(segment, "." | "..") {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                write!(plain, "%{byte:02X}").expect("a string takes every write");
            }
        } else {
            plain.push(character);
        }
    }
    if plain.is_empty() {
        return "%".to_owned();
    }
    if plain.len() > LONGEST_SEGMENT {
        let end = (0..LONGEST_SEGMENT - 34).rev().find(|at| plain.is_char_boundary(*at)).unwrap_or(0);
        plain.truncate(end);
        write!(plain, "%~{}", &sha256(segment.as_bytes()).to_string()[..32]).expect("a string takes every write");
    }
    plain
}

/// Finds the content in the bytes of one whole entry, given bit by bit.
#[derive(Debug)]
pub struct EntryReader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Gathering a header block.
    Header(Vec<u8>),
    /// Passing over a long name and its padding.
    Extension(u64),
    Content {
        left: u64,
        padding: u64,
    },
    Padding(u64),
}

impl Default for EntryReader {
    fn default() -> Self {
        Self::new()
    }
}

impl EntryReader {
    pub fn new() -> Self {
        Self { state: State::Header(Vec::new()) }
    }

    /// Takes bytes from the front of `raw`, and answers those that are content; empty only when all of `raw` was taken.
    pub fn content(&mut self, raw: &mut Bytes) -> Result<Bytes, Corrupt> {
        while !raw.is_empty() {
            match &mut self.state {
                State::Header(block) => {
                    let take = raw.len().min(BLOCK - block.len());
                    block.extend_from_slice(&raw.split_to(take));
                    if block.len() == BLOCK {
                        self.state = after_header(block)?;
                    }
                }
                State::Extension(left) => {
                    skip(raw, left);
                    if *left == 0 {
                        self.state = State::Header(Vec::new());
                    }
                }
                State::Content { left: 0, padding } => self.state = State::Padding(*padding),
                State::Content { left, .. } => {
                    let content = raw.split_to(at_most(raw.len(), *left));
                    *left -= content.len() as u64;
                    return Ok(content);
                }
                State::Padding(0) => return Err(Corrupt::new("tar entry is followed by more than its padding")),
                State::Padding(left) => skip(raw, left),
            }
        }
        Ok(Bytes::new())
    }

    /// Fails unless the entry was given to its end.
    pub fn finish(&self) -> Result<(), Corrupt> {
        match self.state {
            State::Padding(0) | State::Content { left: 0, padding: 0 } => Ok(()),
            _ => Err(Corrupt::new("tar entry is cut short")),
        }
    }
}

fn at_most(length: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(length, |limit| limit.min(length))
}

fn skip(raw: &mut Bytes, left: &mut u64) {
    let skipped = raw.split_to(at_most(raw.len(), *left));
    *left -= skipped.len() as u64;
}

fn after_header(block: &[u8]) -> Result<State, Corrupt> {
    let header = tar::Header::from_byte_slice(block);
    let bad = |what: &str| Corrupt::new(format!("tar header has a bad {what}"));
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    if header.cksum().ok() != Some(sum) {
        return Err(bad("checksum"));
    }
    let size = header.entry_size().map_err(|_| bad("size"))?;
    let padding = padding(size).len() as u64;
    let kind = header.entry_type();
    if kind.is_file() {
        Ok(State::Content { left: size, padding })
    } else if (kind.is_gnu_longname() || kind.is_pax_local_extensions()) && size <= LARGEST_EXTENSION {
        Ok(State::Extension(size + padding))
    } else {
        Err(bad("type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry { name: name.to_owned(), mode: 0o644, uid: 0, gid: 0, mtime_seconds: 1 }
    }

    fn archived(name: &str, content: &[u8]) -> Vec<u8> {
        let size = content.len() as u64;
        [&header(&entry(name), size), content, padding(size)].concat()
    }

    fn read(raw: &[u8], step: usize) -> Result<Vec<u8>, Corrupt> {
        let mut reader = EntryReader::new();
        let mut all = Vec::new();
        for chunk in raw.chunks(step) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while !chunk.is_empty() {
                all.extend_from_slice(&reader.content(&mut chunk)?);
            }
        }
        reader.finish().map(|()| all)
    }

    #[test]
    fn content_comes_back_whatever_its_length_its_name_and_the_steps() {
        for name in ["live/books/a".to_owned(), format!("live/books/{}", "é/".repeat(400) + "x")] {
            for length in [0, 1, 511, 512, 513, 5000] {
                let content = vec![b'c'; length];
                let raw = archived(&name, &content);
                assert_eq!(raw.len() % BLOCK, 0);
                for step in [1, 100, 512, 100_000] {
                    assert_eq!(read(&raw, step).unwrap(), content, "{name} {length} {step}");
                }
            }
        }
    }

    #[test]
    fn the_tar_crate_reads_the_same_entry() {
        let name = format!("live/books/{}", "long/".repeat(60) + "x");
        let raw = [&archived(&name, b"content")[..], &END].concat();
        let mut archive = tar::Archive::new(&raw[..]);
        let mut entries = archive.entries().unwrap();
        let mut found = entries.next().unwrap().unwrap();
        assert_eq!(found.path().unwrap().to_str(), Some(&name[..]));
        assert_eq!(std::io::read_to_string(&mut found).unwrap(), "content");
        assert!(entries.next().is_none());
    }

    #[test]
    fn an_entry_cut_short_continued_or_damaged_is_an_error() {
        let raw = archived("a/b/c", b"content");
        for length in 0..raw.len() {
            assert!(read(&raw[..length], 512).is_err(), "{length} bytes");
        }
        assert!(read(&[&raw[..], &raw[..]].concat(), 512).is_err());
        for position in 0..BLOCK {
            let mut bad = raw.clone();
            bad[position] ^= 1;
            assert!(read(&bad, 512).is_err(), "byte {position}");
        }
        let mut folder = tar::Header::new_gnu();
        folder.set_entry_type(tar::EntryType::Directory);
        folder.set_size(0);
        folder.set_cksum();
        assert!(read(folder.as_bytes(), 512).is_err());
    }

    #[test]
    fn names_stay_below_their_source_and_apart() {
        let keys = [
            "plain/key.txt",
            "/lead",
            "a//b",
            "a/b/",
            "..",
            "../../etc/passwd",
            ".",
            "%2E",
            "%",
            "a\0b",
            "a\nb",
            "a%0Ab",
            "ä 😀",
            "...",
            "a/../b",
            "\u{85}",
        ];
        let long = ["x".repeat(1024), "x".repeat(1023), "é".repeat(512), "\u{1}".repeat(400)];
        let names: Vec<String> =
            keys.into_iter().chain(long.iter().map(String::as_str)).map(|key| entry_name("live/books", key)).collect();
        for name in &names {
            assert!(name.starts_with("live/books/"), "{name}");
            assert!(!name.chars().any(char::is_control), "{name}");
            for segment in name.split('/') {
                assert!(!matches!(segment, "" | "." | ".."), "{name}");
                assert!(segment.len() <= LONGEST_SEGMENT, "{name}");
            }
            assert!(header(&entry(name), 1).len() >= BLOCK);
        }
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(names[0], "live/books/plain/key.txt");
    }
}
