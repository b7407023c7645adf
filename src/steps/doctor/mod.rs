//! Tries what backups and restores will need, before they need it. Each thing that is tried is a finding of its own, with
//! what to do where it is not as it should be; none of them keeps the others from being tried.

use serde::Serialize;

use super::with_causes;
use crate::model::{BucketName, Prefix, format};
use crate::repository::{Repository, RepositoryError};
use crate::store::ObjectStore;

mod database;
mod machine;
mod probe;

pub use database::examine as databases;
pub use machine::{Machine, examine as machine};

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok,
    /// It works, and may not when it matters.
    Warning,
    Failed,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    Configuration,
    Store,
    Database,
    Machine,
}

/// What was tried, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub area: Area,
    pub health: Health,
    pub subject: String,
    pub found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    pub fn ok(area: Area, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self { area, health: Health::Ok, subject: subject.into(), found: found.into(), next: None }
    }

    pub fn warning(area: Area, subject: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { health: Health::Warning, next: Some(next.into()), ..Self::ok(area, subject, found) }
    }

    pub fn failed(area: Area, subject: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { health: Health::Failed, ..Self::warning(area, subject, found, next) }
    }
}

/// Clocks that differ by more than this much are told of; by more than the second, backups are refused.
const SKEW: [i64; 2] = [120, 900];

/// A store: whether it answers, and what time it has; and each bucket in use: whether it is there, and what can be done in
/// it. Nothing that is tried stays. `lists` says whether its buckets are to be listed.
pub async fn store(store: &dyn ObjectStore, name: &str, used: &[BucketUse], lists: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let subject = format!("store {name}");
    match store.now().await {
        Ok(there) => findings.push(clock(&subject, there)),
        Err(error) => {
            let next = "Check the endpoint in [stores] and that the server runs.";
            findings.push(Finding::failed(Area::Store, &subject, with_causes(&error), next));
            return findings;
        }
    }
    if lists {
        findings.push(match store.buckets().await {
            Ok(buckets) => {
                let found = format!("{} can be listed", format::count(buckets.len() as u64, "bucket"));
                Finding::ok(Area::Store, &subject, found)
            }
            Err(error) => {
                let next = "Check the access key and its right to list the buckets.";
                Finding::failed(Area::Store, &subject, with_causes(&error), next)
            }
        });
    }
    for used in used {
        let subject = format!("bucket {name}/{}", used.bucket);
        match store.bucket_exists(&used.bucket).await {
            Ok(true) if used.is_written => {
                findings.extend(probe::probe(store, &used.bucket, &used.prefix, &subject).await);
            }
            Ok(true) => findings.push(Finding::ok(Area::Store, subject, "can be listed")),
            Ok(false) => {
                let next = "Make it (the backup bucket: `dcs init`), or mend its name in the configuration.";
                findings.push(Finding::failed(Area::Store, subject, "there is no such bucket", next));
            }
            Err(error) => {
                let next = "Check the access key and its rights on the bucket.";
                findings.push(Finding::failed(Area::Store, subject, with_causes(&error), next));
            }
        }
    }
    findings
}

/// A bucket that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUse {
    pub bucket: BucketName,
    /// Where in it dcs may try things.
    pub prefix: Prefix,
    /// Whether dcs writes there.
    pub is_written: bool,
}

fn clock(subject: &str, there: jiff::Timestamp) -> Finding {
    let apart = jiff::Timestamp::now().duration_since(there).abs();
    // The store tells whole seconds.
    let [warned, refused] = SKEW.map(|limit| apart.as_secs() > limit);
    let told = format::duration(std::time::Duration::try_from(apart).unwrap_or_default());
    let found = format!("it answers; its clock and this host's are {told} apart");
    match (refused, warned) {
        (true, _) => {
            Finding::failed(Area::Store, subject, format!("{found}; backups are refused"), "Set the clock (NTP).")
        }
        (_, true) => Finding::warning(Area::Store, subject, found, "Set the clock (NTP)."),
        _ => Finding::ok(Area::Store, subject, "it answers; its clock agrees with this host's"),
    }
}

/// Whether the repository can be read, and what is in it.
pub async fn repository(repository: Result<&Repository, &RepositoryError>) -> Finding {
    let subject = "repository";
    let repository = match repository {
        Ok(repository) => repository,
        Err(error) => {
            let next = "If the place is new: `dcs init`. If not, check that it is the right one, and mounted.";
            return Finding::failed(Area::Store, subject, with_causes(error), next);
        }
    };
    match repository.backup_ids().await {
        Ok(ids) => {
            let found = format!("{}, {}", repository.describe(), format::count(ids.len() as u64, "backup"));
            Finding::ok(Area::Store, subject, found)
        }
        Err(error) => {
            Finding::failed(Area::Store, subject, with_causes(&error), "Check the rights of the key on the bucket.")
        }
    }
}
