//! `evidence/ID/TIME-LEVEL.json`: what a verification of a backup looked at, and what it found. Fields are only ever added.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BackupId, Problem, RunId};

/// What came of a verification. It stands in the key, so that a listing alone tells which backups are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All of it is as it was.
    Passed,
    /// A sample of it is as it was.
    Sampled,
    /// Something is not as it was.
    Failed,
    /// It could not be looked at to the end.
    Unfinished,
}

impl Verdict {
    /// What follows the level in the key.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Passed => "",
            Self::Sampled => "-sampled",
            Self::Failed => "-failed",
            Self::Unfinished => "-unfinished",
        }
    }

    /// Takes the verdict off the end of a name: the level, and the verdict.
    pub fn split(name: &str) -> (&str, Self) {
        let ended = [Self::Sampled, Self::Failed, Self::Unfinished]
            .into_iter()
            .find_map(|verdict| Some((name.strip_suffix(verdict.suffix())?, verdict)));
        ended.unwrap_or((name, Self::Passed))
    }
}

/// The result of one verification of one backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub format: u32,
    pub id: BackupId,
    pub run: RunId,
    /// `presence`, `checksum`, `contents` or `restore`.
    pub level: String,
    pub verdict: Verdict,
    /// Whether all that was looked at is as it was, and nothing kept it from being looked at.
    pub ok: bool,
    /// Where dcs ran.
    pub host: String,
    pub dcs_version: String,
    /// By the backup store's clock.
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// How long each component took: at level `restore`, the measured time of its recovery.
    #[serde(default)]
    pub components: Vec<ComponentTime>,
    /// From when the oldest data of the backup is.
    pub recovery_point_at: Timestamp,
    /// How old that data was when the verification ended: what a loss at that moment would have cost.
    pub recovery_point_seconds: u64,
    pub compared: Extent,
    /// Which part of the files was looked at; absent where it was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// How many findings there were; of these the first are listed.
    pub damage: u64,
    #[serde(default)]
    pub findings: Vec<Problem>,
    /// What kept it from being looked at to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Evidence {
    /// Findings in words; memory of whoever reads it must not grow with the damage.
    pub const MOST_FINDINGS: usize = 100;

    /// How long all components took.
    pub fn seconds(&self) -> f64 {
        self.components.iter().map(|component| component.seconds).sum()
    }
}

/// How long one component of a backup took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentTime {
    /// `database NAME`, `files` or `configuration`.
    pub name: String,
    pub seconds: f64,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extent {
    /// Objects of the backup bucket.
    pub parts: u64,
    /// Stored bytes of these.
    pub bytes: u64,
    /// Tables and rows of restored databases.
    pub tables: u64,
    pub rows: u64,
    /// Statements of `[[verify.sql]]`.
    pub checks: u64,
    /// Objects of the backup whose content was read, and their bytes.
    pub objects: u64,
    pub object_bytes: u64,
}

/// A statement whose answer is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlCheck {
    /// As the configuration calls it.
    pub database: String,
    pub statement: String,
    /// The first column of the first row, as text.
    pub expect: String,
}

/// One of so many parts of the packs of a repository, told apart by the digest of their names: a pack is in the same part
/// of every backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// From 0.
    pub part: u32,
    pub of: u32,
}

impl Sample {
    /// The part after the one that was looked at last, so that as many runs as there are parts see them all.
    #[must_use]
    pub fn after(last: Option<Self>, of: u32) -> Self {
        let part = last.filter(|last| last.of == of).map_or(0, |last| (last.part + 1) % of);
        Self { part, of }
    }
}

/// `1/4`: the denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction(pub u32);

/// Says that a text is no fraction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a fraction from 1/2 to 1/1000, as in 1/4")]
pub struct InvalidFraction;

impl FromStr for Fraction {
    type Err = InvalidFraction;

    fn from_str(text: &str) -> Result<Self, InvalidFraction> {
        let of = text.strip_prefix("1/").and_then(|of| of.parse().ok()).ok_or(InvalidFraction)?;
        if (2..=1000).contains(&of) { Ok(Self(of)) } else { Err(InvalidFraction) }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "part {} of {}", self.part + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_sample_are_walked_in_turn() {
        let mut last = None;
        let mut parts = Vec::new();
        for _ in 0..5 {
            let next = Sample::after(last, 4);
            parts.push(next.part);
            last = Some(next);
        }
        assert_eq!(parts, [0, 1, 2, 3, 0]);
        assert_eq!(Sample::after(Some(Sample { part: 3, of: 4 }), 7), Sample { part: 0, of: 7 });
    }

    #[test]
    fn a_verdict_reads_back_from_a_name() {
        for verdict in [Verdict::Passed, Verdict::Sampled, Verdict::Failed, Verdict::Unfinished] {
            let name = format!("restore{}", verdict.suffix());
            assert_eq!(Verdict::split(&name), ("restore", verdict));
        }
    }

    #[test]
    fn a_fraction_is_one_of_many() {
        assert_eq!("1/4".parse(), Ok(Fraction(4)));
        for bad in ["", "1", "1/1", "2/4", "1/0", "1/1001", "0.25", "1/x"] {
            assert_eq!(bad.parse::<Fraction>(), Err(InvalidFraction), "{bad}");
        }
    }
}
