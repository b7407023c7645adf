//! How much of each pack is named by any row of any backup.
//!
//! A piece that many rows name is counted once: pieces are sorted through the spool, by pack and place.

use std::collections::BinaryHeap;
use std::path::Path;

use futures_util::TryStreamExt;

use super::marks::pack_identity;
use super::names::Group;
use super::sparse::{MOST_PACKS, Sparse};
use crate::model::manifest::{Manifest, Segment};
use crate::repository::error::Result;
use crate::repository::index::read_index;
use crate::repository::spool::Sorter;
use crate::repository::{Repository, layout};

const PIECES_BYTES: usize = 16 << 20;
const SEGMENTS_BYTES: usize = 4 << 20;

/// Collects segments and packs, then reads every segment once.
pub(super) struct Live<'a> {
    repository: &'a Repository,
    segments: Sorter,
    pieces: Sorter,
}

impl<'a> Live<'a> {
    pub(super) fn new(repository: &'a Repository, spool: &Path) -> Self {
        Self {
            repository,
            segments: Sorter::new(spool, SEGMENTS_BYTES).unique(),
            pieces: Sorter::new(spool, PIECES_BYTES).unique(),
        }
    }

    pub(super) async fn manifest(&mut self, manifest: &Manifest) -> Result<()> {
        for segment in manifest.files.iter().flat_map(|files| &files.segments) {
            let value = serde_json::to_vec(segment).expect("a segment is plain data");
            self.segments.push(segment.part.path.as_str(), value).await?;
        }
        Ok(())
    }

    /// Takes a pack in that is there and named; of the others nothing is to be said.
    pub(super) async fn pack(&mut self, group: &Group, is_grown: bool) -> Result<()> {
        let pack = group.there.iter().find(|there| there.path.as_str().starts_with(layout::PACKS));
        if let Some(pack) = pack.filter(|_| is_grown) {
            // Before its first piece in bytes, and so is its name before that of a longer one.
            self.pieces.push(group.identity.as_str(), pack.size.to_string()).await?;
        }
        Ok(())
    }

    /// The packs of which less than a quarter is named, the emptiest first; no more than a backup will copy from.
    pub(super) async fn sparse(mut self) -> Result<Vec<Sparse>> {
        let mut segments = std::pin::pin!(std::mem::replace(&mut self.segments, Sorter::new("", 0)).finish().await?);
        let mut last = None;
        while let Some(record) = segments.try_next().await? {
            if last.replace(record.key.clone()).as_ref() != Some(&record.key) {
                self.segment(&record.value).await?;
            }
        }
        self.count().await
    }

    async fn segment(&mut self, value: &[u8]) -> Result<()> {
        let Ok(segment) = serde_json::from_slice::<Segment>(value) else { return Ok(()) };
        let mut rows = read_index(self.repository, vec![segment]);
        while let Some(row) = rows.try_next().await? {
            for piece in &row.pieces {
                let key = format!("{}\t{:016x}\t{}", pack_identity(&piece.pack), piece.offset, piece.pack);
                self.pieces.push(key, piece.length.to_string()).await?;
            }
        }
        Ok(())
    }

    async fn count(self) -> Result<Vec<Sparse>> {
        let mut emptiest = BinaryHeap::new();
        let mut current: Option<(Vec<u8>, Sparse)> = None;
        let mut last = Vec::new();
        let mut pieces = std::pin::pin!(self.pieces.finish().await?);
        while let Some(record) = pieces.try_next().await? {
            if last == record.key {
                continue;
            }
            let number: u64 = String::from_utf8_lossy(&record.value).parse().unwrap_or(0);
            let mut fields = record.key.split(|byte| *byte == b'\t');
            let identity = fields.next().unwrap_or_default();
            match fields.nth(1) {
                None => {
                    keep(&mut emptiest, current.take());
                    current = Some((identity.to_vec(), Sparse { name: String::new(), live_bytes: 0, size: number }));
                }
                Some(name) => {
                    if let Some((_, sparse)) = current.as_mut().filter(|(pack, _)| pack == identity) {
                        sparse.live_bytes += number;
                        sparse.name = String::from_utf8_lossy(name).into_owned();
                    }
                }
            }
            last = record.key;
        }
        keep(&mut emptiest, current);
        Ok(emptiest.into_sorted_vec())
    }
}

/// Keeps the emptiest; one that no row names goes by itself, with the last backup that lists it.
fn keep(emptiest: &mut BinaryHeap<Sparse>, pack: Option<(Vec<u8>, Sparse)>) {
    let Some((_, sparse)) = pack else { return };
    if sparse.live_bytes > 0 && sparse.live_bytes.saturating_mul(4) < sparse.size {
        emptiest.push(sparse);
        if emptiest.len() > MOST_PACKS {
            emptiest.pop();
        }
    }
}
