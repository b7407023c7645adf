//! `backups/ID/manifest.json`: what a backup is and what it is made of. Fields are only ever added.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::database::{Fingerprint, ServerInfo};
use super::{BackupId, BackupKind, Digest, Key, Patterns, Problem, Report, SourceName, format, percent};

/// The version of the repository's layout and formats.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub id: BackupId,
    pub kind: BackupKind,
    /// Where dcs ran.
    pub host: String,
    pub dcs_version: String,
    /// By the backup store's clock.
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// As it was made; what was said later is in `state/tags.json`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// True where a part of a complete backup is missing; never `latest`.
    #[serde(default)]
    pub incomplete: bool,
    #[serde(default)]
    pub databases: Vec<DatabaseComponent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesComponent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigComponent>,
    #[serde(default)]
    pub captured: Vec<Captured>,
    #[serde(default)]
    pub report: Report,
    /// Whether the rows of items fit the objects, in a backup of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// Where everything came from, so that a machine without configuration can put it back.
    #[serde(default)]
    pub origins: Origins,
}

/// How the rows of items in the dumps fit the objects in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    pub state: ConsistencyState,
    pub rows: u64,
    pub objects: u64,
    /// Rows without objects, folders without a row, archived items with objects.
    pub differences: u64,
    /// The first of them.
    #[serde(default)]
    pub list: Vec<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsistencyState {
    /// Every row has its folder, and every folder its row.
    Verified,
    Drifted,
    /// They could not be compared; `list` says why.
    Unknown,
}

impl fmt::Display for Consistency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, objects) = (format::count(self.rows, "row"), format::count(self.objects, "object"));
        match self.state {
            ConsistencyState::Verified => write!(formatter, "verified: {rows} fit {objects}"),
            ConsistencyState::Drifted => {
                let differences = format::count(self.differences, "difference");
                write!(formatter, "drifted: {differences} between {rows} and {objects}")
            }
            ConsistencyState::Unknown => {
                let reason = self.list.first().map_or("", |problem| &problem.reason);
                write!(formatter, "unknown: {reason}")
            }
        }
    }
}

/// The live stores and databases by their names in the configuration, without secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    #[serde(default)]
    pub stores: BTreeMap<String, StoreOrigin>,
    /// URLs: `postgres://user@host:port/name`, `sqlite:/path`.
    #[serde(default)]
    pub databases: BTreeMap<String, String>,
}

/// Where a live store was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreOrigin {
    /// An endpoint's URL, or an absolute path.
    pub location: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `path` or `virtual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressing: Option<String>,
}

impl Manifest {
    /// Whether a restore may choose this backup by itself.
    pub fn is_good(&self) -> bool {
        !self.incomplete && self.report.is_clean()
    }

    /// Every artefact under `backups/ID/` and every index segment, with its size and digest; packs are in the pack list.
    pub fn artefacts(&self) -> impl Iterator<Item = &Part> {
        let databases = self.databases.iter().flat_map(|database| {
            let others = database.properties.iter().chain(&database.globals);
            std::iter::once(&database.dump).chain(others)
        });
        let packs = self.files.iter().map(|files| &files.pack_list);
        let config = self.config.iter().map(|config| &config.archive);
        let parts = databases.chain(packs).chain(config).flat_map(|artefact| &artefact.parts);
        parts.chain(self.files.iter().flat_map(|files| &files.segments).map(|segment| &segment.part))
    }
}

/// An object in the backup bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From the root of the repository.
    pub path: Key,
    pub size: u64,
    pub sha256: Digest,
}

/// A stream stored as one object, or as several in order where it was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    pub parts: Vec<Part>,
    /// Bytes before compression.
    pub raw_size: u64,
    /// Digest before compression.
    pub raw_sha256: Digest,
}

impl Artefact {
    pub fn stored_size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseComponent {
    /// As the configuration calls it.
    pub name: String,
    /// As the server calls it; the file's name in SQLite.
    pub database: String,
    pub server: ServerInfo,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// `pg_dump -Fc`, or an SQLite file; compressed.
    pub dump: Artefact,
    /// SQL that sets what `pg_restore` into a new name would lose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Artefact>,
    /// SQL that makes the roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub globals: Option<Artefact>,
    /// False where the role could not read the passwords.
    #[serde(default)]
    pub globals_hold_passwords: bool,
    pub fingerprint: Fingerprint,
    /// What was dumped, where that is not all; such a dump never stands for the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<DumpSelection>,
}

/// What of a database is dumped. Names may be patterns, as `pg_dump` takes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DumpSelection {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// Tables whose rows are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_table_data: Vec<String>,
    /// No rows at all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub schema_only: bool,
}

impl fmt::Display for DumpSelection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [("table", &self.tables), ("schema", &self.schemas), ("no rows of", &self.exclude_table_data)];
        let told = lists.into_iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what} {name}")));
        let told: Vec<String> = told.chain(self.schema_only.then(|| "no rows".to_owned())).collect();
        formatter.write_str(&told.join(", "))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesComponent {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub sources: Vec<SourceSummary>,
    pub objects: u64,
    pub bytes: u64,
    /// Objects that went between the listing and the reading.
    pub vanished: u64,
    /// The index, in order.
    pub segments: Vec<Segment>,
    pub packs: u64,
    pub pack_bytes: u64,
    /// `packs.tsv.gz`: pack, size, sha256 of every pack the index names, sorted by pack.
    pub pack_list: Artefact,
    /// The backup that this one was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<BackupId>,
    /// How the objects came into this backup.
    #[serde(default)]
    pub effort: Effort,
}

/// What a run had to do for its objects; those that were not read lie where an earlier run had put them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Effort {
    /// Objects that are as they were in the parent.
    pub unchanged: u64,
    /// Objects whose content was stored before under another key, or by an interrupted run.
    pub reused: u64,
    /// Objects that were read, and their bytes.
    pub read: u64,
    pub read_bytes: u64,
    /// Objects copied out of packs that were mostly dead.
    pub repacked: u64,
    /// Packs that were stored, and their bytes.
    pub new_packs: u64,
    pub new_pack_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSummary {
    pub source: SourceName,
    /// Empty for the whole bucket.
    #[serde(default)]
    pub prefixes: Vec<String>,
    pub objects: u64,
    pub bytes: u64,
    /// Policy, versioning, lifecycle as the store gave them, verbatim.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// What of it was asked for.
    #[serde(flatten)]
    pub patterns: Patterns,
}

impl SourceSummary {
    /// Whether the backup would hold an object of this key, had it been there.
    pub fn covers(&self, key: &str) -> bool {
        let is_inside = self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
        is_inside && self.patterns.take(self.source.as_str(), key)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    #[serde(flatten)]
    pub part: Part,
    pub rows: u64,
    /// `STORE/BUCKET/KEY` of its first row, the key percent-encoded; not in segments that an older dcs wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

impl Segment {
    /// A row as [`Self::first`] names it.
    pub fn name_of(source: &str, key: &str) -> String {
        format!("{source}/{}", percent::encode_key(key))
    }

    /// Source and key of the first row, where it is known.
    pub fn first_row(&self) -> Option<(&str, String)> {
        let first = self.first.as_deref()?;
        let (end, _) = first.match_indices('/').nth(1)?;
        Some((&first[..end], percent::decode(&first[end + 1..])?))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigComponent {
    /// `config.tar.gz`, an ordinary archive with absolute paths made relative.
    pub archive: Artefact,
    pub paths: Vec<String>,
    pub files: u64,
}

/// What a command of `[backup].capture` printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    pub command: String,
    pub output: String,
}
