//! Objects that a store takes only in parts too long for memory: streamed from ranges of their packs, and proven by the
//! digest of the whole before anyone sees them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use dcs::archive::Codec;
use dcs::model::manifest::Origins;
use dcs::model::progress::Silent;
use dcs::model::{Attributes, BackupKind, BucketName, FileSource, Key, Manifest, Prefix, RunId};
use dcs::repository::Repository;
use dcs::steps::backup::{self, BackupOptions};
use dcs::steps::restore_files::FilesRestored;
use dcs::steps::{Context, StepError, restore_files};
use dcs::store::memory::MemoryStore;
use dcs::store::{
    Address, ErrorKind, GetOptions, ListOptions, Listed, ObjectStore, Precondition, StoreError, transfer,
};
use futures_util::TryStreamExt;
use support::faulty::{FaultyStore, When};
use tempfile::TempDir;

mod support;

/// Two pieces and some, cut anywhere by parts.
const LENGTH: usize = (130 << 20) + 5;

struct Backup {
    spool: TempDir,
    vault: MemoryStore,
    manifest: Manifest,
}

fn address() -> Address {
    Address::new(BucketName::new("books").unwrap(), Key::new("big").unwrap())
}

/// Counts that never repeat: a range from another place is another content.
fn content() -> Bytes {
    static CONTENT: LazyLock<Bytes> = LazyLock::new(|| (0..).flat_map(u32::to_le_bytes).take(LENGTH).collect());
    CONTENT.clone()
}

fn target(most_parts: u32) -> MemoryStore {
    let mut features = MemoryStore::new().features();
    features.most_parts = most_parts;
    MemoryStore::with_features(features)
}

async fn context(spool: &TempDir, vault: Arc<dyn ObjectStore>, live: Arc<dyn ObjectStore>) -> Context {
    let bucket = BucketName::new("vault").unwrap();
    Context {
        run: RunId::create(),
        host: "atlas".to_owned(),
        repository: Repository::init(vault, bucket, Prefix::root()).await.unwrap().0,
        stores: BTreeMap::from([("live".to_owned(), live)]),
        databases: BTreeMap::new(),
        spool: spool.path().to_owned(),
        progress: Arc::new(Silent),
        transfers: 2,
    }
}

impl Backup {
    async fn make() -> Self {
        let (spool, vault, live) = (support::folder(), MemoryStore::new(), MemoryStore::new());
        live.create_bucket(&address().bucket).await.unwrap();
        live.put(&address(), content(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
        let context = context(&spool, Arc::new(vault.clone()), Arc::new(live)).await;
        let source = FileSource { store: "live".to_owned(), bucket: Some(address().bucket), prefix: Prefix::root() };
        let options = BackupOptions {
            how: dcs::steps::files::FilesOptions::default(),
            kind: BackupKind::Files,
            note: None,
            tags: Vec::new(),
            databases: vec![],
            selection: None,
            items: Vec::new(),
            files: vec![source],
            config: vec![],
            capture: vec![],
            codec: Codec::default(),
            workers: 2,
            origins: Origins::default(),
        };
        let plan = backup::plan(&context, options).await.unwrap();
        let manifest = backup::execute(&context, plan, None).await.unwrap();
        Self { spool, vault, manifest }
    }

    async fn restore(
        &self,
        vault: Arc<dyn ObjectStore>,
        live: Arc<dyn ObjectStore>,
    ) -> Result<FilesRestored, StepError> {
        let context = context(&self.spool, vault, live).await;
        let files = self.manifest.files.as_ref().unwrap();
        let options = restore_files::FilesRestoreOptions::default();
        let plan = restore_files::plan(&context, &self.manifest.id, files, options).await?;
        restore_files::execute(&context, plan).await
    }
}

async fn read(store: &MemoryStore) -> Result<Bytes, StoreError> {
    transfer::collect(store.get(&address(), GetOptions::default()).await?.body, u64::MAX).await
}

#[tokio::test]
async fn an_object_of_parts_of_any_length_comes_back_as_it_was() {
    let backup = Backup::make().await;
    // Parts of 66 MiB, longer than a piece; of 9 MiB, which are kept in memory; and the usual ones.
    for (most_parts, parts) in [(2, 2), (15, 15), (17, 17), (10_000, 17)] {
        let live = target(most_parts);
        let recording = FaultyStore::recording(Arc::new(live.clone()));
        let restored = backup.restore(Arc::new(backup.vault.clone()), recording.clone()).await.unwrap();
        assert_eq!((restored.added_objects, restored.restored_bytes), (1, LENGTH as u64));
        assert!(read(&live).await.unwrap() == content(), "{most_parts}");
        let methods: Vec<_> = recording.writes().iter().map(|write| write.method).collect();
        assert_eq!(methods.iter().filter(|method| **method == "upload_part").count(), parts);
    }
}

#[tokio::test]
async fn a_part_that_fails_is_read_again_from_where_it_began() {
    let backup = Backup::make().await;
    for (most_parts, failing) in [(2, 3), (2, 4), (15, 3)] {
        let live = target(most_parts);
        // The first writes are the bucket and the upload.
        let faulty = FaultyStore::nth(Arc::new(live.clone()), failing, When::After, ErrorKind::Transient);
        let result = backup.restore(Arc::new(backup.vault.clone()), faulty).await;
        match most_parts {
            2 => assert_eq!(result.unwrap().added_objects, 1),
            // A part in memory is sent again by the layer around the store, which is not here.
            _ => assert!(result.is_err()),
        }
        assert_eq!(read(&live).await.is_ok_and(|found| found == content()), most_parts == 2);
    }
}

#[tokio::test]
async fn damage_on_the_way_leaves_nothing_to_be_seen() {
    let backup = Backup::make().await;
    let bucket = BucketName::new("vault").unwrap();
    let files = backup.manifest.files.as_ref().unwrap();
    assert_eq!(files.packs, 2);
    let packs = backup.vault.list(&bucket, ListOptions { prefix: "packs/".to_owned(), ..ListOptions::default() });
    let packs: Vec<_> = packs.try_collect().await.unwrap();
    let live = target(2);
    for pack in packs {
        let Listed::Object(info) = pack else { continue };
        let at = Address::new(bucket.clone(), info.key);
        let object = backup.vault.get(&at, GetOptions::default()).await.unwrap();
        let sound = transfer::collect(object.body, u64::MAX).await.unwrap();
        let mut damaged = sound.to_vec();
        damaged[sound.len() / 2] ^= 1;
        backup.vault.put(&at, damaged.into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
        let restored = backup.restore(Arc::new(backup.vault.clone()), Arc::new(live.clone())).await.unwrap();
        let [damaged] = &restored.damaged.problems[..] else { panic!("{restored:?}") };
        assert!(damaged.reason.contains(at.key.as_str()), "{}: {}", at.key, damaged.reason);
        assert_eq!(restored.added_objects, 0);
        assert_eq!(read(&live).await.unwrap_err().kind, ErrorKind::NotFound);
        assert!(live.list_uploads(&address().bucket, "").await.unwrap().is_empty());
        backup.vault.put(&at, sound, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    }
}
