//! Writes one object of a backup to its target, whole or not at all.

use futures_util::TryStreamExt;

use super::{Context, Result};
use crate::model::{FileKind, IndexRow, Problem};
use crate::repository::RepositoryError;
use crate::repository::pack::{Fetched, read_object};
use crate::store::transfer::{self, TransferOptions};
use crate::store::{Address, ErrorKind, ObjectStore, Precondition, StoreError};

/// Gets from packs at once; each holds about 16 MiB.
pub(super) const GETS: usize = 3;
/// Bytes of a part, unless the object needs more than the store takes.
const PART_BYTES: u64 = 8 << 20;

/// What became of an object.
pub(super) enum Written {
    /// Stored; so many bytes.
    Done(u64),
    Problem(Problem),
}

/// Stores what was fetched. A target that cannot hold one object is a problem of that object; a target that is gone, or a
/// backup that cannot be read, ends the restore.
pub(super) async fn write(
    context: &Context,
    fetched: std::result::Result<Fetched, RepositoryError>,
) -> Result<Written> {
    let (row, whole) = match fetched? {
        Fetched::Whole(row, whole) => (row, Some(whole)),
        Fetched::Large(row) => (row, None),
        Fetched::Failed(_, error) => return Err(error.into()),
    };
    let target = context.store(row.source.store())?;
    let kind = row.attributes.posix.as_ref().map(|posix| posix.kind);
    if !target.features().posix && matches!(kind, Some(FileKind::Symlink | FileKind::Folder)) {
        return Ok(Written::Problem(problem(&row, "it is a link or an empty folder, which this store cannot hold")));
    }
    let at = Address::new(row.source.bucket(), row.key.clone());
    let result = if let Some(whole) = whole {
        target.put(&at, whole, &row.attributes, Precondition::Overwrite).await
    } else {
        let body = read_object(&context.repository, &row);
        let options = TransferOptions { part_size: part_size(target.as_ref(), row.size), ..TransferOptions::default() };
        transfer::upload(target, &at, body, &row.attributes, Precondition::Overwrite, &options).await
    };
    match result {
        Ok(_) => Ok(Written::Done(row.size)),
        Err(error) if is_of_one_object(&error) => Ok(Written::Problem(problem(&row, &error))),
        Err(error) => Err(error.into()),
    }
}

fn problem(row: &IndexRow, reason: impl ToString) -> Problem {
    Problem::new(format!("{}/{}", row.source, row.key), reason)
}

fn is_of_one_object(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Unaddressable | ErrorKind::Unsupported)
}

/// Parts grow only where the store would not take so many.
fn part_size(store: &dyn ObjectStore, size: u64) -> u64 {
    let needed = size.div_ceil(u64::from(store.features().most_parts.max(1)));
    PART_BYTES.max(needed.next_multiple_of(1 << 20))
}

/// Reads an object to its end, for its verification alone.
pub(super) async fn drain(
    content: impl futures_util::Stream<Item = std::result::Result<bytes::Bytes, RepositoryError>> + Send,
) -> std::result::Result<(), RepositoryError> {
    content.try_for_each(|_| std::future::ready(Ok(()))).await
}
