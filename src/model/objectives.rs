//! What the operator wants of backups; `dcs status --check` holds them against it.

use std::time::Duration;

/// Each one that is set is an objective.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objectives {
    /// How old the newest good backup may be: of each database, each bucket, the configuration, and of all in one.
    pub db: Option<Duration>,
    pub files: Option<Duration>,
    pub config: Option<Duration>,
    pub complete: Option<Duration>,
    /// How long ago each of these may have been proven last.
    pub proven: Option<Duration>,
    /// How long a backup may take.
    pub backup_time: Option<Duration>,
    /// How long the restore of everything may take, as the last proofs measured it.
    pub restore_time: Option<Duration>,
    /// Bytes that the repository may take.
    pub disk_used: Option<u64>,
}

impl Objectives {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
