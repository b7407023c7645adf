//! Writes one object of a backup to its place, whole or not at all, and keeps what was there before.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::{Hash, Hasher};
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;

use super::displace::Displacer;
use crate::model::{FileKind, IndexRow, Key, Problem, SourceName};
use crate::repository::damage::Replacements;
use crate::repository::pack::{Fetched, read_object};
use crate::repository::{ErrorKind as RepositoryKind, RepositoryError};
use crate::steps::drain;
use crate::steps::ordered_object::OrderedObject;
use crate::steps::place::Place;
use crate::steps::{Context, Result, StepError};
use crate::store::transfer::{self, TransferOptions};
use crate::store::{Address, ErrorKind, ObjectInfo, Precondition, StoreError};

/// What became of an object.
pub(super) enum Written {
    Done {
        bytes: u64,
        replaced: bool,
    },
    /// The backup has it no more.
    Damaged(Problem),
    /// Its place cannot hold it.
    Problem(Problem),
}

/// What is in the places of rows that are on their way: as many as are read at once.
#[derive(Default)]
pub(super) struct Differing(Mutex<HashMap<(SourceName, Key), ObjectInfo>>);

impl Differing {
    pub(super) fn note(&self, row: &IndexRow, info: ObjectInfo) {
        self.0.lock().expect("never poisoned").insert((row.source.clone(), row.key.clone()), info);
    }

    fn of(&self, row: &IndexRow) -> Option<ObjectInfo> {
        self.0.lock().expect("never poisoned").remove(&(row.source.clone(), row.key.clone()))
    }
}

/// Keys of a folder that a file system may take for one name are written one after the other.
const NAMES: usize = 1024;

pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
    places: &'a HashMap<SourceName, Place>,
    displacer: &'a Displacer<'a>,
    differing: &'a Differing,
    replacements: &'a Replacements,
    names: Vec<tokio::sync::Mutex<()>>,
}

/// One object on its way.
struct Job<'a> {
    row: &'a IndexRow,
    place: &'a Place,
    at: Address,
    found: Option<&'a ObjectInfo>,
    kept: OnceCell<()>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        context: &'a Context,
        places: &'a HashMap<SourceName, Place>,
        displacer: &'a Displacer<'a>,
        differing: &'a Differing,
        replacements: &'a Replacements,
    ) -> Self {
        let names = std::iter::repeat_with(tokio::sync::Mutex::default).take(NAMES).collect();
        Self { context, places, displacer, differing, replacements, names }
    }

    /// Stores what was fetched. What cannot be read of one object, or held by its place, is a problem of that object; a
    /// target or a backup that is gone ends the restore.
    pub(super) async fn write(&self, fetched: std::result::Result<Fetched, RepositoryError>) -> Result<Written> {
        let (row, whole) = match fetched? {
            Fetched::Whole(row, whole) => (row, Some(whole)),
            Fetched::Large(row) => (row, None),
            Fetched::Failed(row, error) if error.kind == RepositoryKind::Damaged => {
                self.differing.of(&row);
                return Ok(Written::Damaged(damaged(&row, &error)));
            }
            Fetched::Failed(_, error) => return Err(error.into()),
        };
        let found = self.differing.of(&row);
        let place = self
            .places
            .get(&row.source)
            .ok_or_else(|| StepError::refused("restore", row.source.to_string(), "it is no source of this restore"))?;
        let kind = row.attributes.posix.as_ref().map(|posix| posix.kind);
        if !place.store.features().posix && matches!(kind, Some(FileKind::Symlink | FileKind::Folder)) {
            return Ok(Written::Problem(problem(
                &row,
                "it is a link or an empty folder, which this store cannot hold",
            )));
        }
        let at = match place.address(&row.key) {
            Ok(at) => at,
            Err(error) => return Ok(Written::Problem(problem(&row, &error))),
        };
        let precondition = precondition(place, found.as_ref(), kind);
        let job = Job { row: &row, place, at, found: found.as_ref(), kept: OnceCell::new() };
        let _name = self.name(&job).await;
        match self.store(&job, whole, precondition).await {
            Ok(()) => Ok(Written::Done { bytes: row.size, replaced: job.kept.initialized() && found.is_some() }),
            Err(StepError::Store(error)) if is_of_one_object(&error) => Ok(Written::Problem(problem(&row, &error))),
            Err(StepError::Store(error)) if error.kind == ErrorKind::Precondition => {
                let reason = "something is there already that the listing did not show under this name";
                Ok(Written::Problem(problem(&row, reason)))
            }
            Err(error) => match damage_behind(&error) {
                Some(found) => Ok(Written::Damaged(damaged(&row, found))),
                None => Err(error),
            },
        }
    }

    /// Held while two names may turn out to be one: that of a file system that takes `A` for `a`.
    async fn name(&self, job: &Job<'_>) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if !job.place.store.features().posix {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (job.at.bucket.as_str(), job.at.key.as_str().to_lowercase()).hash(&mut hasher);
        let number = usize::try_from(hasher.finish() % NAMES as u64).unwrap_or_default();
        Some(self.names[number].lock().await)
    }

    async fn store(&self, job: &Job<'_>, whole: Option<Bytes>, precondition: Precondition) -> Result<()> {
        let stored = match whole.clone() {
            Some(whole) => self.store_whole(job, whole, precondition).await,
            None => self.store_large(job, job.row, precondition).await,
        };
        match stored {
            // A server that knows no preconditions takes the object without.
            Err(StepError::Store(error))
                if error.kind == ErrorKind::Unsupported && precondition == Precondition::CreateNew =>
            {
                Box::pin(self.store(job, whole, Precondition::Overwrite)).await
            }
            Err(error) if whole.is_none() && damage_behind(&error).is_some() => {
                match self.replacements.sound(job.row).await? {
                    Some(other) => self.store_large(job, &other, precondition).await,
                    None => Err(error),
                }
            }
            stored => stored,
        }
    }

    async fn store_whole(&self, job: &Job<'_>, whole: Bytes, precondition: Precondition) -> Result<()> {
        self.keep(job).await?;
        job.place.store.put(&job.at, whole, &job.row.attributes, precondition).await?;
        Ok(())
    }

    /// Keeps what is there. Only to be called when the content that takes its place is proven.
    async fn keep(&self, job: &Job<'_>) -> Result<()> {
        let Some(found) = job.found else { return Ok(()) };
        job.kept.get_or_try_init(async || self.displacer.take(job.place, found).await.map(drop)).await.map(drop)
    }

    /// In one pass; where the store would not take so many parts that fit into memory, in longer ones that are streamed.
    /// Nothing is visible before the last byte was proven, and what is there is kept between the two.
    async fn store_large(&self, job: &Job<'_>, row: &IndexRow, precondition: Precondition) -> Result<()> {
        let (repository, target) = (&self.context.repository, &job.place.store);
        let options = TransferOptions::default();
        if row.size.div_ceil(options.part_size) <= u64::from(target.features().most_parts) {
            let keep = stream::once(self.keep(job)).filter_map(|kept| std::future::ready(kept.err()));
            let body = read_object(repository, row).map_err(BoxedError::from);
            let body = std::pin::pin!(body.chain(keep.map(|error| Err(BoxedError::from(error)))));
            transfer::upload(target, &job.at, body, &row.attributes, precondition, &options).await?;
            return Ok(());
        }
        if job.found.is_some() {
            drain(read_object(repository, row)).await?;
            self.keep(job).await?;
        }
        if precondition == Precondition::CreateNew && target.head(&job.at).await.is_ok() {
            return Err(StoreError::new(ErrorKind::Precondition, "put", job.at.to_string()).into());
        }
        let object = OrderedObject::new(repository, row);
        let open = |range| std::future::ready(object.open(range));
        transfer::put_source_in_order(target, &job.at, row.size, &row.attributes, open).await?;
        Ok(())
    }
}

type BoxedError = Box<dyn Error + Send + Sync>;

/// Where nothing was listed, nothing may be overwritten: it was written since, or goes by a name that the file system
/// takes for this one.
fn precondition(place: &Place, found: Option<&ObjectInfo>, kind: Option<FileKind>) -> Precondition {
    let features = place.store.features();
    let can_tell = features.conditional_put || features.posix;
    match (found, kind) {
        // A folder that is there is what was asked for.
        (None, Some(FileKind::Folder)) | (Some(_), _) => Precondition::Overwrite,
        (None, _) if can_tell => Precondition::CreateNew,
        (None, _) => Precondition::Overwrite,
    }
}

pub(super) fn problem(row: &IndexRow, reason: impl ToString) -> Problem {
    Problem::new(format!("{}/{}", row.source, row.key.as_str().escape_debug()), reason)
}

fn damaged(row: &IndexRow, error: &RepositoryError) -> Problem {
    problem(row, format!("damaged: {}", error.detail.as_deref().unwrap_or("it is not what it was")))
}

fn is_of_one_object(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Unaddressable | ErrorKind::Unsupported)
}

/// The damage of the backup that an error comes of, wherever it lies in the chain of causes.
pub(in crate::steps) fn damage_behind(error: &StepError) -> Option<&RepositoryError> {
    let is_damage = |error: &&RepositoryError| error.kind == RepositoryKind::Damaged;
    if let StepError::Repository(error) = error {
        return Some(error).filter(is_damage);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<RepositoryError>() {
            return Some(found).filter(is_damage);
        }
        cause = error.source();
    }
    None
}
