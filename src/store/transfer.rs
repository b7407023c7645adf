//! Transfers of any length made of the store's whole operations: uploads of unknown length, copies beyond what one
//! request may carry, sweeps of what was left behind.
//!
//! Memory is bounded by the options, never by the data. Nothing becomes visible before all of it has arrived, and what
//! fails or is dropped on the way is aborted.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use jiff::SignedDuration;

use super::{
    Address, ByteStream, ErrorKind, ObjectStore, Precondition, Result, StoreError, Stored, Upload, UploadedPart,
};
use crate::archive::Buffers;
use crate::model::{Attributes, BucketName};

mod copy;
mod cut;
mod parts;
mod source;
#[cfg(test)]
mod tests;

pub use copy::copy;
pub use cut::{CutOptions, Segment, upload_cut};
pub use source::{put_source, put_source_in_order};

use parts::Parts;
pub use parts::finish_aborts;

/// How an upload is cut into parts and how many of these are on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferOptions {
    pub part_size: u64,
    /// Memory used is this and one more, times the part size.
    pub parts_in_flight: usize,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self { part_size: 8 << 20, parts_in_flight: 3 }
    }
}

/// Writes a stream of unknown length as one object: with one put where it fits into a part, else in parts.
///
/// `CreateNew` beyond one part is checked by looking before the first part goes out.
pub async fn upload<S, E>(
    store: &Arc<dyn ObjectStore>,
    at: &Address,
    source: S,
    attributes: &Attributes,
    precondition: Precondition,
    options: &TransferOptions,
) -> Result<Stored>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let part_size = options.part_size.max(store.features().smallest_part);
    let mut source = Source::new(source, at);
    let first = source.part(part_size).await?;
    if source.at_end().await? {
        return put_proven(store, at, first, attributes, precondition).await;
    }
    check_free(store, at, precondition).await?;
    let mut parts = Parts::begin(store, at, attributes, options).await?;
    let sent = send_all(&mut parts, first, &mut source, part_size).await;
    parts.finish(sent).await
}

async fn send_all<S, E>(parts: &mut Parts, first: Bytes, source: &mut Source<S>, part_size: u64) -> Result<()>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    parts.send(first).await?;
    loop {
        let part = parts.unless_failed(source.part(part_size)).await?;
        if part.is_empty() {
            return Ok(());
        }
        parts.send(part).await?;
    }
}

/// Fails where the object must be new and is there.
async fn check_free(store: &Arc<dyn ObjectStore>, at: &Address, precondition: Precondition) -> Result<()> {
    if precondition == Precondition::Overwrite {
        return Ok(());
    }
    match store.head(at).await {
        Ok(_) => Err(StoreError::new(ErrorKind::Precondition, "put", format!("{}/{at}", store.describe()))),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A stream taken in parts of a fixed size; the remainder of a piece waits for the next part.
struct Source<S> {
    pieces: S,
    rest: Bytes,
    buffers: Buffers,
    subject: String,
}

impl<S, E> Source<S>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn new(pieces: S, at: &Address) -> Self {
        Self { pieces, rest: Bytes::new(), buffers: Buffers::default(), subject: at.to_string() }
    }

    /// The next `size` bytes; fewer only at the end, none beyond it.
    async fn part(&mut self, size: u64) -> Result<Bytes> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if self.fill().await? && self.rest.len() >= size {
            return Ok(self.rest.split_to(size));
        }
        let mut part = self.buffers.take();
        part.clear();
        while part.len() < size && self.fill().await? {
            let piece = self.rest.split_to(self.rest.len().min(size - part.len()));
            // A short stream never costs a whole part.
            if part.len() + piece.len() > size / 4 && part.capacity() < size {
                part.reserve_exact(size - part.len());
            }
            part.extend_from_slice(&piece);
        }
        let length = part.len();
        Ok(self.buffers.lend(part, length))
    }

    async fn at_end(&mut self) -> Result<bool> {
        Ok(!self.fill().await?)
    }

    /// Has a piece in hand, unless the source is at its end.
    async fn fill(&mut self) -> Result<bool> {
        while self.rest.is_empty() {
            match self.pieces.next().await {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => {
                    return Err(StoreError::new(ErrorKind::Source, "put", self.subject.clone()).with_source(error));
                }
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Puts, and proves what is there: by the digest that the answer holds, or by looking where it holds none.
async fn put_proven(
    store: &Arc<dyn ObjectStore>,
    at: &Address,
    body: Bytes,
    attributes: &Attributes,
    precondition: Precondition,
) -> Result<Stored> {
    let size = body.len() as u64;
    let stored = store.put(at, body.clone(), attributes, precondition).await?;
    if store.features().md5_etags {
        let digest = tokio::task::spawn_blocking(move || format!("{:x}", md5::compute(&body)));
        if digest.await.expect("hashing a buffer does not panic") == stored.etag {
            return Ok(stored);
        }
    }
    prove(store, at, size, stored).await
}

/// Compares what is stored with what was sent: the size, and the ETag that the write answered.
async fn prove(store: &Arc<dyn ObjectStore>, at: &Address, size: u64, stored: Stored) -> Result<Stored> {
    let head = store.head(at).await?;
    if head.size == size && head.etag == stored.etag {
        return Ok(stored);
    }
    let detail =
        format!("{size} bytes with ETag {} were written, {} with {} are there", stored.etag, head.size, head.etag);
    Err(StoreError::new(ErrorKind::Truncated, "check", format!("{}/{at}", store.describe())).with_detail(detail))
}

/// Reads a whole body of at most `limit` bytes.
pub async fn collect(mut body: ByteStream, limit: u64) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.try_next().await? {
        if (whole.len() + piece.len()) as u64 > limit {
            let detail = format!("it is longer than {limit} bytes");
            return Err(StoreError::new(ErrorKind::Truncated, "read", "a body").with_detail(detail));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// Aborts uploads below `prefix` that were begun longer ago than `older_than` and never ended; answers how many.
pub async fn sweep_uploads(
    store: &Arc<dyn ObjectStore>,
    bucket: &BucketName,
    prefix: &str,
    older_than: Duration,
) -> Result<u64> {
    let age = SignedDuration::try_from(older_than).unwrap_or(SignedDuration::MAX);
    let before = store.now().await?.checked_sub(age).unwrap_or(jiff::Timestamp::MIN);
    let mut swept = 0;
    for stale in store.list_uploads(bucket, prefix).await? {
        if stale.started.is_some_and(|started| started < before) {
            store.abort_upload(&stale.upload).await?;
            swept += 1;
        }
    }
    Ok(swept)
}
