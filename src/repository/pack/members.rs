//! A large object as a stream of compressed members: cut in pieces, each a tar entry, each cut in members that are compressed
//! in parallel.
//!
//! A piece that was begun is always ended, with zeros where its source failed: the pack stays an archive that tar can
//! read, and the error comes after the piece.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::PIECE_BYTES;
use super::object::NewObject;
use crate::archive::gzip::MEMBER_BYTES;
use crate::archive::{Codec, Hasher, blocking, tar};
use crate::model::Digest;
use crate::repository::error::{RepositoryError, Result};
use crate::store::ByteStream;

/// What comes out of [`members`].
pub(super) enum Item {
    Member {
        bytes: Bytes,
        ends_piece: bool,
    },
    /// After the last member: the digest of the whole content.
    Whole(Digest),
}

/// Cuts and compresses the content of `object`, `workers` members at once, in order.
pub(super) fn members(
    object: NewObject,
    content: ByteStream,
    codec: Codec,
    workers: usize,
) -> impl Stream<Item = Result<Item>> + Send {
    let cutter = Cutter {
        piece_left: 0,
        pieces: 0,
        content_left: object.size,
        codec: None,
        wanted_codec: codec,
        object,
        source: content,
        carried: Bytes::new(),
        hasher: Some(Hasher::new()),
        failure: None,
        has_ended: false,
    };
    stream::try_unfold(cutter, |mut cutter| async move { Ok(cutter.next().await?.map(|raw| (raw, cutter))) })
        // An error keeps its turn: what was cut before it is still to be written.
        .map(|raw| async move {
            match raw? {
                Raw::Whole(digest) => Ok(Item::Whole(digest)),
                Raw::Member { bytes, codec, ends_piece } => {
                    let bytes = blocking(move || codec.compress_member(&bytes)).await.into();
                    Ok(Item::Member { bytes, ends_piece })
                }
            }
        })
        .buffered(workers.max(1))
}

enum Raw {
    Member { bytes: Vec<u8>, codec: Codec, ends_piece: bool },
    Whole(Digest),
}

struct Cutter {
    object: NewObject,
    source: ByteStream,
    /// What was read beyond the end of the last member.
    carried: Bytes,
    /// Not yet cut, of the whole object and of the piece under way.
    content_left: u64,
    piece_left: u64,
    pieces: u64,
    wanted_codec: Codec,
    /// Decided by the first bytes.
    codec: Option<Codec>,
    /// On its way through a blocking thread where `None`.
    hasher: Option<Hasher>,
    failure: Option<RepositoryError>,
    has_ended: bool,
}

impl Cutter {
    async fn next(&mut self) -> Result<Option<Raw>> {
        if self.has_ended {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let begins_piece = self.piece_left == 0;
        if begins_piece {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.content_left == 0 {
                return self.end().await;
            }
            self.piece_left = self.content_left.min(PIECE_BYTES);
            bytes = self.object.tar_header(self.pieces, self.piece_left);
            self.pieces += 1;
        }
        let piece_bytes = self.object.size.min(PIECE_BYTES * self.pieces) - PIECE_BYTES * (self.pieces - 1);
        let header = bytes.len();
        let room = MEMBER_BYTES - header;
        let length = usize::try_from(self.piece_left).map_or(room, |left| left.min(room));
        bytes.reserve_exact(length + tar::END.len());
        if self.failure.is_none() {
            self.fill(&mut bytes, length).await;
        }
        // Nothing of this piece is in the pack yet: it need not be there at all.
        if let Some(failure) = self.failure.take_if(|_| begins_piece) {
            return Err(failure);
        }
        bytes.resize(header + length, 0);
        self.piece_left -= length as u64;
        self.content_left -= length as u64;
        let ends_piece = self.piece_left == 0;
        if ends_piece {
            bytes.extend_from_slice(tar::padding(piece_bytes));
        }
        let bytes = self.hash(bytes, header, length).await;
        let codec = self.codec.unwrap_or(self.wanted_codec);
        let codec = if self.failure.is_some() { codec.fastest() } else { codec };
        Ok(Some(Raw::Member { bytes, codec, ends_piece }))
    }

    /// Reads `length` bytes, or notes why it cannot.
    async fn fill(&mut self, bytes: &mut Vec<u8>, length: usize) {
        let mut left = length;
        while left > 0 {
            if self.carried.is_empty() {
                match self.source.try_next().await {
                    Ok(Some(chunk)) => self.carried = chunk,
                    Ok(None) => {
                        let read = self.object.size - self.content_left + (length - left) as u64;
                        self.failure = Some(self.object.changed(read));
                        return;
                    }
                    Err(error) => {
                        self.failure = Some(self.object.unreadable(error));
                        return;
                    }
                }
            }
            let take = self.carried.len().min(left);
            bytes.extend_from_slice(&self.carried.split_to(take));
            left -= take;
        }
    }

    /// Hashes the content in a member, and decides by the first one how hard to compress.
    async fn hash(&mut self, bytes: Vec<u8>, start: usize, length: usize) -> Vec<u8> {
        let mut hasher = self.hasher.take().expect("one member is hashed at a time");
        let undecided = self.codec.is_none().then(|| (self.object.clone(), self.wanted_codec));
        let (bytes, hasher, codec) = blocking(move || {
            let content = &bytes[start..start + length];
            hasher.update(content);
            let codec = undecided.map(|(object, codec)| object.codec(content, codec));
            (bytes, hasher, codec)
        })
        .await;
        self.hasher = Some(hasher);
        self.codec = self.codec.or(codec);
        bytes
    }

    /// Makes sure that the source has no more than it should, and answers the digest.
    async fn end(&mut self) -> Result<Option<Raw>> {
        self.has_ended = true;
        while self.carried.is_empty() {
            let Some(chunk) = self.source.try_next().await.map_err(|error| self.object.unreadable(error))? else {
                let hasher = self.hasher.take().expect("one member is hashed at a time");
                return Ok(Some(Raw::Whole(hasher.finish())));
            };
            self.carried = chunk;
        }
        Err(self.object.changed(u64::MAX))
    }
}
