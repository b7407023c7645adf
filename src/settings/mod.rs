//! The configuration file and the environment, resolved once into [`Settings`]. The only reader of either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::alert::Alerts;
use crate::model::item::ItemKind;
use crate::model::retention::Retention;
use crate::model::{BucketName, Compression, FileSource, Objectives, Patterns};

mod alerts;
mod environment;
mod file;
mod items;
mod limits;
mod objectives;
mod resolve;
mod retention;
mod secrets;
mod target;
mod verify;

pub use alerts::HookSettings;
pub use environment::Environment;
pub use file::Addressing;
pub use resolve::{host_name, program, user_name};
pub use target::{DatabaseSettings, RepositoryTarget, S3Settings, SqliteSettings, StoreSettings};
pub use verify::VerifySettings;

/// Where a configuration is looked for when neither `--config` nor `DCS_CONFIG` names one.
pub const DEFAULT_PATHS: [&str; 2] = ["dcs.toml", "/etc/dcs/dcs.toml"];

/// Says what is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} is not valid: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
    #[error("{option} is not valid: {reason}")]
    Option { option: String, reason: String },
    #[error("cannot read the secret of {subject}: {reason}")]
    Secret { subject: String, reason: String },
    #[error("there is no configuration: looked at {}", looked_at.join(", "))]
    Missing { looked_at: Vec<String> },
}

/// Everything that a run needs to know, checked.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The file it came from; none where `--repo` alone was given.
    pub path: Option<PathBuf>,
    /// Whether that file itself holds a password.
    pub holds_passwords: bool,
    /// The files that it names for secrets.
    pub secret_files: Vec<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub stores: BTreeMap<String, StoreSettings>,
    pub databases: BTreeMap<String, DatabaseSettings>,
    pub trash: Option<TrashSettings>,
    /// By their kinds.
    pub items: BTreeMap<String, ItemKind>,
    pub backup: BackupSettings,
    pub restore: RestoreSettings,
    pub verify: VerifySettings,
    pub alerts: Alerts,
    /// The text file for Prometheus.
    pub metrics: Option<PathBuf>,
    pub hooks: HookSettings,
    pub objectives: Objectives,
    pub repository: Option<RepositoryTarget>,
    pub environment: Environment,
}

/// Where soft-deleted and displaced objects go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashSettings {
    pub store: String,
    pub bucket: BucketName,
    /// How long entries should stay.
    pub keep: Option<Duration>,
}

/// What to back up.
#[derive(Debug, Clone, Default)]
pub struct BackupSettings {
    /// Names of databases, in order.
    pub databases: Vec<String>,
    pub files: Vec<FileSource>,
    /// What of these to take.
    pub patterns: Patterns,
    pub config: Vec<PathBuf>,
    pub capture: Vec<String>,
    pub compression: Compression,
    /// Percent of its objects or bytes that a source may lose before its backup is not good; 0 for never.
    pub shrink_guard: u8,
    grace: Option<Duration>,
    /// Which backups stay; all of them, where there are no rules.
    pub keep: Option<Retention>,
    /// Bytes that the repository should not exceed.
    pub budget: Option<u64>,
}

/// Long enough for a run that began before a mark to end, and for a person to see what was done.
const DEFAULT_GRACE: Duration = Duration::from_secs(24 * 3600);

impl BackupSettings {
    /// How long what no backup names is kept after it was marked.
    pub fn grace(&self) -> Duration {
        self.grace.unwrap_or(DEFAULT_GRACE)
    }
}

/// What to run around the swap of databases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreSettings {
    pub before: Option<String>,
    pub after: Option<String>,
    hook_timeout: Option<Duration>,
    /// Tables that are loaded at once.
    pub jobs: u32,
}

impl RestoreSettings {
    /// How long each hook may take.
    pub fn hook_timeout(&self) -> Duration {
        self.hook_timeout.unwrap_or(Duration::from_secs(600))
    }
}

impl Settings {
    /// Where temporary files go: below the state directory, or the system's folder where none is set.
    pub fn spool(&self) -> PathBuf {
        match &self.state_dir {
            Some(folder) => folder.join("spool"),
            None => self.environment.temporary_folder(),
        }
    }

    /// The local catalogue; none without a state directory.
    pub fn catalog(&self) -> Option<PathBuf> {
        self.state_dir.as_ref().map(|folder| folder.join("catalog.sqlite"))
    }

    /// Where proofs restore to: below the state directory, or a folder of this user where none is set.
    pub fn scratch(&self) -> PathBuf {
        let Some(folder) = &self.state_dir else {
            let user = rustix::process::geteuid().as_raw();
            return self.environment.temporary_folder().join(format!("dcs-verify-{user}"));
        };
        folder.join("verify")
    }

    /// The path to name in messages.
    pub fn path_or_default(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new("dcs.toml"))
    }
}
