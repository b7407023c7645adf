//! Writes packs, and holds each object's row back until the pack with its bytes is confirmed.
//!
//! Rows go in and come out in one order, so that they can go straight into an index; a row never comes out whose pack
//! the store has not confirmed. Rows that wait are bounded: where they grow too many, the open pack is sealed early.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::list::PackInfo;
use super::members::{self, Item};
use super::object::{NewObject, Prepared};
use super::upload::{PackUpload, SealedUpload};
use crate::archive::{Codec, tar};
use crate::model::{Digest, IndexRow, Piece, id};
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::{Repository, layout};
use crate::store::ByteStream;

/// Packs that may be on their way at once: one that fills, one that is being confirmed.
const MOST_SEALED: usize = 1;

/// How packs are made.
#[derive(Debug, Clone)]
pub struct PackOptions {
    pub codec: Codec,
    /// A pack is sealed once it has this many bytes.
    pub pack_bytes: u64,
    /// Members of a large object compressed at once, 8 MiB of memory each.
    pub workers: usize,
    /// Parts of a pack on their way at once, 8 MiB of memory each.
    pub parts_in_flight: usize,
    /// About how many bytes of rows may wait for their pack.
    pub waiting_bytes: usize,
}

impl Default for PackOptions {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4));
        Self { codec: Codec::default(), pack_bytes: 64 << 20, workers, parts_in_flight: 2, waiting_bytes: 16 << 20 }
    }
}

/// Where an object's bytes were put. Not for an index: its row comes out of the writer once the pack is confirmed. A
/// later object with the same bytes may be given to [`PackWriter::add_placed`] with these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub sha256: Digest,
    pub pieces: Vec<Piece>,
}

/// What [`PackWriter::finish`] answers.
#[derive(Debug)]
pub struct Finished {
    /// The rows that were not taken yet.
    pub rows: Vec<IndexRow>,
    /// The packs that were not taken yet.
    pub packs: Vec<PackInfo>,
}

/// Fills packs and stores them. Dropped unfinished, it leaves no pack that was not sealed.
pub struct PackWriter {
    repository: Repository,
    options: PackOptions,
    open: Option<OpenPack>,
    sealed: VecDeque<SealedUpload>,
    /// Packs begun, and packs confirmed, in order.
    begun: u64,
    confirmed: u64,
    /// Rows in order, each with the number of packs that must be confirmed before it may go.
    waiting: VecDeque<(u64, IndexRow)>,
    waiting_bytes: usize,
    packs: Vec<PackInfo>,
    has_failed: bool,
}

struct OpenPack {
    name: String,
    bytes: u64,
    /// True from the first member of a piece to its last: an object whose adding was dropped leaves it so.
    is_inside_piece: bool,
    upload: PackUpload,
}

impl PackWriter {
    pub fn new(repository: Repository, options: PackOptions) -> Self {
        Self {
            repository,
            options,
            open: None,
            sealed: VecDeque::new(),
            begun: 0,
            confirmed: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            packs: Vec::new(),
            has_failed: false,
        }
    }

    /// Takes a row as it is: its bytes lie in a confirmed pack, or were placed by this writer, or it has none.
    pub async fn keep(&mut self, row: IndexRow) -> Result<()> {
        self.queue(row);
        self.settle().await
    }

    /// Takes an object whose bytes were placed before, by this writer or in a confirmed pack.
    pub async fn add_placed(&mut self, object: NewObject, placed: Placed) -> Result<()> {
        self.keep(object.into_row(placed.sha256, placed.pieces)).await
    }

    /// Places a prepared object. A failure is the store's, and the end of this writer.
    pub async fn add(&mut self, prepared: Prepared) -> Result<Placed> {
        let Prepared { object, sha256, piece, format } = prepared;
        assert_eq!(format, self.options.codec.format(), "a pack has one format");
        let mut pieces = Vec::new();
        if !piece.is_empty() {
            let (pack, offset) = self.position()?;
            let length = piece.len() as u64;
            self.send(piece, true).await?;
            pieces.push(Piece { pack, offset, length });
            self.seal_when_full().await?;
        }
        self.queue(object.into_row(sha256, pieces.clone()));
        self.settle().await?;
        Ok(Placed { sha256, pieces })
    }

    /// Reads and places an object of any size. On an error of kind `Changed` or `Source` the object is not in, and the
    /// writer goes on; any other is the store's, and its end.
    pub async fn add_stream(&mut self, object: NewObject, content: ByteStream) -> Result<Placed> {
        let mut members = Box::pin(members::members(object.clone(), content, self.options.codec, self.options.workers));
        let mut pieces = Vec::new();
        let mut piece: Option<Piece> = None;
        while let Some(item) = members.try_next().await? {
            match item {
                Item::Member { bytes, ends_piece } => {
                    let under_way = if let Some(piece) = &mut piece {
                        piece
                    } else {
                        let (pack, offset) = self.position()?;
                        piece.insert(Piece { pack, offset, length: 0 })
                    };
                    under_way.length += bytes.len() as u64;
                    self.send(bytes, ends_piece).await?;
                    if ends_piece {
                        pieces.extend(piece.take());
                        self.seal_when_full().await?;
                    }
                }
                Item::Whole(sha256) => {
                    self.queue(object.into_row(sha256, pieces.clone()));
                    self.settle().await?;
                    return Ok(Placed { sha256, pieces });
                }
            }
        }
        unreachable!("the stream ends with a digest or an error")
    }

    /// Takes the rows that may go into an index. To be called often: they wait here otherwise.
    pub fn take_confirmed(&mut self) -> Vec<IndexRow> {
        let confirmed = self.confirmed;
        let count = self.waiting.iter().take_while(|(needed, _)| *needed <= confirmed).count();
        let rows: Vec<_> = self.waiting.drain(..count).map(|(_, row)| row).collect();
        self.waiting_bytes -= rows.iter().map(weight).sum::<usize>();
        rows
    }

    /// Takes the packs that were confirmed, in the order of writing.
    pub fn take_packs(&mut self) -> Vec<PackInfo> {
        std::mem::take(&mut self.packs)
    }

    /// Seals the open pack and waits for every pack, so that every row given may go.
    pub async fn flush(&mut self) -> Result<()> {
        self.seal().await?;
        while !self.sealed.is_empty() {
            self.confirm_oldest().await?;
        }
        Ok(())
    }

    pub async fn finish(mut self) -> Result<Finished> {
        self.flush().await?;
        Ok(Finished { rows: self.take_confirmed(), packs: self.packs })
    }

    fn queue(&mut self, row: IndexRow) {
        self.waiting_bytes += weight(&row);
        self.waiting.push_back((self.begun, row));
    }

    /// Notes what was confirmed meanwhile, and waits where too many rows do.
    async fn settle(&mut self) -> Result<()> {
        self.check()?;
        while self.sealed.front().is_some_and(SealedUpload::is_finished) {
            self.confirm_oldest().await?;
        }
        while self.waiting_bytes > self.options.waiting_bytes
            && self.waiting.front().is_some_and(|(needed, _)| *needed > self.confirmed)
        {
            if self.sealed.is_empty() {
                self.seal().await?;
            }
            self.confirm_oldest().await?;
        }
        Ok(())
    }

    /// Where the next piece will lie; opens a pack where none is.
    fn position(&mut self) -> Result<(String, u64)> {
        self.has_failed |= self.open.as_ref().is_some_and(|open| open.is_inside_piece);
        self.check()?;
        let open = self.open.get_or_insert_with(|| {
            self.begun += 1;
            let name = layout::pack_name(id::random_name(), self.options.codec.format());
            let upload = PackUpload::begin(&self.repository, name.clone(), self.options.parts_in_flight);
            OpenPack { name, bytes: 0, is_inside_piece: false, upload }
        });
        Ok((open.name.clone(), open.bytes))
    }

    async fn send(&mut self, bytes: Bytes, ends_piece: bool) -> Result<()> {
        self.check()?;
        let open = self.open.as_mut().expect("a piece is placed before its bytes are sent");
        open.bytes += bytes.len() as u64;
        open.is_inside_piece = true;
        let result = open.upload.send(bytes).await;
        open.is_inside_piece = !ends_piece;
        self.has_failed |= result.is_err();
        result
    }

    async fn seal_when_full(&mut self) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| open.bytes >= self.options.pack_bytes) {
            self.seal().await?;
            while self.sealed.len() > MOST_SEALED {
                self.confirm_oldest().await?;
            }
        }
        Ok(())
    }

    async fn seal(&mut self) -> Result<()> {
        if self.open.is_none() {
            return self.check();
        }
        self.position()?;
        self.send(self.options.codec.fastest().compress_member(&tar::END).into(), true).await?;
        if let Some(open) = self.open.take() {
            match open.upload.seal().await {
                Ok(sealed) => self.sealed.push_back(sealed),
                Err(error) => {
                    self.has_failed = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn confirm_oldest(&mut self) -> Result<()> {
        self.check()?;
        let Some(sealed) = self.sealed.pop_front() else { return Ok(()) };
        // Until it is known to be there, this pack and all after it count as failed: no row may pass them.
        self.has_failed = true;
        self.packs.push(sealed.confirm().await?);
        self.has_failed = false;
        self.confirmed += 1;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.has_failed {
            let error = RepositoryError::new(ErrorKind::Refused, "store", "packs");
            return Err(error.with_detail("an earlier pack was not stored"));
        }
        Ok(())
    }
}

/// About how much memory a row takes.
fn weight(row: &IndexRow) -> usize {
    let attributes = &row.attributes;
    let texts = row.source.as_str().len() + row.key.as_str().len() + row.etag.len();
    let user = attributes.user.iter().chain(&attributes.tags).map(|(name, value)| name.len() + value.len() + 64);
    size_of::<(u64, IndexRow)>() + texts + 64 + user.sum::<usize>() + 100 * row.pieces.len()
}
