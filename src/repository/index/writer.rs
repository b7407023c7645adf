//! Writes the segments of an index as its rows come.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use tokio::task::JoinHandle;

use super::{LARGEST_SEGMENT, is_in_order};
use crate::archive::gzip::{Encoder, Level};
use crate::archive::{self, blocking};
use crate::model::manifest::{Part, Segment};
use crate::model::{Attributes, IndexRow};
use crate::repository::artefact::Depth;
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::prune::Marked;
use crate::repository::{Repository, layout};
use crate::store::{self, Precondition};

/// No segment but the last has fewer rows, and none has more.
const FEWEST_ROWS: u64 = 4_000;
const MOST_ROWS: u64 = 64_000;
/// One key in so many ends a segment, which makes 16,000 rows with the fewest before it.
const ONE_KEY_IN: u32 = 12_000;
/// Lines that are compressed at once.
const BATCH_BYTES: usize = 512 << 10;

/// Takes rows in order and stores them in segments. A segment that is there already is not stored again.
pub struct IndexWriter {
    repository: Repository,
    marked: Arc<Marked>,
    last: Option<IndexRow>,
    /// Lines not yet compressed.
    lines: String,
    /// The segment under way; on its way through a blocking thread where `None`.
    encoder: Option<Encoder>,
    segment_rows: u64,
    segment_bytes: usize,
    /// The first row of the segment under way.
    segment_first: Option<String>,
    /// The segment before, on its way into the store.
    storing: Option<JoinHandle<Result<Segment>>>,
    segments: Vec<Segment>,
}

impl IndexWriter {
    pub fn new(repository: Repository) -> Self {
        Self::avoiding(repository, Arc::default())
    }

    /// Writes nothing under a name that is marked: it could be removed a moment later.
    pub fn avoiding(repository: Repository, marked: Arc<Marked>) -> Self {
        Self {
            repository,
            marked,
            last: None,
            lines: String::new(),
            encoder: Some(Encoder::new(Level::default())),
            segment_rows: 0,
            segment_bytes: 0,
            segment_first: None,
            storing: None,
            segments: Vec::new(),
        }
    }

    /// Adds the next row. One that does not come after the last by source and key is `Unordered`.
    pub async fn push(&mut self, row: IndexRow) -> Result<()> {
        use std::fmt::Write as _;
        if !is_in_order(self.last.as_ref(), &row) {
            let subject = format!("{}/{}", row.source, row.key.as_str().escape_debug());
            return Err(RepositoryError::new(ErrorKind::Unordered, "index", subject));
        }
        let before = self.lines.len();
        writeln!(self.lines, "{row}").map_err(|error| {
            RepositoryError::new(ErrorKind::Source, "index", row.key.as_str().escape_debug().to_string())
                .with_source(error)
        })?;
        self.segment_bytes += self.lines.len() - before;
        self.segment_rows += 1;
        self.segment_first.get_or_insert_with(|| Segment::name_of(row.source.as_str(), row.key.as_str()));
        if self.lines.len() >= BATCH_BYTES {
            self.compress().await;
        }
        let is_full = self.segment_rows >= MOST_ROWS || self.segment_bytes >= LARGEST_SEGMENT / 2;
        if is_full || (self.segment_rows >= FEWEST_ROWS && ends_segment(&row)) {
            self.store().await?;
        }
        self.last = Some(row);
        Ok(())
    }

    /// Stores the last segment and answers all, in order. Without a row there is none.
    pub async fn finish(mut self) -> Result<Vec<Segment>> {
        if self.segment_rows > 0 {
            self.store().await?;
        }
        self.confirm().await?;
        Ok(self.segments)
    }

    async fn compress(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let mut encoder = self.encoder.take().expect("one batch is compressed at a time");
        let compressed = blocking(move || {
            encoder.write(lines.as_bytes());
            encoder
        });
        self.encoder = Some(compressed.await);
    }

    async fn store(&mut self) -> Result<()> {
        self.compress().await;
        let encoder = self.encoder.replace(Encoder::new(Level::default())).expect("one batch is compressed at a time");
        let (rows, first) = (std::mem::take(&mut self.segment_rows), self.segment_first.take());
        self.segment_bytes = 0;
        // One segment is stored while the next is made, never more.
        self.confirm().await?;
        self.storing =
            Some(tokio::spawn(store_segment(self.repository.clone(), self.marked.clone(), encoder, rows, first)));
        Ok(())
    }

    async fn confirm(&mut self) -> Result<()> {
        if let Some(stored) = OptionFuture::from(self.storing.take()).await {
            self.segments.push(stored.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?);
        }
        Ok(())
    }
}

/// Decides by the key alone, so that a segment that changed ends where it ended before.
fn ends_segment(row: &IndexRow) -> bool {
    let digest = archive::sha256(format!("{}\t{}", row.source, row.key).as_bytes());
    let number = digest.as_bytes()[..4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    number.is_multiple_of(ONE_KEY_IN)
}

async fn store_segment(
    repository: Repository,
    marked: Arc<Marked>,
    encoder: Encoder,
    rows: u64,
    first: Option<String>,
) -> Result<Segment> {
    let (bytes, sha256) = blocking(move || marked.unmarked_segment(encoder.finish())).await;
    let path = layout::index_segment(&sha256);
    let size = bytes.len() as u64;
    let part = Part { path, size, sha256 };
    if !is_stored(&repository, &part, &bytes).await? {
        let attributes = Attributes { content_type: Some("application/gzip".to_owned()), ..Attributes::default() };
        let at = repository.address(&part.path)?;
        let put = repository.store.put(&at, bytes.into(), &attributes, Precondition::Overwrite);
        put.await.map_err(|error| RepositoryError::from_store(error, "store", part.path.as_str()))?;
    }
    Ok(Segment { part, rows, first })
}

/// Whether a segment is there as it should be. Its name says what it must be; what it is, the store's own digest says, or a
/// reading where the store makes none.
async fn is_stored(repository: &Repository, part: &Part, bytes: &[u8]) -> Result<bool> {
    let at = repository.address(&part.path)?;
    let head = match repository.store.head(&at).await {
        Ok(head) => head,
        Err(error) if error.kind == store::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(RepositoryError::from_store(error, "store", part.path.as_str())),
    };
    if head.size != part.size {
        return Ok(false);
    }
    if head.etag == store::md5_etag(bytes) {
        return Ok(true);
    }
    let mut checks = std::pin::pin!(repository.check_parts(vec![part.clone()], Depth::Checksum));
    match checks.next().await {
        Some((_, Err(error))) if error.kind == ErrorKind::Damaged => Ok(false),
        Some((_, Err(error))) => Err(error),
        Some((_, Ok(()))) | None => Ok(true),
    }
}
