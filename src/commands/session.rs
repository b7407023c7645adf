//! What a run has in hand: its options, its settings, what it opened, and what it must give back at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::Outcome;
use super::open::{self, Places};
use super::told::Told;
use crate::cli::Global;
use crate::cli::passwords::hide_passwords;
use crate::database::Database;
use crate::database::scratch::{Scratch, ScratchOptions};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, FileSource, RunId, SourceName};
use crate::repository::Repository;
use crate::repository::locks::{self, Holder, Lease, Lock, Locks, Want};
use crate::settings::{Environment, RepositoryTarget, Settings, SettingsError, host_name, user_name};
use crate::signals;
use crate::steps::Context;
use crate::steps::files::WatchedTrash;
use crate::steps::hooks::{Hooks, Owed};
use crate::steps::restore_files::Trash;
use crate::store::{ErrorKind, ObjectStore, transfer};
use crate::trash::TrashBucket;
use crate::ui::{Options, Ui};

/// One run of dcs.
pub struct Session {
    global: Global,
    ui: Ui,
    run: RunId,
    settings: OnceLock<Settings>,
    locks: tokio::sync::Mutex<Vec<Lock>>,
    /// Where the run restores for proof; removed at its end, also after a signal.
    scratch: tokio::sync::OnceCell<Scratch>,
    /// The backup that the run is about, once it is chosen.
    backup: OnceLock<BackupId>,
    told: Told,
    /// The operator's command that starts again what another stopped.
    owed: Owed,
}

/// A run that was stopped gives uploads back for so long.
const LONGEST_CLEANUP: std::time::Duration = std::time::Duration::from_secs(10);
/// Requests at once to one store.
const TRANSFERS: usize = 16;

impl Session {
    pub fn new(global: Global) -> Self {
        let options = Options {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose > 0,
            no_progress: global.no_progress,
        };
        let (settings, locks, backup) = (OnceLock::new(), tokio::sync::Mutex::default(), OnceLock::new());
        let scratch = tokio::sync::OnceCell::new();
        let (told, owed) = (Told::new(), Owed::default());
        Self { global, ui: Ui::new(options), run: RunId::create(), settings, locks, scratch, backup, told, owed }
    }

    pub fn ui(&self) -> &Ui {
        &self.ui
    }

    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Notes which backup the run is about.
    pub fn choose(&self, backup: &BackupId) {
        // The first choice stands.
        let _chosen = self.backup.set(backup.clone());
    }

    pub(super) fn chosen(&self) -> Option<&BackupId> {
        self.backup.get()
    }

    /// What the run tells of itself.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// The settings, read when first asked for: help and completions work with nothing configured.
    pub fn settings(&self) -> Result<&Settings, CommandError> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = self.load()?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// The settings, or, where there is no configuration at all, the environment alone: for what options say whole.
    pub fn settings_or_none(&self) -> Result<&Settings, CommandError> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = match self.load() {
            Err(SettingsError::Missing { .. }) => {
                Settings { environment: Environment::from_process(), ..Settings::default() }
            }
            settings => settings?,
        };
        Ok(self.settings.get_or_init(|| settings))
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load(self.global.config.as_deref(), self.global.repo.as_deref(), Environment::from_process())
    }

    /// The spool folder, made where there is none.
    pub fn spool(&self) -> Result<PathBuf, CommandError> {
        let spool = self.settings()?.spool();
        open::make_spool(&spool)?;
        Ok(spool)
    }

    /// What the configuration runs around the swap of databases.
    pub fn hooks(&self, backup: Option<&BackupId>, databases: Vec<String>) -> Result<Hooks, CommandError> {
        let settings = self.settings()?;
        let restore = settings.restore.clone();
        Ok(Hooks {
            timeout: restore.hook_timeout(),
            before: restore.before,
            after: restore.after,
            secrets: settings.environment.secrets(),
            run: self.run.clone(),
            backup: backup.cloned(),
            databases,
            owed: self.owed.clone(),
        })
    }

    /// A live database; nothing is connected yet.
    pub fn database(&self, name: &str, places: &Places) -> Result<Arc<dyn Database>, CommandError> {
        let settings = self.settings()?;
        open::database(&places.database(name, settings)?, settings)
    }

    pub fn repository_target(&self) -> Result<RepositoryTarget, CommandError> {
        let settings = self.settings()?;
        settings.repository.clone().ok_or_else(|| {
            let message = format!("the configuration {} has no [backup] section", settings.path_or_default().display());
            CommandError::new(ExitCode::Usage, message)
                .hint("Add `store` and `bucket` under [backup], or name the bucket with `--repo URL`.")
        })
    }

    pub fn open_repository_store(
        &self,
        target: &RepositoryTarget,
        dry_run: bool,
    ) -> Result<Arc<dyn ObjectStore>, CommandError> {
        Ok(open::store(&target.store, dry_run)?)
    }

    /// Opens the repository; for a dry run, so that writing to it fails.
    pub async fn repository(&self, dry_run: bool) -> Result<Repository, CommandError> {
        let target = self.repository_target()?;
        let store = self.open_repository_store(&target, dry_run)?;
        let opened = Repository::open(store, target.bucket, target.prefix).await;
        if !dry_run {
            self.told.note_repository(&opened);
        }
        Ok(opened?)
    }

    /// What steps work with, with the named live stores and databases opened.
    pub fn context(
        &self,
        repository: Repository,
        stores: impl IntoIterator<Item = String>,
        databases: impl IntoIterator<Item = String>,
        places: &Places,
        dry_run: bool,
    ) -> Result<Context, CommandError> {
        let settings = self.settings()?;
        let mut context = Context {
            run: self.run.clone(),
            host: host_name(),
            repository,
            stores: BTreeMap::new(),
            databases: BTreeMap::new(),
            spool: settings.spool(),
            progress: self.ui.progress(),
            transfers: TRANSFERS,
        };
        for name in stores {
            let found = places.store(&name, settings)?;
            if places.is_named(&name) && !dry_run {
                open::make_folder(&found)?;
            }
            context.stores.insert(name, open::store(&found, dry_run)?);
        }
        for name in databases {
            let database = self.database(&name, places)?;
            context.databases.insert(name, database);
        }
        open::make_spool(&context.spool)?;
        Ok(context)
    }

    /// Where the run restores for proof: made when first asked for.
    pub async fn scratch(&self) -> Result<&Scratch, CommandError> {
        self.scratch.get_or_try_init(|| self.open_scratch()).await
    }

    async fn open_scratch(&self) -> Result<Scratch, CommandError> {
        let settings = self.settings()?;
        let server = match &settings.verify.server {
            Some(name) => Some(open::database(&Places::default().database(name, settings)?, settings)?),
            None => None,
        };
        let (run, root, search_path) = (self.run.clone(), settings.scratch(), settings.environment.search_path());
        Ok(Scratch::open(ScratchOptions { run, root, server, search_path }).await?)
    }

    /// Where a restore puts what it displaces: `[trash]`, if it is set.
    pub fn trash(&self, places: &Places, dry_run: bool) -> Result<Option<Trash>, CommandError> {
        let settings = self.settings()?;
        let Some(trash) = &settings.trash else { return Ok(None) };
        let user = user_name(&settings.environment);
        match open::store(&places.store(&trash.store, settings)?, dry_run) {
            Ok(store) => Ok(Some(Trash { place: TrashBucket { store, bucket: trash.bucket.clone() }, user })),
            // Gone, with what was live beside it perhaps; a restore that needs the trash says that there is none.
            Err(error) if error.kind == ErrorKind::NoBucket => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The trash, for a backup to see what moves there and back.
    pub fn watched_trash(&self) -> Result<Option<WatchedTrash>, CommandError> {
        let settings = self.settings()?;
        let Some(trash) = &settings.trash else { return Ok(None) };
        let store = open::store(&Places::default().store(&trash.store, settings)?, true)?;
        let place = TrashBucket { store, bucket: trash.bucket.clone() };
        Ok(Some(WatchedTrash { store: trash.store.clone(), place }))
    }

    /// This run, as its locks name it.
    pub fn holder(&self) -> Holder {
        Holder::this_process(self.run.clone(), hide_passwords(&Environment::command_line()))
    }

    pub fn lock_wait(&self) -> std::time::Duration {
        self.global.lock_wait
    }

    /// Takes locks and keeps them until the run ends.
    pub async fn lock(&self, repository: &Repository, wants: &[Want]) -> Result<Lease, CommandError> {
        let lock = Locks::of(repository, self.holder()).acquire(wants, self.global.lock_wait).await?;
        let lease = lock.lease();
        self.locks.lock().await.push(lock);
        Ok(lease)
    }

    /// Shares the repository, and everything that a backup reads: a restore has its targets for itself.
    pub async fn lock_to_read(&self, context: &Context, sources: &[FileSource]) -> Result<Lease, CommandError> {
        let mut wants = vec![Want::shared(Want::REPOSITORY)];
        wants.extend(context.databases.values().map(|database| Want::shared(locks::database(&database.describe()))));
        for source in sources {
            let store = context.store(&source.store)?;
            let buckets = match &source.bucket {
                Some(bucket) => vec![bucket.clone()],
                None => store.buckets().await?,
            };
            wants.extend(buckets.iter().map(|bucket| Want::shared(locks::bucket(&store.describe(), bucket))));
        }
        self.lock(&context.repository, &wants).await
    }

    /// Shares the repository, and takes what a restore writes to for itself alone.
    pub async fn lock_to_restore(&self, context: &Context, sources: &[SourceName]) -> Result<Lease, CommandError> {
        let mut wants = vec![Want::shared(Want::REPOSITORY)];
        wants.extend(context.databases.values().map(|database| Want::exclusive(locks::database(&database.describe()))));
        for source in sources {
            let store = context.store(source.store())?;
            wants.push(Want::exclusive(locks::bucket(&store.describe(), &source.bucket())));
        }
        self.lock(&context.repository, &wants).await
    }

    /// Gives back all locks that the run holds.
    pub async fn unlock(&self) {
        for lock in self.locks.lock().await.drain(..) {
            if let Err(error) = lock.release().await {
                self.ui.warn(&format!("a lock could not be released and will expire: {error}"));
            }
        }
    }

    /// A run that was stopped after its hook `before` was begun runs `after`, unless it is told to stop again.
    async fn pay_hooks(&self) {
        if !self.owed.is_due().await {
            return;
        }
        self.ui.warn("stopped after the hook `before` was begun: the hook `after` is run; another signal gives it up");
        tokio::select! {
            paid = self.owed.pay("failed") => match paid {
                Ok(()) => self.ui.warn("the hook `after` has ended"),
                Err(error) => self.ui.warn(&error.to_string()),
            },
            _ = signals::received() => {
                self.owed.give_up().await;
                self.ui.warn("the hook `after` was given up: see that what `before` stopped is started");
            }
        }
    }

    /// Releases what the run holds, whatever the result was.
    pub(super) async fn close(&self, result: Outcome) -> Outcome {
        self.pay_hooks().await;
        transfer::finish_aborts(LONGEST_CLEANUP).await;
        if let Some(scratch) = self.scratch.get() {
            scratch.close().await;
        }
        self.unlock().await;
        result.map_err(|error| error.about(self.backup.get()))
    }
}
