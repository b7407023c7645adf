//! Packs the objects of the live buckets: list in order, read many at once, compress, store, index.
//!
//! A row is in the index only when its pack is confirmed. What changes while it is read is read again; what vanishes is
//! counted; what cannot be read is a problem, and the rest goes on.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};

use super::pack_list::PackList;
use super::read_object::{Memory, Outcome, prepare};
use super::sources::{Source, listing};
use super::store_text::StoreOptions;
use super::{Context, Result, StepError};
use crate::model::manifest::{FilesComponent, SourceSummary};
use crate::model::{BackupId, BucketName, Prefix, Problem, Report};
use crate::repository::RepositoryError;
use crate::repository::index::IndexWriter;
use crate::repository::pack::{PackOptions, PackWriter};
use crate::store::{ErrorKind, ObjectInfo, ObjectStore, StoreError};

/// Stores every object of `sources` and their index. Single objects that fail are added to `report`.
pub async fn pack_files(
    context: &Context,
    id: &BackupId,
    sources: &[Source],
    options: &StoreOptions,
    report: &mut Report,
) -> Result<FilesComponent> {
    let started_at = context.repository.now().await?;
    let pack_options = PackOptions { level: options.level, ..PackOptions::default() };
    let mut run = Run {
        context,
        writer: PackWriter::new(context.repository.clone(), pack_options),
        index: IndexWriter::new(context.repository.clone()),
        packs: PackList::new(context),
        options,
        vanished: 0,
        report,
    };
    context.progress.begin("files", 0, 0);
    let mut summaries = Vec::new();
    for source in sources {
        summaries.push(run.source(source).await?);
    }
    let Run { writer, mut index, mut packs, vanished, .. } = run;
    let finished = writer.finish().await?;
    for row in finished.rows {
        index.push(row).await?;
    }
    for pack in &finished.packs {
        packs.add(pack).await?;
    }
    let segments = index.finish().await?;
    context.progress.end();
    Ok(FilesComponent {
        started_at,
        finished_at: context.repository.now().await?,
        objects: summaries.iter().map(|summary| summary.objects).sum(),
        bytes: summaries.iter().map(|summary| summary.bytes).sum(),
        sources: summaries,
        vanished,
        segments,
        packs: packs.packs,
        pack_bytes: packs.bytes,
        pack_list: packs.store(context, id, options).await?,
    })
}

/// One pass over all sources.
struct Run<'a> {
    context: &'a Context,
    writer: PackWriter,
    index: IndexWriter,
    packs: PackList,
    options: &'a StoreOptions,
    vanished: u64,
    report: &'a mut Report,
}

impl Run<'_> {
    async fn source(&mut self, source: &Source) -> Result<SourceSummary> {
        let store = self.context.store(source.name.store())?.clone();
        let bucket = source.name.bucket();
        let mut summary = SourceSummary {
            source: source.name.clone(),
            prefixes: source.prefixes.iter().map(Prefix::to_string).filter(|prefix| !prefix.is_empty()).collect(),
            objects: 0,
            bytes: 0,
            settings: settings(&store, &bucket).await?,
        };
        for prefix in &source.prefixes {
            let level = self.options.level;
            let memory = &Memory::new();
            let name = &source.name;
            let mut outcomes = listing(&store, &bucket, prefix)
                .map(|listed| async {
                    match listed {
                        Ok(info) => prepare(store.as_ref(), name, info, level, memory).await,
                        Err(error) => unlistable(error),
                    }
                })
                .buffered(self.context.transfers)
                .boxed();
            while let Some(outcome) = outcomes.try_next().await? {
                self.take(&store, &mut summary, outcome).await?;
            }
        }
        Ok(summary)
    }

    async fn take(
        &mut self,
        store: &Arc<dyn ObjectStore>,
        summary: &mut SourceSummary,
        outcome: Outcome,
    ) -> Result<()> {
        let size = match outcome {
            Outcome::Small(prepared, _permit) => {
                let size = prepared.object.size;
                self.writer.add(prepared).await?;
                Some(size)
            }
            Outcome::Large(info) => self.add_large(store, summary, info).await?,
            Outcome::Vanished => {
                self.vanished += 1;
                None
            }
            Outcome::Problem(problem) => {
                self.problem(problem);
                None
            }
        };
        if let Some(size) = size {
            summary.objects += 1;
            summary.bytes += size;
            self.context.progress.advance(1, size);
        }
        for row in self.writer.take_confirmed() {
            self.index.push(row).await?;
        }
        for pack in self.writer.take_packs() {
            self.packs.add(&pack).await?;
        }
        Ok(())
    }

    /// Streams a large object into the packs, again where it changes under the reading. Answers its size.
    async fn add_large(
        &mut self,
        store: &Arc<dyn ObjectStore>,
        summary: &SourceSummary,
        mut info: ObjectInfo,
    ) -> Result<Option<u64>> {
        use crate::repository::ErrorKind as Kind;
        let key = info.key.clone();
        let mut reason = "it changed each time it was read".to_owned();
        for _ in 0..super::read_object::ATTEMPTS {
            let (object, body) = match super::read_object::open(store.as_ref(), &summary.source, &info).await? {
                Ok(opened) => opened,
                Err(Outcome::Large(newer)) => {
                    info = newer;
                    continue;
                }
                Err(other) => {
                    return match other {
                        Outcome::Vanished => {
                            self.vanished += 1;
                            Ok(None)
                        }
                        Outcome::Problem(problem) => {
                            self.problem(problem);
                            Ok(None)
                        }
                        Outcome::Small(..) | Outcome::Large(_) => Ok(None),
                    };
                }
            };
            let size = object.size;
            match self.writer.add_stream(object, body).await {
                Ok(_) => return Ok(Some(size)),
                Err(error) if matches!(error.kind, Kind::Changed | Kind::Source) && !is_gone(&error) => {
                    tracing::info!("{error}; it is read again");
                    if let Some(cause) = error.store_error().filter(|cause| cause.kind != ErrorKind::Precondition) {
                        reason = cause.to_string();
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.problem(Problem::new(format!("{}/{key}", summary.source), reason));
        Ok(None)
    }

    fn problem(&mut self, problem: Problem) {
        self.context.progress.problem(&problem);
        self.report.add(problem);
    }
}

/// Whether the source itself cannot be reached any more: then the whole run must end.
fn is_gone(error: &RepositoryError) -> bool {
    error.store_error().is_some_and(|error| matches!(error.kind, ErrorKind::Unreachable | ErrorKind::NoBucket))
}

/// What cannot be listed by its name is a problem of one object; any other failure ends the run: an incomplete listing
/// must never look like a small bucket.
fn unlistable(error: StepError) -> Result<Outcome> {
    match error {
        StepError::Store(StoreError { kind: ErrorKind::Unaddressable, ref subject, .. }) => {
            Ok(Outcome::Problem(Problem::new(subject.clone(), &error)))
        }
        other => Err(other),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::archive::gzip::Level;
    use crate::model::{Attributes, BackupKind, Key, RunId, Silent, SourceName};
    use crate::repository::Repository;
    use crate::store::faulty::{Fault, FaultyStore};
    use crate::store::memory::MemoryStore;
    use crate::store::{Address, Precondition};

    #[tokio::test]
    async fn an_object_that_cannot_be_read_to_its_end_is_a_problem_with_the_store_s_own_words() {
        let live = FaultyStore::recording(Arc::new(MemoryStore::new()));
        let bucket = |name: &str| BucketName::new(name).unwrap();
        live.inner.create_bucket(&bucket("books")).await.unwrap();
        let at = Address::new(bucket("books"), Key::new("large").unwrap());
        let body = vec![7; 5 << 20].into();
        live.inner.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
        for _ in 0..crate::steps::read_object::ATTEMPTS {
            live.fail("get", Fault::Breaks(100, ErrorKind::Denied));
        }
        let vault = Repository::init(Arc::new(MemoryStore::new()), bucket("vault"), Prefix::root()).await.unwrap().0;
        let context = Context {
            run: RunId::create(),
            host: String::new(),
            repository: vault,
            stores: BTreeMap::from([("live".to_owned(), live as Arc<dyn ObjectStore>)]),
            databases: BTreeMap::new(),
            spool: std::env::temp_dir(),
            progress: Arc::new(Silent),
            transfers: 1,
        };
        let source = Source { name: SourceName::new("live", &bucket("books")), prefixes: vec![Prefix::root()] };
        let id = BackupId::create(jiff::Timestamp::UNIX_EPOCH, BackupKind::Files);
        let (options, mut report) = (StoreOptions { level: Level::default(), workers: 1 }, Report::default());
        let files = pack_files(&context, &id, &[source], &options, &mut report).await.unwrap();
        assert_eq!((files.objects, report.problem_count), (0, 1));
        assert!(report.problems[0].reason.contains("access denied"), "{report:?}");
    }
}
