//! Server-side copies of any size.

use std::ops::Range;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::parts::Guard;
use super::{Address, ErrorKind, ObjectStore, Result, StoreError, Stored, UploadedPart};
use crate::model::Attributes;

/// Parts of a copy cost no memory here, only requests.
const PART_SIZE: u64 = 128 << 20;
const PARTS_IN_FLIGHT: usize = 4;

/// Copies an object of `size` bytes with all attributes, or with `attributes` instead: at once where the store takes it at
/// once, else in parts, which must all come from the same state of the source.
pub async fn copy(
    store: &Arc<dyn ObjectStore>,
    from: &Address,
    to: &Address,
    size: u64,
    attributes: Option<&Attributes>,
) -> Result<Stored> {
    let features = store.features();
    if size <= features.largest_put {
        return store.copy(from, to, attributes).await;
    }
    let before = store.head(from).await?;
    let part_size = PART_SIZE.max(before.size.div_ceil(u64::from(features.most_parts))).min(features.largest_put);
    let guard = Guard::begin(store, to, attributes.unwrap_or(&before.attributes)).await?;
    let copied = async {
        let parts = copy_parts(store, &guard, from, before.size, part_size).await?;
        let after = store.head(from).await?;
        if (after.size, &after.etag) != (before.size, &before.etag) {
            let place = format!("{}/{from}", store.describe());
            let error = StoreError::new(ErrorKind::Precondition, "copy", place);
            return Err(error.with_detail("it changed while it was copied"));
        }
        Ok(parts)
    };
    let copied = copied.await;
    guard.finish(copied).await
}

async fn copy_parts(
    store: &Arc<dyn ObjectStore>,
    guard: &Guard,
    from: &Address,
    size: u64,
    part_size: u64,
) -> Result<Vec<UploadedPart>> {
    let parts = stream::iter(ranges(size, part_size));
    let parts = parts.map(|(number, range)| store.copy_part(guard.upload(), number, range.start, from, range));
    parts.buffer_unordered(PARTS_IN_FLIGHT).try_collect().await
}

/// The parts of `size` bytes, by number.
pub(super) fn ranges(size: u64, part_size: u64) -> impl Iterator<Item = (u32, Range<u64>)> + Send {
    let starts = (0..size.div_ceil(part_size)).map(move |index| index * part_size);
    (1..).zip(starts.map(move |start| start..size.min(start + part_size)))
}
