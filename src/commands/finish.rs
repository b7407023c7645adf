//! The one path by which a run ends: its outcome becomes its exit code here, and its record is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{Outcome, Session, waiting};
use crate::cli::passwords::hide_passwords;
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::manifest::FORMAT;
use crate::model::{ClockSource, RunRecord};
use crate::repository::Repository;
use crate::settings::{Environment, Settings, host_name, user_name};

/// How long the backup bucket may take for the record; after that it waits on this machine.
const LONGEST_WRITE: Duration = Duration::from_secs(10);

impl Session {
    /// Ends the run: gives back what it holds, and leaves the record of what it was. `deed` is the command's name, where
    /// its runs are recorded.
    pub async fn finish(self, deed: Option<&'static str>, result: Outcome) -> Outcome {
        let result = self.close(result).await;
        // Without a configuration that can be read, nobody knows where a record should go.
        let (Some(command), Ok(settings)) = (deed, self.settings_or_none()) else { return result };
        let repository = self.place_of_records(settings).await;
        let record = self.record(command, &result, repository.as_ref()).await;
        self.leave(settings, repository, &record).await;
        result
    }

    /// The repository, where it answers.
    async fn place_of_records(&self, settings: &Settings) -> Option<Repository> {
        if let Some(repository) = self.told().repository() {
            return Some(repository);
        }
        // What did not answer a moment ago is not asked again.
        if settings.repository.is_none() || self.told().is_unreachable() {
            return None;
        }
        match tokio::time::timeout(LONGEST_WRITE, self.repository(false)).await {
            Ok(Ok(repository)) => Some(repository),
            Ok(Err(error)) => {
                tracing::debug!(message = error.message, "no repository for the record of the run");
                None
            }
            Err(_) => None,
        }
    }

    async fn record(&self, command: &str, result: &Outcome, repository: Option<&Repository>) -> RunRecord {
        let (facts, destroyed) = self.told().facts();
        let (started_at, finished_at, clock) = self.times(repository).await;
        let error = result.as_ref().err();
        let environment = Environment::from_process();
        RunRecord {
            format: FORMAT,
            run: self.run().clone(),
            command: command.to_owned(),
            arguments: hide_passwords(&Environment::command_line()),
            host: host_name(),
            user: user_name(&environment),
            dcs_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            finished_at,
            clock,
            exit_code: code(result).number(),
            message: error.map(|error| hide_passwords(&error.message)),
            causes: error.map(|error| hidden(&error.causes)).unwrap_or_default(),
            hints: error.map(|error| hidden(&error.hints)).unwrap_or_default(),
            backup: self.chosen().cloned(),
            facts,
            destroyed,
        }
    }

    /// Begin and end by the store's clock, as far as it answers.
    async fn times(&self, repository: Option<&Repository>) -> (Timestamp, Timestamp, ClockSource) {
        let took = SignedDuration::try_from(self.told().took()).unwrap_or_default();
        if let Some(repository) = repository
            && let Ok(Ok(now)) = tokio::time::timeout(LONGEST_WRITE, repository.now()).await
        {
            return (now.checked_sub(took).unwrap_or(now), now, ClockSource::Store);
        }
        let began = self.told().began_at;
        (began, began.checked_add(took).unwrap_or(began), ClockSource::Host)
    }

    /// Writes the record into the bucket, with those that wait on this machine; where it cannot, it waits there too.
    async fn leave(&self, settings: &Settings, repository: Option<Repository>, record: &RunRecord) {
        let Some(target) = &settings.repository else { return };
        let place = format!("{}/{}/{}", target.store.location(), target.bucket, target.prefix);
        let folder = settings.state_dir.as_deref().map(|state| waiting::folder(state, &place));
        match self.write(repository, folder.as_deref(), record).await {
            Ok(()) => {}
            Err(reason) => self.keep(folder, record, &reason),
        }
    }

    async fn write(
        &self,
        repository: Option<Repository>,
        folder: Option<&Path>,
        record: &RunRecord,
    ) -> Result<(), String> {
        let Some(repository) = repository else { return Err("the backup bucket cannot be used".to_owned()) };
        let (path, text) = (Repository::run_path(record), text(record)?);
        let written = tokio::time::timeout(LONGEST_WRITE, repository.put_run(&path, text)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("the backup bucket does not answer".to_owned()),
        }
        if let Some(folder) = folder {
            let sent = tokio::time::timeout(LONGEST_WRITE, waiting::send(folder, &repository)).await;
            tracing::debug!(?sent, "records that waited");
        }
        Ok(())
    }

    fn keep(&self, folder: Option<PathBuf>, record: &RunRecord, reason: &str) {
        let kept = match (&folder, text(record)) {
            (Some(folder), Ok(text)) => waiting::keep(folder, &Repository::run_path(record), &text),
            (None, _) => Err("there is no `state_dir` for it to wait in".to_owned()),
            (_, Err(error)) => Err(error),
        };
        match kept {
            Ok(()) => tracing::info!(reason, "the record of this run waits in state_dir"),
            Err(why) => self.ui().warn(&format!("this run leaves no record: {reason}, and {why}")),
        }
    }
}

fn text(record: &RunRecord) -> Result<Bytes, String> {
    let mut text = serde_json::to_vec_pretty(record).map_err(|error| error.to_string())?;
    text.push(b'\n');
    Ok(text.into())
}

/// The exit code that an outcome is.
fn code(result: &Outcome) -> ExitCode {
    match result {
        Ok(code) => *code,
        Err(error) => error.code,
    }
}

fn hidden(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| hide_passwords(text)).collect()
}

/// A fault of dcs itself.
pub fn fault() -> CommandError {
    CommandError::new(ExitCode::Failed, "a fault in dcs; see the lines above").hint("Please report it.")
}
