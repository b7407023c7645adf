//! `runs/YYYYMM/TIME-COMMAND-CODE-RUN.json`: what a run of dcs was, and what came of it. Fields are only ever added.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BackupId, RunId};

/// One run of a command that changes something, makes a backup, or verifies one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub format: u32,
    pub run: RunId,
    /// As it is called: `backup files`.
    pub command: String,
    /// What followed `dcs` on the command line, without passwords.
    #[serde(default)]
    pub arguments: String,
    /// Where it ran, and who called it.
    pub host: String,
    pub user: String,
    pub dcs_version: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Whose clock these times are by.
    pub clock: ClockSource,
    pub exit_code: u8,
    /// What the run failed with, why, and what it was told to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The backup that the run made, or was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
    #[serde(default)]
    pub facts: RunFacts,
    /// What it set out to destroy, where that is its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed: Option<Destroyed>,
}

impl RunRecord {
    pub fn is_success(&self) -> bool {
        self.exit_code == 0
    }

    /// How long the run took.
    pub fn seconds(&self) -> f64 {
        self.finished_at.duration_since(self.started_at).as_secs_f64().max(0.0)
    }

    /// `dcs backup files ended with 3 on vps1: the message`: one line for a person.
    pub fn text(&self) -> String {
        let Self { command, host, exit_code, .. } = self;
        match &self.message {
            None => format!("dcs {command} on {host}: done"),
            Some(message) => format!("dcs {command} on {host} ended with exit code {exit_code}: {message}"),
        }
    }
}

/// Whose clock a time is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// The backup store's, by which backups are ordered.
    Store,
    /// The host's, where the store did not answer.
    Host,
}

/// What a run counted. What it does not count, or did not come to, is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFacts {
    /// Objects that the backup holds, that were read, moved or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Their bytes, with those of databases and configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Bytes that the run added to the backup bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// What went wrong while the rest went on.
    pub problems: u64,
}

/// What a run set out to destroy or to put out of its place: noted before the first of it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// `trash entries`, `backups`, `live databases` ...
    pub what: String,
    pub count: u64,
    /// The first of them, by name.
    pub names: Vec<String>,
    /// Whether the run came to the end of it.
    pub finished: bool,
}

impl Destroyed {
    /// Memory, and the record, must not grow with what is destroyed.
    pub const MOST_NAMES: usize = 100;

    pub fn new<T: fmt::Display>(what: &str, all: impl IntoIterator<Item = T>) -> Self {
        let mut destroyed = Self { what: what.to_owned(), ..Self::default() };
        for one in all {
            destroyed.count += 1;
            if destroyed.names.len() < Self::MOST_NAMES {
                destroyed.names.push(one.to_string());
            }
        }
        destroyed
    }

    /// This, and then that.
    #[must_use]
    pub fn and(mut self, then: Self) -> Self {
        self.what = format!("{}; {}", self.what, then.what);
        self.count += then.count;
        self.names.extend(then.names);
        self.names.truncate(Self::MOST_NAMES);
        self.finished = then.finished;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_that_are_destroyed_all_are_counted_and_the_first_are_named() {
        let destroyed = Destroyed::new("backups", 0..1000);
        assert_eq!((destroyed.count, destroyed.names.len()), (1000, Destroyed::MOST_NAMES));
        assert!(!destroyed.finished);
    }
}
