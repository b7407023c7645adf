//! A backup from preflight to manifest: databases first, then files, then the configuration.
//!
//! Until the manifest is there, there is no backup: whatever stops a run before that line leaves objects that nobody
//! names, and nothing that a restore could choose.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::dump_database::What;
use super::files::FilesOptions;
use super::sources::{self, Source};
use super::step_hooks::StepHooks;
use super::store_text::StoreOptions;
use super::{Context, Result, StepError, capture, consistency, dump_database, files, shrunken, verify, with_causes};
use crate::archive::Codec;
use crate::model::database::{Engine, ServerInfo};
use crate::model::item::ItemKind;
use crate::model::manifest::{self, DumpSelection, Manifest, Origins};
use crate::model::{BackupId, BackupKind, FileSource, Problem, Report, format};
use crate::repository::locks::Lease;
use crate::repository::{Repository, layout};
use crate::store::transfer;

/// Between two looks at the clock while a second passes.
const UNTIL_NEXT_SECOND: Duration = Duration::from_millis(100);

/// No run uploads one object for so long.
const ABANDONED_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// What to back up.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    pub kind: BackupKind,
    pub note: Option<String>,
    pub tags: Vec<String>,
    pub databases: Vec<String>,
    /// What of the databases to dump, where that is not all.
    pub selection: Option<DumpSelection>,
    /// Kinds of items whose rows are held against the files, in a backup of both.
    pub items: Vec<ItemKind>,
    pub files: Vec<FileSource>,
    pub how: FilesOptions,
    pub config: Vec<PathBuf>,
    pub capture: Vec<String>,
    pub codec: Codec,
    /// Packs and dumps are compressed by so many threads.
    pub workers: usize,
    pub origins: Origins,
}

/// What a backup will do. Shown by a dry run, carried out by [`execute`].
#[derive(Debug)]
pub struct BackupPlan {
    options: BackupOptions,
    repository: String,
    databases: Vec<(String, ServerInfo)>,
    sources: Vec<Source>,
    /// What the operator should know beforehand.
    pub warnings: Vec<String>,
    /// What to run around each step.
    pub hooks: Arc<StepHooks>,
}

/// Checks that everything to be read answers and that the clocks agree. Changes nothing.
pub async fn plan(context: &Context, options: BackupOptions) -> Result<BackupPlan> {
    let clock = context.repository.clock().await?;
    clock.check(&context.repository)?;
    let mut warnings = Vec::new();
    if clock.is_off() {
        warnings.push(format!("the clock of this host is {} the backup store's", clock.difference()));
    }
    let mut databases = Vec::new();
    for name in &options.databases {
        let server = context.database(name)?.preflight_dump().await?;
        if options.selection.is_some() && server.engine == Engine::Sqlite {
            return Err(StepError::refused("dump a part of", name, "a database of SQLite is dumped whole".to_owned()));
        }
        databases.push((name.clone(), server));
    }
    let sources = sources::expand(context, &options.files).await?;
    if databases.is_empty() && sources.is_empty() && options.config.is_empty() && options.capture.is_empty() {
        return Err(StepError::Configuration(format!(
            "there is nothing to back up in a backup of kind {}",
            options.kind
        )));
    }
    let repository = context.repository.describe();
    Ok(BackupPlan { options, repository, databases, sources, warnings, hooks: Arc::default() })
}

impl fmt::Display for BackupPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "a {} backup to {}", self.options.kind, self.repository)?;
        for (name, server) in &self.databases {
            let size = format::bytes(server.size_bytes);
            writeln!(formatter, "  database {name}: {} {}, {size}", server.engine, server.version)?;
        }
        for source in &self.sources {
            writeln!(formatter, "  files {source}")?;
        }
        for path in &self.options.config {
            writeln!(formatter, "  configuration {}", path.display())?;
        }
        Ok(())
    }
}

/// Carries the plan out and publishes the manifest, if `lease`, the run's claim on the repository, still holds by then.
/// Problems with single objects are in the manifest's report.
pub async fn execute(context: &Context, plan: BackupPlan, lease: Option<&Lease>) -> Result<Manifest> {
    let options = plan.options;
    let ((), id) = tokio::join!(sweep_uploads(context), new_id(context, options.kind));
    let (id, started_at) = id?;
    let store_options = StoreOptions { codec: options.codec, workers: options.workers };
    let mut manifest = begin(context, &options, id.clone(), started_at);

    // 1. Databases before files: an item added between the two has its files and no row, which harms nobody; the other
    //    way round, a row would point to files that the backup has not.
    let what = What { selection: options.selection.as_ref(), items: &options.items };
    let (mut rows, hooks) = (Vec::new(), &plan.hooks);
    if !plan.databases.is_empty() {
        hooks.before("databases", &id).await?;
    }
    for (name, server) in &plan.databases {
        match dump_database::dump_database(context, &id, name, server, what, &store_options).await {
            Ok((component, mut of_items)) => {
                rows.append(&mut of_items);
                if let Some(problem) = shrunken::database(context, &component, options.how.shrink_guard).await? {
                    context.progress.problem(&problem);
                    manifest.report.add_shrunken(problem);
                }
                manifest.databases.push(component);
            }
            // Files alone are worth keeping; such a backup says that it is incomplete, and is never chosen by itself.
            Err(error) if options.kind == BackupKind::Complete && error.is_of_the_database() => {
                manifest.incomplete = true;
                add(context, &mut manifest.report, Problem::new(format!("database {name}"), with_causes(&error)));
            }
            Err(error) => return Err(error),
        }
    }

    if !plan.databases.is_empty() {
        hooks.after("databases", &id).await;
    }

    // 2. Files.
    if !plan.sources.is_empty() {
        hooks.before("files", &id).await?;
        let report = &mut manifest.report;
        let sources = &plan.sources;
        let files = files::back_up_files(context, &id, sources, &store_options, &options.how, report);
        let files = Box::pin(files).await?;
        manifest.consistency = consistency::compare(context, rows, &files).await;
        manifest.files = Some(files);
        hooks.after("files", &id).await;
    }

    // 3. Configuration.
    let has_config = !options.config.is_empty() || !options.capture.is_empty();
    if has_config {
        hooks.before("configuration", &id).await?;
    }
    if !options.config.is_empty() {
        let report = &mut manifest.report;
        let config = capture::archive_configuration(context, &id, &options.config, &store_options, report).await?;
        manifest.config = Some(config);
    }
    manifest.captured = capture::run_captures(context, &options.capture, &mut manifest.report).await;
    if has_config {
        hooks.after("configuration", &id).await;
    }

    // 4. The manifest, last: everything it names is stored and confirmed.
    manifest.finished_at = context.repository.now().await?;
    if let Some(lease) = lease {
        // Whoever took it away may have removed what this run relies upon.
        lease.ensure_held().await?;
    }
    context.repository.publish(&manifest).await?;
    if let Some(lease) = lease {
        look_back(context, &manifest, lease).await?;
    }
    Ok(manifest)
}

/// Takes the manifest back where the lock was lost while it was written, and something that it names is gone: a machine
/// that was suspended at that moment for longer than a lock lasts. With the lock still held nobody removed anything.
async fn look_back(context: &Context, manifest: &Manifest, lease: &Lease) -> Result<()> {
    let Err(lost) = lease.ensure_held().await else { return Ok(()) };
    if verify::verify(context, manifest, verify::Level::Presence).await?.findings.is_empty() {
        return Ok(());
    }
    context.repository.remove(&layout::manifest(&manifest.id)).await?;
    Err(lost.into())
}

/// Aborts what runs that were killed left half uploaded: it takes room, and no listing of objects shows it.
async fn sweep_uploads(context: &Context) {
    let Repository { store, bucket, prefix, .. } = &context.repository;
    for folder in [layout::BACKUPS, layout::PACKS] {
        match transfer::sweep_uploads(store, bucket, &format!("{prefix}{folder}"), ABANDONED_AFTER).await {
            Ok(0) => {}
            Ok(swept) => tracing::info!("{} of earlier runs were aborted", format::count(swept, "upload")),
            // A right that nothing else needs.
            Err(error) => tracing::debug!(%error, "uploads of earlier runs could not be looked for"),
        }
    }
}

/// A new id, later than those of the backups that are there: ids tell the second, and within one they sort by chance.
async fn new_id(context: &Context, kind: BackupKind) -> Result<(BackupId, jiff::Timestamp)> {
    let newest = context.repository.backup_ids().await?.pop();
    loop {
        let now = context.repository.now().await?;
        let id = BackupId::create(now, kind);
        if newest.as_ref().is_none_or(|newest| newest.time() != id.time()) {
            return Ok((id, now));
        }
        tokio::time::sleep(UNTIL_NEXT_SECOND).await;
    }
}

fn begin(context: &Context, options: &BackupOptions, id: BackupId, started_at: jiff::Timestamp) -> Manifest {
    Manifest {
        format: manifest::FORMAT,
        id,
        kind: options.kind,
        host: context.host.clone(),
        dcs_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at,
        finished_at: started_at,
        note: options.note.clone(),
        tags: options.tags.clone(),
        incomplete: false,
        databases: Vec::new(),
        files: None,
        config: None,
        captured: Vec::new(),
        report: Report::default(),
        consistency: None,
        origins: options.origins.clone(),
    }
}

fn add(context: &Context, report: &mut Report, problem: Problem) {
    context.progress.problem(&problem);
    report.add(problem);
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{Attributes, BucketName, Key, Prefix, RunId, Silent};
    use crate::store::memory::MemoryStore;
    use crate::store::{Address, ObjectStore};

    #[tokio::test]
    async fn uploads_that_killed_runs_left_are_aborted_a_week_later_and_no_others() {
        let memory = MemoryStore::new();
        let store: Arc<dyn ObjectStore> = Arc::new(memory.clone());
        let bucket = BucketName::new("vault").unwrap();
        let prefix = Prefix::new("dcs/").unwrap();
        let repository = Repository::init(store.clone(), bucket.clone(), prefix).await.unwrap().0;
        let context = Context {
            run: RunId::create(),
            host: String::new(),
            repository,
            stores: BTreeMap::new(),
            databases: BTreeMap::new(),
            spool: std::env::temp_dir(),
            progress: Arc::new(Silent),
            transfers: 1,
        };
        let begin = async |key: &str| {
            let at = Address::new(bucket.clone(), Key::new(key).unwrap());
            store.create_upload(&at, &Attributes::default()).await.unwrap();
        };
        for key in ["dcs/packs/ab/old", "dcs/backups/old", "another/packs/ab/old"] {
            begin(key).await;
        }
        memory.advance_clock(SignedDuration::from_hours(8 * 24));
        begin("dcs/packs/ab/new").await;
        sweep_uploads(&context).await;
        let left = store.list_uploads(&bucket, "").await.unwrap();
        let mut left: Vec<String> = left.into_iter().map(|stale| stale.upload.at.key.to_string()).collect();
        left.sort();
        assert_eq!(left, ["another/packs/ab/old", "dcs/packs/ab/new"]);
    }
}
