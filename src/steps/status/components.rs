//! What there is to lose, and what is known of its backups.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Live;
use crate::model::{BackupId, BackupKind, BucketName, Manifest, Objectives, SourceName};

/// One thing that backups hold: a database, a bucket, the configuration, or all of them in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    pub kind: BackupKind,
    /// Of a database, as the configuration calls it; of a bucket, `STORE/BUCKET`; else empty.
    pub name: String,
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} {}", self.kind, self.name);
        formatter.write_str(text.trim_end())
    }
}

impl Component {
    fn new(kind: BackupKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// Whether a backup of this id may hold it.
    pub(super) fn may_be_in(&self, id: &BackupId) -> bool {
        id.kind() == self.kind || id.kind() == BackupKind::Complete
    }

    /// Whether a backup holds the whole of it.
    pub(super) fn is_in(&self, manifest: &Manifest) -> bool {
        match self.kind {
            BackupKind::Db => {
                manifest.databases.iter().any(|database| database.name == self.name && database.selection.is_none())
            }
            BackupKind::Files => {
                let mut sources = manifest.files.iter().flat_map(|files| &files.sources);
                sources.any(|summary| summary.source.as_str() == self.name)
            }
            BackupKind::Config => manifest.config.is_some(),
            BackupKind::Complete => manifest.kind == BackupKind::Complete,
        }
    }

    /// Everything that a backup holds.
    pub(super) fn all_in(manifest: &Manifest) -> Vec<Self> {
        let databases = manifest.databases.iter().filter(|database| database.selection.is_none());
        let sources = manifest.files.iter().flat_map(|files| &files.sources);
        let config = manifest.config.iter().map(|_| Self::new(BackupKind::Config, ""));
        let databases = databases.map(|database| Self::new(BackupKind::Db, &database.name));
        let sources = sources.map(|summary| Self::new(BackupKind::Files, summary.source.as_str()));
        databases.chain(sources).chain(config).collect()
    }

    /// The command that backs it up.
    pub fn backup_command(&self) -> String {
        match self.kind {
            BackupKind::Db if !self.name.is_empty() => format!("dcs backup db {}", self.name),
            kind => format!("dcs backup {kind}"),
        }
    }

    /// What evidence calls it.
    pub(super) fn in_evidence(&self) -> Option<String> {
        match self.kind {
            BackupKind::Db => Some(format!("database {}", self.name)),
            BackupKind::Files => Some("files".to_owned()),
            BackupKind::Config => Some("configuration".to_owned()),
            BackupKind::Complete => None,
        }
    }
}

/// What is known of the backups of one thing.
#[derive(Debug, Serialize)]
pub struct Standing {
    #[serde(flatten)]
    pub component: Component,
    /// The newest good backup.
    pub good: Option<Good>,
    /// The newest backup of it after that, which is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<PassedOver>,
    /// The newest backup that was shown to restore.
    pub proven: Option<Proven>,
    pub failures: Failures,
}

/// A backup that a restore would take.
#[derive(Debug, Clone, Serialize)]
pub struct Good {
    pub id: BackupId,
    /// What was written after this is not in it.
    pub started_at: Timestamp,
    pub age_seconds: u64,
    /// How long the backup took.
    pub took_seconds: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct PassedOver {
    pub id: BackupId,
    pub reason: String,
    /// What tells more.
    pub next: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Proven {
    pub id: BackupId,
    pub at: Timestamp,
    pub age_seconds: u64,
    /// How long its restore took then; of a bucket, with all others of that backup.
    pub restore_seconds: Option<f64>,
}

/// Runs that should have made a backup since the newest good one, and did not.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Failures {
    pub count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_code: Option<u8>,
}

impl Standing {
    pub(super) fn new(component: Component) -> Self {
        Self { component, good: None, passed_over: None, proven: None, failures: Failures::default() }
    }
}

/// Seconds from a moment to now; a moment to come is now.
pub(super) fn seconds_between(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).max(SignedDuration::ZERO).as_secs()).unwrap_or_default()
}

/// What to look for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) components: Vec<Component>,
    /// Whether what the newest backups hold is taken in too.
    pub(super) discover: Discover,
}

/// What to learn from the newest backups themselves.
#[derive(Debug, Default)]
pub(super) enum Discover {
    #[default]
    Nothing,
    /// There is no configuration.
    All,
    /// Which buckets there are in stores that do not answer.
    FilesOf(Vec<String>),
}

impl Discover {
    pub(super) fn takes_any(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    pub(super) fn takes(&self, component: &Component) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::FilesOf(stores) => {
                let store = component.name.split('/').next().unwrap_or_default();
                component.kind == BackupKind::Files && stores.iter().any(|known| known == store)
            }
        }
    }
}

/// What the configuration says, with the buckets that were found in each store; a store that is not there did not answer.
pub(super) fn wanted(
    live: Option<&Live>,
    buckets: &BTreeMap<String, Vec<BucketName>>,
    objectives: &Objectives,
) -> Wanted {
    let complete = objectives.complete.map(|_| Component::new(BackupKind::Complete, ""));
    let Some(live) = live else {
        return Wanted { components: complete.into_iter().collect(), discover: Discover::All };
    };
    let mut components: Vec<Component> =
        live.databases.iter().map(|name| Component::new(BackupKind::Db, name)).collect();
    let mut silent = Vec::new();
    for source in &live.files {
        let found = match (&source.bucket, buckets.get(&source.store)) {
            (Some(bucket), _) => std::slice::from_ref(bucket),
            (None, Some(found)) => found.as_slice(),
            (None, None) => {
                silent.push(source.store.clone());
                continue;
            }
        };
        for bucket in found {
            let component = Component::new(BackupKind::Files, SourceName::new(&source.store, bucket).as_str());
            if !components.contains(&component) {
                components.push(component);
            }
        }
    }
    components.extend(live.config.then(|| Component::new(BackupKind::Config, "")));
    components.extend(complete);
    let discover = if silent.is_empty() { Discover::Nothing } else { Discover::FilesOf(silent) };
    Wanted { components, discover }
}
