//! The operator's own commands around each step of a backup.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Result;
use super::hooks::{self, Surroundings};
use crate::model::BackupId;

/// What to run around steps, and what to tell it.
#[derive(Debug, Default)]
pub struct StepHooks {
    pub before: Option<String>,
    pub after: Option<String>,
    pub timeout: Duration,
    pub secrets: Vec<String>,
    /// What both are told beside the step.
    pub facts: Vec<(&'static str, String)>,
    failures: Mutex<Vec<String>>,
}

impl StepHooks {
    /// Runs the one before a step. Where it fails, so does the backup.
    pub async fn before(&self, step: &str, backup: &BackupId) -> Result<()> {
        self.run("before_step", self.before.as_deref(), step, backup).await
    }

    /// Runs the one after a step. Where it fails the backup is none the worse, and it is told at the end.
    pub async fn after(&self, step: &str, backup: &BackupId) {
        if let Err(error) = self.run("after_step", self.after.as_deref(), step, backup).await {
            tracing::warn!("{step}: {error}");
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{step}: {error}"));
        }
    }

    /// What failed after steps.
    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn run(&self, which: &'static str, command: Option<&str>, step: &str, backup: &BackupId) -> Result<()> {
        let Some(command) = command else { return Ok(()) };
        let mut facts = vec![("DCS_HOOK", which), ("DCS_STEP", step), ("DCS_BACKUP", backup.as_str())];
        facts.extend(self.facts.iter().map(|(name, value)| (*name, value.as_str())));
        let surroundings = Surroundings { timeout: self.timeout, secrets: &self.secrets, facts: &facts };
        hooks::run(which, command, &surroundings).await
    }
}
