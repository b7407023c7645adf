//! The rows that a backup is compared with: the parent's index and what interrupted runs had stored, merged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use super::super::{Context, Result};
use crate::model::IndexRow;
use crate::repository::index::read_usable;
use crate::repository::pack::{PackInfo, read_pack_list};
use crate::repository::parents::{Parent, Parents};
use crate::repository::partial::{Partial, PartialLine};
use crate::repository::standing::Unusable;
use crate::repository::{Repository, RepositoryError, layout, spool::Sorter};

/// Pack lists in memory; more go through the spool.
const MEMORY_BYTES: usize = 4 << 20;

/// All that is known of one object, of which the live one may be any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidates {
    /// The parent's row.
    pub(super) kept: Option<IndexRow>,
    /// Rows of interrupted runs, youngest first.
    pub(super) others: Vec<IndexRow>,
}

impl Candidates {
    pub(super) fn order(&self) -> (&str, &str) {
        self.kept.iter().chain(&self.others).next().map_or(("", ""), IndexRow::order)
    }
}

/// Whether a part of the parent's index could not be read. What is lost is told once, however often it is read.
pub(super) type Lost = Arc<AtomicBool>;

/// The rows of the parent, as they can be read.
pub(super) fn parent_rows(context: &Context, parent: &Parent, lost: &Lost) -> BoxStream<'static, Result<IndexRow>> {
    let (progress, lost) = (context.progress.clone(), lost.clone());
    let tell = move |error: RepositoryError| {
        if !lost.swap(true, Ordering::Relaxed) {
            progress.note(&format!("{error}; the objects that it lists are read again"));
        }
    };
    read_usable(&context.repository, parent.files.segments.clone(), tell).map_err(Into::into).boxed()
}

/// Everything there is, object by object, in order.
pub(super) fn candidates(context: &Context, parents: &Parents, lost: &Lost) -> BoxStream<'static, Result<Candidates>> {
    let mut streams: Vec<BoxStream<'static, Result<IndexRow>>> = Vec::new();
    streams.push(
        parents.newest.as_ref().map_or_else(|| stream::empty().boxed(), |parent| parent_rows(context, parent, lost)),
    );
    streams.extend(parents.partials.iter().map(|partial| partial_rows(&context.repository, partial)));
    let heads = streams.into_iter().map(|rows| Head { rows, row: None }).collect();
    stream::try_unfold((heads, true), |(mut heads, is_first): (Vec<Head>, bool)| async move {
        if is_first {
            for head in &mut heads {
                head.advance().await?;
            }
        }
        Ok(next(&mut heads).await?.map(|candidates| (candidates, (heads, false))))
    })
    .boxed()
}

struct Head {
    rows: BoxStream<'static, Result<IndexRow>>,
    row: Option<IndexRow>,
}

impl Head {
    /// Answers the row it stood at, and goes on to the next that is greater.
    async fn advance(&mut self) -> Result<Option<IndexRow>> {
        let last = self.row.take();
        while let Some(row) = self.rows.try_next().await? {
            if last.as_ref().is_none_or(|last| last.order() < row.order()) {
                self.row = Some(row);
                break;
            }
        }
        Ok(last)
    }
}

/// The next object; the first of `heads` is the parent.
async fn next(heads: &mut [Head]) -> Result<Option<Candidates>> {
    let Some(least) =
        heads.iter().filter_map(|head| head.row.as_ref()).min_by(|a, b| a.order().cmp(&b.order())).cloned()
    else {
        return Ok(None);
    };
    let mut candidates = Candidates { kept: None, others: Vec::new() };
    for (number, head) in heads.iter_mut().enumerate() {
        if head.row.as_ref().is_some_and(|row| row.order() == least.order()) {
            let row = head.advance().await?;
            if number == 0 { candidates.kept = row } else { candidates.others.extend(row) }
        }
    }
    Ok(Some(candidates))
}

fn partial_rows(repository: &Repository, partial: &Partial) -> BoxStream<'static, Result<IndexRow>> {
    let lines = repository.partial_lines(partial);
    lines
        .filter_map(|line| {
            std::future::ready(match line {
                PartialLine::Row(row) => Some(Ok(*row)),
                PartialLine::Pack(_) => None,
            })
        })
        .boxed()
}

/// Every pack that the rows of [`candidates`] may lie in, sorted by name, each once. A parent whose list is damaged has
/// none.
pub(super) async fn known_packs(
    context: &Context,
    parents: &Parents,
) -> Result<impl Stream<Item = std::result::Result<PackInfo, RepositoryError>> + Send + 'static> {
    let mut sorter = Sorter::new(&context.spool, MEMORY_BYTES);
    if let Some(parent) = &parents.newest {
        let raw = context.repository.open_artefact(&parent.files.pack_list);
        let mut packs = std::pin::pin!(read_pack_list(raw, layout::pack_list(&parent.id).to_string()));
        while let Some(pack) = packs.try_next().await? {
            sorter.push(pack.name.as_str(), pack.to_string()).await?;
        }
    }
    for partial in &parents.partials {
        let mut lines = context.repository.partial_lines(partial);
        while let Some(line) = lines.next().await {
            if let PartialLine::Pack(pack) = line {
                sorter.push(pack.name.as_str(), pack.to_string()).await?;
            }
        }
    }
    Ok(distinct(sorter).await?)
}

/// The packs of a sorter, each once.
pub(super) async fn distinct(
    sorter: Sorter,
) -> std::result::Result<
    impl Stream<Item = std::result::Result<PackInfo, RepositoryError>> + Send + 'static,
    RepositoryError,
> {
    let mut last = String::new();
    let records = sorter.finish().await?;
    Ok(records.try_filter_map(move |record| {
        let text = String::from_utf8_lossy(&record.value);
        let pack = text.trim_end().parse::<PackInfo>().ok().filter(|pack| pack.name != last);
        if let Some(pack) = &pack {
            last.clone_from(&pack.name);
        }
        std::future::ready(Ok(pack))
    }))
}

/// Whether all the bytes of a row lie where they can be relied upon.
pub(super) fn is_usable(row: &IndexRow, unusable: &Unusable) -> bool {
    row.pieces.iter().all(|piece| !unusable.contains(&piece.pack))
}
