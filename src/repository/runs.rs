//! Records of runs: written once at the end of each, never changed; the oldest go with `prune`.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use super::error::{ErrorKind, RepositoryError, Result};
use super::open::check_format;
use super::remove::BATCH;
use super::{Repository, layout};
use crate::model::{Key, RunRecord};
use crate::store::{ListOptions, Listed, Precondition};

/// What the key of a record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunName {
    /// When the run began, to the millisecond.
    pub at: Timestamp,
    pub command: String,
    pub code: u8,
    pub run: String,
    pub path: Key,
}

impl RunName {
    pub fn of(path: Key) -> Option<Self> {
        let (at, command, code, run) = layout::run_at(path.as_str())?;
        let run = run.to_owned();
        Some(Self { at, command, code, run, path })
    }
}

/// So many of the newest records stay, and all that are younger.
const FEWEST: usize = 1000;
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(400 * 24);

impl Repository {
    /// Where the record of a run lies.
    pub fn run_path(record: &RunRecord) -> Key {
        layout::run(record.started_at, &record.command, record.exit_code, &record.run)
    }

    /// Writes a record down; a repeat replaces it by itself.
    pub async fn put_run(&self, path: &Key, text: Bytes) -> Result<()> {
        self.put(path, text, Precondition::Overwrite).await
    }

    /// The names of the records of runs that began then or later, in order of time.
    pub fn runs(&self, since: Option<Timestamp>) -> impl Stream<Item = Result<RunName>> + Send + use<'_> {
        // The second itself is taken in: every name of it goes on.
        let start_after = since.map(|since| {
            let time = since.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m/%Y%m%dT%H%M%S");
            format!("{}{}{time}", self.prefix, layout::RUNS)
        });
        let options =
            ListOptions { prefix: format!("{}{}", self.prefix, layout::RUNS), start_after, ..ListOptions::default() };
        self.store.list(&self.bucket, options).filter_map(move |listed| {
            let found = match listed {
                Ok(Listed::Object(info)) => self.path(&info.key).and_then(RunName::of).map(Ok),
                Ok(Listed::Prefix(_)) => None,
                Err(error) => Some(Err(RepositoryError::from_store(error, "list", layout::RUNS))),
            };
            std::future::ready(found)
        })
    }

    /// Reads a record. Absence is `None`; one that a newer dcs wrote is `Unsupported`.
    pub async fn run(&self, path: &Key) -> Result<Option<RunRecord>> {
        let Some(bytes) = self.get(path).await? else { return Ok(None) };
        check_format(&bytes, path)?;
        let record = serde_json::from_slice(&bytes)
            .map_err(|error| RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_source(error))?;
        Ok(Some(record))
    }

    /// The last run of a command that began before `before`, by the listing of that month and of the one before it.
    pub async fn last_run_of(&self, command: &str, before: Timestamp, run: &str) -> Result<Option<RunName>> {
        let since = before.checked_sub(SignedDuration::from_hours(31 * 24)).unwrap_or(before);
        let mut last = None;
        let mut names = std::pin::pin!(self.runs(Some(since)));
        while let Some(name) = names.try_next().await? {
            if name.command == command && name.at <= before && name.run != run {
                last = Some(name);
            }
        }
        Ok(last)
    }

    /// Removes the oldest records: those that are older than 400 days and not among the newest thousand.
    pub async fn thin_runs(&self, now: Timestamp) -> Result<u64> {
        let end = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
        let (mut all, mut names) = (0_usize, std::pin::pin!(self.runs(None)));
        while names.try_next().await?.is_some() {
            all += 1;
        }
        let surplus = all.saturating_sub(FEWEST);
        let old = self.runs(None).take(surplus).try_take_while(|name| std::future::ready(Ok(name.at < end)));
        let mut batches = std::pin::pin!(old.try_chunks(BATCH));
        let mut removed = 0;
        while let Some(batch) = batches.try_next().await.map_err(|error| error.1)? {
            removed += batch.len() as u64;
            self.remove_all(batch.into_iter().map(|name| name.path).collect()).await?;
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{BucketName, Prefix, RunId};
    use crate::store::memory::MemoryStore;

    async fn repository() -> Repository {
        let (bucket, prefix) = (BucketName::new("vault").unwrap(), Prefix::new("nightly/").unwrap());
        Repository::init(Arc::new(MemoryStore::new()), bucket, prefix).await.unwrap().0
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    async fn put(repository: &Repository, at: Timestamp, command: &str, code: u8) {
        let path = layout::run(at, command, code, &RunId::create());
        repository.put_run(&path, Bytes::from_static(b"{}")).await.unwrap();
    }

    #[tokio::test]
    async fn the_last_run_of_a_command_is_found_by_its_name_and_never_the_run_itself() {
        let repository = repository().await;
        let now = time("2026-11-20T02:00:00Z");
        put(&repository, time("2026-11-18T02:00:00Z"), "backup files", 20).await;
        put(&repository, time("2026-11-19T02:00:00Z"), "backup files", 0).await;
        put(&repository, time("2026-11-19T03:00:00Z"), "backup db", 1).await;
        let last = repository.last_run_of("backup files", now, "none").await.unwrap().unwrap();
        assert_eq!((last.code, last.at), (0, time("2026-11-19T02:00:00Z")));
        let before = repository.last_run_of("backup files", now, &last.run).await.unwrap().unwrap();
        assert_eq!(before.code, 20);
        assert_eq!(repository.last_run_of("verify", now, "none").await.unwrap(), None);
    }

    #[tokio::test]
    async fn since_takes_its_own_second_in() {
        let repository = repository().await;
        for second in ["01", "02", "03"] {
            put(&repository, time(&format!("2026-11-20T02:00:{second}Z")), "init", 0).await;
        }
        let since = repository.runs(Some(time("2026-11-20T02:00:02Z")));
        assert_eq!(since.try_collect::<Vec<_>>().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn old_records_go_but_not_the_newest_thousand_and_no_young_one() {
        let repository = repository().await;
        let (old, now) = (time("2024-01-01T00:00:00Z"), time("2026-11-20T02:00:00Z"));
        for minute in 0..1010 {
            put(&repository, old + SignedDuration::from_mins(minute), "backup files", 0).await;
        }
        for _ in 0..5 {
            put(&repository, now, "backup files", 0).await;
        }
        assert_eq!(repository.thin_runs(now).await.unwrap(), 15);
        let left: Vec<RunName> = repository.runs(None).try_collect().await.unwrap();
        assert_eq!(left.len(), 1000);
        assert_eq!(left[0].at, old + SignedDuration::from_mins(15), "the oldest went");
        for _ in 0..5 {
            put(&repository, now, "backup files", 0).await;
        }
        assert_eq!(repository.thin_runs(old).await.unwrap(), 0, "none is old");
    }
}
