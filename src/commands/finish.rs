//! The one path by which a run ends: its outcome becomes its exit code here, everybody who is to know is told, and its
//! record is written.

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
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(10);

/// Clocks that differ by less are taken for one: a store tells whole seconds.
const AGREED: SignedDuration = SignedDuration::from_secs(2);

impl Session {
    /// Ends the run: gives back what it holds, runs hooks, tells whom it may concern, and leaves the record of what it was.
    /// `deed` is the command's name, where its runs are recorded.
    pub async fn finish(self, deed: Option<&'static str>, result: Outcome) -> Outcome {
        let result = self.close(result).await;
        // Without a configuration that can be read, nobody knows whom to tell.
        let (Some(command), Ok(settings)) = (deed, self.settings()) else { return result };
        let result = self.hooks_after(settings, command, result).await;

        // What fails from here on is a problem of the run, and never hides what it failed with itself.
        let repository = self.place_of_records(settings).await;
        let mut record = self.record(command, &result, repository.as_ref()).await;
        let mut problems = Box::pin(self.alert(settings, repository.as_ref(), &record)).await;
        let told = self.with_problems(result, &problems);
        note_outcome(&mut record, &told);
        problems = self.write_metrics(settings, &record).await;
        let told = self.with_problems(told, &problems);
        note_outcome(&mut record, &told);

        // Last, so that it says what the exit code is.
        self.leave(settings, repository, &record).await;
        told
    }

    /// The outcome with what went wrong after it.
    fn with_problems(&self, result: Outcome, problems: &[String]) -> Outcome {
        self.tell_problems(problems.len() as u64);
        match (result, problems) {
            (result, []) => result,
            (Ok(ExitCode::Done), [first, rest @ ..]) => {
                for problem in rest {
                    self.ui().warn(problem);
                }
                let message = format!("all was done, but {first}");
                Err(CommandError::new(ExitCode::Problems, message)
                    .hint("Mend the cause; the run itself need not be repeated."))
            }
            (result, problems) => {
                for problem in problems {
                    self.ui().warn(problem);
                }
                result
            }
        }
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
        let environment = Environment::from_process();
        let mut record = RunRecord {
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
            exit_code: 0,
            message: None,
            causes: Vec::new(),
            hints: Vec::new(),
            backup: self.chosen().cloned(),
            facts,
            destroyed,
        };
        note_outcome(&mut record, result);
        record
    }

    /// Begin and end by the store's clock, as far as it answers. Where this host's agrees with it, this host's, which knows
    /// more than whole seconds: two runs in one second stay in order.
    async fn times(&self, repository: Option<&Repository>) -> (Timestamp, Timestamp, ClockSource) {
        let (took, began) = (SignedDuration::try_from(self.told().took()).unwrap_or_default(), self.told().began_at);
        if let Some(repository) = repository
            && let Ok(Ok(now)) = tokio::time::timeout(LONGEST_WRITE, repository.now()).await
        {
            if now.duration_since(Timestamp::now()).abs() >= AGREED {
                return (now.checked_sub(took).unwrap_or(now), now, ClockSource::Store);
            }
            return (began, began.checked_add(took).unwrap_or(began), ClockSource::Store);
        }
        (began, began.checked_add(took).unwrap_or(began), ClockSource::Host)
    }

    /// Writes the record into the bucket, with those that wait on this machine; where it cannot, it waits there too.
    async fn leave(&self, settings: &Settings, repository: Option<Repository>, record: &RunRecord) {
        let Some(target) = &settings.repository else { return };
        let place = format!("{}/{}/{}", target.store.location(), target.bucket, target.prefix);
        let folder = settings.state_dir.as_deref().map(|state| waiting::folder(state, &place));
        if let Err(reason) = write(repository, folder.as_deref(), record).await {
            self.keep(folder, record, &reason);
        }
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

/// Writes what an outcome is into a record.
fn note_outcome(record: &mut RunRecord, result: &Outcome) {
    let hidden = |texts: &[String]| texts.iter().map(|text| hide_passwords(text)).collect();
    match result {
        Ok(code) => record.exit_code = code.number(),
        Err(error) => {
            record.exit_code = error.code.number();
            record.message = Some(hide_passwords(&error.message));
            record.causes = hidden(&error.causes);
            record.hints = hidden(&error.hints);
        }
    }
}

async fn write(repository: Option<Repository>, folder: Option<&Path>, record: &RunRecord) -> Result<(), String> {
    let Some(repository) = repository else { return Err("the backup bucket cannot be used".to_owned()) };
    let (path, text) = (Repository::run_path(record), text(record)?);
    match tokio::time::timeout(LONGEST_WRITE, repository.put_run(&path, text)).await {
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

fn text(record: &RunRecord) -> Result<Bytes, String> {
    let mut text = serde_json::to_vec_pretty(record).map_err(|error| error.to_string())?;
    text.push(b'\n');
    Ok(text.into())
}

/// A fault of dcs itself.
pub fn fault() -> CommandError {
    CommandError::new(ExitCode::Failed, "a fault in dcs; see the lines above").hint("Please report it.")
}
