//! A live store and a backup store in memory, both recorded, and backups of two buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dcs::archive::Codec;
use dcs::model::manifest::{FilesComponent, Origins};
use dcs::model::{Attributes, BackupKind, BucketName, FileSource, Key, Manifest, Prefix, RunId, Silent};
use dcs::repository::Repository;
use dcs::repository::index::read_index;
use dcs::repository::pack::read_object;
use dcs::steps::backup::{self, BackupOptions};
use dcs::steps::files::FilesOptions;
use dcs::steps::{Context, StepError};
use dcs::store::memory::MemoryStore;
use dcs::store::{Address, ObjectStore, Precondition};
use futures_util::TryStreamExt;
use tempfile::TempDir;

use crate::support::faulty::FaultyStore;

/// Bucket and key, and what is there.
pub(crate) type Objects = BTreeMap<(String, String), Vec<u8>>;

pub(crate) struct World {
    pub(crate) live: Arc<FaultyStore<MemoryStore>>,
    pub(crate) vault: Arc<FaultyStore<MemoryStore>>,
    pub(crate) how: FilesOptions,
    spool: TempDir,
}

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

fn at(place: &str) -> Address {
    let (name, key) = place.split_once('/').unwrap();
    Address::new(bucket(name), Key::new(key).unwrap())
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| step()).collect()
}

impl World {
    /// Two empty buckets, `books` and `trash`, and an empty repository.
    pub(crate) async fn new() -> Self {
        let live = FaultyStore::recording(Arc::new(MemoryStore::new()));
        for name in ["books", "trash"] {
            live.inner.create_bucket(&bucket(name)).await.unwrap();
        }
        let vault = FaultyStore::recording(Arc::new(MemoryStore::new()));
        Repository::init(vault.inner.clone(), bucket("vault"), Prefix::root()).await.unwrap();
        Self { live, vault, how: FilesOptions::default(), spool: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn put(&self, place: &str, content: &[u8]) {
        let body = Bytes::copy_from_slice(content);
        self.live.inner.put(&at(place), body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    }

    pub(crate) async fn remove(&self, place: &str) {
        self.live.inner.delete(&at(place)).await.unwrap();
    }

    pub(crate) async fn repository(&self) -> Repository {
        Repository::open(self.vault.inner.clone(), bucket("vault"), Prefix::root()).await.unwrap()
    }

    pub(crate) async fn context(&self) -> Context {
        self.context_with(self.vault.clone()).await
    }

    pub(crate) async fn context_with(&self, vault: Arc<dyn ObjectStore>) -> Context {
        Context {
            run: RunId::create(),
            host: "tester".to_owned(),
            repository: Repository::open(vault, bucket("vault"), Prefix::root()).await.unwrap(),
            stores: BTreeMap::from([("live".to_owned(), self.live.clone() as Arc<dyn ObjectStore>)]),
            databases: BTreeMap::new(),
            spool: self.spool.path().to_owned(),
            progress: Arc::new(Silent),
            transfers: 4,
        }
    }

    pub(crate) async fn try_backup(&self, context: &Context) -> Result<Manifest, StepError> {
        let source = |name| FileSource { store: "live".to_owned(), bucket: Some(bucket(name)), prefix: Prefix::root() };
        let options = BackupOptions {
            kind: BackupKind::Files,
            note: None,
            tags: Vec::new(),
            databases: Vec::new(),
            selection: None,
            items: Vec::new(),
            files: vec![source("books"), source("trash")],
            how: self.how.clone(),
            config: Vec::new(),
            capture: Vec::new(),
            codec: Codec::default(),
            workers: 1,
            origins: Origins::default(),
        };
        // Ids tell the second, and the memory's clock need not stand still for it.
        self.vault.inner.advance_clock(jiff::SignedDuration::from_secs(2));
        let plan = backup::plan(context, options).await?;
        backup::execute(context, plan, None).await
    }

    /// Backs up and compares what the backup holds with what is live.
    pub(crate) async fn backup(&self) -> FilesComponent {
        let context = self.context().await;
        let manifest = self.try_backup(&context).await.unwrap();
        let files = manifest.files.unwrap();
        assert_eq!(self.held(&files).await, self.objects().await);
        files
    }

    /// What is live.
    pub(crate) async fn objects(&self) -> Objects {
        let mut all = Objects::new();
        for name in ["books", "trash"] {
            for (key, body) in crate::support::contents(&*self.live.inner, &bucket(name)).await {
                all.insert((name.to_owned(), key), body);
            }
        }
        all
    }

    /// What a backup holds, every byte read and verified.
    pub(crate) async fn held(&self, files: &FilesComponent) -> Objects {
        let repository = self.repository().await;
        let rows: Vec<_> = read_index(&repository, files.segments.clone()).try_collect().await.unwrap();
        let mut all = Objects::new();
        for row in rows {
            let bytes: Vec<Bytes> = read_object(&repository, &row).try_collect().await.unwrap();
            all.insert((row.source.bucket().to_string(), row.key.to_string()), bytes.concat());
        }
        all
    }

    /// The calls of a method since the last time, to the live store.
    pub(crate) fn live_calls(&self, method: &str) -> usize {
        self.live.take_calls().iter().filter(|call| call.method == method).count()
    }
}
