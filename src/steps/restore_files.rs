//! Restores objects: adds what is missing, leaves what is the same, displaces what differs before it is replaced.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, StreamExt, TryStreamExt};
use serde::Serialize;

use super::target::{Compared, State, compare};
use super::write_object::{self, Written};
use super::{Context, Result, StepError};
use crate::model::format;
use crate::model::manifest::{FilesComponent, Segment, SourceSummary};
use crate::model::{IndexRow, Report, SourceName};
use crate::repository::RepositoryError;
use crate::repository::index::read_index;
use crate::repository::pack::read_many;
use crate::store::ObjectInfo;
use crate::trash::{Displacement, Maker, TrashBucket};

/// Where what a restore displaces goes.
#[derive(Clone)]
pub struct Trash {
    pub place: TrashBucket,
    /// Who runs dcs.
    pub user: String,
}

/// What restoring the files will do, counted against what is there.
pub struct FilesRestorePlan {
    segments: Vec<Segment>,
    sources: Vec<SourceSummary>,
    trash: Option<Trash>,
    missing: Count,
    same: Count,
    differing: Count,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    objects: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, size: u64) {
        self.objects += 1;
        self.bytes += size;
    }
}

impl FilesRestorePlan {
    /// Whether live objects will be replaced.
    pub fn displaces(&self) -> bool {
        self.differing.objects > 0
    }
}

impl fmt::Display for FilesRestorePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in &self.sources {
            writeln!(formatter, "  files {} ({})", source.source, format::count(source.objects, "object"))?;
        }
        let mut line = |verb: &str, count: Count| {
            let (objects, bytes) = (format::count(count.objects, "object"), format::bytes(count.bytes));
            writeln!(formatter, "    {verb:<8} {objects}, {bytes}")
        };
        line("add", self.missing)?;
        line("same", self.same)?;
        line("replace", self.differing)
    }
}

/// Counts what is missing, the same and different. Changes nothing; refuses where something would be lost.
pub async fn plan(
    context: &Context,
    files: &FilesComponent,
    only: Vec<SourceName>,
    trash: Option<Trash>,
) -> Result<FilesRestorePlan> {
    let sources = files.sources.iter().filter(|summary| only.contains(&summary.source)).cloned().collect();
    let mut plan = FilesRestorePlan {
        segments: files.segments.clone(),
        sources,
        trash,
        missing: Count::default(),
        same: Count::default(),
        differing: Count::default(),
    };
    context.progress.begin("compare", files.objects, 0);
    {
        let wanted = plan.wanted();
        let mut compared = std::pin::pin!(compare(context, rows(context, plan.segments.clone(), wanted)));
        while let Some(Compared { row, state }) = compared.try_next().await? {
            match state {
                State::Missing => plan.missing.add(row.size),
                State::Same => plan.same.add(row.size),
                State::Differs(_) => {
                    check_trash(context, plan.trash.as_ref(), &row.source)?;
                    plan.differing.add(row.size);
                }
            }
            context.progress.advance(1, 0);
        }
    }
    context.progress.end();
    Ok(plan)
}

impl FilesRestorePlan {
    fn wanted(&self) -> Vec<SourceName> {
        self.sources.iter().map(|summary| summary.source.clone()).collect()
    }
}

/// The rows of the wanted sources.
fn rows(
    context: &Context,
    segments: Vec<Segment>,
    wanted: Vec<SourceName>,
) -> impl Stream<Item = Result<IndexRow>> + Send + 'static {
    read_index(&context.repository, segments)
        .map_err(StepError::from)
        .try_filter(move |row| std::future::ready(wanted.contains(&row.source)))
}

/// Nothing is replaced that cannot be kept.
fn check_trash(context: &Context, trash: Option<&Trash>, source: &SourceName) -> Result<()> {
    let live = context.store(source.store())?;
    let reason = match trash {
        Some(trash) if trash.place.store.describe() == live.describe() && trash.place.bucket != source.bucket() => {
            return Ok(());
        }
        Some(_) => "objects differ, and the trash is not another bucket of the same store",
        None => "objects differ, and there is no trash to keep them in",
    };
    let hint = "Set [trash] to a bucket of the same store, or restore elsewhere with `--store NAME=URL`.".to_owned();
    let (subject, reason) = (source.to_string(), reason.to_owned());
    Err(StepError::Refused { attempted: "restore files to", subject, reason, hint: Some(hint) })
}

/// What was restored.
#[derive(Debug, Default, Serialize)]
pub struct FilesRestored {
    pub added_objects: u64,
    pub replaced_objects: u64,
    pub same_objects: u64,
    pub restored_bytes: u64,
    /// Trash entries that hold what was replaced.
    pub displaced_to: Vec<String>,
    #[serde(flatten)]
    pub report: Report,
}

impl FilesRestored {
    /// Whether anything live is other than it was.
    pub(super) fn has_changed(&self) -> bool {
        self.added_objects + self.replaced_objects > 0
    }
}

impl fmt::Display for FilesRestored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = format::count(self.added_objects, "object");
        let (replaced, same) = (self.replaced_objects, self.same_objects);
        write!(formatter, "restored files: {added} added, {replaced} replaced, {same} the same")?;
        if !self.displaced_to.is_empty() {
            write!(formatter, "; what was replaced is in the trash as {}", self.displaced_to.join(", "))?;
        }
        if !self.report.is_clean() {
            write!(formatter, "; {} not restored", self.report.problem_count)?;
        }
        Ok(())
    }
}

/// Carries the plan out. Run again after an interruption, it goes on: what is back counts as the same.
pub async fn execute(context: &Context, plan: FilesRestorePlan) -> Result<FilesRestored> {
    make_buckets(context, &plan.sources).await?;
    let reason = format!("displaced by a restore, run {}", context.run);
    let displacer = Displacer { context, trash: plan.trash.clone(), reason, open: tokio::sync::Mutex::default() };
    let mut restored = FilesRestored::default();
    let same = AtomicU64::new(0);
    let failed: Mutex<Option<StepError>> = Mutex::default();
    let bytes = plan.missing.bytes + plan.differing.bytes;
    context.progress.begin("restore files", plan.missing.objects + plan.differing.objects, bytes);
    {
        let (displacer, same, failed) = (&displacer, &same, &failed);
        let compared = compare(context, rows(context, plan.segments.clone(), plan.wanted()));
        let to_write = compared.try_filter_map(move |compared| async move {
            match compared.state {
                State::Same => {
                    same.fetch_add(1, Ordering::Relaxed);
                    Ok(None)
                }
                State::Missing => Ok(Some(compared.row)),
                State::Differs(info) => {
                    // Only once its copy is proven may the row go on to be written over the original.
                    displacer.take(&compared.row.source, &info).await?;
                    Ok(Some(compared.row))
                }
            }
        });
        // What fails here ends the rows; it is the result once those before it are written.
        let to_write = to_write.scan((), move |(), row| {
            let row = row.map_err(|error| _ = failed.lock().expect("never poisoned").get_or_insert(error)).ok();
            std::future::ready(row.map(Ok::<_, RepositoryError>))
        });
        let written = read_many(&context.repository, to_write, write_object::GETS)
            .map(|fetched| write_object::write(context, fetched))
            .buffer_unordered(context.transfers);
        let mut written = std::pin::pin!(written);
        while let Some(written) = written.next().await {
            match written? {
                Written::Done(size) => {
                    restored.added_objects += 1;
                    restored.restored_bytes += size;
                    context.progress.advance(1, size);
                }
                Written::Problem(problem) => {
                    context.progress.problem(&problem);
                    restored.report.add(problem);
                }
            }
        }
    }
    context.progress.end();
    if let Some(error) = failed.into_inner().expect("never poisoned") {
        return Err(error);
    }
    let (replaced, displaced_to) = displacer.finish().await?;
    restored.replaced_objects = replaced;
    restored.added_objects = restored.added_objects.saturating_sub(replaced);
    restored.displaced_to = displaced_to;
    restored.same_objects = same.into_inner();
    Ok(restored)
}

async fn make_buckets(context: &Context, sources: &[SourceSummary]) -> Result<()> {
    for summary in sources {
        let (store, bucket) = (context.store(summary.source.store())?, summary.source.bucket());
        if store.bucket_exists(&bucket).await? {
            continue;
        }
        store.create_bucket(&bucket).await?;
        let settings: Vec<&str> = summary.settings.keys().map(String::as_str).collect();
        if !settings.is_empty() {
            let (source, settings) = (&summary.source, settings.join(", "));
            context
                .progress
                .note(&format!("{source} was made anew; set again by hand: {settings} (`dcs backup show --json`)"));
        }
    }
    Ok(())
}

/// One trash entry a bucket, begun with the first object that it takes.
struct Displacer<'a> {
    context: &'a Context,
    trash: Option<Trash>,
    reason: String,
    open: tokio::sync::Mutex<BTreeMap<SourceName, Displacement>>,
}

impl Displacer<'_> {
    async fn take(&self, source: &SourceName, info: &ObjectInfo) -> Result<()> {
        check_trash(self.context, self.trash.as_ref(), source)?;
        let Some(trash) = self.trash.clone() else { return Ok(()) };
        let mut open = self.open.lock().await;
        if !open.contains_key(source) {
            let Context { spool, host, run, .. } = self.context;
            let (host, run, reason) = (host.clone(), run.clone(), self.reason.clone());
            let maker = Maker { host, user: trash.user, run, reason };
            let begun = Displacement::begin(trash.place, source.bucket(), spool, maker);
            open.insert(source.clone(), begun.await?);
        }
        match open.get_mut(source) {
            Some(displacement) => Ok(displacement.take(info).await?),
            None => Ok(()),
        }
    }

    async fn finish(self) -> Result<(u64, Vec<String>)> {
        let (mut objects, mut entries) = (0, Vec::new());
        for (_, displacement) in self.open.into_inner() {
            let entry = displacement.finish().await?;
            objects += entry.objects;
            entries.push(entry.id.to_string());
        }
        Ok((objects, entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::model::{BucketName, Key, Prefix, RunId, Silent};
    use crate::repository::Repository;
    use crate::store::ObjectStore;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn what_goes_before_it_could_be_kept_does_not_end_a_restore() {
        let live: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        let bucket = |name: &str| BucketName::new(name).unwrap();
        live.create_bucket(&bucket("books")).await.unwrap();
        let context = Context {
            run: RunId::create(),
            host: String::new(),
            repository: Repository::init(live.clone(), bucket("vault"), Prefix::root()).await.unwrap().0,
            stores: BTreeMap::from([("live".to_owned(), live.clone())]),
            databases: BTreeMap::new(),
            spool: std::env::temp_dir(),
            progress: Arc::new(Silent),
            transfers: 1,
        };
        let place = TrashBucket { store: live, bucket: bucket("trash") };
        let trash = Some(Trash { place, user: "tester".to_owned() });
        let open = tokio::sync::Mutex::default();
        let displacer = Displacer { context: &context, trash, reason: String::new(), open };
        let (key, etag, modified) = (Key::new("a").unwrap(), "e".to_owned(), jiff::Timestamp::UNIX_EPOCH);
        let source = SourceName::new("live", &bucket("books"));
        displacer.take(&source, &ObjectInfo { key, size: 1, etag, modified }).await.unwrap();
        assert_eq!(displacer.finish().await.unwrap().0, 0);
    }
}
