//! What verifications found, beside the backups: written once, never changed, gone with the backup.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::error::Result;
use super::{Repository, layout};
use crate::model::{BackupId, Evidence, Key, Sample, Verdict};
use crate::store::Precondition;

/// The level at which a backup is proven.
pub const PROOF: &str = "restore";

/// What is known of whether a backup restores: by its last whole proof, or by a failure after that, of whatever level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Proof {
    #[default]
    Never,
    Proven {
        at: Timestamp,
    },
    Failed {
        at: Timestamp,
        level: String,
    },
}

impl Proof {
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Proven { at } | Self::Failed { at, .. } => Some(*at),
        }
    }

    /// Takes one more piece of evidence in, in whatever order these come.
    fn note(&mut self, at: Timestamp, level: &str, verdict: Verdict) {
        let other = match verdict {
            Verdict::Passed if level == PROOF => Self::Proven { at },
            Verdict::Failed => Self::Failed { at, level: level.to_owned() },
            _ => return,
        };
        // Of one second, the failure counts.
        let is_failure = matches!(other, Self::Failed { .. });
        if self.at().is_none_or(|known| known < at || (known == at && is_failure)) {
            *self = other;
        }
    }

    /// The path of the evidence that it rests on.
    fn path(&self, id: &BackupId) -> Option<Key> {
        match self {
            Self::Never => None,
            Self::Proven { at } => Some(layout::evidence(id, *at, PROOF, Verdict::Passed)),
            Self::Failed { at, level } => Some(layout::evidence(id, *at, level, Verdict::Failed)),
        }
    }
}

impl Repository {
    /// Writes evidence down. Its key tells the second, and is later than that of any other for the same backup: what came
    /// after what stays known.
    pub async fn record(&self, evidence: &Evidence) -> Result<()> {
        let mut at = evidence.finished_at;
        let folder = layout::evidence_folder(&evidence.id);
        let mut listing = std::pin::pin!(self.list_folder(&folder));
        while let Some((path, _)) = listing.try_next().await? {
            if let Some((_, other, ..)) = layout::evidence_at(path.as_str()) {
                at = at.max(other.saturating_add(SignedDuration::from_secs(1)).unwrap_or(other));
            }
        }
        let path = layout::evidence(&evidence.id, at, &evidence.level, evidence.verdict);
        self.put_json(&path, evidence, Precondition::Overwrite).await
    }

    /// What is known of each backup that was ever proven, or failed; from one listing. Memory grows with the backups, not
    /// with how often they were verified.
    pub async fn proofs(&self) -> Result<BTreeMap<BackupId, Proof>> {
        let mut proofs: BTreeMap<BackupId, Proof> = BTreeMap::new();
        let mut listing = std::pin::pin!(self.list_folder(layout::EVIDENCE));
        while let Some((path, _)) = listing.try_next().await? {
            if let Some((id, at, level, verdict)) = layout::evidence_at(path.as_str()) {
                proofs.entry(id).or_default().note(at, level, verdict);
            }
        }
        Ok(proofs)
    }

    /// What is known of one backup, and the evidence for it. What cannot be read of it is `None`.
    pub async fn proof(&self, id: &BackupId) -> Result<(Proof, Option<Evidence>)> {
        let mut proof = Proof::default();
        let folder = layout::evidence_folder(id);
        let mut listing = std::pin::pin!(self.list_folder(&folder));
        while let Some((path, _)) = listing.try_next().await? {
            if let Some((_, at, level, verdict)) = layout::evidence_at(path.as_str()) {
                proof.note(at, level, verdict);
            }
        }
        let evidence = match proof.path(id) {
            Some(path) => self.get(&path).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            None => None,
        };
        Ok((proof, evidence))
    }

    /// The newest proofs of any backups that found everything they looked at as it was, newest first.
    pub async fn newest_proofs(&self, most: usize) -> Result<Vec<Evidence>> {
        let mut newest: BTreeSet<(Timestamp, Key)> = BTreeSet::new();
        let mut listing = std::pin::pin!(self.list_folder(layout::EVIDENCE));
        while let Some((path, _)) = listing.try_next().await? {
            let Some((_, at, level, verdict)) = layout::evidence_at(path.as_str()) else { continue };
            if level == PROOF && matches!(verdict, Verdict::Passed | Verdict::Sampled) {
                newest.insert((at, path.clone()));
                if newest.len() > most {
                    newest.pop_first();
                }
            }
        }
        let mut proofs = Vec::new();
        for (_, path) in newest.into_iter().rev() {
            let read = self.get(&path).await?;
            proofs.extend(read.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
        }
        Ok(proofs)
    }

    /// The sample that the last sampled verification of any backup looked at. Where it failed, or was not finished, its
    /// name does not say that it was one, and the same part is looked at again.
    pub async fn last_sample(&self) -> Result<Option<Sample>> {
        let mut newest: Option<(Timestamp, Key)> = None;
        let mut listing = std::pin::pin!(self.list_folder(layout::EVIDENCE));
        while let Some((path, _)) = listing.try_next().await? {
            let sampled = layout::evidence_at(path.as_str()).filter(|(.., verdict)| *verdict == Verdict::Sampled);
            let Some((_, at, ..)) = sampled else { continue };
            if newest.as_ref().is_none_or(|(known, _)| *known <= at) {
                newest = Some((at, path));
            }
        }
        let Some((_, path)) = newest else { return Ok(None) };
        let evidence: Option<Evidence> = self.get(&path).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(evidence.and_then(|evidence| evidence.sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(notes: &[(&str, &str, Verdict)]) -> Proof {
        let mut proof = Proof::default();
        for (at, level, verdict) in notes {
            proof.note(at.parse().unwrap(), level, *verdict);
        }
        proof
    }

    #[test]
    fn the_last_whole_proof_or_failure_counts_and_nothing_less() {
        let (early, late) = ("2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z");
        let proven = |at: &str| Proof::Proven { at: at.parse().unwrap() };
        assert_eq!(proof(&[(early, "contents", Verdict::Passed)]), Proof::Never);
        assert_eq!(proof(&[(early, PROOF, Verdict::Sampled), (late, PROOF, Verdict::Unfinished)]), Proof::Never);
        assert_eq!(proof(&[(early, PROOF, Verdict::Passed), (late, "checksum", Verdict::Passed)]), proven(early));
        assert_eq!(proof(&[(late, PROOF, Verdict::Passed), (early, "checksum", Verdict::Failed)]), proven(late));
        for order in [[0, 1], [1, 0]] {
            let notes = [(early, PROOF, Verdict::Passed), (late, "checksum", Verdict::Failed)];
            let failed = Proof::Failed { at: late.parse().unwrap(), level: "checksum".to_owned() };
            assert_eq!(proof(&order.map(|index| notes[index])), failed);
        }
    }
}
