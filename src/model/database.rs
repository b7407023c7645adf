//! What a backup knows of a database: what the server was, and what its contents counted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Postgresql,
    Sqlite,
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Postgresql => "PostgreSQL",
            Self::Sqlite => "SQLite",
        })
    }
}

/// What the server and the database are. Information, never compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    pub engine: Engine,
    /// As the server says it: `15.18 (Debian 15.18-0+deb12u1)`, `3.46.0`.
    pub version: String,
    /// The major version, which decides about the tools. `15`, `3`.
    pub major: u32,
    pub encoding: String,
    /// Bytes on the server's disk.
    pub size_bytes: u64,
    /// `name version` of each extension but plpgsql.
    pub extensions: Vec<String>,
}

/// What a restored database is compared with: everything here was read in the dump's own snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Ordinary leaf tables and filled materialised views, sorted by schema and name.
    pub tables: Vec<TableCount>,
    pub sequences: Vec<SequenceRange>,
    /// How many large objects there are; `None` where they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_objects: Option<u64>,
    /// The server's settings on which the text of a value depends: `TimeZone`, `bytea_output`, `lc_monetary`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rendering: BTreeMap<String, String>,
}

impl Fingerprint {
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCount {
    /// Empty in SQLite.
    pub schema: String,
    pub name: String,
    pub rows: u64,
    /// What the rows are; not of tables whose rows are computed, and not in what an older dcs wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<TableContent>,
}

/// The rows of a table, as the dump carried them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContent {
    /// In the order in which the rows have them.
    pub columns: Vec<String>,
    pub digest: RowsDigest,
}

/// A digest of rows in whatever order: the sum, modulo 2^128, of XXH3-128 (seed 0, as a number, most significant byte first)
/// over each row as PostgreSQL's `COPY` writes it in text format, without the newline. It finds what went wrong by chance;
/// against intent it is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsDigest(u128);

impl RowsDigest {
    pub fn new(sum: u128) -> Self {
        Self(sum)
    }
}

impl fmt::Display for RowsDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl Serialize for RowsDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowsDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sum = u128::from_str_radix(&text, 16).ok().filter(|_| is_hex);
        sum.map(Self).ok_or_else(|| serde::de::Error::custom("a digest of rows is 32 hexadecimal digits"))
    }
}

/// Sequences are not transactional: the restored value lies between the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceRange {
    pub schema: String,
    pub name: String,
    pub before: Option<i64>,
    pub after: Option<i64>,
}

/// One way in which a restored database is not what the fingerprint says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub subject: String,
    pub expected: String,
    pub found: String,
}
