//! Writes one object of a backup to its target, whole or not at all.

use std::sync::Arc;

use futures_util::TryStreamExt;

use super::ordered_object::OrderedObject;
use super::{Context, Result};
use crate::model::{FileKind, IndexRow, Problem};
use crate::repository::RepositoryError;
use crate::repository::pack::{Fetched, read_object};
use crate::store::transfer::{self, TransferOptions};
use crate::store::{Address, ErrorKind, ObjectStore, Precondition, StoreError, Stored};

/// Gets from packs at once; each holds about 16 MiB.
pub(super) const GETS: usize = 3;
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
        write_large(context, target, &at, &row).await
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

/// In one pass; where the store would not take so many parts that fit into memory, in longer ones that are streamed.
async fn write_large(
    context: &Context,
    target: &Arc<dyn ObjectStore>,
    at: &Address,
    row: &IndexRow,
) -> std::result::Result<Stored, StoreError> {
    let options = TransferOptions::default();
    if row.size.div_ceil(options.part_size) <= u64::from(target.features().most_parts) {
        let body = read_object(&context.repository, row);
        return transfer::upload(target, at, body, &row.attributes, Precondition::Overwrite, &options).await;
    }
    let object = OrderedObject::new(&context.repository, row);
    let open = |range| std::future::ready(object.open(range));
    transfer::put_source_in_order(target, at, row.size, &row.attributes, open).await
}

/// Reads an object to its end, for its verification alone.
pub(super) async fn drain(
    content: impl futures_util::Stream<Item = std::result::Result<bytes::Bytes, RepositoryError>> + Send,
) -> std::result::Result<(), RepositoryError> {
    content.try_for_each(|_| std::future::ready(Ok(()))).await
}
