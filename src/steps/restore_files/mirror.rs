//! Removes what is live and not in the backup, through the trash: only what the backup would hold had it been there, and
//! only what is selected.

use std::pin::Pin;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::displace::Displacer;
use super::{FilesRestorePlan, FilesRestored};
use crate::model::manifest::SourceSummary;
use crate::model::{Key, Problem};
use crate::steps::place::Place;
use crate::steps::sources::ordered;
use crate::steps::target::has_key;
use crate::steps::{Context, Result, StepError};
use crate::store::{Address, ErrorKind, ListOptions, ObjectInfo};
use crate::trash::ObjectRow;

/// Objects that are kept, looked at again and removed together: the window in which a write to an unversioned bucket
/// cannot be saved.
const PAGE: usize = 1000;
/// Keys of one request: some servers delete what one request names one after the other.
const BATCH: usize = 100;

/// The objects of a target that the backup does not have.
pub(super) async fn extras(
    context: &Context,
    plan: &FilesRestorePlan,
    summary: &SourceSummary,
) -> Result<BoxStream<'static, Result<ObjectInfo>>> {
    let place = plan.place(context, &summary.source)?;
    if !place.store.bucket_exists(&place.bucket).await? {
        return Ok(stream::empty().boxed());
    }
    let listing = ordered(place.store.list(&place.bucket, ListOptions::prefix(&place.prefix)), place.bucket.clone());
    let listing = listing.filter(|listed| std::future::ready(has_key(listed))).boxed();
    let source = summary.source.clone();
    let rows = plan.rows(context).try_filter(move |row| std::future::ready(row.source == source)).boxed().peekable();
    let (selection, summary, prefix) = (plan.options.selection.clone(), summary.clone(), place.prefix);
    let state = (listing, rows);
    let extras = stream::try_unfold(state, move |(mut listing, mut rows)| {
        let (selection, summary, prefix) = (selection.clone(), summary.clone(), prefix.clone());
        async move {
            while let Some(info) = listing.try_next().await? {
                let Some(key) = info.key.as_str().strip_prefix(prefix.as_str()) else { continue };
                let comes_before =
                    |row: &Result<crate::model::IndexRow>| row.as_ref().map_or(true, |row| row.key.as_str() < key);
                while let Some(passed) = Pin::new(&mut rows).next_if(comes_before).await {
                    passed?;
                }
                let is_kept = Pin::new(&mut rows)
                    .peek()
                    .await
                    .is_some_and(|row| row.as_ref().is_ok_and(|row| row.key.as_str() == key));
                if !is_kept && selection.takes(&summary.source, key) && summary.covers(key) {
                    return Ok::<_, StepError>(Some((info, (listing, rows))));
                }
            }
            Ok(None)
        }
    });
    Ok(extras.boxed())
}

/// Removes them, page by page: each is in the trash before it goes, and still is what was copied.
pub(super) async fn remove(
    context: &Context,
    plan: &FilesRestorePlan,
    displacer: &Displacer<'_>,
    restored: &mut FilesRestored,
) -> Result<()> {
    for summary in &plan.sources {
        let place = plan.place(context, &summary.source)?;
        let mut pages = extras(context, plan, summary).await?.try_chunks(PAGE);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| error.1)?;
            remove_page(context, &place, displacer, page, restored).await?;
        }
    }
    Ok(())
}

/// Removes objects of one place that are still what they were when they were kept.
pub(in crate::steps) async fn remove_page(
    context: &Context,
    place: &Place,
    displacer: &Displacer<'_>,
    page: Vec<ObjectInfo>,
    restored: &mut FilesRestored,
) -> Result<()> {
    let at_once = context.transfers * 2;
    let kept: Vec<Option<ObjectRow>> =
        stream::iter(&page).map(|info| displacer.take(place, info)).buffer_unordered(at_once).try_collect().await?;
    let looked: Vec<(Key, bool)> = stream::iter(kept.into_iter().flatten())
        .map(|row| is_unchanged(place, row))
        .buffer_unordered(at_once)
        .try_collect()
        .await?;
    let (still, changed): (Vec<_>, Vec<_>) = looked.into_iter().partition(|(_, is_unchanged)| *is_unchanged);
    for (key, _) in changed {
        problem(context, place, &key, "it changed while it was to be removed", restored);
    }
    let batches: Vec<Vec<Key>> =
        still.chunks(BATCH).map(|keys| keys.iter().map(|(key, _)| key.clone()).collect()).collect();
    let mut deleted =
        stream::iter(batches).map(|keys| place.store.delete_many(&place.bucket, keys)).buffer_unordered(at_once);
    while let Some(results) = deleted.next().await {
        for (key, result) in results {
            match result {
                Ok(()) => restored.removed_objects += 1,
                Err(error) => problem(context, place, &key, error, restored),
            }
        }
    }
    Ok(())
}

/// Whether what is there is what was kept; the same where nothing is.
pub(in crate::steps) async fn is_unchanged(place: &Place, row: ObjectRow) -> Result<(Key, bool)> {
    let at = Address::new(place.bucket.clone(), row.key.clone());
    match place.store.head(&at).await {
        Ok(head) => Ok((row.key, head.size == row.size && head.etag == row.etag)),
        // Gone by itself: removing it again is no error.
        Err(error) if error.kind == ErrorKind::NotFound => Ok((row.key, true)),
        Err(error) => Err(error.into()),
    }
}

fn problem(context: &Context, place: &Place, key: &Key, reason: impl ToString, restored: &mut FilesRestored) {
    let problem = Problem::new(format!("{}/{}", place.name, key.as_str().escape_debug()), reason);
    context.progress.problem(&problem);
    restored.report.add(problem);
}
