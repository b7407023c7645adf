//! Reads many objects, and those whose own place is damaged from where they were stored again.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};

use super::SMALL_BYTES;
use super::bulk::{Fetched, read_many};
use super::reader::{collect, read_object};
use crate::model::IndexRow;
use crate::repository::Repository;
use crate::repository::damage::Replacements;
use crate::repository::error::{ErrorKind, Result};

/// Reads as [`read_many`] does. What is `Failed` as damaged has no sound replacement; a `Large` one may still turn out to
/// be damaged when it is read, and is then looked up by whoever reads it.
pub fn read_sound<S>(
    repository: &Repository,
    replacements: &Arc<Replacements>,
    rows: S,
    workers: usize,
) -> impl Stream<Item = Result<Fetched>> + Send + use<S>
where
    S: Stream<Item = Result<IndexRow>> + Send,
{
    let (this, replacements) = (repository.clone(), replacements.clone());
    read_many(repository, rows, workers)
        .map(move |fetched| {
            let (repository, replacements) = (this.clone(), replacements.clone());
            async move { Ok(heal(&repository, &replacements, fetched?).await) }
        })
        .buffer_unordered(workers.max(1))
}

async fn heal(repository: &Repository, replacements: &Replacements, fetched: Fetched) -> Fetched {
    let (row, error) = match fetched {
        Fetched::Failed(row, error) if error.kind == ErrorKind::Damaged => (row, error),
        other => return other,
    };
    let places = match replacements.places(&row).await {
        Ok(places) => places,
        Err(error) => return Fetched::Failed(row, error),
    };
    for other in places {
        if other.size > SMALL_BYTES {
            return Fetched::Large(other);
        }
        match read_whole(repository, &other).await {
            Ok(content) => return Fetched::Whole(other, content),
            Err(error) if error.kind == ErrorKind::Damaged => {}
            Err(error) => return Fetched::Failed(row, error),
        }
    }
    Fetched::Failed(row, error)
}

async fn read_whole(repository: &Repository, row: &IndexRow) -> Result<Bytes> {
    let length = usize::try_from(row.size).expect("it is small");
    collect(read_object(repository, row), length).await
}
