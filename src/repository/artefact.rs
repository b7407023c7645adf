//! Streams kept as objects of a backup: dumps, archives, lists.
//!
//! What was written is known by two digests: of the bytes as stored, part by part, so that `sha256sum -c` proves them, and
//! of the bytes before compression, so that nothing on the way is trusted. A name that ends in `.gz` or `.zst` is compressed.

use std::error::Error;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use super::Repository;
use super::error::{ErrorKind, RepositoryError, Result};
use super::open::content_type;
use crate::archive::gzip::MEMBER_BYTES;
use crate::archive::{Codec, DecodeError, Format, Hasher, ahead, blocking, chunks};
use crate::model::manifest::{Artefact, Part};
use crate::model::{Attributes, Digest, Key};
use crate::store::transfer::{self, CutOptions};
use crate::store::{self, GetOptions, StoreError};

/// Bytes of an artefact, before compression.
pub type RawStream = BoxStream<'static, Result<Bytes>>;

/// Buffers that each stage makes before they are asked for.
const AHEAD: usize = 2;
/// Bytes that are hashed at once; each batch is a hop to another thread.
const HASH_BYTES: usize = 256 << 10;
/// How many parts are looked at, or read, at once.
const PARTS: usize = 16;
const PARTS_READ: usize = 2;

/// How closely parts are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// There, with the right size.
    Presence,
    /// Read, with the right digest.
    Checksum,
}

impl Repository {
    /// Stores a stream as one object, or as several where it is larger than 4 GiB. Nothing names it until a manifest does,
    /// so an error or a crash leaves nothing but bytes that no backup needs. An error of `raw` is the cause of a `Source`
    /// error. Compresses on `workers` threads, in the format that the name says.
    pub async fn store_artefact<S, E>(&self, path: &Key, raw: S, codec: Codec, workers: usize) -> Result<Artefact>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let tally = Tally::default();
        let raw = ahead(tallied(raw, MEMBER_BYTES, tally.clone()), AHEAD);
        let stored = match format_of(path) {
            Some(format) => ahead(codec.or_default(format).compress_stream(raw, workers), AHEAD).boxed(),
            None => raw.boxed(),
        };
        let attributes = Attributes { content_type: Some(content_type(path).to_owned()), ..Attributes::default() };
        let options = CutOptions::default();
        let segments = transfer::upload_cut(&self.store, &self.address(path)?, stored, &attributes, &options).await;
        let segments = segments.map_err(|error| match error.kind {
            store::ErrorKind::Source => {
                RepositoryError::new(ErrorKind::Source, "store", path.as_str()).with_source(error)
            }
            _ => RepositoryError::from_store(error, "store", path.as_str()),
        })?;
        let parts = segments.into_iter().map(|segment| {
            let path = self.path(&segment.key).expect("the upload begins where it was told to");
            Part { path, size: segment.size, sha256: segment.sha256 }
        });
        let parts = parts.collect();
        let (raw_size, raw_sha256) = tally.finish();
        Ok(Artefact { parts, raw_size, raw_sha256 })
    }

    /// Opens an artefact. The stream ends cleanly only after every part, and the whole, had its size and digest; what is
    /// not as it was written ends it with `Damaged`. Nothing read before the clean end is proven.
    pub fn open_artefact(&self, artefact: &Artefact) -> RawStream {
        let subject = artefact.parts.first().map_or_else(String::new, |part| part.path.to_string());
        let repository = self.clone();
        let stored = stream::iter(artefact.parts.clone())
            .then(move |part| {
                let repository = repository.clone();
                async move { repository.open_part(&part).await }
            })
            .try_flatten();
        let raw = if let Some(format) = format(artefact) {
            let subject = subject.clone();
            format
                .decompress_stream(stored)
                .map_err(move |error| match error {
                    DecodeError::Source(error) => error,
                    DecodeError::Corrupt(reason) => {
                        RepositoryError::new(ErrorKind::Damaged, "read", subject.clone()).with_source(reason)
                    }
                })
                .boxed()
        } else {
            stored.boxed()
        };
        verified(raw, subject, artefact.raw_size, artefact.raw_sha256)
    }

    /// Opens one object; the stream ends cleanly only where size and digest are right.
    pub async fn open_part(&self, part: &Part) -> Result<RawStream> {
        let name = part.path.to_string();
        let object = match self.store.get(&self.address(&part.path)?, GetOptions::default()).await {
            Ok(object) => object,
            Err(error) => return Err(missing_or_failed(error, &part.path)),
        };
        check_size(part, object.head.size)?;
        let subject = name.clone();
        let body = object.body.map_err(move |error| RepositoryError::from_store(error, "read", subject.clone()));
        Ok(verified(body.boxed(), name, part.size, part.sha256))
    }

    /// Checks parts, some at once, and answers each in the order given. `Damaged` is a part that is missing or other than
    /// it should be; every other error says that it could not be checked.
    pub fn check_parts(
        &self,
        parts: Vec<Part>,
        depth: Depth,
    ) -> impl Stream<Item = (Part, Result<()>)> + Send + use<'_> {
        let at_once = if depth == Depth::Presence { PARTS } else { PARTS_READ };
        stream::iter(parts)
            .map(move |part| async move {
                let result = self.check_part(&part, depth).await;
                (part, result)
            })
            .buffered(at_once)
    }

    async fn check_part(&self, part: &Part, depth: Depth) -> Result<()> {
        match depth {
            Depth::Presence => {
                let head = self.store.head(&self.address(&part.path)?).await;
                let head = head.map_err(|error| missing_or_failed(error, &part.path))?;
                check_size(part, head.size)
            }
            Depth::Checksum => {
                let mut body = self.open_part(part).await?;
                while body.try_next().await?.is_some() {}
                Ok(())
            }
        }
    }
}

fn missing_or_failed(error: StoreError, path: &Key) -> RepositoryError {
    match error.kind {
        store::ErrorKind::NotFound => {
            RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_detail("it is missing")
        }
        _ => RepositoryError::from_store(error, "read", path.as_str()),
    }
}

fn check_size(part: &Part, found: u64) -> Result<()> {
    if found == part.size {
        return Ok(());
    }
    let error = RepositoryError::new(ErrorKind::Damaged, "read", part.path.as_str());
    Err(error.with_detail(format!("it has {found} bytes instead of {}", part.size)))
}

/// How an artefact is compressed; `None` where it is not.
pub(super) fn format(artefact: &Artefact) -> Option<Format> {
    artefact.parts.first().and_then(|part| format_of(&part.path))
}

/// How the object, or the object of which this is a cut, is compressed.
fn format_of(path: &Key) -> Option<Format> {
    let name = path.as_str();
    let is_number = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = name.rsplit_once('.').filter(|(_, end)| is_number(end)).map_or(name, |(whole, _)| whole);
    Format::of_name(whole)
}

/// A size and a digest that grow with a stream, and are read when it has ended.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<(u64, Hasher)>>);

impl Tally {
    fn update(&self, bytes: &[u8]) {
        let mut inner = self.0.lock().expect("no thread panics while it holds this");
        inner.0 += bytes.len() as u64;
        inner.1.update(bytes);
    }

    fn finish(&self) -> (u64, Digest) {
        let (size, hasher) = self.0.lock().expect("no thread panics while it holds this").clone();
        (size, hasher.finish())
    }
}

/// Passes a stream on, in pieces of this size, and hashes it on the way.
fn tallied<S, E>(source: S, piece: usize, tally: Tally) -> impl Stream<Item = std::result::Result<Bytes, E>> + Send
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send,
    E: Send,
{
    chunks::exact(source, piece)
        .and_then(move |bytes| {
            let tally = tally.clone();
            async move {
                let hashed = bytes.clone();
                blocking(move || tally.update(&hashed)).await;
                Ok(bytes)
            }
        })
        .try_filter(|bytes| std::future::ready(!bytes.is_empty()))
}

/// Passes a stream on, and ends it with an error where it was not what it should be.
fn verified(source: RawStream, subject: String, size: u64, sha256: Digest) -> RawStream {
    let tally = Tally::default();
    let end = {
        let tally = tally.clone();
        stream::once(async move {
            let (found_size, found) = tally.finish();
            if (found_size, found) == (size, sha256) {
                return Ok(Bytes::new());
            }
            let error = RepositoryError::new(ErrorKind::Damaged, "read", subject);
            Err(if found_size == size {
                error.with_detail("its digest is not the one in the manifest")
            } else {
                error.with_detail(format!("it has {found_size} bytes instead of {size}"))
            })
        })
    };
    // An error ends the stream, so that the end is not reached with half of the bytes.
    let all = tallied(source, HASH_BYTES, tally).chain(end);
    stream::try_unfold(Box::pin(all), |mut all| async move { Ok(all.try_next().await?.map(|bytes| (bytes, all))) })
        .try_filter(|bytes| std::future::ready(!bytes.is_empty()))
        .boxed()
}
