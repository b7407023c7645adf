//! Looks into a backup: one object, the names of many, the difference of two. Only what is needed is read.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::Result;
use crate::archive::{Hasher, blocking};
use crate::model::manifest::{FilesComponent, Segment};
use crate::model::{IndexRow, SourceName};
use crate::repository::damage::Replacements;
use crate::repository::index::{read_index, segments_of};
use crate::repository::pack::{SMALL_BYTES, read_object, read_range};
use crate::repository::{ErrorKind, Repository, RepositoryError};

/// The row of one object: one segment is read, where segments say what they begin with.
pub async fn find(
    repository: &Repository,
    files: &FilesComponent,
    source: &SourceName,
    key: &str,
) -> Result<Option<IndexRow>> {
    let mut rows = below(repository, files, source, key);
    while let Some(row) = rows.try_next().await? {
        match row.key.as_str().cmp(key) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(Some(row)),
            Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

/// The rows of a source whose keys begin with `prefix`, in order.
pub fn below(
    repository: &Repository,
    files: &FilesComponent,
    source: &SourceName,
    prefix: &str,
) -> BoxStream<'static, Result<IndexRow>> {
    let segments = segments_of(&files.segments, source.as_str(), prefix).to_vec();
    let (source, prefix) = (source.clone(), prefix.to_owned());
    read_index(repository, segments)
        .map_err(super::StepError::from)
        .try_filter(move |row| std::future::ready(row.source == source && row.key.as_str().starts_with(&prefix)))
        .boxed()
}

/// All rows, in order.
pub fn all(repository: &Repository, files: &FilesComponent) -> BoxStream<'static, Result<IndexRow>> {
    read_index(repository, files.segments.clone()).map_err(super::StepError::from).boxed()
}

/// The content of an object, from wherever it is whole. A small one comes only when it is proven; of a large one nothing
/// is proven before the clean end.
pub fn content(repository: &Repository, row: &IndexRow) -> BoxStream<'static, Result<Bytes>> {
    let reader = Reader {
        repository: repository.clone(),
        row: row.clone(),
        body: read_object(repository, row),
        others: None,
        position: 0,
        hasher: Some(Hasher::new()),
    };
    let whole = stream::try_unfold(reader, |mut reader| async move {
        Ok::<_, RepositoryError>(reader.next().await?.map(|bytes| (bytes, reader)))
    });
    let whole = whole.map_err(super::StepError::from);
    if row.size > SMALL_BYTES {
        return whole.boxed();
    }
    stream::once(async move {
        let chunks: Vec<Bytes> = whole.try_collect().await?;
        Ok(Bytes::from(chunks.concat()))
    })
    .boxed()
}

/// Reads an object, and goes on elsewhere where its own place is damaged.
struct Reader {
    repository: Repository,
    row: IndexRow,
    body: BoxStream<'static, std::result::Result<Bytes, RepositoryError>>,
    /// Other places of the content, once they were asked for.
    others: Option<Vec<IndexRow>>,
    position: u64,
    hasher: Option<Hasher>,
}

impl Reader {
    async fn next(&mut self) -> std::result::Result<Option<Bytes>, RepositoryError> {
        loop {
            match self.body.try_next().await {
                Ok(Some(bytes)) => {
                    self.position += bytes.len() as u64;
                    let mut hasher = self.hasher.take().unwrap_or_default();
                    let (bytes, hasher) = blocking(move || {
                        hasher.update(&bytes);
                        (bytes, hasher)
                    })
                    .await;
                    self.hasher = Some(hasher);
                    return Ok(Some(bytes));
                }
                Ok(None) => return self.prove().map(|()| None),
                Err(error) if error.kind == ErrorKind::Damaged => self.go_on_elsewhere(error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    async fn go_on_elsewhere(&mut self, error: RepositoryError) -> std::result::Result<(), RepositoryError> {
        if self.others.is_none() {
            self.others = Some(Replacements::new(&self.repository).places(&self.row).await?);
        }
        let Some(other) = self.others.as_mut().and_then(Vec::pop) else { return Err(error) };
        self.body = read_range(&self.repository, &other, self.position..self.row.size);
        Ok(())
    }

    /// What came from two places is proven by the digest of all of it.
    fn prove(&mut self) -> std::result::Result<(), RepositoryError> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        if self.position == self.row.size && hasher.finish() == self.row.sha256 {
            return Ok(());
        }
        let subject = format!("{}/{}", self.row.source, self.row.key.as_str().escape_debug());
        Err(RepositoryError::new(ErrorKind::Damaged, "read", subject).with_detail("its digest is another"))
    }
}

/// How an object of one backup differs from another backup's.
#[derive(Debug)]
pub enum Change {
    Added(IndexRow),
    Removed(IndexRow),
    Changed { before: Box<IndexRow>, after: Box<IndexRow> },
}

/// What became of the objects between two backups, in order: one pass over both indexes. Segments that both name are not
/// read.
pub fn diff(
    repository: &Repository,
    before: &FilesComponent,
    after: &FilesComponent,
) -> BoxStream<'static, Result<Change>> {
    let rows = |own: &FilesComponent, other: &FilesComponent| {
        let others: BTreeSet<&str> = other.segments.iter().map(|segment| segment.part.path.as_str()).collect();
        let differs = |segment: &&Segment| !others.contains(segment.part.path.as_str());
        let segments = own.segments.iter().filter(differs).cloned().collect();
        read_index(repository, segments).map_err(super::StepError::from).boxed().peekable()
    };
    let state = (Box::pin(rows(before, after)), Box::pin(rows(after, before)));
    stream::try_unfold(state, |(mut before, mut after)| async move {
        loop {
            let order = match (before.as_mut().peek().await, after.as_mut().peek().await) {
                (None, None) => return Ok(None),
                (Some(Ok(before)), Some(Ok(after))) => before.order().cmp(&after.order()),
                // An error is taken, and ends it.
                (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                (_, Some(Err(_))) | (None, Some(_)) => Ordering::Greater,
            };
            let change = match order {
                Ordering::Less => take(&mut before).await?.map(Change::Removed),
                Ordering::Greater => take(&mut after).await?.map(Change::Added),
                Ordering::Equal => {
                    let both = take(&mut before).await?.zip(take(&mut after).await?);
                    both.filter(|(before, after)| before.sha256 != after.sha256)
                        .map(|(before, after)| Change::Changed { before: Box::new(before), after: Box::new(after) })
                }
            };
            if let Some(change) = change {
                return Ok(Some((change, (before, after))));
            }
        }
    })
    .boxed()
}

async fn take(rows: &mut Pin<Box<impl stream::Stream<Item = Result<IndexRow>>>>) -> Result<Option<IndexRow>> {
    rows.next().await.transpose()
}
