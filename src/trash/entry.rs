//! `TRASH-ID/entry.json`: what an entry is, and how far the move has come.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::{BucketName, RunId};

/// The entry is the journal of its own move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// Copies are being made; the originals are all in place.
    Moving,
    /// Every copy is proven.
    Complete,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub format: u32,
    /// `20261120T021500Z-k3x9`.
    pub id: String,
    pub state: EntryState,
    /// Where the objects were.
    pub bucket: BucketName,
    pub prefix: String,
    pub objects: u64,
    pub bytes: u64,
    /// The host and the run that made it.
    pub host: String,
    pub run: RunId,
    pub reason: String,
    pub created_at: Timestamp,
}

/// The name of an entry: its time, so that names sort by it, and what tells it from others of that second.
pub(super) fn entry_id(at: Timestamp) -> String {
    let time = at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
    format!("{time}-{}", RunId::create().short())
}
