//! Interrupt anything, anywhere: every write to a store and every call of a database, each failed and each killed at,
//! before it took effect and after it.
//!
//! A kill is a real one: the run goes on in a child, this very program, which ends itself by SIGKILL at the nth call; the
//! next run is the binary's.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dcs::model::{Manifest, RunId};
use dcs::repository::Selector;
use dcs::repository::locks::{Holder, Locks, Want};
use dcs::steps::{Context, StepError};
use dcs::store::ErrorKind;
use faulty_database::FaultyDatabase;
use small_system::runs::assert_whole;
use small_system::{COVER_CHANGED, Live, System};
use support::faulty::{FaultyStore, When};

#[path = "support/faulty_database.rs"]
mod faulty_database;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/small_system.rs"]
mod small_system;
mod support;
#[path = "crash/undone.rs"]
mod undone;

const WHEN: [When; 2] = [When::Before, When::After];

/// Where a fault falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The nth write to the store that the run changes: the vault in a backup, the live one in a restore.
    Store,
    /// The nth write to the vault in a restore: its locks, and its journal.
    Journal,
    /// The nth call of the live database that begins, fills or ends something.
    Database,
}

/// A system with one good backup, and then an object that is stored in parts.
async fn backed_up_once() -> (System, Manifest) {
    let system = System::embedded().await;
    let earlier = system.back_up(&system.sound().await).await.unwrap();
    system.add_large().await;
    (system, earlier)
}

/// Every backup that is listed is whole; the earlier one still is; `latest` is a good one.
async fn assert_no_broken_backup(context: &Context, earlier: &Manifest) {
    let backups = context.repository.backups().await.unwrap();
    let manifests: Vec<Manifest> = backups.found.into_iter().map(|backup| backup.manifest.unwrap()).collect();
    assert!(manifests.contains(earlier));
    for manifest in &manifests {
        assert_whole(context, manifest).await;
    }
    let latest = context.repository.select(&Selector::Latest(0), "anything", |_| true).await.unwrap();
    assert!(latest.manifest.is_good());
    assert!(latest.manifest.databases.len() == 1 && latest.manifest.files.is_some());
}

/// Lets call after call go wrong until a run is through before it comes to the nth; answers how many there were.
async fn for_every_call(what: &str, mut attempt: impl AsyncFnMut(usize, When) -> bool) -> usize {
    let mut calls = [0, 0];
    for (when, calls) in WHEN.into_iter().zip(&mut calls) {
        while attempt(*calls + 1, when).await {
            *calls += 1;
        }
    }
    assert_eq!(calls[0], calls[1], "{what}");
    calls[0]
}

#[tokio::test]
async fn a_backup_that_fails_at_any_write_leaves_no_broken_backup_and_the_next_one_succeeds() {
    let writes = for_every_call("writes of a backup", async |nth, when| {
        let (system, earlier) = backed_up_once().await;
        let vault = FaultyStore::nth(system.vault.clone(), nth, when, ErrorKind::Denied);
        let context = system.context(vault.clone(), system.live.clone(), system.database()).await;
        let result = system.back_up(&context).await;
        // Never a problem of the database: without its store there is no backup at all.
        assert!(result.is_err() || vault.count() < nth, "write {nth}, {when:?}");
        failed_backup(&system, &earlier, result, vault.count() >= nth, nth, when).await
    });
    // The dump, the configuration, a pack in parts, an index segment, four lists and the manifest, at least.
    assert!(writes.await >= 11);
}

#[tokio::test]
async fn a_backup_whose_database_fails_at_any_call_leaves_no_broken_backup_and_the_next_one_succeeds() {
    let calls = for_every_call("calls of a backup", async |nth, when| {
        let (system, earlier) = backed_up_once().await;
        let database = FaultyDatabase::nth(system.database(), nth, when);
        let context = system.context(system.vault.clone(), system.live.clone(), database.clone()).await;
        let result = system.back_up(&context).await;
        failed_backup(&system, &earlier, result, database.count() >= nth, nth, when).await
    });
    assert_eq!(calls.await, 3);
}

/// What holds after a run that failed, if it came to its fault at all.
async fn failed_backup(
    system: &System,
    earlier: &Manifest,
    result: Result<Manifest, StepError>,
    came_to_it: bool,
    nth: usize,
    when: When,
) -> bool {
    let sound = system.sound().await;
    if !came_to_it {
        assert!(result.unwrap().is_good());
        return false;
    }
    // A complete backup without its database is worth keeping, and is not good.
    assert!(result.is_err() || result.is_ok_and(|manifest| !manifest.is_good()), "call {nth}, {when:?}");
    assert_no_broken_backup(&sound, earlier).await;
    assert_eq!(spooled(system), Vec::<String>::new(), "call {nth}, {when:?}");
    let next = system.back_up(&sound).await.unwrap();
    assert!(next.is_good());
    assert_eq!(assert_whole(&sound, &next).await.objects, 5);
    true
}

fn spooled(system: &System) -> Vec<String> {
    small_system::names_in(&system.root.join("state"))
}

/// A system that was backed up whole, and changed since.
async fn backed_up_and_changed() -> (System, Manifest, Live) {
    let system = System::embedded().await;
    system.add_large().await;
    let manifest = system.back_up(&system.sound().await).await.unwrap();
    let wanted = system.everything().await;
    system.change().await;
    (system, manifest, wanted)
}

/// Each object and the database is wholly the old or wholly the backup's, and what gave way is in the trash.
async fn assert_old_or_new(system: &System, old: &Live, new: &Live) {
    let now = system.everything().await;
    for (name, content) in now.iter().filter(|(name, _)| !name.starts_with("trash/") && *name != "beside") {
        let is_one_of_both = [old, new].iter().any(|live| live.get(name) == Some(content));
        // A directory store makes the folder before the object in it, and shows an empty one until then.
        let is_on_its_way = name.ends_with('/') && content.is_empty() && new.keys().any(|key| key.starts_with(name));
        assert!(is_one_of_both || is_on_its_way, "{name} is neither the old nor the new");
    }
    for (name, content) in old.iter().filter(|(name, _)| !["beside", "rows"].contains(&name.as_str())) {
        let is_kept = now.get(name) == Some(content)
            || now.iter().any(|(other, kept)| other.starts_with("trash/") && kept == content);
        assert!(is_kept, "{name} is lost");
    }
}

/// All is as in the backup, and the cover that gave way is in the trash.
async fn assert_restored(system: &System, wanted: &Live) {
    let now = system.everything().await;
    for (name, content) in wanted.iter().filter(|(name, _)| *name != "beside") {
        assert!(now.get(name) == Some(content), "{name} is not as in the backup");
    }
    assert!(now.iter().any(|(name, kept)| name.starts_with("trash/") && kept == COVER_CHANGED));
}

#[tokio::test]
async fn a_restore_that_fails_at_any_write_leaves_old_or_new_and_the_next_one_finishes() {
    let writes = for_every_call("writes of a restore", async |nth, when| {
        let (system, manifest, wanted) = backed_up_and_changed().await;
        let live = FaultyStore::nth(system.live.clone(), nth, when, ErrorKind::Denied);
        let context = system.context(system.vault.clone(), live.clone(), system.database()).await;
        let failed = fail_restore(&system, &context, &manifest, &wanted).await;
        assert_eq!(failed, live.count() >= nth, "write {nth}, {when:?}");
        failed
    });
    // An entry of the trash with its copy and its list, a cover, a small object, and one in parts, at least.
    assert!(writes.await >= 9);
}

#[tokio::test]
async fn a_restore_whose_database_fails_at_any_call_leaves_old_or_new_and_the_next_one_finishes() {
    let calls = for_every_call("calls of a restore", async |nth, when| {
        let (system, manifest, wanted) = backed_up_and_changed().await;
        let database = FaultyDatabase::nth(system.database(), nth, when);
        let context = system.context(system.vault.clone(), system.live.clone(), database.clone()).await;
        let failed = fail_restore(&system, &context, &manifest, &wanted).await;
        assert_eq!(failed, database.count() >= nth, "call {nth}, {when:?}");
        failed
    });
    assert_eq!(calls.await, 4);
}

/// Runs a restore in a context with a fault; answers whether it failed.
async fn fail_restore(system: &System, context: &Context, manifest: &Manifest, wanted: &Live) -> bool {
    let old = system.everything().await;
    let is_failed = system.restore(context, manifest).await.is_err();
    assert_old_or_new(system, &old, wanted).await;
    if is_failed {
        assert_eq!(spooled(system), Vec::<String>::new());
        system.restore(&system.sound().await, manifest).await.unwrap();
    }
    assert_restored(system, wanted).await;
    is_failed
}

const JOB: &str = "DCS_TEST_CRASH_JOB";

/// Runs as a child of the tests below, and only there.
#[tokio::test]
async fn the_child_that_ends_itself() {
    let Ok(job) = std::env::var(JOB) else { return };
    let job: Vec<&str> = job.splitn(5, ' ').collect();
    let [job, target, nth, when, root] = job[..] else { panic!("{job:?}") };
    let nth: usize = nth.parse().unwrap();
    let when = if when == "Before" { When::Before } else { When::After };
    let system = System::reopen(Path::new(root));
    let (mut vault, mut live) = (system.vault.clone(), system.live.clone());
    let mut database = system.database();
    if target == "Database" {
        database = FaultyDatabase::calling(database, nth, when, end_this_process);
    } else {
        let changed = if job == "backup" || target == "Journal" { &mut vault } else { &mut live };
        *changed = FaultyStore::calling(changed.clone(), nth, when, end_this_process);
    }
    let context = system.context(vault, live, database).await;
    let lock = lock(&context, job).await;
    if job == "backup" {
        system.back_up(&context).await.unwrap();
    } else if job == "undo" {
        system.undo(&context).await.unwrap();
    } else {
        let manifest = context.repository.select(&Selector::Latest(0), "anything", |_| true).await.unwrap().manifest;
        system.restore(&context, &manifest).await.unwrap();
    }
    lock.release().await.unwrap();
}

fn end_this_process() {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    // The signal ends every thread; this one must not get further until it does.
    loop {
        std::thread::park();
    }
}

/// The locks that the command takes, from the store with the fault: their writes count too.
async fn lock(context: &Context, job: &str) -> dcs::repository::locks::Lock {
    let want = if job == "backup" { Want::shared } else { Want::exclusive };
    let wants = [Want::shared(Want::REPOSITORY), want("database dream".to_owned())];
    let holder = Holder::this_process(context.run.clone(), job);
    Locks::of(&context.repository, holder).acquire(&wants, Duration::ZERO).await.unwrap()
}

/// Runs the job in a child that is killed at its nth call; answers whether it came to it.
fn kill_at(system: &System, job: &str, target: Target, nth: usize, when: When) -> bool {
    let root = system.root.display();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_that_ends_itself", "--nocapture", "--test-threads", "1"])
        .env(JOB, format!("{job} {target:?} {nth} {when:?} {root}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() || child.status.signal() == Some(9), "{:?}: {text}", child.status);
    !child.status.success()
}

/// Whatever a dead process left, nobody waits for it.
async fn assert_not_locked(system: &System) {
    let context = system.sound().await;
    let holder = Holder::this_process(RunId::create(), "the next run");
    let wants = [Want::exclusive(Want::REPOSITORY), Want::exclusive("database dream")];
    let lock = Locks::of(&context.repository, holder).acquire(&wants, Duration::ZERO).await.unwrap();
    lock.release().await.unwrap();
}

async fn killed_backup(target: Target, nth: usize, when: When) -> bool {
    let (system, earlier) = backed_up_once().await;
    let is_killed = kill_at(&system, "backup", target, nth, when);
    let sound = system.sound().await;
    assert_no_broken_backup(&sound, &earlier).await;
    if is_killed {
        assert_not_locked(&system).await;
        let next = sound.repository.manifest(&system.make_backup()).await.unwrap();
        assert_eq!(assert_whole(&sound, &next).await.objects, 5);
        if target == Target::Database {
            system.back_up(&sound).await.unwrap();
            assert_eq!(spooled(&system), ["spool"], "the copy that the killed run spooled is removed");
        }
    }
    is_killed
}

#[tokio::test]
async fn a_backup_killed_at_any_write_leaves_no_broken_backup_and_no_lock_and_the_next_one_succeeds() {
    let writes = for_every_call("writes of a backup", async |nth, when| killed_backup(Target::Store, nth, when).await);
    assert!(writes.await >= 14, "with the writes of its lock");
}

#[tokio::test]
async fn a_backup_killed_at_any_call_of_its_database_leaves_no_broken_backup_and_the_next_one_succeeds() {
    let calls = for_every_call("calls of a backup", async |nth, when| killed_backup(Target::Database, nth, when).await);
    assert_eq!(calls.await, 3);
}

async fn killed_restore(target: Target, nth: usize, when: When) -> bool {
    let (system, manifest, wanted) = backed_up_and_changed().await;
    let old = system.everything().await;
    let is_killed = kill_at(&system, "restore", target, nth, when);
    assert_old_or_new(&system, &old, &wanted).await;
    if is_killed {
        assert_not_locked(&system).await;
        system.succeed(&["restore-complete", manifest.id.as_str(), "--yes"]);
    }
    assert_restored(&system, &wanted).await;
    is_killed
}

#[tokio::test]
async fn a_restore_killed_at_any_write_leaves_old_or_new_and_the_next_one_finishes() {
    let writes =
        for_every_call("writes of a restore", async |nth, when| killed_restore(Target::Store, nth, when).await);
    assert!(writes.await >= 9);
}

#[tokio::test]
async fn a_restore_killed_at_any_write_of_its_journal_leaves_old_or_new_and_the_next_one_finishes() {
    let writes =
        for_every_call("writes of a journal", async |nth, when| killed_restore(Target::Journal, nth, when).await);
    // Two of the lock; begun, loading, proven, a list, an entry of the trash, files, swapping, swapped, finished.
    assert!(writes.await >= 11);
}

#[tokio::test]
async fn a_restore_killed_at_any_call_of_its_database_leaves_old_or_new_and_the_next_one_finishes() {
    let calls =
        for_every_call("calls of a restore", async |nth, when| killed_restore(Target::Database, nth, when).await);
    assert_eq!(calls.await, 4);
}
