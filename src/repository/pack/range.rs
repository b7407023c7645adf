//! Reads a range of one object out of its packs, where the whole cannot be read in one go.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::PIECE_BYTES;
use super::reader::{PieceReader, damaged, undecodable};
use crate::model::IndexRow;
use crate::repository::Repository;
use crate::repository::error::Result;

/// Reads the bytes of `range` of an object's content. What comes is as sound as gzip's checksums tell; whether it is the
/// object, only the digest of all of it does. Fails as [`super::read_object`] does.
pub fn read_range(repository: &Repository, row: &IndexRow, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let state = RangeReader { repository: repository.clone(), row: row.clone(), range, piece: None };
    stream::try_unfold(state, |mut state| async move { Ok(state.next().await?.map(|content| (content, state))) })
        .boxed()
}

struct RangeReader {
    repository: Repository,
    row: IndexRow,
    /// What is still to come.
    range: Range<u64>,
    piece: Option<OpenPiece>,
}

struct OpenPiece {
    number: usize,
    reader: PieceReader,
    /// Where in the object the next bytes of the piece lie.
    position: u64,
}

impl RangeReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.range.start < self.range.end {
            let piece = match &mut self.piece {
                Some(piece) => piece,
                None => self.piece.insert(open(&self.repository, &self.row, self.range.start / PIECE_BYTES).await?),
            };
            let place = &self.row.pieces[piece.number];
            let content = piece.reader.next().await.map_err(|error| undecodable(&self.row, place, error))?;
            let Some(mut content) = content else {
                let end = (piece.number as u64 + 1) * PIECE_BYTES;
                if piece.position != end.min(self.row.size) {
                    return Err(damaged(&self.row, &place.pack, "a piece has another length"));
                }
                self.piece = None;
                continue;
            };
            let begin = piece.position;
            piece.position += content.len() as u64;
            if piece.position > self.range.start {
                let offset = |at: u64| usize::try_from(at - begin).unwrap_or(usize::MAX);
                content.truncate(offset(self.range.end.min(piece.position)));
                let content = content.split_off(offset(self.range.start));
                self.range.start += content.len() as u64;
                return Ok(Some(content));
            }
        }
        Ok(None)
    }
}

async fn open(repository: &Repository, row: &IndexRow, number: u64) -> Result<OpenPiece> {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    let Some(piece) = row.pieces.get(number) else {
        return Err(damaged(row, "no pack", format!("it has no piece {number}")));
    };
    let reader = PieceReader::open(repository, row, piece).await?;
    Ok(OpenPiece { number, reader, position: number as u64 * PIECE_BYTES })
}
