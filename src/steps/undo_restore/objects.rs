//! Takes the objects of a restore back: what it put there goes to the trash, what gave way comes back.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Undone;
use super::rows::{Action, Job};
use crate::model::{IndexRow, Problem, SourceName};
use crate::steps::place::Place;
use crate::steps::restore_files::{Displacer, FilesRestored, Trash, is_unchanged, remove_page};
use crate::steps::{Context, Result};
use crate::store::{ErrorKind, ObjectInfo, transfer};
use crate::trash::Copy;

/// Objects that are worked on together.
const PAGE: usize = 1000;

/// Carries all jobs out. On an error what was taken is in the trash and listed, and a repeat goes on.
pub(super) async fn take_back(
    context: &Context,
    jobs: impl futures_util::Stream<Item = Result<Job>> + Send,
    displacer: &Displacer<'_>,
    undone: &mut Undone,
) -> Result<()> {
    let mut pages = std::pin::pin!(jobs.try_chunks(PAGE));
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| error.1)?;
        // A page may go over the border of two buckets.
        let mut page = page.into_iter().peekable();
        while let Some(source) = page.peek().map(|job| job.row.source.clone()) {
            let of_one = std::iter::from_fn(|| page.next_if(|job| job.row.source == source)).collect();
            page_back(context, &source, of_one, displacer, undone).await?;
        }
    }
    Ok(())
}

async fn page_back(
    context: &Context,
    source: &SourceName,
    page: Vec<Job>,
    displacer: &Displacer<'_>,
    undone: &mut Undone,
) -> Result<()> {
    let place = &Place::of(context, source, None)?;
    let (mut removed, mut back) = (Vec::new(), Vec::new());
    for Job { row, action } in page {
        match action {
            Action::Nothing => {}
            Action::Stay(reason) => undone.stays.add(problem(&row, reason)),
            Action::Remove(info) => removed.push(info),
            Action::PutBack { copy, over } => back.push((row, copy, over)),
        }
    }
    let results = stream::iter(back)
        .map(|(row, copy, over)| async move {
            let is_back = put_back(place, displacer, &row, &copy, over).await?;
            Ok::<_, crate::steps::StepError>((row, is_back))
        })
        .buffer_unordered(context.transfers * 2);
    let results: Vec<(IndexRow, bool)> = results.try_collect().await?;
    for (row, is_back) in results {
        if is_back {
            undone.put_back_objects += 1;
            context.progress.advance(1, row.size);
        } else {
            undone.stays.add(problem(&row, "it changed this very moment"));
        }
    }
    if !removed.is_empty() {
        let mut done = FilesRestored::default();
        remove_page(context, place, displacer, removed, &mut done).await?;
        undone.removed_objects += done.removed_objects;
        undone.report.merge(done.report);
    }
    Ok(())
}

/// Copies an object out of the trash to its place; what lies there is in the trash before. Answers whether it is there: what
/// others write in that moment stays.
async fn put_back(
    place: &Place,
    displacer: &Displacer<'_>,
    row: &IndexRow,
    copy: &Copy,
    over: Option<ObjectInfo>,
) -> Result<bool> {
    let at = place.address(&row.key)?;
    match over {
        Some(info) => {
            let Some(taken) = displacer.take(place, &info).await? else { return Ok(false) };
            if (taken.size, &taken.etag) != (info.size, &info.etag) || !is_unchanged(place, taken).await?.1 {
                return Ok(false);
            }
        }
        None => match place.store.head(&at).await {
            Ok(_) => return Ok(false),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        },
    }
    let stored = transfer::copy(&place.store, &copy.at, &at, copy.info.size, None).await?;
    let head = place.store.head(&at).await?;
    Ok((head.size, head.etag) == (copy.info.size, stored.etag))
}

fn problem(row: &IndexRow, reason: &str) -> Problem {
    Problem::new(format!("{}/{}", row.source, row.key.as_str().escape_debug()), reason)
}

/// A trash of the same store as the place, but not the place itself, is where things go.
pub(super) fn takes(trash: Option<&Trash>, place: &Place) -> bool {
    trash.is_some_and(|trash| {
        trash.place.store.describe() == place.store.describe() && trash.place.bucket != place.bucket
    })
}
