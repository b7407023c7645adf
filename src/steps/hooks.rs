//! The operator's own commands around a swap: stop the application before it, start it again after it.
//!
//! A hook that was begun before is always followed by the one after, whatever came between: where the run is stopped, what is
//! owed is run by whoever ends it.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Result, StepError};
use crate::model::{BackupId, RunId};

/// How long a hook that took too long has to end by itself, once it is told to.
const GRACE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// What to run, and what to tell it.
#[derive(Debug, Clone)]
pub struct Hooks {
    pub before: Option<String>,
    pub after: Option<String>,
    pub timeout: Duration,
    /// Variables of our own environment that hold secrets: these are not handed on.
    pub secrets: Vec<String>,
    pub run: RunId,
    /// `None` where no backup is involved.
    pub backup: Option<BackupId>,
    /// As the configuration calls them.
    pub databases: Vec<String>,
    pub owed: Owed,
}

impl Hooks {
    /// Nothing is run.
    pub fn none(run: RunId) -> Self {
        let (secrets, databases) = (Vec::new(), Vec::new());
        let owed = Owed::default();
        Self { before: None, after: None, timeout: Duration::MAX, secrets, run, backup: None, databases, owed }
    }

    pub(super) fn is_any(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// Runs the one after alone, for a run that was interrupted when all was done but that.
    pub(super) async fn after_all(&self) -> Result<()> {
        self.run("after", self.after.as_deref(), &[("DCS_STATUS", "ok")]).await
    }

    /// Does `work` between the two hooks; `give_up` instead, where the one before fails.
    pub async fn around<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        give_up: impl Future<Output = ()>,
    ) -> Result<Hooked<T>> {
        self.owe().await;
        let before = self.run("before", self.before.as_deref(), &[]).await;
        let done = match before {
            Ok(()) => work.await,
            Err(error) => {
                give_up.await;
                Err(error)
            }
        };
        let status = if done.is_ok() { "ok" } else { "failed" };
        let after = self.owed.pay(status).await;
        match (done, after) {
            (Ok(done), after) => Ok(Hooked { done, after: after.err() }),
            (Err(error), Ok(())) => Err(error),
            (Err(error), Err(after)) => {
                tracing::warn!("{after}");
                Err(error)
            }
        }
    }

    /// From here on, the hook after is run whatever comes.
    async fn owe(&self) {
        if self.after.is_some() {
            // Not with what is owed in it: that would keep itself alive.
            let hooks = Self { owed: Owed::default(), ..self.clone() };
            *self.owed.0.lock().await = Some(After::Waiting(Box::new(hooks)));
        }
    }

    async fn run(&self, which: &'static str, command: Option<&str>, facts: &[(&str, &str)]) -> Result<()> {
        let Some(command) = command else { return Ok(()) };
        let (backup, databases) = (self.backup.as_ref().map_or("", BackupId::as_str), self.databases.join(" "));
        let mut all = vec![("DCS_RUN", self.run.as_str()), ("DCS_BACKUP", backup), ("DCS_DATABASES", &databases)];
        all.extend_from_slice(facts);
        run(which, command, &Surroundings { timeout: self.timeout, secrets: &self.secrets, facts: &all }).await
    }
}

/// What a hook runs in.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    pub timeout: Duration,
    /// Variables of our own environment that hold secrets: these are not handed on.
    pub secrets: &'a [String],
    /// Variables that tell the hook what it is about.
    pub facts: &'a [(&'a str, &'a str)],
}

/// Runs a command of the operator in a shell, to its end or to its time limit.
pub async fn run(which: &'static str, command: &str, surroundings: &Surroundings<'_>) -> Result<()> {
    tracing::info!(which, "run the hook");
    let failed = |reason: String| StepError::Hook { which, command: command.to_owned(), reason };
    let mut group = start(command, surroundings).map_err(|error| failed(error.to_string()))?;
    match tokio::time::timeout(surroundings.timeout, group.child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(ending(status))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => {
            group.end().await;
            Err(failed(format!("it took longer than {} s, and was ended", surroundings.timeout.as_secs())))
        }
    }
}

fn start(command: &str, surroundings: &Surroundings<'_>) -> std::io::Result<Group> {
    // What it prints is conversation, not our answer.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 1>&2\n{command}")]).stdin(Stdio::null()).process_group(0);
    for secret in surroundings.secrets {
        shell.env_remove(secret);
    }
    shell.env_remove("DCS_STATUS").envs(surroundings.facts.iter().copied());
    Ok(Group::of(shell.spawn()?))
}

/// The hook after, owed since the one before was begun. It outlives the run that is stopped meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Owed(Arc<Mutex<Option<After>>>);

#[derive(Debug)]
enum After {
    Waiting(Box<Hooks>),
    /// It is not ended with the run that began it.
    Running(JoinHandle<Result<()>>),
}

impl Owed {
    /// Whether a run that was stopped left something to do.
    pub async fn is_due(&self) -> bool {
        self.0.lock().await.is_some()
    }

    /// Runs the hook after, or waits for it where it is running, if it is owed.
    pub async fn pay(&self, status: &'static str) -> Result<()> {
        let mut owed = self.0.lock().await;
        let running = match owed.take() {
            None => return Ok(()),
            Some(After::Running(running)) => running,
            Some(After::Waiting(hooks)) => {
                tokio::spawn(async move { hooks.run("after", hooks.after.as_deref(), &[("DCS_STATUS", status)]).await })
            }
        };
        // Kept where the next one finds it: whoever waits here may be stopped.
        let running = owed.insert(After::Running(running));
        let ended = match running {
            After::Running(running) => running.await,
            After::Waiting(_) => return Ok(()),
        };
        *owed = None;
        match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Ok(()),
        }
    }

    /// Ends a hook that is running, with everything that it started.
    pub async fn give_up(&self) {
        if let Some(After::Running(running)) = self.0.lock().await.take() {
            running.abort();
            if let Err(error) = running.await {
                tracing::debug!(%error, "a hook was given up");
            }
        }
    }
}

/// What was done between the hooks, and why the one after it failed.
#[derive(Debug)]
pub struct Hooked<T> {
    pub done: T,
    pub after: Option<StepError>,
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it ended with code {code}"),
        None => "it was killed".to_owned(),
    }
}

/// A hook with everything that it started. Dropped before its end, all of it is killed.
struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, id }
    }

    /// Ends the shell and what it left behind, first by asking.
    async fn end(&mut self) {
        let Some(id) = self.id.take() else { return };
        signal(id, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        loop {
            let shell_ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if shell_ended && test_kill_process_group(id).is_err() {
                return;
            }
            if Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        signal(id, Signal::KILL);
        if let Err(error) = self.child.wait().await {
            tracing::debug!(%error, "a hook could not be waited for");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What was waited for has no id any more.
        if let (Some(_), Some(id)) = (self.child.id(), self.id) {
            signal(id, Signal::KILL);
        }
    }
}

fn signal(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal) {
        tracing::debug!(%error, "a hook could not be signalled");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn hooks(before: &str, after: &str) -> Hooks {
        Hooks {
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
            databases: vec!["one".to_owned(), "two".to_owned()],
            ..Hooks::none(RunId::create())
        }
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[tokio::test]
    async fn the_one_after_is_told_how_it_went_and_runs_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let after = format!("echo \"$DCS_STATUS $DCS_DATABASES $DCS_RUN\" > '{}'", told.display());
        let fine = hooks("true", &after);
        let hooked = fine.around(async { Ok(7) }, async {}).await.unwrap();
        assert!(hooked.done == 7 && hooked.after.is_none());
        assert_eq!(read(&told), format!("ok one two {}\n", fine.run));
        let error = fine.around(async { Err::<(), _>(StepError::Configuration("x".to_owned())) }, async {}).await;
        assert!(matches!(error, Err(StepError::Configuration(_))));
        assert!(read(&told).starts_with("failed one two"));
    }

    #[tokio::test]
    async fn where_the_one_before_fails_nothing_is_done() {
        let mut given_up = false;
        let work = async { panic!("must not be begun") };
        let result = hooks("exit 3", "true").around::<()>(work, async { given_up = true }).await;
        assert!(matches!(&result, Err(StepError::Hook { which: "before", .. })), "{result:?}");
        assert!(given_up);
        let late = hooks("true", "exit 4").around(async { Ok(()) }, async {}).await.unwrap();
        assert!(late.after.unwrap().to_string().contains("code 4"));
    }

    #[tokio::test]
    async fn a_run_that_is_stopped_owes_the_one_after_and_waits_for_one_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (told, go) = (folder.path().join("told"), folder.path().join("go"));
        let after =
            format!("while [ ! -e '{}' ]; do sleep 0.01; done; echo $DCS_STATUS >> '{}'", go.display(), told.display());
        let stopped = hooks("true", &after);
        let work = stopped.around(std::future::pending::<Result<()>>(), async {});
        // Once the one before has ended, the work is waited for in vain.
        let none = tokio::time::timeout(Duration::from_secs(1), work).await;
        assert!(none.is_err() && stopped.owed.is_due().await && read(&told).is_empty());
        assert!(tokio::time::timeout(Duration::from_millis(100), stopped.owed.pay("failed")).await.is_err());
        std::fs::write(&go, "").unwrap();
        stopped.owed.pay("failed").await.unwrap();
        assert_eq!(read(&told), "failed\n", "it ran once");
        assert!(!stopped.owed.is_due().await);
    }

    #[tokio::test]
    async fn at_the_limit_all_that_a_hook_started_ends() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let mut slow = hooks(&format!("sleep 1000 & echo $! > '{}'; wait", pid.display()), "true");
        slow.timeout = Duration::from_millis(500);
        let error = slow.around(async { Ok(()) }, async {}).await.unwrap_err();
        assert!(error.to_string().contains("took longer"), "{error}");
        let process = format!("/proc/{}/stat", read(&pid).trim());
        // Ended, or a zombie that nobody has waited for.
        while std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::task::yield_now().await;
        }
    }
}
