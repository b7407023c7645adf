//! Locks: never two holders that conflict, never none, and no crash or suspension that blocks or destroys.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dcs::model::{BucketName, Prefix, RunId};
use dcs::repository::ErrorKind;
use dcs::repository::locks::{Held, Holder, Lock, Locks, Timing, Want};
use dcs::store::memory::MemoryStore;
use dcs::store::{ListOptions, Listed, ObjectStore};
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(600);

/// Nothing here depends on these being short; they only keep a contended test from waiting long.
fn timing() -> Timing {
    let millisecond = Duration::from_millis(1);
    Timing { poll: millisecond, longest_poll: millisecond, ..Timing::default() }
}

async fn bucket() -> (Arc<MemoryStore>, BucketName) {
    let store = Arc::new(MemoryStore::new());
    let bucket = BucketName::new("vault").unwrap();
    store.create_bucket(&bucket).await.unwrap();
    (store, bucket)
}

fn locks(store: &Arc<MemoryStore>, bucket: &BucketName, command: &str) -> Locks {
    locks_of(store, bucket, Holder::this_process(RunId::create(), command))
}

fn locks_of(store: &Arc<MemoryStore>, bucket: &BucketName, holder: Holder) -> Locks {
    Locks::new(store.clone(), bucket.clone(), Prefix::new("locks/").unwrap(), holder).with_timing(timing())
}

fn exclusive() -> [Want; 1] {
    [Want::exclusive(Want::REPOSITORY)]
}

fn shared() -> [Want; 1] {
    [Want::shared(Want::REPOSITORY)]
}

async fn assert_nothing_is_left(locks: &Locks) {
    assert_eq!(locks.held().await.unwrap(), Vec::<Held>::new());
}

/// Leaves a lock behind as a killed process does: nothing is removed.
fn crash(lock: Lock) {
    drop(lock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_want_it_at_once_exactly_one_has_it_and_each_other_is_told_who() {
    for _ in 0..200 {
        let (store, bucket) = bucket().await;
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let locks = locks(&store, &bucket, "prune");
                tokio::spawn(async move { locks.acquire(&exclusive(), NO_WAIT).await })
            })
            .collect();
        let mut held = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(lock) => held.push(lock),
                Err(error) => assert_eq!(error.kind, ErrorKind::Locked, "{error}"),
            }
        }
        assert_eq!(held.len(), 1);
        for lock in held {
            lock.ensure_held().await.unwrap();
            lock.release().await.unwrap();
        }
        assert_nothing_is_left(&locks(&store, &bucket, "status")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_that_wait_get_it_one_after_another_and_never_two_at_once() {
    let (store, bucket) = bucket().await;
    let inside = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (locks, inside) = (locks(&store, &bucket, "prune"), inside.clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    let lock = locks.acquire(&exclusive(), LONG).await.unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    lock.release().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_nothing_is_left(&locks(&store, &bucket, "status")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn shared_ones_stand_beside_each_other_and_keep_an_exclusive_one_out() {
    for _ in 0..50 {
        let (store, bucket) = bucket().await;
        let acquire = |wants: [Want; 1], command: &str| {
            let locks = locks(&store, &bucket, command);
            tokio::spawn(async move { locks.acquire(&wants, NO_WAIT).await })
        };
        let (one, two) = (acquire(shared(), "backup db"), acquire(shared(), "backup files"));
        let (one, two) = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
        let error = acquire(exclusive(), "prune").await.unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Locked);
        assert!(error.to_string().contains("\"backup "), "{error}");
        one.release().await.unwrap();
        assert!(acquire(exclusive(), "prune").await.unwrap().is_err());
        two.release().await.unwrap();
        acquire(exclusive(), "prune").await.unwrap().unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn several_resources_are_taken_together_or_not_at_all() {
    let (store, bucket) = bucket().await;
    let restore = [Want::shared(Want::REPOSITORY), Want::exclusive("db:dream")];
    let backup = [Want::shared(Want::REPOSITORY), Want::shared("db:dream"), Want::shared("bucket:live/books")];
    let restoring = locks(&store, &bucket, "restore-db").acquire(&restore, NO_WAIT).await.unwrap();
    let refused = locks(&store, &bucket, "backup db").acquire(&backup, NO_WAIT).await.unwrap_err();
    let held = refused.held.unwrap();
    assert_eq!(held.holder.unwrap().command, "restore-db");
    assert_eq!(held.wants, restore);
    let other = locks(&store, &bucket, "restore-files").acquire(&[Want::exclusive("bucket:live/books")], NO_WAIT).await;
    other.unwrap().release().await.unwrap();
    restoring.release().await.unwrap();
    locks(&store, &bucket, "backup db").acquire(&backup, NO_WAIT).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_dead_process_of_this_host_frees_its_lock_at_once() {
    let (store, bucket) = bucket().await;
    let living = Holder::this_process(RunId::create(), "prune");
    let dead = Holder { process_started: living.process_started - 1, ..living.clone() };
    crash(locks_of(&store, &bucket, dead.clone()).acquire(&exclusive(), NO_WAIT).await.unwrap());
    let next = locks_of(&store, &bucket, living).acquire(&exclusive(), NO_WAIT).await.unwrap();
    next.release().await.unwrap();

    let elsewhere = Holder { boot_id: "another machine".to_owned(), ..dead };
    crash(locks_of(&store, &bucket, elsewhere).acquire(&exclusive(), NO_WAIT).await.unwrap());
    let error = locks(&store, &bucket, "prune").acquire(&exclusive(), NO_WAIT).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Locked);
}

#[tokio::test]
async fn a_crash_on_another_host_blocks_until_the_lock_is_stale_by_the_stores_clock() {
    let (store, bucket) = bucket().await;
    let holder = Holder::this_process(RunId::create(), "backup complete");
    let elsewhere = Holder { host: "other".to_owned(), boot_id: "another".to_owned(), ..holder };
    crash(locks_of(&store, &bucket, elsewhere).acquire(&shared(), NO_WAIT).await.unwrap());

    store.advance_clock(SignedDuration::from_mins(29));
    let error = locks(&store, &bucket, "prune").acquire(&exclusive(), NO_WAIT).await.unwrap_err();
    assert!(error.to_string().contains("\"backup complete\" on other"), "{error}");

    store.advance_clock(SignedDuration::from_mins(2));
    locks(&store, &bucket, "prune").acquire(&exclusive(), NO_WAIT).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_holder_that_was_suspended_finds_its_lock_lost_and_never_takes_it_back() {
    let (store, bucket) = bucket().await;
    let suspended = locks(&store, &bucket, "prune").acquire(&exclusive(), NO_WAIT).await.unwrap();
    suspended.ensure_held().await.unwrap();
    store.advance_clock(SignedDuration::from_mins(31));
    let next = locks(&store, &bucket, "prune").acquire(&exclusive(), NO_WAIT).await.unwrap();

    assert_eq!(suspended.ensure_held().await.unwrap_err().kind, ErrorKind::LockLost);
    suspended.release().await.unwrap();
    next.ensure_held().await.unwrap();
    next.release().await.unwrap();
    assert_nothing_is_left(&locks(&store, &bucket, "status")).await;
}

#[tokio::test]
async fn a_held_lock_is_refreshed_and_does_not_get_stale() {
    let (store, bucket) = bucket().await;
    let often = Timing { refresh: Duration::from_millis(1), ..timing() };
    let holder = locks(&store, &bucket, "backup complete").with_timing(often);
    let lock = holder.acquire(&shared(), NO_WAIT).await.unwrap();
    for _ in 0..4 {
        store.advance_clock(SignedDuration::from_mins(29));
        let now = store.now().await.unwrap();
        while newest_beat(&store, &bucket).await < Some(now) {
            tokio::task::yield_now().await;
        }
        let error = locks(&store, &bucket, "prune").acquire(&exclusive(), NO_WAIT).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Locked);
    }
    lock.ensure_held().await.unwrap();
    lock.release().await.unwrap();
    assert_nothing_is_left(&locks(&store, &bucket, "status")).await;
    assert_eq!(newest_beat(&store, &bucket).await, None);
}

async fn newest_beat(store: &Arc<MemoryStore>, bucket: &BucketName) -> Option<Timestamp> {
    let listed: Vec<Listed> = store.list(bucket, ListOptions::default()).try_collect().await.unwrap();
    let beats = listed.into_iter().filter_map(|listed| match listed {
        Listed::Object(info) if info.key.as_str().rsplit('.').next() == Some("beat") => Some(info.modified),
        _ => None,
    });
    beats.max()
}

#[tokio::test]
async fn the_message_says_who_where_and_since_when() {
    let (store, bucket) = bucket().await;
    let holder = Holder { host: "atlas".to_owned(), ..Holder::this_process(RunId::create(), "backup complete") };
    let (run, pid) = (holder.run.clone(), holder.pid);
    let _lock = locks_of(&store, &bucket, holder).acquire(&shared(), NO_WAIT).await.unwrap();
    let error = locks(&store, &bucket, "prune").acquire(&exclusive(), NO_WAIT).await.unwrap_err();
    let text = error.to_string();
    let since = error.held.unwrap().since;
    let expected = format!(
        "cannot lock repository (exclusive) in {}/vault: another run holds the lock (\"backup complete\" on atlas, \
         process {pid}, run {run}, since {since:.0})",
        store.describe()
    );
    assert_eq!(text, expected);
}
