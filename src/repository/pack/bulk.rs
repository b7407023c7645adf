//! Reads many objects with few requests, for whole restores and verifications.
//!
//! Rows are taken a window at a time and sorted by where their bytes lie; neighbours in a pack come with one ranged get.
//! So objects come out in the order of the packs within a window, not in that of their keys.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};

use super::SMALL_BYTES;
use super::reader::{collect, damaged, failed, get_range, unpack};
use crate::archive::blocking;
use crate::model::IndexRow;
use crate::repository::Repository;
use crate::repository::error::{RepositoryError, Result};
use crate::store::StoreError;

/// Rows that are sorted together: a few megabytes of memory.
const WINDOW: usize = 4096;
/// Bytes of one get, and of the content that it may give.
const BATCH_BYTES: u64 = 8 << 20;
/// Bytes between two pieces that are read in vain rather than asked for apart.
const GAP_BYTES: u64 = 128 << 10;

/// An object of [`read_many`].
#[derive(Debug)]
pub enum Fetched {
    /// Its whole content, verified.
    Whole(IndexRow, Bytes),
    /// Too large to be held: to be read by [`super::read_object`].
    Large(IndexRow),
    /// It is damaged, or the store failed.
    Failed(IndexRow, RepositoryError),
}

/// Reads every object of `rows`, `workers` gets at once, each about 16 MiB of memory. An error is one of `rows`; what
/// fails with an object is [`Fetched::Failed`], and the rest goes on.
pub fn read_many<S>(
    repository: &Repository,
    rows: S,
    workers: usize,
) -> impl Stream<Item = Result<Fetched>> + Send + use<S>
where
    S: Stream<Item = Result<IndexRow>> + Send,
{
    let repository = repository.clone();
    rows.chunks(WINDOW)
        .flat_map(|window| {
            let (rows, errors): (Vec<_>, Vec<_>) = window.into_iter().partition(Result::is_ok);
            let batches = batches(rows.into_iter().flatten().collect());
            let errors = errors.into_iter().filter_map(Result::err);
            stream::iter(batches.into_iter().map(Ok).chain(errors.map(Err)).collect::<Vec<_>>())
        })
        .map(move |batch| {
            let repository = repository.clone();
            async move {
                let all = match batch {
                    Ok(batch) => batch.fetch(&repository).await.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                stream::iter(all)
            }
        })
        .buffer_unordered(workers.max(1))
        .flatten()
}

/// Objects that are read with one get, or with none.
#[derive(Debug)]
struct Batch {
    range: Range<u64>,
    content_bytes: u64,
    rows: Vec<IndexRow>,
}

fn is_small(row: &IndexRow) -> bool {
    row.pieces.len() == 1 && row.size <= SMALL_BYTES && row.pieces[0].length <= BATCH_BYTES
}

/// Groups rows by where their bytes lie.
fn batches(mut rows: Vec<IndexRow>) -> Vec<Batch> {
    let place = |row: &IndexRow| row.pieces.first().map(|piece| (piece.pack.clone(), piece.offset));
    rows.sort_by_cached_key(place);
    let mut batches: Vec<Batch> = Vec::new();
    for row in rows {
        let range = row.pieces.first().map_or(0..0, |piece| piece.offset..piece.offset.saturating_add(piece.length));
        match batches.last_mut() {
            Some(batch) if batch.takes(&row, &range) => {
                batch.range.end = batch.range.end.max(range.end);
                batch.content_bytes += row.size;
                batch.rows.push(row);
            }
            _ => batches.push(Batch { range, content_bytes: row.size, rows: vec![row] }),
        }
    }
    batches
}

impl Batch {
    fn takes(&self, row: &IndexRow, range: &Range<u64>) -> bool {
        let last = &self.rows[self.rows.len() - 1];
        is_small(row)
            && is_small(last)
            && row.pieces[0].pack == last.pieces[0].pack
            && range.start.saturating_sub(self.range.end) <= GAP_BYTES
            && range.end.saturating_sub(self.range.start) <= BATCH_BYTES
            && self.content_bytes + row.size <= BATCH_BYTES
    }

    async fn fetch(self, repository: &Repository) -> Vec<Fetched> {
        let first = &self.rows[0];
        if first.pieces.is_empty() {
            return self.rows.into_iter().map(without_bytes).collect();
        }
        if !is_small(first) {
            return self.rows.into_iter().map(Fetched::Large).collect();
        }
        let length = usize::try_from(self.range.end - self.range.start).expect("a batch is small");
        match self.get(repository, length).await {
            Ok(bytes) => blocking(move || self.unpack(&bytes)).await,
            Err(error) if self.rows.len() == 1 => {
                self.rows.into_iter().zip([error]).map(|(row, error)| Fetched::Failed(row, error)).collect()
            }
            // A pack that is too short may still hold the first of them.
            Err(error) => self.one_by_one(repository, error).await,
        }
    }

    async fn get(&self, repository: &Repository, length: usize) -> Result<Bytes> {
        let first = &self.rows[0];
        let piece = &first.pieces[0];
        let body = get_range(repository, first, piece, self.range.start, length as u64).await?;
        collect(body, length).await.map_err(|error| failed(first, &piece.pack, error))
    }

    fn unpack(self, bytes: &Bytes) -> Vec<Fetched> {
        let unpack_row = |row: IndexRow| {
            let piece = &row.pieces[0];
            let place = |offset: u64| usize::try_from(offset - self.range.start).unwrap_or(usize::MAX);
            let piece_bytes = bytes.slice(place(piece.offset)..place(piece.offset + piece.length));
            match unpack(&row, piece_bytes) {
                Ok(content) => Fetched::Whole(row, content),
                Err(reason) => {
                    let error = damaged(&row, &piece.pack, reason.to_string());
                    Fetched::Failed(row, error)
                }
            }
        };
        self.rows.into_iter().map(unpack_row).collect()
    }

    /// Tells what is damaged from what is not, after a get of all failed.
    async fn one_by_one(self, repository: &Repository, error: RepositoryError) -> Vec<Fetched> {
        let mut all = Vec::new();
        for row in self.rows {
            // An unreachable store need not be asked a thousand times.
            let result = match error.store_error() {
                Some(cause) => Err(failed(&row, &row.pieces[0].pack, again(cause))),
                None => fetch_one(repository, &row).await,
            };
            all.push(match result {
                Ok(content) => Fetched::Whole(row, content),
                Err(error) => Fetched::Failed(row, error),
            });
        }
        all
    }
}

async fn fetch_one(repository: &Repository, row: &IndexRow) -> Result<Bytes> {
    let piece = &row.pieces[0];
    let body = get_range(repository, row, piece, piece.offset, piece.length).await?;
    let length = usize::try_from(piece.length).expect("a batch is small");
    let bytes = collect(body, length).await.map_err(|error| failed(row, &piece.pack, error))?;
    let (checked, pack) = (row.clone(), piece.pack.clone());
    blocking(move || unpack(&checked, bytes)).await.map_err(|reason| damaged(row, &pack, reason.to_string()))
}

fn without_bytes(row: IndexRow) -> Fetched {
    if row.size == 0 && row.sha256 == crate::archive::sha256(b"") {
        return Fetched::Whole(row, Bytes::new());
    }
    let error = damaged(&row, "none", "an object with bytes has no place");
    Fetched::Failed(row, error)
}

/// The same failure for another object.
fn again(error: &StoreError) -> StoreError {
    let copy = StoreError::new(error.kind, error.attempted, error.subject.clone());
    match &error.detail {
        Some(detail) => copy.with_detail(detail.clone()),
        None => copy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Key, Piece, SourceName};

    fn row(number: u64, pack: &str, offset: u64, length: u64, size: u64) -> IndexRow {
        IndexRow {
            source: SourceName::try_from("live/books".to_owned()).unwrap(),
            key: Key::new(format!("{number:05}")).unwrap(),
            size,
            etag: String::new(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            sha256: crate::archive::sha256(b""),
            attributes: Attributes::default(),
            pieces: vec![Piece { pack: pack.to_owned(), offset, length }],
        }
    }

    fn shape(rows: Vec<IndexRow>) -> Vec<(Range<u64>, usize)> {
        batches(rows).into_iter().map(|batch| (batch.range, batch.rows.len())).collect()
    }

    #[test]
    fn ten_thousand_neighbours_are_a_few_gets() {
        let rows: Vec<_> = (0..10_000).rev().map(|n| row(n, "pack0001", n * 2000, 2000, 3000)).collect();
        let batches = batches(rows);
        assert_eq!(batches.iter().map(|batch| batch.rows.len()).sum::<usize>(), 10_000);
        assert_eq!(batches.len(), 4);
        assert!(batches.iter().all(|batch| batch.range.end - batch.range.start <= BATCH_BYTES));
    }

    #[test]
    fn what_lies_apart_in_another_pack_or_is_large_is_read_apart() {
        let near = |offset| row(offset, "pack0001", offset, 1000, 1000);
        assert_eq!(shape(vec![near(0), near(1000 + GAP_BYTES)]), [(0..2000 + GAP_BYTES, 2)]);
        assert_eq!(shape(vec![near(0), near(1001 + GAP_BYTES)]).len(), 2);
        assert_eq!(shape(vec![near(0), row(1, "pack0002", 1000, 1000, 1000)]).len(), 2);
        assert_eq!(shape(vec![near(0), row(1, "pack0001", 1000, 1000, SMALL_BYTES + 1), near(2000)]).len(), 3);
        assert_eq!(shape(vec![near(0), near(0)]), [(0..1000, 2)], "the same bytes for two objects");
    }

    #[test]
    fn content_that_unpacks_to_much_is_not_gathered() {
        let rows: Vec<_> = (0..8).map(|n| row(n, "pack0001", n * 5000, 5000, SMALL_BYTES)).collect();
        assert_eq!(batches(rows).len(), 4);
    }
}
