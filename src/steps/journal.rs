//! Writes down how far a restore has come, beside the backups: what the next run, and an undo, go by.
//!
//! What is about to be done is written before it is done, and a failure to write it ends the restore; that it was done is
//! written after, and a failure then is only told: whoever reads the journal has to look anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryChunksError, TryStreamExt};
use tokio::sync::Mutex;

use super::{Result, StepError};
use crate::model::journal::{Change, DatabaseRecord, RestoreState};
use crate::model::{IndexRow, RestoreJournal, RunId, SourceName, TrashId};
use crate::repository::Repository;

/// Rows of one list of what is about to be written. As many are compared ahead of what is read and written.
const BATCH: usize = 8192;

/// What writes a journal; by default nothing does, as for a restore of a part.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    repository: Repository,
    run: RunId,
    journal: Mutex<RestoreJournal>,
    lists: AtomicU32,
}

impl Recorder {
    /// Writes the journal for the first time. A crash after it leaves one of a restore that has done nothing yet.
    pub async fn begin(repository: &Repository, journal: RestoreJournal) -> Result<Self> {
        let recorder = Self::resume(repository, journal);
        recorder.note(|_| ()).await?;
        Ok(recorder)
    }

    /// Goes on writing a journal that is there.
    pub fn resume(repository: &Repository, journal: RestoreJournal) -> Self {
        let (repository, run, lists) = (repository.clone(), journal.run.clone(), AtomicU32::new(0));
        Self(Some(Arc::new(Inner { repository, run, journal: Mutex::new(journal), lists })))
    }

    pub(super) fn is_writing(&self) -> bool {
        self.0.is_some()
    }

    /// Writes what is about to be done.
    pub async fn note(&self, change: impl FnOnce(&mut RestoreJournal) + Send) -> Result<()> {
        let Some(inner) = &self.0 else { return Ok(()) };
        // Held until it is written: a later state must not be overwritten by an earlier one.
        let mut journal = inner.journal.lock().await;
        change(&mut journal);
        Ok(inner.repository.save_restore(&journal).await?)
    }

    /// Writes what was done.
    pub async fn note_after(&self, change: impl FnOnce(&mut RestoreJournal) + Send) {
        if let Err(error) = self.note(change).await {
            tracing::warn!(%error, "the journal of the restore could not be written");
        }
    }

    /// Writes what is about to become of a database.
    pub async fn note_database(&self, name: &str, change: impl FnOnce(&mut DatabaseRecord) + Send) -> Result<()> {
        let change = |journal: &mut RestoreJournal| {
            journal.databases.iter_mut().find(|record| record.name == name).map(change);
        };
        self.note(change).await
    }

    /// Names the trash entry that takes what gives way in a bucket: to the restore, or to its undo.
    pub async fn note_entry(&self, source: &SourceName, id: TrashId) -> Result<()> {
        let change = |journal: &mut RestoreJournal| {
            if let Some(undo) = journal.undos.last_mut() {
                undo.entries.push((source.clone(), id));
            } else if let Some(record) = journal.files.iter_mut().find(|record| record.source == *source) {
                record.displaced.push(id);
            }
        };
        self.note(change).await
    }

    /// Says how it ended.
    pub(super) async fn end(&self, state: RestoreState, error: Option<String>) {
        let change = |journal: &mut RestoreJournal| (journal.state, journal.error) = (state, error);
        self.note_after(change).await;
    }

    /// Passes rows on that are about to be written, once they are written down.
    pub(super) fn recorded<'a>(
        &self,
        rows: impl Stream<Item = Result<Changed>> + Send + 'a,
    ) -> BoxStream<'a, Result<IndexRow>> {
        let Some(inner) = self.0.clone() else { return rows.map_ok(|(_, row)| row).boxed() };
        let batches = rows.try_chunks(BATCH).then(move |batch| record(inner.clone(), batch));
        batches.map(stream::iter).flatten().boxed()
    }
}

/// A row, and what becomes of its place.
type Changed = (Change, IndexRow);

/// What came before a failure is passed on all the same.
async fn record(
    inner: Arc<Inner>,
    batch: std::result::Result<Vec<Changed>, TryChunksError<Changed, StepError>>,
) -> Vec<Result<IndexRow>> {
    let (rows, failed) = match batch {
        Ok(rows) => (rows, None),
        Err(TryChunksError(rows, error)) => (rows, Some(error)),
    };
    if !rows.is_empty() {
        let number = inner.lists.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = inner.repository.save_written(&inner.run, number, &rows).await {
            return vec![Err(error.into())];
        }
    }
    rows.into_iter().map(|(_, row)| Ok(row)).chain(failed.map(Err)).collect()
}
