//! What a run learns about itself while it goes on, for its record, its metrics and its alerts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Session;
use super::telling::Begun;
use crate::model::{Destroyed, Manifest, RunFacts};
use crate::repository::{ErrorKind, Repository, RepositoryError};

/// What one run has told.
pub(super) struct Told {
    began: Instant,
    pub(super) began_at: Timestamp,
    /// The repository, once the run opened it for writing.
    repository: OnceLock<Repository>,
    /// Whether the run found that the backup bucket does not answer.
    unreachable: AtomicBool,
    facts: Mutex<(RunFacts, Option<Destroyed>)>,
    before: Mutex<Begun>,
}

impl Told {
    pub(super) fn new() -> Self {
        let (repository, unreachable, facts) = (OnceLock::new(), AtomicBool::new(false), Mutex::default());
        let (began, began_at) = (Instant::now(), Timestamp::now());
        Self { began, began_at, repository, unreachable, facts, before: Mutex::default() }
    }

    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes what became of opening the repository for writing.
    pub(super) fn note_repository(&self, opened: &Result<Repository, RepositoryError>) {
        match opened {
            Ok(repository) => drop(self.repository.set(repository.clone())),
            Err(error) if error.kind == ErrorKind::Store => self.unreachable.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }

    pub(super) fn repository(&self) -> Option<Repository> {
        self.repository.get().cloned()
    }

    pub(super) fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed)
    }

    pub(super) fn facts(&self) -> (RunFacts, Option<Destroyed>) {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, (RunFacts, Option<Destroyed>)> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// What was begun before the command.
    pub(super) fn begun(&self) -> MutexGuard<'_, Begun> {
        self.told().before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts objects and bytes that the run moved, read or removed.
    pub(super) fn tell_moved(&self, objects: u64, bytes: u64) {
        let facts = &mut self.told().lock().0;
        facts.objects = Some(facts.objects.unwrap_or(0) + objects);
        facts.bytes = Some(facts.bytes.unwrap_or(0) + bytes);
    }

    pub(super) fn tell_problems(&self, problems: u64) {
        self.told().lock().0.problems += problems;
    }

    /// Counts what a backup holds, and what it added to the bucket.
    pub(super) fn tell_backup(&self, manifest: &Manifest) {
        let dumps = manifest.databases.iter().map(|database| &database.dump);
        let archives = manifest.config.iter().map(|config| &config.archive);
        let (raw, stored) = dumps
            .chain(archives)
            .fold((0, 0), |(raw, stored), part| (raw + part.raw_size, stored + part.stored_size()));
        let files = manifest.files.as_ref();
        let facts = &mut self.told().lock().0;
        facts.objects = Some(files.map_or(0, |files| files.objects));
        facts.bytes = Some(raw + files.map_or(0, |files| files.bytes));
        facts.stored_bytes = Some(stored + files.map_or(0, |files| files.effort.new_pack_bytes));
        facts.problems = manifest.report.problem_count;
    }

    /// Says what will be destroyed, or put out of its place, before the first of it goes.
    pub(super) fn sets_out_to_destroy<T: std::fmt::Display>(&self, what: &str, all: impl IntoIterator<Item = T>) {
        let destroyed = Destroyed::new(what, all);
        if destroyed.count > 0 {
            let noted = &mut self.told().lock().1;
            *noted = Some(match noted.take() {
                Some(before) => before.and(destroyed),
                None => destroyed,
            });
        }
    }

    /// Says that all of it went.
    pub(super) fn has_destroyed_all(&self) {
        if let Some(destroyed) = &mut self.told().lock().1 {
            destroyed.finished = true;
        }
    }
}
