//! Objects on their way into a pack.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;

use super::PIECE_BYTES;
use crate::archive::{self, Codec, Format, gzip, tar};
use crate::model::{Attributes, Digest, IndexRow, Key, Piece, SourceName};
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::store::ByteStream;

/// What the index will say of an object, but for its digest and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    pub source: SourceName,
    pub key: Key,
    pub size: u64,
    /// As the source's listing gave it, without quotes.
    pub etag: String,
    pub modified: Timestamp,
    pub attributes: Attributes,
}

impl NewObject {
    /// Its row, once its digest and its place are known.
    pub fn into_row(self, sha256: Digest, pieces: Vec<Piece>) -> IndexRow {
        let Self { source, key, size, etag, modified, attributes } = self;
        IndexRow { source, key, size, etag, modified, sha256, attributes, pieces }
    }

    /// The header of the entry that holds the piece of this number and size.
    pub(super) fn tar_header(&self, piece: u64, size: u64) -> Vec<u8> {
        let mut name = tar::entry_name(self.source.as_str(), self.key.as_str());
        if self.size > PIECE_BYTES {
            write!(name, ".part{piece:04}").expect("a string takes every write");
        }
        let posix = self.attributes.posix.as_ref();
        let seconds =
            posix.map_or(self.modified.as_second(), |posix| posix.mtime_nanoseconds.div_euclid(1_000_000_000));
        let entry = tar::Entry {
            name,
            mode: posix.map_or(0o644, |posix| posix.mode),
            uid: posix.map_or(0, |posix| posix.uid),
            gid: posix.map_or(0, |posix| posix.gid),
            mtime_seconds: u64::try_from(seconds).unwrap_or(0),
        };
        tar::header(&entry, size)
    }

    pub(super) fn codec(&self, sample: &[u8], codec: Codec) -> Codec {
        if gzip::looks_compressed(sample, self.key.as_str()) { codec.stored() } else { codec }
    }

    /// Says that the content is not what the listing said.
    pub(super) fn changed(&self, found: u64) -> RepositoryError {
        let what = if found > self.size { "more".to_owned() } else { found.to_string() };
        RepositoryError::new(ErrorKind::Changed, "store", self.describe())
            .with_detail(format!("it had {} bytes, and now {what}", self.size))
    }

    pub(super) fn unreadable(&self, error: crate::store::StoreError) -> RepositoryError {
        RepositoryError::new(ErrorKind::Source, "store", self.describe()).with_source(error)
    }

    fn describe(&self) -> String {
        format!("{}/{}", self.source, self.key.as_str().escape_debug())
    }
}

/// A small object read, hashed and compressed, that only needs its place.
#[derive(Debug)]
pub struct Prepared {
    pub object: NewObject,
    pub sha256: Digest,
    /// Its piece; empty where it has no bytes.
    pub(super) piece: Bytes,
    /// What its piece is, and the pack that takes it must be.
    pub(super) format: Format,
}

/// Reads an object of at most [`super::SMALL_BYTES`] whole, hashes and compresses it. Many of these may run at once. Fails with
/// `Changed` where it has not the size it should have, and with `Source` where it cannot be read.
pub async fn prepare_small(object: NewObject, content: ByteStream, codec: Codec) -> Result<Prepared> {
    let header = object.tar_header(0, object.size);
    let begin = header.len();
    let mut raw = collect(&object, header, content).await?;
    Ok(archive::blocking(move || {
        let sha256 = archive::sha256(&raw[begin..]);
        let piece = if raw.len() == begin {
            Bytes::new()
        } else {
            // Where the header would be much of it, compressing always pays.
            let codec = if object.size < 16 << 10 { codec } else { object.codec(&raw[begin..], codec) };
            raw.extend_from_slice(tar::padding(object.size));
            codec.compress_member(&raw).into()
        };
        Prepared { object, sha256, piece, format: codec.format() }
    })
    .await)
}

/// The entry as it will be compressed, but for its padding: the content goes behind the header, into its place.
async fn collect(object: &NewObject, header: Vec<u8>, mut content: ByteStream) -> Result<Vec<u8>> {
    let whole = usize::try_from(object.size).unwrap_or(usize::MAX).saturating_add(header.len());
    let mut raw = header;
    raw.reserve_exact((whole - raw.len()).min(gzip::MEMBER_BYTES) + tar::END.len());
    let begin = raw.len();
    while let Some(chunk) = content.try_next().await.map_err(|error| object.unreadable(error))? {
        if raw.len() + chunk.len() > whole {
            return Err(object.changed(u64::MAX));
        }
        raw.extend_from_slice(&chunk);
    }
    if raw.len() == whole { Ok(raw) } else { Err(object.changed((raw.len() - begin) as u64)) }
}
