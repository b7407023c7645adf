//! Restores of files into places that misbehave: nothing is lost, what went wrong is told, and a rerun finishes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use dcs::error::CommandError;
use dcs::exit::ExitCode;
use dcs::model::{Attributes, Manifest};
use dcs::steps::restore_files::{self, FilesRestoreOptions, FilesRestored, Trash};
use dcs::steps::verify::{Level, verify};
use dcs::steps::{Context, StepError};
use dcs::store::memory::MemoryStore;
use dcs::store::retry::{RetryPolicy, RetryStore};
use dcs::store::{ErrorKind, ObjectStore, Precondition};
use dcs::trash::TrashBucket;
use futures_util::{FutureExt, TryStreamExt};
use support::faulty::{Fault, FaultyStore};
use world::{Objects, World, bucket, noise};

mod support;
#[allow(dead_code, reason = "a part is used here")]
#[path = "incremental/world.rs"]
mod world;

/// A world with a backup, whose live store is another since: empty, or as given.
struct Lost {
    world: World,
    manifest: Manifest,
    before: Objects,
    live: Arc<MemoryStore>,
}

impl Lost {
    async fn of(objects: &[(&str, Vec<u8>)]) -> Self {
        let world = World::new().await;
        for (key, content) in objects {
            world.put(&format!("books/{key}"), content).await;
        }
        let manifest = world.try_backup(&world.context().await).await.unwrap();
        let before = world.objects().await;
        let live = Arc::new(MemoryStore::new());
        for name in ["books", "kept"] {
            live.create_bucket(&bucket(name)).await.unwrap();
        }
        Self { world, manifest, before, live }
    }

    async fn many(count: u64, size: usize) -> Self {
        let objects: Vec<(String, Vec<u8>)> = (0..count).map(|n| (format!("{n:04}"), noise(n, size))).collect();
        let objects: Vec<(&str, Vec<u8>)> = objects.iter().map(|(key, bytes)| (key.as_str(), bytes.clone())).collect();
        Self::of(&objects).await
    }

    async fn put(&self, key: &str, content: &'static [u8]) {
        let (at, body) = (support::at(&bucket("books"), key), Bytes::from_static(content));
        self.live.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    }

    async fn restore(&self, live: Arc<dyn ObjectStore>) -> Result<FilesRestored, StepError> {
        let context = Context { stores: [("live".to_owned(), live.clone())].into(), ..self.world.context().await };
        let place = TrashBucket { store: live, bucket: bucket("kept") };
        let trash = Some(Trash { place, user: "tester".to_owned() });
        let options = FilesRestoreOptions { trash, ..FilesRestoreOptions::default() };
        let files = self.manifest.files.as_ref().unwrap();
        let plan = restore_files::plan(&context, &self.manifest.id, files, options).await?;
        plan.check()?;
        restore_files::execute(&context, plan).await
    }

    async fn books(&self) -> Objects {
        let found = support::contents(&*self.live, &bucket("books")).await;
        found.into_iter().map(|(key, body)| (("books".to_owned(), key), body)).collect()
    }

    /// Every content that the trash keeps.
    async fn kept(&self) -> Vec<Vec<u8>> {
        support::contents(&*self.live, &bucket("kept")).await.into_iter().map(|(_, body)| body).collect()
    }

    async fn assert_rerun_finishes(&self) {
        let restored = self.restore(self.live.clone()).await.unwrap();
        assert!(restored.report.is_clean() && restored.is_undamaged(), "{restored:?}");
        assert_eq!(self.books().await, self.before);
    }
}

fn policy() -> RetryPolicy {
    let moment = Duration::from_millis(1);
    RetryPolicy { base: moment, cap: moment, ..RetryPolicy::default() }
}

#[tokio::test]
async fn twice_as_many_writes_as_transfers_are_under_way_and_no_more() {
    let lost = Lost::many(100, 1000).await;
    let faulty = FaultyStore::planned(lost.live.clone(), |call| (call.method == "put").then_some(Fault::Hangs));
    let restore = lost.restore(faulty.clone());
    tokio::select! {
        _ = restore => panic!("it waits for writes that never end"),
        () = async {
            while faulty.calls("put") < 8 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        } => {}
    }
    assert_eq!(faulty.calls("put"), 8);
    assert_eq!((faulty.calls("head"), faulty.calls("get")), (0, 0), "an empty bucket costs no request an object");
    assert!(faulty.calls("list") <= 2);
}

#[tokio::test]
async fn content_that_waits_to_be_written_is_bounded_by_its_bytes() {
    // Four megabytes each: eight fill the room, though forty could be written at once.
    let lost = Lost::many(14, 4 << 20).await;
    let faulty = FaultyStore::planned(lost.live.clone(), |call| (call.method == "put").then_some(Fault::Hangs));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let context = Context { stores: [("live".to_owned(), store)].into(), transfers: 20, ..lost.world.context().await };
    let files = lost.manifest.files.as_ref().unwrap();
    let options = FilesRestoreOptions::default();
    let plan = restore_files::plan(&context, &lost.manifest.id, files, options).await.unwrap();
    tokio::select! {
        _ = restore_files::execute(&context, plan) => panic!("it waits for writes that never end"),
        () = async {
            while faulty.calls("put") < 8 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        } => {}
    }
    assert_eq!(faulty.calls("put"), 8);
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_while_gets_everything_and_one_that_stays_so_loses_nothing() {
    let lost = Lost::many(50, 3000).await;
    lost.put("0007", b"differs").await;
    // Every third write, and no fourth time in a row.
    let count = Mutex::new(0_u32);
    let busy = FaultyStore::planned(lost.live.clone(), move |call| {
        call.write?;
        let mut count = count.lock().unwrap();
        *count += 1;
        count.is_multiple_of(3).then_some(Fault::Before(ErrorKind::Transient))
    });
    let restored = lost.restore(Arc::new(RetryStore::new(busy.clone(), policy()))).await.unwrap();
    assert_eq!((restored.added_objects, restored.replaced_objects), (49, 1));
    assert_eq!(lost.books().await, lost.before);
    assert!(lost.kept().await.contains(&b"differs".to_vec()));

    let lost = Lost::many(50, 3000).await;
    lost.put("0007", b"differs").await;
    let down = FaultyStore::planned(lost.live.clone(), |call| {
        (call.write? > 20).then_some(Fault::Before(ErrorKind::Transient))
    });
    let error = lost.restore(Arc::new(RetryStore::new(down, policy()))).await.unwrap_err();
    assert_eq!(CommandError::from(error).code, ExitCode::Store);
    let differs = b"differs".to_vec();
    let is_live = lost.books().await.values().any(|content| *content == differs);
    assert!(is_live || lost.kept().await.contains(&differs), "nothing is lost");
    lost.assert_rerun_finishes().await;
}

#[tokio::test]
async fn no_space_half_way_ends_it_and_a_rerun_goes_on() {
    for nth in [1, 2, 5, 30] {
        let lost = Lost::many(40, 3000).await;
        lost.put("0003", b"differs").await;
        let full = FaultyStore::planned(lost.live.clone(), move |call| {
            (call.write? >= nth).then_some(Fault::Before(ErrorKind::Full))
        });
        let error = CommandError::from(lost.restore(full).await.unwrap_err());
        assert_eq!(error.code, ExitCode::Failed, "{error:?}");
        assert!(error.hints.concat().contains("Free space"), "{error:?}");
        let differs = b"differs".to_vec();
        let is_live = lost.books().await.values().any(|content| *content == differs);
        assert!(is_live || lost.kept().await.contains(&differs), "nothing is lost");
        lost.assert_rerun_finishes().await;
    }
}

#[tokio::test]
async fn a_name_that_the_file_system_takes_for_another_is_a_problem_and_never_an_overwrite() {
    let lost = Lost::of(&[("a/Cover", noise(1, 900)), ("a/cover", noise(2, 900)), ("b", noise(3, 900))]).await;
    // As a folder does that keeps `Cover` and `cover` in one place: what is written first stays.
    let written = Mutex::new(std::collections::BTreeMap::new());
    let folding = FaultyStore::planned(lost.live.clone(), move |call| {
        let is_write = call.write.is_some() && call.method == "put";
        let mut written = written.lock().unwrap();
        let first =
            is_write.then(|| written.entry(call.subject.to_lowercase()).or_insert_with(|| call.subject.clone()));
        first.is_some_and(|first| *first != call.subject).then_some(Fault::Before(ErrorKind::Precondition))
    });
    let restored = lost.restore(folding).await.unwrap();
    assert_eq!((restored.added_objects, restored.report.problem_count), (2, 1), "{restored:?}");
    assert!(restored.report.problems[0].subject.to_lowercase().ends_with("a/cover"), "{restored:?}");
    assert_eq!(lost.books().await.len(), 2);
}

#[tokio::test]
async fn what_is_written_after_the_listing_is_not_overwritten() {
    let lost = Lost::many(5, 900).await;
    let inner = lost.live.clone();
    let racing = FaultyStore::planned(lost.live.clone(), move |call| {
        if call.method == "put" && call.subject.ends_with("0002") {
            let at = support::at(&bucket("books"), "0002");
            let body = Bytes::from_static(b"written meanwhile");
            let attributes = Attributes::default();
            inner.put(&at, body, &attributes, Precondition::Overwrite).now_or_never().unwrap().unwrap();
        }
        None
    });
    let restored = lost.restore(racing).await.unwrap();
    assert_eq!((restored.added_objects, restored.report.problem_count), (4, 1), "{restored:?}");
    assert_eq!(lost.books().await[&("books".to_owned(), "0002".to_owned())], b"written meanwhile");
    // The next run sees it, and keeps it.
    lost.assert_rerun_finishes().await;
    assert!(lost.kept().await.contains(&b"written meanwhile".to_vec()));
}

#[tokio::test]
async fn a_versioned_bucket_that_is_not_empty_keeps_what_was_there() {
    let lost = Lost::many(5, 900).await;
    lost.live.set_versioned(&bucket("books"), true);
    lost.put("0001", b"differs").await;
    lost.put("other", b"not in the backup").await;
    let restored = lost.restore(lost.live.clone()).await.unwrap();
    assert_eq!((restored.added_objects, restored.replaced_objects), (4, 1), "{restored:?}");
    let mut books = lost.books().await;
    assert_eq!(books.remove(&("books".to_owned(), "other".to_owned())).unwrap(), b"not in the backup");
    assert_eq!(books, lost.before);
    assert_eq!(lost.kept().await.iter().filter(|content| **content == b"differs").count(), 1);
    let versions: Vec<_> = lost.live.versions(&bucket("books"), "0001".to_owned()).try_collect().await.unwrap();
    assert_eq!(versions.len(), 2, "and the version below it is there too");
}

#[tokio::test]
async fn a_server_that_knows_no_preconditions_gets_everything() {
    let lost = Lost::many(5, 900).await;
    let refused = Mutex::new(std::collections::BTreeSet::new());
    let old = FaultyStore::planned(lost.live.clone(), move |call| {
        let is_first = call.method == "put" && refused.lock().unwrap().insert(call.subject.clone());
        is_first.then_some(Fault::Before(ErrorKind::Unsupported))
    });
    let restored = lost.restore(old).await.unwrap();
    assert_eq!((restored.added_objects, restored.report.problem_count), (5, 0), "{restored:?}");
    assert_eq!(lost.books().await, lost.before);
}

#[tokio::test]
async fn packs_are_looked_for_by_one_listing() {
    let lost = Lost::many(5, 900).await;
    let context = lost.world.context().await;
    lost.world.vault.take_calls();
    let verified = verify(&context, &lost.manifest, Level::Presence).await.unwrap();
    assert_eq!((verified.damage, verified.parts), (0, 5), "two texts, the list of packs, a segment and a pack");
    let calls = lost.world.vault.take_calls();
    let of_packs = |call: &&support::faulty::Call| call.subject.contains("/packs/");
    assert_eq!(calls.iter().filter(of_packs).count(), 0, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.method == "list").count(), 1, "{calls:?}");
}

#[tokio::test]
async fn what_is_all_there_is_compared_once() {
    let lost = Lost::many(5, 900).await;
    lost.assert_rerun_finishes().await;
    let again = FaultyStore::recording(lost.live.clone());
    let restored = lost.restore(again.clone()).await.unwrap();
    assert_eq!((restored.same_objects, restored.added_objects), (5, 0));
    assert_eq!((again.calls("list"), again.count()), (1, 0), "{:?}", again.all_calls());
}
