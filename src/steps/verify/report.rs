//! What to look at in a backup, and what was found.

use serde::Serialize;

use crate::database::scratch::Scratch;
use crate::model::evidence::ComponentTime;
use crate::model::{Sample, SqlCheck};

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Presence,
    Checksum,
    Contents,
    Restore,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Checksum => "checksum",
            Self::Contents => "contents",
            Self::Restore => "restore",
        }
    }
}

/// Where and how a backup is proven.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    pub scratch: &'a Scratch,
    /// What is asked of the restored databases, beside their counts.
    pub checks: &'a [SqlCheck],
}

/// What to look at, and how.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions<'a> {
    pub level: Level,
    /// Which packs, and what lies in them; all of them where it is `None`.
    pub sample: Option<Sample>,
    /// For level `restore`, and only for that.
    pub proof: Option<Proof<'a>>,
}

impl VerifyOptions<'_> {
    /// All of a backup.
    pub fn of(level: Level) -> Self {
        Self { level, sample: None, proof: None }
    }
}

/// Something that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub subject: String,
    pub reason: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    pub level: Level,
    /// Objects of the backup bucket.
    pub parts: u64,
    /// Objects in the backup whose content was read.
    pub objects: u64,
    /// Stored bytes.
    pub bytes: u64,
    /// Bytes of these objects.
    pub object_bytes: u64,
    /// Of restored databases, as compared with what was counted.
    pub tables: u64,
    pub rows: u64,
    /// Statements that were asked of them.
    pub checks: u64,
    /// How long each component took to restore.
    pub components: Vec<ComponentTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// All findings; of these the first [`super::MOST_FINDINGS`] are listed.
    pub damage: u64,
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

impl Verified {
    pub(super) fn begin(options: &VerifyOptions<'_>) -> Self {
        Self {
            level: options.level,
            parts: 0,
            objects: 0,
            bytes: 0,
            object_bytes: 0,
            tables: 0,
            rows: 0,
            checks: 0,
            components: Vec::new(),
            sample: options.sample,
            damage: 0,
            findings: Vec::new(),
        }
    }

    /// How long the recovery of all components took.
    pub fn seconds(&self) -> f64 {
        self.components.iter().map(|component| component.seconds).sum()
    }
}
