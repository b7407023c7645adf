//! A stream stored as one object, or cut into several where it is longer than one may be.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use super::parts::Parts;
use super::{Address, ErrorKind, ObjectStore, Precondition, Result, Source, StoreError, TransferOptions, put_proven};
use crate::archive::Hasher;
use crate::model::{Attributes, Digest, Key};

/// How a stream is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOptions {
    /// The most bytes of one object; rounded down to whole parts.
    pub segment_size: u64,
    pub transfer: TransferOptions,
}

impl Default for CutOptions {
    fn default() -> Self {
        Self { segment_size: 4 << 30, transfer: TransferOptions::default() }
    }
}

/// One object of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub key: Key,
    pub size: u64,
    pub sha256: Digest,
}

/// Writes a stream as `base`, and what exceeds a segment as `base.0001`, `base.0002` and so on; answers them in order.
///
/// The first keeps its plain name: whether there will be a second is not known while it is written, and nothing can be
/// renamed. Where a later segment fails, the earlier ones are removed.
pub async fn upload_cut<S, E>(
    store: &Arc<dyn ObjectStore>,
    base: &Address,
    source: S,
    attributes: &Attributes,
    options: &CutOptions,
) -> Result<Vec<Segment>>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut source = Source::new(source, base);
    let mut segments = Vec::new();
    match upload_segments(store, base, &mut source, attributes, options, &mut segments).await {
        Ok(()) => Ok(segments),
        Err(error) => {
            let keys = segments.into_iter().map(|segment| segment.key).collect();
            for (key, removed) in store.delete_many(&base.bucket, keys).await {
                if let Err(error) = removed {
                    tracing::warn!(%key, %error, "a segment of a failed upload could not be removed");
                }
            }
            Err(error)
        }
    }
}

async fn upload_segments<S, E>(
    store: &Arc<dyn ObjectStore>,
    base: &Address,
    source: &mut Source<S>,
    attributes: &Attributes,
    options: &CutOptions,
    segments: &mut Vec<Segment>,
) -> Result<()>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        let at = Address::new(base.bucket.clone(), segment_key(&base.key, segments.len())?);
        segments.push(upload_segment(store, at, source, attributes, options).await?);
        if source.at_end().await? {
            return Ok(());
        }
    }
}

fn segment_key(base: &Key, index: usize) -> Result<Key> {
    if index == 0 {
        return Ok(base.clone());
    }
    let name = format!("{base}.{index:04}");
    Key::new(name.clone()).map_err(|error| StoreError::new(ErrorKind::Unaddressable, "put", name).with_source(error))
}

async fn upload_segment<S, E>(
    store: &Arc<dyn ObjectStore>,
    at: Address,
    source: &mut Source<S>,
    attributes: &Attributes,
    options: &CutOptions,
) -> Result<Segment>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let part_size = options.transfer.part_size.max(store.features().smallest_part).min(options.segment_size);
    let first = source.part(part_size).await?;
    if options.segment_size < 2 * part_size || source.at_end().await? {
        let size = first.len() as u64;
        let hasher = hash(Hasher::new(), first.clone()).await;
        put_proven(store, &at, first, attributes, Precondition::Overwrite).await?;
        return Ok(Segment { key: at.key, size, sha256: hasher.finish() });
    }
    let mut parts = Parts::begin(store, &at, attributes, &options.transfer).await?;
    let most = options.segment_size / part_size;
    let sent = send_segment(&mut parts, first, source, part_size, most).await;
    let (sent, summary) = match sent {
        Ok(summary) => (Ok(()), Some(summary)),
        Err(error) => (Err(error), None),
    };
    parts.finish(sent).await?;
    let (size, sha256) = summary.expect("an upload whose parts failed does not finish");
    Ok(Segment { key: at.key, size, sha256 })
}

async fn send_segment<S, E>(
    parts: &mut Parts,
    first: Bytes,
    source: &mut Source<S>,
    part_size: u64,
    most: u64,
) -> Result<(u64, Digest)>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut hasher = Hasher::new();
    let (mut size, mut sent) = (0, 0);
    let mut part = first;
    loop {
        hasher = hash(hasher, part.clone()).await;
        size += part.len() as u64;
        sent += 1;
        parts.send(part).await?;
        if sent == most {
            break;
        }
        part = parts.unless_failed(source.part(part_size)).await?;
        if part.is_empty() {
            break;
        }
    }
    Ok((size, hasher.finish()))
}

async fn hash(mut hasher: Hasher, bytes: Bytes) -> Hasher {
    let task = tokio::task::spawn_blocking(move || {
        hasher.update(&bytes);
        hasher
    });
    task.await.expect("hashing a buffer does not panic")
}
