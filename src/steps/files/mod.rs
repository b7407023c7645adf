//! Backs up the objects of the live buckets: what is unchanged since the newest backup keeps its place and costs nothing
//! but its line in a listing.
//!
//! 1. The listings are held against the newest backup's index and what interrupted runs had stored (`scan`, `ancestry`).
//! 2. Without a parent, what is found is packed as it is found. With one, the changes are collected first (`changes`), so
//!    that content which only moved is found in the parent (`known`), and so that a run without changes writes no index.
//! 3. The changes are worked into the parent's rows (`work`, `prepare`, `apply`).
//! 4. What moved to the trash or back meanwhile, and what lay in packs that went away meanwhile, is looked at again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;

use self::ancestry::Lost;
use self::apply::{Apply, Done, Tally};
use self::changes::{Change, Changes, Listed};
use self::healing::Healing;
use self::known::{Known, Wanted};
use self::pack_list::{PackList, StoredList};
use self::scan::{Found, Standing};
use super::sources::Source;
use super::store_text::StoreOptions;
use super::{Context, Result, StepError};
use crate::model::manifest::{FilesComponent, Segment, SourceSummary};
use crate::model::{BackupId, BucketName, Patterns, Prefix, Problem, Report};
use crate::repository::parents::{Parent, Parents};
use crate::repository::prune::{self, Marked};
use crate::repository::standing::Unusable;
use crate::store::{ErrorKind, ObjectStore};

mod again;
mod ahead;
mod ancestry;
mod apply;
mod changes;
mod guard;
mod healing;
mod known;
mod pack_list;
mod prepare;
mod ranged;
mod read_object;
mod scan;
mod spawned;
#[cfg(test)]
mod tests;
mod trash_watch;
mod work;

pub use trash_watch::WatchedTrash;

/// How files are backed up.
#[derive(Debug, Clone, Default)]
pub struct FilesOptions {
    /// Compares with no earlier backup.
    pub full: bool,
    /// What could move between the listings.
    pub trash: Option<WatchedTrash>,
    /// A source that lost more than so many percent of its objects or bytes is a problem; 0 for never.
    pub shrink_guard: u8,
    /// What of the sources to take.
    pub patterns: Patterns,
}

/// Stores every object of `sources` and their index. Single objects that fail are added to `report`.
pub async fn back_up_files(
    context: &Context,
    id: &BackupId,
    sources: &[Source],
    options: &StoreOptions,
    files: &FilesOptions,
    report: &mut Report,
) -> Result<FilesComponent> {
    // In this order: see the page of `repository::prune` for why.
    let marked = Arc::new(prune::marked(&context.repository).await?);
    let mut parents = context.repository.parents().await?;
    if files.full {
        parents = Parents { good: parents.good, ..Parents::default() };
    }
    for remark in &parents.remarks {
        context.progress.note(&format!("{remark}; an older backup is compared with, or none"));
    }
    let run = Run { context, id, sources, options, files, parents: &parents, marked };
    let clean = report.clone();
    let (component, has_partials) = match Box::pin(run.attempt(false, report)).await {
        Err(StepError::Store(error)) if error.kind == ErrorKind::Unsupported => {
            context.progress.note(&format!("{error}; everything is listed again and sorted"));
            *report = clean;
            Box::pin(run.attempt(true, report)).await?
        }
        other => other?,
    };
    let own = [id].into_iter().filter(|_| has_partials);
    remove_partials(context, parents.partials.iter().map(|partial| &partial.id).chain(own)).await;
    for problem in guard::shrunken(&component, parents.good.as_ref(), files) {
        context.progress.problem(&problem);
        report.add_shrunken(problem);
    }
    Ok(component)
}

struct Run<'a> {
    context: &'a Context,
    id: &'a BackupId,
    sources: &'a [Source],
    options: &'a StoreOptions,
    files: &'a FilesOptions,
    parents: &'a Parents,
    marked: Arc<Marked>,
}

/// What a pass over the sources came to.
struct Pass {
    segments: Vec<Segment>,
    done: Done,
}

impl Run<'_> {
    /// Backs everything up; with `sorted`, without trusting any listing to be in order. Answers too whether partial lists
    /// were written.
    async fn attempt(&self, sorted: bool, report: &mut Report) -> Result<(FilesComponent, bool)> {
        let Self { context, id, options, .. } = *self;
        context.progress.begin("files", 0, 0);
        let started_at = context.repository.now().await?;
        let segments = self.parents.newest.as_ref().map_or(&[][..], |parent| &parent.files.segments);
        let live = scan::live(context, self.sources, (segments, &self.files.patterns), sorted)?;
        let mut packs = PackList::new(context);
        let mut healing = Healing::new(context);
        let (mut standing, settings, before) =
            futures_util::try_join!(self.standing(&mut packs), self.settings(), self.look_at_trash())?;
        let mut before = before;
        let mut pass = self.pass(live, &standing, report, &mut packs, &mut healing).await?;

        // What moved meanwhile, and what went away, until nothing does.
        let mut stored = packs.store(context, id, options).await?;
        for _ in 0..again::MOST_ROUNDS {
            let (changes, unusable) = self.again(&pass, &stored, before.take(), started_at).await?;
            if changes.count == 0 {
                break;
            }
            before = self.look_at_trash().await?;
            let mut next = (*standing).clone();
            next.unusable.extend(unusable);
            standing = Arc::new(next);
            stored = self.round(&mut pass, changes, &standing, &stored, report, &mut healing).await?;
        }
        if !stored.unknown.is_empty() {
            let names: Vec<&str> = stored.unknown.names().take(3).collect();
            let reason = format!("rows name packs that are not there: {}", names.join(", "));
            let subject = context.repository.describe();
            return Err(StepError::Damaged { attempted: "back up files to", subject, reason });
        }
        if healing.objects > 0 {
            let objects = crate::model::format::count(healing.objects, "object");
            context.progress.note(&format!("{objects} of damaged packs were stored again"));
        }
        healing.store(context).await?;
        context.progress.end();
        let has_partials = pass.done.has_partials;
        Ok((self.component(started_at, pass, stored, settings).await?, has_partials))
    }

    /// What of the earlier backups can be relied upon. Tells `packs` of all packs that are there.
    async fn standing(&self, packs: &mut PackList) -> Result<Arc<Standing>> {
        let Self { context, parents, .. } = *self;
        let unusable = Unusable::marked(self.marked.clone());
        let mut standing = Standing { unusable, marked: self.marked.clone(), ..Standing::default() };
        if parents.newest.is_some() || !parents.partials.is_empty() {
            let mut known = std::pin::pin!(ancestry::known_packs(context, parents).await?);
            while let Some(pack) = known.try_next().await? {
                packs.know(&pack).await?;
            }
            let known = ancestry::known_packs(context, parents).await?;
            context.repository.add_missing(known, &mut standing.unusable).await?;
            standing.sparse = prune::sparse_packs(&context.repository).await?;
            context.repository.add_damaged(&mut standing.unusable).await?;
            let bad = standing.unusable.names().count() as u64;
            if bad > 0 {
                let bad = crate::model::format::count(bad, "pack");
                context
                    .progress
                    .note(&format!("{bad} of earlier backups are missing or damaged: what they held is read again"));
            }
        }
        standing.parent_began = parents.newest.as_ref().map(|parent| parent.files.started_at);
        Ok(Arc::new(standing))
    }

    async fn look_at_trash(&self) -> Result<Option<trash_watch::Look>> {
        match &self.files.trash {
            Some(trash) => trash.look(self.context).await.map(Some),
            None => Ok(None),
        }
    }

    /// The first pass: all sources.
    async fn pass(
        &self,
        live: BoxStream<'static, Result<Listed>>,
        standing: &Arc<Standing>,
        report: &mut Report,
        packs: &mut PackList,
        healing: &mut Healing,
    ) -> Result<Pass> {
        let Self { context, parents, .. } = *self;
        let lost = Lost::default();
        let found = scan::compare(live, ancestry::candidates(context, parents, &lost), standing.clone());
        let mut done = Done::default();
        let Some(parent) = &parents.newest else {
            let apply =
                Apply::new(context, self.id, self.options, standing.clone(), report, (packs, healing, &mut done));
            let segments = apply.run(work::directly(found), Known::default()).await?;
            return Ok(Pass { segments, done });
        };
        let (changes, wanted, tally) = collect(context, found, report).await?;
        let is_marked = |segment: &Segment| self.marked.is_segment_marked(&segment.part.path);
        let keeps_index = !lost.load(Ordering::Relaxed) && !parent.files.segments.iter().any(is_marked);
        if changes.count == 0 && keeps_index {
            done.effort.unchanged = tally.values().map(|(objects, _)| objects).sum();
            done.tally = tally;
            self.use_all(parent, packs).await?;
            return Ok(Pass { segments: parent.files.segments.clone(), done });
        }
        let known = self.learn(&wanted, standing, &lost).await?;
        let works = work::merged(ancestry::parent_rows(context, parent, &lost), changes.finish().await?);
        let apply = Apply::new(context, self.id, self.options, standing.clone(), report, (packs, healing, &mut done));
        let segments = apply.run(works, known).await?;
        Ok(Pass { segments, done })
    }

    /// Looks in the parent for content that new objects have.
    async fn learn(&self, wanted: &Wanted, standing: &Standing, lost: &Lost) -> Result<Known> {
        let mut known = Known::default();
        if wanted.is_empty() {
            return Ok(known);
        }
        let mut candidates = ancestry::candidates(self.context, self.parents, lost);
        while let Some(found) = candidates.try_next().await? {
            for row in found.kept.iter().chain(&found.others) {
                if ancestry::is_usable(row, &standing.unusable) {
                    known.learn(row, wanted);
                }
            }
        }
        Ok(known)
    }

    /// Everything that the parent's index names is named again.
    async fn use_all(&self, parent: &Parent, packs: &mut PackList) -> Result<()> {
        let only = Parents { newest: Some(parent.clone()), ..Parents::default() };
        let mut known = std::pin::pin!(ancestry::known_packs(self.context, &only).await?);
        while let Some(pack) = known.try_next().await? {
            packs.uses_pack(&pack.name).await?;
        }
        Ok(())
    }

    async fn settings(&self) -> Result<Vec<crate::store::BucketSettings>> {
        let settings = self.sources.iter().map(|source| async move {
            settings(self.context.store(source.name.store())?, &source.name.bucket()).await
        });
        futures_util::future::try_join_all(settings).await
    }

    async fn component(
        &self,
        started_at: jiff::Timestamp,
        pass: Pass,
        stored: StoredList,
        settings: Vec<crate::store::BucketSettings>,
    ) -> Result<FilesComponent> {
        let Pass { segments, done } = pass;
        let sources: Vec<SourceSummary> = self
            .sources
            .iter()
            .zip(settings)
            .map(|(source, settings)| {
                let (objects, bytes) = done.tally.get(&source.name).copied().unwrap_or_default();
                let prefixes =
                    source.prefixes.iter().map(Prefix::to_string).filter(|prefix| !prefix.is_empty()).collect();
                let patterns = self.files.patterns.clone();
                SourceSummary { source: source.name.clone(), prefixes, objects, bytes, settings, patterns }
            })
            .collect();
        Ok(FilesComponent {
            started_at,
            finished_at: self.context.repository.now().await?,
            objects: sources.iter().map(|summary| summary.objects).sum(),
            bytes: sources.iter().map(|summary| summary.bytes).sum(),
            sources,
            vanished: done.vanished,
            segments,
            packs: stored.packs,
            pack_bytes: stored.bytes,
            pack_list: stored.artefact,
            parent: self.parents.newest.as_ref().map(|parent| parent.id.clone()),
            effort: done.effort,
        })
    }
}

/// The changes of a pass, what of them is to be looked for, and what there is in all.
async fn collect(
    context: &Context,
    mut found: BoxStream<'static, Result<Found>>,
    report: &mut Report,
) -> Result<(Changes, Wanted, Tally)> {
    let (mut changes, mut wanted, mut tally) = (Changes::new(context), Wanted::default(), Tally::new());
    while let Some(found) = found.try_next().await? {
        match found {
            Found::Same(row) => {
                let count = tally.entry(row.source).or_default();
                *count = (count.0 + 1, count.1 + row.size);
                context.progress.advance(1, 0);
            }
            Found::Changed(change) => {
                if let Change::Read(listed) = &change {
                    wanted.add(&listed.info.etag, listed.info.size);
                }
                changes.add(&change).await?;
            }
            Found::Unlistable(problem) => tell(context, report, problem),
        }
    }
    Ok((changes, wanted, tally))
}

fn tell(context: &Context, report: &mut Report, problem: Problem) {
    context.progress.problem(&problem);
    report.add(problem);
}

/// The lists of this run are of no use once its index is stored, and those that it took over neither.
async fn remove_partials(context: &Context, ids: impl Iterator<Item = &BackupId>) {
    for id in ids {
        if let Err(error) = context.repository.remove_partial(id).await {
            tracing::info!("the lists of an unfinished run could not be removed: {error}");
        }
    }
}

async fn settings(store: &Arc<dyn ObjectStore>, bucket: &BucketName) -> Result<crate::store::BucketSettings> {
    match store.bucket_settings(bucket).await {
        // Reading objects needs no right to read policies.
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported) => {
            Ok(crate::store::BucketSettings::new())
        }
        other => Ok(other?),
    }
}
