//! Kill -9 at every write to a store and at every call of a database, on folders and SQLite: the run goes on in a child,
//! this very program, which ends itself; the next run finishes, and the dead one's lock keeps nobody waiting.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use dcs::model::BucketName;

use crate::faults::{Expected, Work, check_safe};
use crate::faulty_database::FaultyDatabase;
use crate::support::faulty::{FaultyStore, When};
use crate::world::{State, World};

const JOB: &str = "DCS_TEST_ITEMS_JOB";

fn work(name: &str) -> Work {
    match name {
        "delete" => Work::Delete("books/42"),
        "restore" => Work::Restore("books/42"),
        _ => Work::Purge,
    }
}

/// Runs as a child of the tests below, and only there.
#[tokio::test]
async fn the_child_that_ends_itself() {
    let Ok(job) = std::env::var(JOB) else { return };
    let job: Vec<&str> = job.splitn(8, ' ').collect();
    let [name, target, nth, when, books, apps, trash, root] = job[..] else { panic!("{job:?}") };
    let nth: usize = nth.parse().unwrap();
    let when = if when == "Before" { When::Before } else { When::After };
    let buckets = [books, apps, trash].map(|name| BucketName::new(name).unwrap());
    let world = World::reopen(Path::new(root), buckets);
    let (mut store, mut database) = (world.store.clone(), world.database());
    if target == "store" {
        store = FaultyStore::calling(store, nth, when, end_this_process);
    } else {
        database = FaultyDatabase::calling(database, nth, when, end_this_process);
    }
    work(name).run(&world.items_on(store, database)).await.unwrap();
}

fn end_this_process() {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    // The signal ends every thread; this one must not get further until it does.
    loop {
        std::thread::park();
    }
}

/// Runs the work in a child that is killed at its nth call; answers whether it came to it.
fn kill_at(world: &World, name: &str, target: &str, nth: usize, when: When) -> bool {
    let buckets = format!("{} {} {}", world.books, world.apps, world.trash);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::the_child_that_ends_itself", "--nocapture", "--test-threads", "1"])
        .env(JOB, format!("{name} {target} {nth} {when:?} {buckets} {}", world.folder.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() || child.status.signal() == Some(9), "{:?}: {text}", child.status);
    !child.status.success()
}

async fn world(name: &str) -> World {
    let world = World::in_folders().await;
    if name != "delete" {
        world.delete("books/42").await.unwrap();
    }
    world
}

/// Each world was made at another moment.
fn without_times(mut state: State) -> State {
    for (_, attributes) in state.books.values_mut().chain(state.apps.values_mut()) {
        if let Some(posix) = &mut attributes.posix {
            posix.mtime_nanoseconds = 0;
        }
    }
    state
}

async fn kill_everywhere(name: &str) {
    let clean = world(name).await;
    work(name).run(&clean.items()).await.unwrap();
    let expected = Expected::of(&clean).await;
    let wanted = without_times(expected.state);
    for target in ["store", "database"] {
        for when in [When::Before, When::After] {
            let mut nth = 1;
            loop {
                let world = world(name).await;
                let before = world.state().await;
                let is_killed = kill_at(&world, name, target, nth, when);
                let at = format!("{name}, {target} {nth} {when:?}");
                if name != "purge" {
                    check_safe(&world, &before, &at).await;
                }
                let again = work(name).run(&world.items()).await;
                let now = Expected::of(&world).await;
                assert_eq!(without_times(now.state), wanted, "{at}: {again:?}");
                assert_eq!(now.entries, expected.entries, "{at}: {again:?}");
                assert_eq!(now.in_trash, expected.in_trash, "{at}: {:?}, {again:?}", world.in_trash().await);
                if !is_killed {
                    break;
                }
                nth += 1;
            }
            assert!(nth > if target == "store" { 8 } else { usize::from(name != "purge") }, "{name}, {target}: {nth}");
        }
    }
}

#[tokio::test]
async fn a_delete() {
    kill_everywhere("delete").await;
}

#[tokio::test]
async fn a_restore() {
    kill_everywhere("restore").await;
}

#[tokio::test]
async fn a_purge() {
    kill_everywhere("purge").await;
}
