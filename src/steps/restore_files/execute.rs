//! Carries a restore of files out: reading on one side, writing on the other, with a bounded number of bytes between them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::displace::Displacer;
use super::write::{Differing, Writer, Written};
use super::{FilesRestorePlan, FilesRestored, mirror};
use crate::model::SourceName;
use crate::model::journal::Change;
use crate::model::manifest::SourceSummary;
use crate::repository::RepositoryError;
use crate::repository::damage::Replacements;
use crate::repository::pack::{Fetched, read_sound};
use crate::steps::place::Place;
use crate::steps::target::{State, compare};
use crate::steps::{Context, Result, StepError};

/// Gets from packs at once; each holds about 16 MiB.
pub(super) const GETS: usize = 3;
/// Content that was read and is not yet written. A large object, of which only parts are in memory, counts as no more
/// than half of it.
const KIBIBYTES: u32 = 32 << 10;

/// What passes from reading to writing.
pub(super) type Read = (std::result::Result<Fetched, RepositoryError>, OwnedSemaphorePermit);

/// Carries the plan out. Run again after an interruption, it goes on: what is back counts as the same.
pub async fn execute(context: &Context, plan: FilesRestorePlan) -> Result<FilesRestored> {
    let mut places = HashMap::new();
    for summary in &plan.sources {
        places.insert(summary.source.clone(), plan.place(context, &summary.source)?);
    }
    for summary in &plan.sources {
        make_bucket(context, summary, &places[&summary.source]).await?;
    }
    let reason = format!("displaced by a restore, run {}", context.run);
    let displacer = Displacer::new(context, plan.options.trash.clone(), reason, places.values());
    let displacer = displacer.recorded_by(&plan.recorder);
    let bytes = plan.missing.bytes + plan.differing.bytes;
    context.progress.begin("restore files", plan.missing.objects + plan.differing.objects, bytes);
    let restored = restore_and_remove(context, &plan, &places, &displacer).await;
    context.progress.end();
    // What was taken is listed whatever came of the rest.
    let kept = displacer.finish().await;
    let mut restored = restored?;
    restored.displaced_to = kept?.entries;
    Ok(restored)
}

/// What is not in the backup goes last, and only where all else is in place.
async fn restore_and_remove(
    context: &Context,
    plan: &FilesRestorePlan,
    places: &HashMap<SourceName, Place>,
    displacer: &Displacer<'_>,
) -> Result<FilesRestored> {
    let mut restored = restore_all(context, plan, places, displacer).await?;
    if plan.options.mirror && restored.report.is_clean() && restored.is_undamaged() {
        mirror::remove(context, plan, displacer, &mut restored).await?;
    } else if plan.options.mirror {
        context.progress.note("nothing is removed, because not all was restored");
    }
    Ok(restored)
}

async fn restore_all(
    context: &Context,
    plan: &FilesRestorePlan,
    places: &HashMap<SourceName, Place>,
    displacer: &Displacer<'_>,
) -> Result<FilesRestored> {
    if plan.finds_nothing_to_do() {
        // Comparing again may mean reading every object again.
        let same_objects = plan.same.objects;
        return Ok(FilesRestored { same_objects, damaged: plan.lost.clone(), ..FilesRestored::default() });
    }
    let replacements = Arc::new(Replacements::new(&context.repository));
    let differing = Differing::default();
    let (same, failed) = (AtomicU64::new(0), Mutex::new(None));
    let rows = to_write(context, plan, &differing, &same, &failed);
    let fetched = read_sound(&context.repository, &replacements, rows, GETS);
    // As many wait as are written: while one side is held up, the other goes on.
    let at_once = context.transfers * 2;
    let (sender, receiver) = mpsc::channel(at_once);
    let writer = Writer::new(context, places, displacer, &differing, &replacements);
    let mut restored = FilesRestored { damaged: plan.lost.clone(), ..FilesRestored::default() };
    let ((), written) = tokio::join!(read(fetched, sender), write(&writer, receiver, at_once, &mut restored));
    written?;
    if let Some(error) = failed.into_inner().expect("never poisoned") {
        return Err(error);
    }
    restored.same_objects = same.into_inner();
    Ok(restored)
}

/// The rows that are not the same. What fails here ends them, and is the result once those before it are written.
fn to_write<'a>(
    context: &'a Context,
    plan: &'a FilesRestorePlan,
    differing: &'a Differing,
    same: &'a AtomicU64,
    failed: &'a Mutex<Option<StepError>>,
) -> impl Stream<Item = std::result::Result<crate::model::IndexRow, RepositoryError>> + Send + 'a {
    let compared = compare(context, plan.options.to.as_ref(), plan.rows(context));
    let rows = compared.try_filter_map(move |compared| {
        let row = compared.row;
        std::future::ready(Ok(match compared.state {
            State::Same => {
                same.fetch_add(1, Ordering::Relaxed);
                None
            }
            State::Missing => Some((Change::Add, row)),
            State::Differs(info) => {
                differing.note(&row, info);
                Some((Change::Replace, row))
            }
        }))
    });
    plan.recorder.recorded(rows).scan((), move |(), row| {
        let row = row.map_err(|error| _ = failed.lock().expect("never poisoned").get_or_insert(error)).ok();
        std::future::ready(row.map(Ok))
    })
}

/// Hands over what is read, as far as there is room for it.
pub(super) async fn read(
    fetched: impl Stream<Item = std::result::Result<Fetched, RepositoryError>> + Send,
    sender: mpsc::Sender<Read>,
) {
    let room = Arc::new(Semaphore::new(KIBIBYTES as usize));
    let mut fetched = std::pin::pin!(fetched);
    while let Some(item) = fetched.next().await {
        let size = match &item {
            Ok(Fetched::Whole(row, _)) => row.size,
            Ok(Fetched::Large(row)) => row.size.min(u64::from(KIBIBYTES) << 9),
            Ok(Fetched::Failed(..)) | Err(_) => 0,
        };
        let kibibytes = u32::try_from(size >> 10).map_or(KIBIBYTES, |size| size.clamp(1, KIBIBYTES));
        let permit = room.clone().acquire_many_owned(kibibytes).await.expect("it is never closed");
        // Nobody takes it where the writing failed.
        if sender.send((item, permit)).await.is_err() {
            return;
        }
    }
}

async fn write(
    writer: &Writer<'_>,
    incoming: mpsc::Receiver<Read>,
    at_once: usize,
    restored: &mut FilesRestored,
) -> Result<()> {
    let all = stream::unfold(incoming, |mut incoming| async move { Some((incoming.recv().await?, incoming)) });
    let written = all.map(|(fetched, permit)| async move {
        let written = writer.write(fetched).await;
        drop(permit);
        written
    });
    let mut written = std::pin::pin!(written.buffer_unordered(at_once));
    let progress = &writer.context.progress;
    while let Some(written) = written.try_next().await? {
        match written {
            Written::Done { bytes, replaced } => {
                let count = if replaced { &mut restored.replaced_objects } else { &mut restored.added_objects };
                *count += 1;
                restored.restored_bytes += bytes;
                progress.advance(1, bytes);
            }
            Written::Damaged(problem) => {
                progress.problem(&problem);
                restored.damaged.add(problem);
            }
            Written::Problem(problem) => {
                progress.problem(&problem);
                restored.report.add(problem);
            }
        }
    }
    Ok(())
}

async fn make_bucket(context: &Context, summary: &SourceSummary, place: &Place) -> Result<()> {
    if place.store.bucket_exists(&place.bucket).await? {
        return Ok(());
    }
    place.store.create_bucket(&place.bucket).await?;
    let settings: Vec<&str> = summary.settings.keys().map(String::as_str).collect();
    if !settings.is_empty() {
        let (name, settings) = (&place.name, settings.join(", "));
        let note = format!("{name} was made anew; set again by hand: {settings} (`dcs backup show --json`)");
        context.progress.note(&note);
    }
    Ok(())
}
