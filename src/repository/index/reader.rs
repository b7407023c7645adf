//! Reads an index back, segment by segment, each verified before a row of it is given out.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use super::{LARGEST_SEGMENT, is_in_order};
use crate::archive::{self, DecodeError, blocking, gzip};
use crate::model::IndexRow;
use crate::model::manifest::Segment;
use crate::repository::Repository;
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::lines::lines;
use crate::store::{self, GetOptions};

/// Reads the rows of all segments in order, the next segment fetched ahead. The first error ends it, `Damaged` where a
/// segment is not what the manifest says or a row is out of order. Memory: three segments, compressed.
pub fn read_index(repository: &Repository, segments: Vec<Segment>) -> BoxStream<'static, Result<IndexRow>> {
    let repository = repository.clone();
    let mut last: Option<IndexRow> = None;
    stream::iter(segments)
        .map(move |segment| fetch(repository.clone(), segment))
        .buffered(2)
        .map_ok(|(segment, bytes)| rows(segment, bytes))
        .try_flatten()
        .and_then(move |row| {
            let result = if is_in_order(last.as_ref(), &row) {
                last = Some(row.clone());
                Ok(row)
            } else {
                let subject = format!("{}/{}", row.source, row.key.as_str().escape_debug());
                Err(RepositoryError::new(ErrorKind::Damaged, "read index row", subject).with_detail("out of order"))
            };
            std::future::ready(result)
        })
        .scan(false, |has_failed, row| {
            let goes_on = !std::mem::replace(has_failed, row.is_err());
            std::future::ready(goes_on.then_some(row))
        })
        .boxed()
}

/// Reads what can be read, in order: a segment that is missing or damaged is told to `lost` and passed over, and so is a
/// row that is out of order.
pub fn read_usable(
    repository: &Repository,
    segments: Vec<Segment>,
    lost: impl Fn(RepositoryError) + Send + Sync + 'static,
) -> BoxStream<'static, Result<IndexRow>> {
    let repository = repository.clone();
    let lost = std::sync::Arc::new(lost);
    stream::iter(segments)
        .map(move |segment| fetch(repository.clone(), segment))
        .buffered(2)
        .map(|fetched| match fetched {
            Ok((segment, bytes)) => rows(segment, bytes).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        })
        .flat_map(move |rows| {
            let lost = lost.clone();
            rows.scan((), move |(), row| {
                std::future::ready(match row {
                    Err(error) if error.kind == ErrorKind::Damaged => {
                        lost(error);
                        None
                    }
                    row => Some(row),
                })
            })
        })
        .scan(None, |last: &mut Option<IndexRow>, row| {
            // Whoever merges these rows with others relies on their order.
            let in_order = row.as_ref().is_ok_and(|row| is_in_order(last.as_ref(), row));
            if let (Ok(row), true) = (&row, in_order) {
                *last = Some(row.clone());
            }
            std::future::ready(Some((in_order || row.is_err()).then_some(row)))
        })
        .filter_map(std::future::ready)
        .boxed()
}

fn damaged(segment: &Segment, detail: impl Into<String>) -> RepositoryError {
    RepositoryError::new(ErrorKind::Damaged, "read", segment.part.path.as_str()).with_detail(detail)
}

async fn fetch(repository: Repository, segment: Segment) -> Result<(Segment, Bytes)> {
    let at = repository.address(&segment.part.path)?;
    let failed = |error| RepositoryError::from_store(error, "read", segment.part.path.as_str());
    let object = match repository.store.get(&at, GetOptions::default()).await {
        Ok(object) => object,
        Err(error) if error.kind == store::ErrorKind::NotFound => return Err(damaged(&segment, "it is missing")),
        Err(error) => return Err(failed(error)),
    };
    let size = segment.part.size;
    if object.head.size != size || size > LARGEST_SEGMENT as u64 {
        return Err(damaged(&segment, format!("{} bytes instead of {size}", object.head.size)));
    }
    let mut bytes = Vec::new();
    let mut body = object.body;
    while let Some(chunk) = body.try_next().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
    }
    let bytes = Bytes::from(bytes);
    let hashed = bytes.clone();
    let found = blocking(move || archive::sha256(&hashed)).await;
    if found != segment.part.sha256 {
        return Err(damaged(&segment, format!("SHA-256 {found}")));
    }
    Ok((segment, bytes))
}

fn rows(segment: Segment, bytes: Bytes) -> impl Stream<Item = Result<IndexRow>> + Send {
    let undecoded = segment.clone();
    let raw =
        gzip::decompress_stream(stream::iter([Ok::<_, RepositoryError>(bytes)])).map_err(move |error| match error {
            DecodeError::Source(error) => error,
            DecodeError::Corrupt(reason) => damaged(&undecoded, reason.to_string()),
        });
    let state = (Box::pin(lines(raw, segment.part.path.to_string())), 0, segment);
    let batches = stream::try_unfold(state, |(mut lines, count, segment)| async move {
        let Some(batch) = lines.try_next().await? else {
            return if count == segment.rows {
                Ok(None)
            } else {
                Err(damaged(&segment, format!("{count} rows instead of {}", segment.rows)))
            };
        };
        let count = count + batch.len() as u64;
        let parsed: std::result::Result<Vec<IndexRow>, _> =
            blocking(move || batch.iter().map(|line| line.parse()).collect()).await;
        let parsed = parsed.map_err(|error| damaged(&segment, error.to_string()))?;
        Ok(Some((stream::iter(parsed.into_iter().map(Ok)), (lines, count, segment))))
    });
    batches.try_flatten()
}
