//! Everything about one object that can be done before its turn comes: many of these run at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::OwnedSemaphorePermit;

use super::super::{Context, Result, StepError};
use super::changes::Listed;
use super::known::Known;
use super::read_object::{self, Memory, Outcome};
use super::spawned::spawned;
use super::work::Work;
use crate::archive::Codec;
use crate::model::{IndexRow, Problem};
use crate::repository::pack::{NewObject, Prepared, SMALL_BYTES, prepare_small, read_object as read_packed};
use crate::repository::{ErrorKind as RepositoryKind, Repository};
use crate::store::{Address, ErrorKind, ObjectInfo, ObjectStore};

/// An object whose turn may come.
pub(super) enum Ready {
    /// Nothing is to be stored: its row is as it was.
    Kept(IndexRow),
    /// Nothing is to be stored: its content was.
    Reused {
        row: IndexRow,
        old: Option<IndexRow>,
    },
    /// Read and compressed; it counts against the memory for these until it is dropped.
    Small {
        prepared: Prepared,
        old: Option<IndexRow>,
        moved: bool,
        _permit: OwnedSemaphorePermit,
    },
    /// Too large to hold: to be streamed when its turn comes.
    Large {
        listed: Listed,
        old: Option<IndexRow>,
    },
    /// The same, out of its old place.
    LargeMoved(IndexRow),
    /// Gone since it was listed.
    Vanished,
    Problem(Problem),
}

/// What preparing works with.
pub(super) struct Preparer {
    pub(super) repository: Repository,
    pub(super) stores: BTreeMap<String, Arc<dyn ObjectStore>>,
    pub(super) known: Known,
    pub(super) codec: Codec,
    pub(super) memory: Memory,
}

impl Preparer {
    pub(super) fn new(context: &Context, known: Known, codec: Codec) -> Arc<Self> {
        let (repository, stores) = (context.repository.clone(), context.stores.clone());
        Arc::new(Self { repository, stores, known, codec, memory: Memory::new() })
    }

    /// Does what can be done. Reading and compressing run on a task of their own, on whichever core is free.
    pub(super) async fn prepare(self: Arc<Self>, work: Result<Work>) -> Result<Ready> {
        match work? {
            Work::Keep(row) => Ok(Ready::Kept(row)),
            Work::Take(row) => Ok(Ready::Reused { row, old: None }),
            Work::Unlistable(problem) => Ok(Ready::Problem(problem)),
            Work::Read { listed, old } => spawned(async move { self.read(listed, old).await }).await,
            Work::Move(row) => spawned(async move { self.relocate(row).await }).await,
        }
    }

    fn store(&self, listed: &Listed) -> Result<&Arc<dyn ObjectStore>> {
        let name = listed.source.store();
        self.stores.get(name).ok_or_else(|| StepError::Configuration(format!("there is no store {name:?}")))
    }

    async fn read(&self, mut listed: Listed, old: Option<IndexRow>) -> Result<Ready> {
        let store = self.store(&listed)?;
        if let Some(row) = self.look_up(store, &listed).await? {
            return Ok(Ready::Reused { row, old });
        }
        let outcome = read_object::prepare(store, &listed.source, listed.info, self.codec, &self.memory).await?;
        Ok(match outcome {
            Outcome::Small(prepared, permit) => Ready::Small { prepared, old, moved: false, _permit: permit },
            Outcome::Large(info) => {
                listed.info = info;
                Ready::Large { listed, old }
            }
            Outcome::Vanished => Ready::Vanished,
            Outcome::Problem(problem) => Ready::Problem(problem),
        })
    }

    /// The row of an object whose content the parent has under another key: only its attributes are asked for.
    async fn look_up(&self, store: &Arc<dyn ObjectStore>, listed: &Listed) -> Result<Option<IndexRow>> {
        let ObjectInfo { key, size, etag, .. } = &listed.info;
        let Some(placed) = self.known.in_parent(etag, *size) else { return Ok(None) };
        let head = match store.head(&Address::new(listed.source.bucket(), key.clone())).await {
            Ok(head) => head,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // It was changed meanwhile: it is read like any other.
        let is_same = head.etag == *etag && head.size == *size;
        Ok(is_same.then(|| IndexRow {
            source: listed.source.clone(),
            key: key.clone(),
            size: head.size,
            etag: head.etag,
            modified: head.modified,
            sha256: placed.sha256,
            attributes: head.attributes,
            pieces: placed.pieces.clone(),
        }))
    }

    /// Reads an object out of a pack that is mostly dead. Where that is damaged, the live one is read.
    async fn relocate(&self, row: IndexRow) -> Result<Ready> {
        if row.size > SMALL_BYTES {
            return Ok(Ready::LargeMoved(row));
        }
        let permit = self.memory.take(row.size).await;
        let body = read_packed(&self.repository, &row).map_err(read_object::as_source).boxed();
        match prepare_small(packed_object(&row), body, self.codec).await {
            Ok(prepared) => Ok(Ready::Small { prepared, old: None, moved: true, _permit: permit }),
            Err(error) if is_damage(&error) => {
                drop(permit);
                self.read(listed_as(&row), Some(row)).await
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What the parent says of an object, for it to be packed again.
pub(super) fn packed_object(row: &IndexRow) -> NewObject {
    NewObject {
        source: row.source.clone(),
        key: row.key.clone(),
        size: row.size,
        etag: row.etag.clone(),
        modified: row.modified,
        attributes: row.attributes.clone(),
    }
}

/// The live object that a row was made of.
pub(super) fn listed_as(row: &IndexRow) -> Listed {
    let (key, etag) = (row.key.clone(), row.etag.clone());
    Listed { source: row.source.clone(), info: ObjectInfo { key, size: row.size, etag, modified: row.modified } }
}

/// Whether the repository itself is to blame, somewhere down the chain of causes.
pub(super) fn is_damage(error: &crate::repository::RepositoryError) -> bool {
    use crate::repository::RepositoryError;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<RepositoryError>().is_some_and(|error| error.kind == RepositoryKind::Damaged) {
            return true;
        }
        cause = error.source();
    }
    false
}
