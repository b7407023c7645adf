//! The names of backups and runs.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Digits of the random part: no vowels, so no words; no `0 1 l o`, so none is misread.
const ALPHABET: &[u8] = b"23456789bcdfghjkmnpqrstvwxz";
const TIME: &str = "%Y%m%dT%H%M%SZ";

fn random_text(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    Db,
    Files,
    Config,
    Complete,
}

impl BackupKind {
    pub const ALL: [Self; 4] = [Self::Db, Self::Files, Self::Config, Self::Complete];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Db => "db",
            Self::Files => "files",
            Self::Config => "config",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Says that a text is no backup id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id such as 20261120T020000Z-complete-k3x9, or 20261120T020000Z-k3x9 in the trash")]
pub struct InvalidId(String);

/// `20261120T020000Z-complete-k3x9`: time in UTC, kind, random. As text, ids sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(String);

impl BackupId {
    pub fn create(at: Timestamp, kind: BackupKind) -> Self {
        let time = at.to_zoned(TimeZone::UTC).strftime(TIME);
        Self(format!("{time}-{kind}-{}", random_text(4)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The second in which the backup began: `20261120T020000Z`.
    pub fn time(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// The same as a moment; `None` where it is none.
    pub fn began(&self) -> Option<Timestamp> {
        let civil = jiff::civil::DateTime::strptime(TIME, self.time()).ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    }

    pub fn kind(&self) -> BackupKind {
        let text = self.0.split('-').nth(1).unwrap_or_default();
        BackupKind::ALL.into_iter().find(|kind| kind.as_str() == text).unwrap_or(BackupKind::Complete)
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for BackupId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parts: Vec<&str> = text.split('-').collect();
        let is_id = matches!(parts[..], [time, kind, random]
            if is_time(time) && BackupKind::ALL.iter().any(|known| known.as_str() == kind) && is_random(random));
        if is_id { Ok(Self(text.to_owned())) } else { Err(InvalidId(text.to_owned())) }
    }
}

impl TryFrom<String> for BackupId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.0
    }
}

/// The short random name of one run of dcs, for locks, old databases and logs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(String);

impl RunId {
    pub fn create() -> Self {
        Self(random_text(8))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Four characters, for names that must stay short.
    pub fn short(&self) -> &str {
        &self.0[..4]
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// `20261120T021500Z-k3x9`: the name of a trash entry, its time in UTC and what tells it from others of that second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrashId(String);

impl TrashId {
    pub fn create(at: Timestamp) -> Self {
        Self(format!("{}-{}", at.to_zoned(TimeZone::UTC).strftime(TIME), random_text(4)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the entry was made, to the second.
    pub fn time(&self) -> Option<Timestamp> {
        let time = jiff::civil::DateTime::strptime(TIME, self.0.split('-').next()?).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }
}

impl fmt::Display for TrashId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for TrashId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_id = text.split_once('-').is_some_and(|(time, random)| is_time(time) && is_random(random));
        if is_id { Ok(Self(text.to_owned())) } else { Err(InvalidId(text.to_owned())) }
    }
}

impl TryFrom<String> for TrashId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<TrashId> for String {
    fn from(id: TrashId) -> Self {
        id.0
    }
}

fn is_time(text: &str) -> bool {
    text.len() == 16 && jiff::civil::DateTime::strptime(TIME, text).is_ok()
}

fn is_random(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// A random name of 24 characters (114 bits), for packs.
pub fn random_name() -> String {
    random_text(24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_time_and_kind_and_reads_back() {
        let at: Timestamp = "2026-11-20T02:00:00Z".parse().unwrap();
        let id = BackupId::create(at, BackupKind::Complete);
        assert!(id.as_str().starts_with("20261120T020000Z-complete-"));
        assert_eq!(id.as_str().parse::<BackupId>().unwrap(), id);
        assert_eq!(id.kind(), BackupKind::Complete);
    }

    #[test]
    fn what_could_leave_its_folder_is_no_id() {
        for bad in ["", "latest", "../x", "20261120T020000Z-complete-k3x9/..", "20261120T020000Z-other-k3x9", "é"] {
            assert!(bad.parse::<BackupId>().is_err(), "{bad:?}");
        }
    }
}
