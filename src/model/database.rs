//! What a backup knows of a database: what the server was, and what its contents counted.

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
