//! One line of the index: an object, what it was, and where its bytes lie.
//!
//! Tab-separated, keys and metadata percent-encoded, `-` where there is nothing, so that sh and awk can read it:
//! `source key size etag mtime sha256 metadata pieces`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Attributes, BucketName, Digest, Key, percent};

/// Where an object came from: `store/bucket`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

impl SourceName {
    pub fn new(store: &str, bucket: &BucketName) -> Self {
        Self(format!("{store}/{bucket}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn store(&self) -> &str {
        self.0.split_once('/').map_or("", |(store, _)| store)
    }

    pub fn bucket(&self) -> BucketName {
        let bucket = self.0.split_once('/').map_or("", |(_, bucket)| bucket);
        BucketName::new(bucket).expect("checked when the name was made")
    }
}

impl TryFrom<String> for SourceName {
    type Error = InvalidRow;

    fn try_from(text: String) -> Result<Self, InvalidRow> {
        let valid = text.split_once('/').is_some_and(|(store, bucket)| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !store.is_empty() && store.bytes().all(allowed) && BucketName::new(bucket).is_ok()
        });
        if valid { Ok(Self(text)) } else { Err(InvalidRow { field: "source", text }) }
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> Self {
        name.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A run of gzip members in a pack that together are one tar entry; an object's bytes are its pieces' contents in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Piece {
    pub pack: String,
    /// Bytes from the start of the pack.
    pub offset: u64,
    /// Compressed bytes.
    pub length: u64,
}

/// An object in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    pub source: SourceName,
    pub key: Key,
    pub size: u64,
    /// As the source's listing gave it, without quotes.
    pub etag: String,
    pub modified: Timestamp,
    pub sha256: Digest,
    pub attributes: Attributes,
    /// Empty for an object without bytes.
    pub pieces: Vec<Piece>,
}

/// Says which field of an index line is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("index line has a bad {field}: {text:?}")]
pub struct InvalidRow {
    pub field: &'static str,
    pub text: String,
}

const FIELDS: [&str; 8] = ["source", "key", "size", "etag", "mtime", "sha256", "metadata", "pieces"];

impl IndexRow {
    /// What rows are sorted by, in bytes.
    pub fn order(&self) -> (&str, &str) {
        (self.source.as_str(), self.key.as_str())
    }
}

/// The line, without its newline.
impl fmt::Display for IndexRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        write!(
            formatter,
            "{}\t{}\t{}\t{}\t{}\t{}\t",
            self.source,
            percent::encode_key(self.key.as_str()),
            self.size,
            dash(percent::encode_name(&self.etag)),
            self.modified,
            self.sha256,
        )?;
        if self.attributes == Attributes::default() {
            formatter.write_str("-")?;
        } else {
            let json = serde_json::to_string(&self.attributes).map_err(|_| fmt::Error)?;
            formatter.write_str(&percent::encode_name(&json))?;
        }
        formatter.write_str("\t")?;
        if self.pieces.is_empty() {
            formatter.write_str("-")?;
        }
        write_pieces(&self.pieces, formatter)
    }
}

/// Writes places as an index has them, comma-separated.
pub fn write_pieces(pieces: &[Piece], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, Piece { pack, offset, length }) in pieces.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(formatter, "{comma}{pack}:{offset}:{length}")?;
    }
    Ok(())
}

/// Reads what [`write_pieces`] wrote.
pub fn parse_pieces(list: &str) -> Option<Vec<Piece>> {
    list.split(',').map(parse_piece).collect()
}

impl FromStr for IndexRow {
    type Err = InvalidRow;

    fn from_str(line: &str) -> Result<Self, InvalidRow> {
        let fields: Vec<&str> = line.split('\t').collect();
        let fields: [&str; 8] =
            fields.try_into().map_err(|_| InvalidRow { field: "number of fields", text: line.to_owned() })?;
        let bad = |index: usize| InvalidRow { field: FIELDS[index], text: fields[index].to_owned() };
        let text = |index: usize| percent::decode(fields[index]).ok_or_else(|| bad(index));
        let attributes = match fields[6] {
            "-" => Attributes::default(),
            _ => serde_json::from_str(&text(6)?).map_err(|_| bad(6))?,
        };
        let pieces = match fields[7] {
            "-" => Vec::new(),
            list => parse_pieces(list).ok_or_else(|| bad(7))?,
        };
        Ok(Self {
            source: fields[0].to_owned().try_into()?,
            key: Key::new(text(1)?).map_err(|_| bad(1))?,
            size: fields[2].parse().map_err(|_| bad(2))?,
            etag: if fields[3] == "-" { String::new() } else { text(3)? },
            modified: fields[4].parse().map_err(|_| bad(4))?,
            sha256: fields[5].parse().map_err(|_| bad(5))?,
            attributes,
            pieces,
        })
    }
}

fn parse_piece(text: &str) -> Option<Piece> {
    let mut fields = text.split(':');
    let pack = fields.next().filter(|pack| is_pack_name(pack))?.to_owned();
    let offset = fields.next()?.parse().ok()?;
    let length = fields.next()?.parse().ok()?;
    fields.next().is_none().then_some(Piece { pack, offset, length })
}

/// Whether a text is the name of a pack: lowercase letters and digits, so that it cannot lead elsewhere, and `.zst` where
/// the pack is not gzip.
pub fn is_pack_name(text: &str) -> bool {
    let stem = text.strip_suffix(".zst").unwrap_or(text);
    stem.len() >= 8 && stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The name of a pack without its codec, which alone tells it from others.
pub fn pack_stem(name: &str) -> &str {
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str) -> IndexRow {
        IndexRow {
            source: SourceName::new("live", &BucketName::new("books").unwrap()),
            key: Key::new(key).unwrap(),
            size: 7,
            etag: "abc-2".to_owned(),
            modified: "2026-11-20T02:00:00.123456789Z".parse().unwrap(),
            sha256: Digest::from_bytes([1; 32]),
            attributes: Attributes { content_type: Some("text/plain\t".to_owned()), ..Attributes::default() },
            pieces: vec![
                Piece { pack: "bcdf2345".to_owned(), offset: 0, length: 10 },
                Piece { pack: "bcdf2346".to_owned(), offset: 10, length: 20 },
            ],
        }
    }

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        for key in ["a", "-", "a\tb\nc", "ä 😀", "../../etc", "//"] {
            let line = row(key).to_string();
            assert!(!line.contains('\n'));
            assert_eq!(line.parse::<IndexRow>().unwrap(), row(key));
        }
        let bare = IndexRow { etag: String::new(), attributes: Attributes::default(), pieces: vec![], ..row("a") };
        assert_eq!(bare.to_string().parse::<IndexRow>().unwrap(), bare);
    }

    #[test]
    fn a_pack_s_name_says_its_codec_and_leads_nowhere_else() {
        for name in ["bcdf2345", "bcdf2345.zst"] {
            assert!(is_pack_name(name) && pack_stem(name) == "bcdf2345");
        }
        for name in ["", "bcdf", ".zst", "bcdf234.zst", "bcdf2345.gz", "bcdf2345.zst.zst", "../2345bcdf", "BCDF2345"] {
            assert!(!is_pack_name(name), "{name}");
        }
    }

    #[test]
    fn a_bad_line_names_its_field() {
        let line = row("a").to_string().replace("\t7\t", "\tseven\t");
        assert_eq!(line.parse::<IndexRow>().unwrap_err().field, "size");
        let line = row("a").to_string().replace("bcdf2345:", "../x:");
        assert_eq!(line.parse::<IndexRow>().unwrap_err().field, "pieces");
        assert!("".parse::<IndexRow>().is_err());
    }
}
