//! Before and after a run: hooks, alerts, metrics.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::finish::LONGEST_WRITE;
use super::{Outcome, Session};
use crate::alerts::{self, Alert};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::metrics;
use crate::model::RunRecord;
use crate::model::alert::{AlertOn, Occasion};
use crate::repository::Repository;
use crate::settings::Settings;
use crate::signals;
use crate::steps::hooks::{self, Surroundings};
use crate::steps::step_hooks::StepHooks;

/// The file of metrics lies on a local disk; one that hangs is not waited for.
const LONGEST_METRICS: Duration = Duration::from_secs(10);

/// What was begun before the command, and has to be ended after it.
#[derive(Default)]
pub(super) struct Begun {
    /// The ping that says that the run has begun: it goes on beside the command.
    ping: Option<JoinHandle<Option<String>>>,
    /// Whether the hook `before` was run.
    hooked: bool,
}

impl Session {
    /// Begins a run: says so to whom pings go, and runs the hook `before`. Where that fails, nothing is done.
    pub async fn begin(&self, deed: Option<&'static str>) -> Result<(), CommandError> {
        // What is wrong with the configuration, the command says.
        let (Some(command), Ok(settings)) = (deed, self.settings()) else { return Ok(()) };
        if settings.alerts.ping_of(command).is_some() {
            let alerts = settings.alerts.clone();
            let ping = tokio::spawn(async move { alerts::ping_start(&alerts, command).await });
            self.begun().ping = Some(ping);
        }
        if !settings.hooks.take(command) {
            return Ok(());
        }
        self.begun().hooked = true;
        let Some(hook) = &settings.hooks.before else { return Ok(()) };
        self.run_hook(settings, command, "before", hook, &[]).await.map_err(|reason| {
            CommandError::new(ExitCode::Refused, format!("the hook `before` failed, and nothing was done: {reason}"))
                .hint("Mend `before` in [hooks], and run the same command again.")
        })
    }

    /// Runs the hooks `after` and, where the run failed, `on_failure`, also of a run that was told to end; another signal
    /// gives them up.
    pub(super) async fn hooks_after(&self, settings: &Settings, command: &str, result: Outcome) -> Outcome {
        if !self.begun().hooked {
            return result;
        }
        let after = self.run_last(settings, command, "after", settings.hooks.after.as_ref(), &result).await;
        let result = match (after.map_err(|reason| format!("the hook `after` failed: {reason}")), result) {
            (Ok(()), result) => result,
            (Err(problem), Ok(ExitCode::Done)) => {
                Err(CommandError::new(ExitCode::Problems, format!("all was done, but {problem}"))
                    .hint("Do by hand what `after` in [hooks] was to do."))
            }
            (Err(problem), result) => {
                self.ui().warn(&problem);
                result
            }
        };
        let on_failure = settings.hooks.on_failure.as_ref().filter(|_| result.is_err());
        if let Err(reason) = self.run_last(settings, command, "on_failure", on_failure, &result).await {
            self.ui().warn(&format!("the hook `on_failure` failed: {reason}"));
        }
        result
    }

    /// What the configuration runs around the steps of a backup.
    pub(super) fn step_hooks(&self, settings: &Settings, command: &str) -> StepHooks {
        if !settings.hooks.take(command) {
            return StepHooks::default();
        }
        let mut hooks = StepHooks::default();
        hooks.before.clone_from(&settings.hooks.before_step);
        hooks.after.clone_from(&settings.hooks.after_step);
        hooks.timeout = settings.hooks.timeout();
        hooks.secrets = settings.environment.secrets();
        hooks.facts = vec![("DCS_RUN", self.run().to_string()), ("DCS_COMMAND", command.to_owned())];
        hooks
    }

    async fn run_hook(
        &self,
        settings: &Settings,
        command: &str,
        which: &'static str,
        hook: &str,
        more: &[(&str, &str)],
    ) -> Result<(), String> {
        let mut facts = vec![("DCS_RUN", self.run().as_str()), ("DCS_COMMAND", command), ("DCS_HOOK", which)];
        facts.extend_from_slice(more);
        let (timeout, secrets) = (settings.hooks.timeout(), settings.environment.secrets());
        let surroundings = Surroundings { timeout, secrets: &secrets, facts: &facts };
        hooks::run(which, hook, &surroundings).await.map_err(|error| error.to_string())
    }

    /// Runs a hook of the end of a run, until a signal gives it up: dropped, it is ended with all that it started.
    async fn run_last(
        &self,
        settings: &Settings,
        command: &str,
        which: &'static str,
        hook: Option<&String>,
        result: &Outcome,
    ) -> Result<(), String> {
        let Some(hook) = hook else { return Ok(()) };
        let facts = facts(self, result);
        let facts: Vec<(&str, &str)> = facts.iter().map(|(name, value)| (*name, value.as_str())).collect();
        tokio::select! {
            ended = self.run_hook(settings, command, which, hook, &facts) => ended,
            _ = signals::received() => Err("given up after a signal".to_owned()),
        }
    }

    /// Tells whom it may concern how the run ended. Answers what could not be told.
    pub(super) async fn alert(
        &self,
        settings: &Settings,
        repository: Option<&Repository>,
        record: &RunRecord,
    ) -> Vec<String> {
        let ping = self.begun().ping.take();
        let mut problems = Vec::new();
        if let Some(ping) = ping {
            problems.extend(ping.await.ok().flatten());
        }
        let before = match repository {
            Some(repository) if settings.alerts.on.contains(&AlertOn::Recovery) => last_code(repository, record).await,
            _ => None,
        };
        let occasion = Occasion::of(record.exit_code, before);
        problems.extend(alerts::send(&settings.alerts, &Alert { record, occasion }).await);
        problems
    }

    /// Writes the run into the file of metrics. Answers why it could not.
    pub(super) async fn write_metrics(&self, settings: &Settings, record: &RunRecord) -> Vec<String> {
        let Some(path) = settings.metrics.clone() else { return Vec::new() };
        let (file, record) = (path.clone(), record.clone());
        let written = tokio::task::spawn_blocking(move || metrics::write(&file, &record));
        let reason = match tokio::time::timeout(LONGEST_METRICS, written).await {
            Ok(Ok(Ok(()))) => return Vec::new(),
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {} s", LONGEST_METRICS.as_secs()),
        };
        vec![format!("the metrics could not be written to {}: {reason}", path.display())]
    }
}

/// What the run of this command before this one ended with; `None` where nobody knows.
async fn last_code(repository: &Repository, record: &RunRecord) -> Option<u8> {
    let looked = repository.last_run_of(&record.command, record.started_at, record.run.as_str());
    match tokio::time::timeout(LONGEST_WRITE, looked).await {
        Ok(Ok(last)) => last.map(|last| last.code),
        Ok(Err(error)) => {
            tracing::debug!(%error, "what the run before was is not known");
            None
        }
        Err(_) => None,
    }
}

fn code(result: &Outcome) -> ExitCode {
    match result {
        Ok(code) => *code,
        Err(error) => error.code,
    }
}

/// What hooks are told of the end.
fn facts(session: &Session, result: &Outcome) -> Vec<(&'static str, String)> {
    let message = result.as_ref().err().map(|error| error.message.clone()).unwrap_or_default();
    let backup = session.chosen().map_or_else(String::new, ToString::to_string);
    let status = if result.is_ok() { "ok" } else { "failed" };
    vec![
        ("DCS_EXIT_CODE", code(result).number().to_string()),
        ("DCS_STATUS", status.to_owned()),
        ("DCS_BACKUP", backup),
        ("DCS_MESSAGE", message),
    ]
}
