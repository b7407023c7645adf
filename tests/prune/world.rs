//! A live bucket and a repository in memory, and the runs on them as the commands make them: each under its own lock.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dcs::archive::Codec;
use dcs::model::manifest::Origins;
use dcs::model::{Attributes, BackupId, BackupKind, BucketName, FileSource, Manifest, Prefix, RunId, Silent};
use dcs::repository::locks::{Holder, Lock, Locks, Timing, Want};
use dcs::repository::pack::{PackInfo, read_pack_list};
use dcs::repository::partial::PartialWriter;
use dcs::repository::{Repository, index, layout};
use dcs::steps::backup::{self, BackupOptions};
use dcs::steps::delete_backups::{self, DeleteOptions, Deleted};
use dcs::steps::files::FilesOptions;
use dcs::steps::prune::{self, Pruned};
use dcs::steps::verify::{self, Level as Depth};
use dcs::steps::{Context, Result};
use dcs::store::memory::MemoryStore;
use dcs::store::{ObjectStore, Precondition};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use tempfile::TempDir;

use crate::support;

pub const NO_GRACE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub struct World {
    pub vault: MemoryStore,
    pub live: MemoryStore,
    pub books: BucketName,
    pub apps: BucketName,
    bucket: BucketName,
    spool: Arc<TempDir>,
}

impl World {
    pub async fn new() -> Self {
        let world = Self {
            vault: MemoryStore::new(),
            live: MemoryStore::new(),
            books: support::bucket("books"),
            apps: support::bucket("apps"),
            bucket: support::bucket("vault"),
            spool: Arc::new(support::folder()),
        };
        for bucket in [&world.books, &world.apps] {
            world.live.create_bucket(bucket).await.unwrap();
        }
        Repository::init(world.store(), world.bucket.clone(), prefix()).await.unwrap();
        world
    }

    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.vault.clone())
    }

    pub async fn put(&self, key: &str, content: &[u8]) {
        self.put_in(&self.books, key, content).await;
    }

    pub async fn put_in(&self, bucket: &BucketName, key: &str, content: &[u8]) {
        let at = support::at(bucket, key);
        let body = content.to_vec().into();
        self.live.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    }

    pub async fn remove(&self, key: &str) {
        self.live.delete(&support::at(&self.books, key)).await.unwrap();
    }

    pub async fn context(&self, vault: Arc<dyn ObjectStore>) -> Context {
        Context {
            run: RunId::create(),
            host: "atlas".to_owned(),
            repository: Repository::open(vault, self.bucket.clone(), prefix()).await.unwrap(),
            stores: BTreeMap::from([("live".to_owned(), Arc::new(self.live.clone()) as Arc<dyn ObjectStore>)]),
            databases: BTreeMap::new(),
            spool: self.spool.path().to_owned(),
            progress: Arc::new(Silent),
            transfers: 4,
        }
    }

    pub async fn sound(&self) -> Context {
        self.context(self.store()).await
    }

    /// A backup of the files, begun a second after whatever was before.
    pub async fn back_up(&self) -> Manifest {
        self.back_up_through(self.store()).await.unwrap()
    }

    pub async fn back_up_through(&self, vault: Arc<dyn ObjectStore>) -> Result<Manifest> {
        let holder = Holder::this_process(RunId::create(), "backup files");
        let (result, lock) = self.back_up_by(vault, holder).await?;
        lock.release().await?;
        result
    }

    /// A backup by a process that is dead as soon as the store fails.
    pub async fn back_up_killed(&self, vault: Arc<dyn ObjectStore>) -> Result<Manifest> {
        self.back_up_by(vault, dead("backup files")).await?.0
    }

    async fn back_up_by(&self, vault: Arc<dyn ObjectStore>, holder: Holder) -> Result<(Result<Manifest>, Lock)> {
        self.vault.advance_clock(SignedDuration::from_secs(1));
        let context = self.context(vault).await;
        let lock = locks_by(&context, holder).acquire(&[Want::shared(Want::REPOSITORY)], LONG).await?;
        let source = |bucket: &BucketName| FileSource {
            store: "live".to_owned(),
            bucket: Some(bucket.clone()),
            prefix: Prefix::root(),
        };
        let options = BackupOptions {
            kind: BackupKind::Files,
            note: None,
            tags: Vec::new(),
            databases: Vec::new(),
            selection: None,
            items: Vec::new(),
            files: vec![source(&self.books), source(&self.apps)],
            how: FilesOptions::default(),
            config: Vec::new(),
            capture: Vec::new(),
            codec: Codec::default(),
            workers: 2,
            origins: Origins::default(),
        };
        let result = match backup::plan(&context, options).await {
            Ok(plan) => backup::execute(&context, plan, Some(&lock.lease())).await,
            Err(error) => Err(error),
        };
        Ok((result, lock))
    }

    pub async fn delete(&self, id: &BackupId) {
        let holder = Holder::this_process(RunId::create(), "backup delete");
        let (deleted, lock) = self.delete_by(self.store(), id, holder).await.unwrap();
        deleted.unwrap();
        lock.release().await.unwrap();
    }

    /// A deletion by a process that is dead as soon as the store fails.
    pub async fn delete_killed(&self, vault: Arc<dyn ObjectStore>, id: &BackupId) -> Result<Deleted> {
        self.delete_by(vault, id, dead("backup delete")).await?.0
    }

    async fn delete_by(
        &self,
        vault: Arc<dyn ObjectStore>,
        id: &BackupId,
        holder: Holder,
    ) -> Result<(Result<Deleted>, Lock)> {
        let context = self.context(vault).await;
        let lock = locks_by(&context, holder).acquire(&[Want::exclusive(Want::REPOSITORY)], LONG).await?;
        let options = DeleteOptions { ids: vec![id.clone()], even_the_last: true };
        let result = match delete_backups::plan(&context, options).await {
            Ok(plan) => delete_backups::execute(&context, plan, &lock.lease()).await,
            Err(error) => Err(error),
        };
        Ok((result, lock))
    }

    pub async fn prune(&self, grace: Duration) -> Pruned {
        self.prune_through(self.store(), grace).await.unwrap()
    }

    pub async fn prune_through(&self, vault: Arc<dyn ObjectStore>, grace: Duration) -> Result<Pruned> {
        let (result, lock) = self.prune_by(vault, grace, Holder::this_process(RunId::create(), "backup prune")).await?;
        lock.release().await?;
        result
    }

    /// A prune by a process that is dead as soon as the store fails.
    pub async fn prune_killed(&self, vault: Arc<dyn ObjectStore>, grace: Duration) -> Result<Pruned> {
        self.prune_by(vault, grace, dead("backup prune")).await?.0
    }

    async fn prune_by(
        &self,
        vault: Arc<dyn ObjectStore>,
        grace: Duration,
        holder: Holder,
    ) -> Result<(Result<Pruned>, Lock)> {
        let context = self.context(vault).await;
        let locks = locks_by(&context, holder);
        let lock = locks.acquire(&[Want::exclusive(Want::PRUNE)], LONG).await?;
        let result = match prune::plan(&context, &locks, grace).await {
            Ok(plan) => prune::execute(&context, &locks, plan, &lock.lease()).await,
            Err(error) => Err(error),
        };
        Ok((result, lock))
    }

    /// What is left of a run that was killed after it stored `key`: the pack, and the partial list that names it.
    pub async fn interrupted_backup_of(&self, key: &str, content: &[u8]) -> (BackupId, PackInfo) {
        self.put(key, content).await;
        let manifest = self.back_up().await;
        let repository = self.sound().await.repository;
        let files = manifest.files.as_ref().unwrap();
        let rows: Vec<_> = index::read_index(&repository, files.segments.clone()).try_collect().await.unwrap();
        let row = rows.into_iter().find(|row| row.source.bucket() == self.books && row.key.as_str() == key).unwrap();
        let packs = read_pack_list(repository.open_artefact(&files.pack_list), String::new());
        let packs: Vec<_> = packs.try_collect().await.unwrap();
        let pack = packs.into_iter().find(|pack| pack.name == row.pieces[0].pack).unwrap();
        let mut partial = PartialWriter::new(repository.clone(), manifest.id.clone());
        partial.pack(&pack);
        partial.row(&row);
        partial.write().await.unwrap();
        for path in [layout::manifest(&manifest.id), layout::sums(&manifest.id)] {
            repository.remove(&path).await.unwrap();
        }
        (manifest.id, pack)
    }

    /// The names of what lies in a folder of the repository.
    pub async fn names(&self, folder: &str) -> Vec<String> {
        let keys = support::keys_below(&self.vault, &self.bucket, &format!("{}{folder}", prefix())).await;
        keys.into_iter().map(|key| key.as_str().strip_prefix(prefix().as_str()).unwrap().to_owned()).collect()
    }

    pub async fn backups(&self) -> Vec<Manifest> {
        let backups = self.sound().await.repository.backups().await.unwrap();
        backups.found.into_iter().map(|backup| backup.manifest.unwrap()).collect()
    }

    /// Every listed backup is whole, to the last byte.
    pub async fn assert_sound(&self, told: &str) {
        let context = self.sound().await;
        for manifest in self.backups().await {
            let verified = verify::verify(&context, &manifest, Depth::Contents).await.unwrap();
            assert_eq!(verified.findings, [], "{told}: {}", manifest.id);
        }
    }

    /// The keys of a backup, with the digests of their contents.
    pub async fn listed(&self, manifest: &Manifest) -> Vec<String> {
        let repository = self.sound().await.repository;
        let segments = manifest.files.as_ref().unwrap().segments.clone();
        let rows: Vec<_> = index::read_index(&repository, segments).try_collect().await.unwrap();
        rows.into_iter().map(|row| row.key.to_string()).collect()
    }
}

pub fn prefix() -> Prefix {
    Prefix::new("dcs/").unwrap()
}

/// The locks as the commands take them, but looked at more often.
pub fn locks(context: &Context, command: &str) -> Locks {
    locks_by(context, Holder::this_process(RunId::create(), command))
}

/// A process of this machine that is not there any more.
fn dead(command: &str) -> Holder {
    let holder = Holder::this_process(RunId::create(), command);
    Holder { process_started: holder.process_started - 1, ..holder }
}

fn locks_by(context: &Context, holder: Holder) -> Locks {
    let millisecond = Duration::from_millis(1);
    let timing = Timing { poll: millisecond, longest_poll: millisecond, ..Timing::default() };
    Locks::of(&context.repository, holder).with_timing(timing)
}
