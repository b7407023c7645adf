//! What stands around the backups: the trash, what is running, and what was begun and never ended.

use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Live, Status, StatusOptions};
use crate::model::journal::RestoreState;
use crate::model::{Prefix, Problem, RestoreJournal};
use crate::repository::Repository;
use crate::repository::locks::{Held, Locks};
use crate::steps::continued::{Chain, chains};
use crate::steps::{Result, with_causes};
use crate::store::{ErrorKind, ObjectStore, StaleUpload, StoreError};
use crate::trash::{Found, LOCKS, TrashBucket};

/// An upload that was begun so long ago belongs to a run that is dead.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// Entries and restores that are told of; all are counted.
const MOST_TOLD: usize = 10;

/// What lies in the trash.
#[derive(Debug, Default, Serialize)]
pub struct TrashState {
    pub place: String,
    pub entries: u64,
    pub bytes: u64,
    pub oldest: Option<Timestamp>,
    /// Entries that are older than `[trash].keep`.
    pub expired: u64,
    /// How old that is, as in `30d`.
    pub keep: Option<String>,
    /// Entries whose journal cannot be read.
    pub broken: u64,
    /// Folders and objects that others put there.
    pub foreign: u64,
}

/// Something that was begun and did not come to its end.
#[derive(Debug, Serialize)]
pub struct Interrupted {
    pub subject: String,
    pub state: String,
    /// What finishes or removes it.
    pub next: String,
}

/// Looks at all of it; what does not answer is a problem.
pub(super) async fn look(repository: &Repository, options: &StatusOptions, status: &mut Status) {
    let locks = Locks::of(repository, options.holder.clone());
    match locks.seen().await {
        Ok(held) => status.running = held,
        Err(error) => status.problems.push(Problem::new("locks of the repository", with_causes(&error))),
    }
    if let Err(error) = note_restores(repository, status).await {
        status.problems.push(Problem::new("journals of restores", with_causes(&error)));
    }
    let place = repository.describe();
    note_uploads(repository.store.as_ref(), &repository.bucket, repository.prefix.as_str(), &place, status).await;
    if let Some((live, trash)) = options.live.as_ref().and_then(|live| Some((live, live.trash.as_ref()?))) {
        look_at_trash(trash, live, options, status).await;
    }
}

async fn look_at_trash(trash: &TrashBucket, live: &Live, options: &StatusOptions, status: &mut Status) {
    let place = trash.to_string();
    match read_trash(trash, live, status.at).await {
        Ok((state, interrupted)) => {
            status.trash = Some(state);
            status.interrupted.extend(interrupted);
        }
        Err(error) => return status.problems.push(Problem::new(format!("trash {place}"), with_causes(&error))),
    }
    let folder = Prefix::new(LOCKS).expect("it ends in a slash");
    let locks = Locks::new(trash.store.clone(), trash.bucket.clone(), folder, options.holder.clone());
    match locks.seen().await {
        Ok(held) => status.running.extend(held),
        Err(error) => status.problems.push(Problem::new("locks of the trash", with_causes(&error))),
    }
    note_uploads(trash.store.as_ref(), &trash.bucket, "", &place, status).await;
}

/// One delimited listing, and a small read an entry; what is kept of them does not grow with them.
async fn read_trash(trash: &TrashBucket, live: &Live, now: Timestamp) -> Result<(TrashState, Vec<Interrupted>)> {
    let keep = live.trash_keep.and_then(|keep| SignedDuration::try_from(keep).ok());
    let end = keep.and_then(|keep| now.checked_sub(keep).ok());
    let keep = live.trash_keep.map(crate::model::format::short_duration);
    let mut state = TrashState { place: trash.to_string(), keep, ..TrashState::default() };
    let mut interrupted = Vec::new();
    let mut entries = std::pin::pin!(trash.entries());
    while let Some(found) = entries.try_next().await? {
        match found {
            Found::Entry(entry) => {
                state.entries += 1;
                state.bytes += entry.bytes;
                state.oldest = Some(state.oldest.map_or(entry.created_at, |oldest| oldest.min(entry.created_at)));
                state.expired += u64::from(end.is_some_and(|end| entry.created_at < end));
                if entry.is_unfinished() && interrupted.len() < MOST_TOLD {
                    let subject = format!("trash entry {}", entry.id);
                    let state = entry.state.as_str().to_owned();
                    interrupted.push(Interrupted { subject, state, next: entry.next_command() });
                }
            }
            Found::Broken(..) => state.broken += 1,
            Found::Foreign(_) => state.foreign += 1,
        }
    }
    Ok((state, interrupted))
}

/// Restores that were begun, and neither ended nor are under way, the newest first. One that a later run went on with is as
/// far as that one came.
async fn note_restores(repository: &Repository, status: &mut Status) -> Result<()> {
    let journals = repository.restores().await?;
    for error in &journals.unreadable {
        status.problems.push(Problem::new("journal of a restore", with_causes(error)));
    }
    let chains = chains(journals.found);
    let last = chains.iter().rev().map(Chain::last);
    let found = last.filter_map(|journal| interrupted(journal, &status.running)).take(MOST_TOLD).collect::<Vec<_>>();
    status.interrupted.extend(found);
    Ok(())
}

fn interrupted(journal: &RestoreJournal, running: &[Held]) -> Option<Interrupted> {
    let RestoreJournal { run, backup, began_at, .. } = journal;
    let is_running = |held: &Held| {
        held.holder.as_ref().is_some_and(|holder| holder.run == *run || journal.is_undone_by(&holder.run))
    };
    let undo = format!("dcs restore-complete --undo {run}");
    let next = match journal.state {
        RestoreState::Finished | RestoreState::Undone => return None,
        _ if running.iter().any(is_running) => return None,
        RestoreState::Undoing => undo,
        RestoreState::Running | RestoreState::Failed => format!("dcs restore-complete {backup}, or {undo}"),
    };
    let subject = format!("restore {run} of {backup}, begun {began_at:.0}");
    Some(Interrupted { subject, state: journal.state.as_str().to_owned(), next })
}

/// Uploads in parts that no run will ever end: the store keeps their bytes, and lists them nowhere.
async fn note_uploads(
    store: &dyn ObjectStore,
    bucket: &crate::model::BucketName,
    prefix: &str,
    place: &str,
    status: &mut Status,
) {
    match stale_uploads(store, bucket, prefix, status.at).await {
        Ok(stale) if stale.is_empty() => {}
        Ok(stale) => status.interrupted.push(Interrupted {
            subject: format!("{} in {place}", crate::model::format::count(stale.len() as u64, "upload")),
            state: "older than a day".to_owned(),
            next: "abort them with your S3 tool, as `mc rm --incomplete`".to_owned(),
        }),
        Err(error) => status.problems.push(Problem::new(format!("uploads in {place}"), with_causes(&error))),
    }
}

/// Those of a bucket that were begun more than a day before. A store that cannot list them has none to tell of.
pub(in crate::steps) async fn stale_uploads(
    store: &dyn ObjectStore,
    bucket: &crate::model::BucketName,
    prefix: &str,
    now: Timestamp,
) -> std::result::Result<Vec<StaleUpload>, StoreError> {
    let end = now.checked_sub(STALE).unwrap_or(Timestamp::MIN);
    match store.list_uploads(bucket, prefix).await {
        Ok(uploads) => Ok(uploads.into_iter().filter(|upload| upload.started.is_some_and(|at| at < end)).collect()),
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
