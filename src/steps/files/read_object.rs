//! Reads one live object for a backup, whole and unchanged, or says why not.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::{Result, StepError};
use super::ranged;
use crate::archive::Codec;
use crate::model::{BucketName, Problem, SourceName};
use crate::repository::pack::{NewObject, Prepared, SMALL_BYTES, prepare_small};
use crate::repository::{ErrorKind as RepositoryKind, RepositoryError};
use crate::store::{Address, ByteStream, ErrorKind, ObjectInfo, ObjectStore, StoreError};

/// How often an object that changes under the reading is read again.
pub(super) const ATTEMPTS: u32 = 4;

/// What became of an object.
#[expect(clippy::large_enum_variant, reason = "most are the large variant, and few live at once")]
pub(super) enum Outcome {
    /// Read and compressed; it counts against the memory for these until it is dropped.
    Small(Prepared, OwnedSemaphorePermit),
    /// Too large to hold: to be streamed when its turn comes.
    Large(ObjectInfo),
    /// Gone since it was listed.
    Vanished,
    Problem(Problem),
}

/// How much of the content of small objects may be in memory at once. Whoever comes first is served first, so that the
/// object whose turn it is never waits for those behind it.
pub(super) struct Memory(Arc<Semaphore>);

impl Memory {
    const KIBIBYTES: u32 = 32 << 10;

    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(Self::KIBIBYTES as usize)))
    }

    /// Waits for room for an object.
    pub(super) async fn take(&self, size: u64) -> OwnedSemaphorePermit {
        let kibibytes = u32::try_from(size >> 10).map_or(Self::KIBIBYTES, |size| size.clamp(1, Self::KIBIBYTES));
        Arc::clone(&self.0).acquire_many_owned(kibibytes).await.expect("it is never closed")
    }
}

/// Reads and compresses a small object; leaves a large one to its turn.
pub(super) async fn prepare(
    store: &Arc<dyn ObjectStore>,
    source: &SourceName,
    mut info: ObjectInfo,
    codec: Codec,
    memory: &Memory,
) -> Result<Outcome> {
    let key = info.key.clone();
    for _ in 0..ATTEMPTS {
        if info.size > SMALL_BYTES {
            return Ok(Outcome::Large(info));
        }
        let permit = memory.take(info.size).await;
        let (object, body) = match open(store, source, &info).await? {
            Ok(opened) => opened,
            Err(Outcome::Large(newer)) => {
                info = newer;
                continue;
            }
            Err(other) => return Ok(other),
        };
        match prepare_small(object, body, codec).await {
            Ok(prepared) => return Ok(Outcome::Small(prepared, permit)),
            Err(error) if may_be_read_again(&error) => match look(store, source, &info).await? {
                Some(newer) => info = newer,
                None => return Ok(Outcome::Vanished),
            },
            Err(error) => return single(source, &info, error.into()),
        }
    }
    Ok(Outcome::Problem(Problem::new(format!("{source}/{key}"), "it changed each time it was read")))
}

fn may_be_read_again(error: &RepositoryError) -> bool {
    error.kind == RepositoryKind::Changed
        || error.store_error().is_some_and(|error| matches!(error.kind, ErrorKind::Precondition | ErrorKind::NotFound))
}

/// Opens an object in the state that the listing showed. `Large` as an error means: it changed, this is its new state.
pub(super) async fn open(
    store: &Arc<dyn ObjectStore>,
    source: &SourceName,
    info: &ObjectInfo,
) -> Result<std::result::Result<(NewObject, ByteStream), Outcome>> {
    match ranged::open(store, &address(source, info), info.size, &info.etag).await {
        Ok(object) => {
            let new = NewObject {
                source: source.clone(),
                key: info.key.clone(),
                size: object.head.size,
                etag: object.head.etag,
                modified: object.head.modified,
                attributes: object.head.attributes,
            };
            Ok(Ok((new, object.body)))
        }
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Err(Outcome::Vanished)),
        Err(error) if error.kind == ErrorKind::Precondition => {
            Ok(Err(look(store, source, info).await?.map_or(Outcome::Vanished, Outcome::Large)))
        }
        Err(error) => single(source, info, error.into()).map(Err),
    }
}

/// A failure of the repository where the bytes of an object should come from.
pub(super) fn as_source(error: RepositoryError) -> StoreError {
    StoreError::new(ErrorKind::Source, "read", "an earlier backup").with_source(error)
}

/// The state of an object now.
async fn look(store: &Arc<dyn ObjectStore>, source: &SourceName, info: &ObjectInfo) -> Result<Option<ObjectInfo>> {
    match store.head(&address(source, info)).await {
        Ok(head) => {
            Ok(Some(ObjectInfo { key: info.key.clone(), size: head.size, etag: head.etag, modified: head.modified }))
        }
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn address(source: &SourceName, info: &ObjectInfo) -> Address {
    let bucket: BucketName = source.bucket();
    Address::new(bucket, info.key.clone())
}

/// A failure of one object is a problem, and the rest goes on; a store that is gone ends the run.
fn single(source: &SourceName, info: &ObjectInfo, error: StepError) -> Result<Outcome> {
    let kind = match &error {
        StepError::Store(error) => Some(error.kind),
        StepError::Repository(error) => error.store_error().map(|error: &StoreError| error.kind),
        _ => None,
    };
    match kind {
        None | Some(ErrorKind::Unreachable | ErrorKind::NoBucket | ErrorKind::Transient) => Err(error),
        Some(_) => Ok(Outcome::Problem(Problem::new(format!("{source}/{}", info.key), &error))),
    }
}
