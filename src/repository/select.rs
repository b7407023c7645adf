//! Choosing a backup: by its id, or the newest good one.

use std::fmt;
use std::str::FromStr;

use futures_util::StreamExt;
use jiff::Timestamp;

use super::error::{ErrorKind, RepositoryError, Result};
use super::layout;
use super::open::Repository;
use crate::model::{BackupId, Manifest};

/// `ID`, `latest` or `latest~N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    Id(BackupId),
    /// The newest good backup that holds what is needed, or the one so many before it.
    Latest(usize),
    /// The newest good backup that ended at or before this time.
    At(Timestamp),
}

/// Says that a text selects no backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a backup's id, such as 20261120T020000Z-complete-k3x9, nor latest, nor latest~N")]
pub struct InvalidSelector(String);

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidSelector> {
        let invalid = || InvalidSelector(text.to_owned());
        match text.strip_prefix("latest") {
            Some("") => Ok(Self::Latest(0)),
            Some(rest) => {
                let count = rest.strip_prefix('~').filter(|count| count.bytes().all(|byte| byte.is_ascii_digit()));
                count.and_then(|count| count.parse().ok()).map(Self::Latest).ok_or_else(invalid)
            }
            None => text.parse().map(Self::Id).map_err(|_| invalid()),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt::Display::fmt(id, formatter),
            Self::At(time) => write!(formatter, "at or before {time}"),
            Self::Latest(0) => formatter.write_str("latest"),
            Self::Latest(count) => write!(formatter, "latest~{count}"),
        }
    }
}

/// A chosen backup, and those that were passed over on the way.
#[derive(Debug)]
pub struct Selected {
    pub manifest: Manifest,
    pub skipped: Vec<Skipped>,
    /// Why the chosen one is not good, where it was chosen by its id.
    pub remark: Option<String>,
}

/// A newer backup that would have held what is needed, were it good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub id: BackupId,
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "backup {} is passed over: {}", self.id, self.reason)
    }
}

impl Repository {
    /// Finds the backup that a selector means. `holds` says whether a backup has what the command needs: one that has not
    /// is never `latest`, and by its id it is `Refused`. `needed` names that for people: `a database`.
    pub async fn select(
        &self,
        selector: &Selector,
        needed: &str,
        holds: impl Fn(&Manifest) -> bool + Send,
    ) -> Result<Selected> {
        match selector {
            Selector::Id(id) => {
                let manifest = self.manifest(id).await?;
                if !holds(&manifest) {
                    let error = RepositoryError::new(ErrorKind::Refused, "use backup", id.as_str());
                    return Err(error.with_detail(format!("it does not hold {needed}")));
                }
                let remark = self.why_not_good(&manifest).await?;
                Ok(Selected { manifest, skipped: Vec::new(), remark })
            }
            Selector::Latest(before) => self.latest(*before, needed, holds).await,
            Selector::At(time) => {
                let ended = move |manifest: &Manifest| manifest.finished_at <= *time && holds(manifest);
                let found = self.latest(0, needed, ended).await;
                found.map_err(|error| match error.kind {
                    ErrorKind::NotFound => RepositoryError { subject: selector.to_string(), ..error },
                    _ => error,
                })
            }
        }
    }

    async fn latest(&self, before: usize, needed: &str, holds: impl Fn(&Manifest) -> bool + Send) -> Result<Selected> {
        let mut ids = self.backup_ids().await?;
        ids.reverse();
        let mut skipped = Vec::new();
        let mut good = 0;
        let mut manifests = std::pin::pin!(self.manifests(&ids));
        while let Some(backup) = manifests.next().await {
            let reason = match backup.manifest {
                Ok(manifest) if !holds(&manifest) => continue,
                Ok(manifest) => match self.why_not_good(&manifest).await? {
                    Some(reason) => reason,
                    None if good == before => {
                        return Ok(Selected { manifest, skipped, remark: None });
                    }
                    None => {
                        good += 1;
                        continue;
                    }
                },
                Err(error) => match error.kind {
                    ErrorKind::NotFound => continue,
                    ErrorKind::Damaged | ErrorKind::Unsupported => error.to_string(),
                    // The store failed: an older backup must not pass for the newest.
                    _ => return Err(error),
                },
            };
            skipped.push(Skipped { id: backup.id, reason });
        }
        let wanted = Selector::Latest(before).to_string();
        let error = RepositoryError::new(ErrorKind::NotFound, "find backup", wanted);
        let passed = match skipped.as_slice() {
            [] => String::new(),
            [first, ..] => format!(", {} passed over; {first}", skipped.len()),
        };
        Err(error.with_detail(format!("{good} good backups hold {needed}{passed}")))
    }

    /// Why a restore may not choose this backup by itself. Problems that the operator accepted are none; a missing
    /// component stays one.
    pub async fn why_not_good(&self, manifest: &Manifest) -> Result<Option<String>> {
        if manifest.is_good() {
            return Ok(None);
        }
        if manifest.incomplete {
            return Ok(Some("it is incomplete".to_owned()));
        }
        if self.get(&layout::state(&manifest.id, "accepted")).await?.is_some() {
            return Ok(None);
        }
        let first = manifest.report.problems.first();
        let first = first.map(|problem| format!(", first {}: {}", problem.subject, problem.reason));
        Ok(Some(format!("it has {} problems{}", manifest.report.problem_count, first.unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_back_and_anything_else_is_refused() {
        for text in ["latest", "latest~1", "latest~12", "20261120T020000Z-complete-k3x9"] {
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
        }
        for text in ["", "latest~", "latest~-1", "latest~x", "latest1", "LATEST", "newest"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
