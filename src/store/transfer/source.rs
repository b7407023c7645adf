//! Objects that users own, written back whole: never cut, their parts sized so that the store takes all of them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::copy::ranges;
use super::parts::Guard;
use super::{
    Address, ByteStream, ErrorKind, ObjectStore, Precondition, Result, StoreError, Stored, UploadedPart, collect,
    put_proven,
};
use crate::model::Attributes;

const ATTEMPTS: u32 = 4;

/// What an upload from a source may use.
pub(super) struct Limits {
    /// Parts are this long unless there would be too many of them.
    pub(super) part_size: u64,
    pub(super) parts_in_flight: u64,
    /// All parts in memory; a longer one is not kept but opened again where it fails.
    pub(super) buffered: u64,
}

const LIMITS: Limits = Limits { part_size: 8 << 20, parts_in_flight: 3, buffered: 64 << 20 };
/// A part longer than these is streamed: in memory it is never.
const IN_ORDER: Limits = Limits { part_size: 8 << 20, parts_in_flight: 1, buffered: 16 << 20 };

/// Writes `length` bytes that `open` yields range by range, and proves that they are there.
///
/// `open` is called for parts at the same time, and again for a part that failed and was too long to be kept.
pub async fn put_source<O, F>(
    store: &Arc<dyn ObjectStore>,
    at: &Address,
    length: u64,
    attributes: &Attributes,
    open: O,
) -> Result<Stored>
where
    O: Fn(Range<u64>) -> F + Send + Sync,
    F: Future<Output = Result<ByteStream>> + Send,
{
    put_within(&LIMITS, store, at, length, attributes, open).await
}

/// The same, one part after the other: each range that `open` is asked for begins where the last ended or, where that
/// part failed, where it began.
pub async fn put_source_in_order<O, F>(
    store: &Arc<dyn ObjectStore>,
    at: &Address,
    length: u64,
    attributes: &Attributes,
    open: O,
) -> Result<Stored>
where
    O: Fn(Range<u64>) -> F + Send + Sync,
    F: Future<Output = Result<ByteStream>> + Send,
{
    put_within(&IN_ORDER, store, at, length, attributes, open).await
}

pub(super) async fn put_within<O, F>(
    limits: &Limits,
    store: &Arc<dyn ObjectStore>,
    at: &Address,
    length: u64,
    attributes: &Attributes,
    open: O,
) -> Result<Stored>
where
    O: Fn(Range<u64>) -> F + Send + Sync,
    F: Future<Output = Result<ByteStream>> + Send,
{
    let features = store.features();
    let fewest = length.div_ceil(u64::from(features.most_parts));
    let part_size = limits.part_size.max(fewest).min(features.largest_put);
    if length <= part_size.min(limits.buffered) {
        let body = read(&open, 0..length, at).await?;
        return put_proven(store, at, body, attributes, Precondition::Overwrite).await;
    }
    let guard = Guard::begin(store, at, attributes).await?;
    let in_flight = (limits.buffered / part_size).clamp(1, limits.parts_in_flight);
    let sent = {
        let parts = stream::iter(ranges(length, part_size));
        let keep = part_size <= limits.buffered;
        let parts = parts.map(|(number, range)| send_part(store, &guard, number, range, keep, &open));
        let in_flight = usize::try_from(in_flight).unwrap_or(1);
        parts.buffer_unordered(in_flight).try_collect::<Vec<UploadedPart>>().await
    };
    guard.finish(sent).await
}

async fn send_part<O, F>(
    store: &Arc<dyn ObjectStore>,
    guard: &Guard,
    number: u32,
    range: Range<u64>,
    keep: bool,
    open: &O,
) -> Result<UploadedPart>
where
    O: Fn(Range<u64>) -> F + Send + Sync,
    F: Future<Output = Result<ByteStream>> + Send,
{
    let upload = guard.upload();
    if keep {
        let body = read(open, range.clone(), &upload.at).await?;
        return store.upload_part(upload, number, range.start, body).await;
    }
    let mut attempt = 1;
    loop {
        let body = open(range.clone()).await.map_err(|error| failed_source(error, &upload.at))?;
        match store.stream_part(upload, number, range.start, range.end - range.start, body).await {
            Err(error) if error.is_retryable() && attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

/// The bytes of a range, all of them.
async fn read<O, F>(open: &O, range: Range<u64>, at: &Address) -> Result<Bytes>
where
    O: Fn(Range<u64>) -> F + Send + Sync,
    F: Future<Output = Result<ByteStream>> + Send,
{
    let length = range.end - range.start;
    if length == 0 {
        return Ok(Bytes::new());
    }
    let body = async { collect(open(range).await?, length).await };
    let body = body.await.map_err(|error| failed_source(error, at))?;
    if body.len() as u64 == length {
        return Ok(body);
    }
    let detail = format!("{} bytes came, {length} were announced", body.len());
    Err(StoreError::new(ErrorKind::Source, "put", at.to_string()).with_detail(detail))
}

fn failed_source(error: StoreError, at: &Address) -> StoreError {
    if error.kind == ErrorKind::Source {
        return error;
    }
    StoreError::new(ErrorKind::Source, "put", at.to_string()).with_source(error)
}
