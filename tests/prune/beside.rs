//! Prune beside a backup: each stopped at any of its calls while the other goes on, to its end or to any of its own.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use dcs::model::Manifest;
use dcs::steps::Result;
use dcs::store::ObjectStore;

use crate::support;
use crate::support::faulty::FaultyStore;
use crate::world::{NO_GRACE, World};

/// A repository in which a backup finds everything that prune is about to remove: an index segment that it would make
/// again byte for byte, and a pack that only an interrupted run named.
async fn tempting() -> World {
    let world = World::new().await;
    world.put("a", &support::noise(1000)).await;
    world.put("b", &support::noise(1000)).await;
    let one = world.back_up().await;
    world.put("c", &support::noise(1000)).await;
    world.back_up().await;
    world.delete(&one.id).await;
    world.remove("c").await;
    world
}

async fn with_an_interrupted_run() -> World {
    let world = tempting().await;
    world.interrupted_backup_of("d", &support::noise(1000)).await;
    world
}

/// Runs a future on a thread and a runtime of its own.
fn apart<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
    std::thread::spawn(run)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Calls back before the nth call of any kind, and counts the calls.
fn at_call(
    world: &World,
    nth: usize,
    callback: impl Fn() + Send + Sync + 'static,
) -> (Arc<dyn ObjectStore>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let store = FaultyStore::planned(world.store(), move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            callback();
        }
        None
    });
    (store, count)
}

async fn check(world: &World, result: Option<Result<Manifest>>, told: &str) {
    world.assert_sound(told).await;
    if let Some(result) = result {
        let made = result.unwrap_or_else(|error| panic!("{told}: the backup failed: {error}"));
        let listed = world.listed(&made).await;
        let live: Vec<String> = support::keys(&world.live, &world.books).await;
        assert_eq!(listed, live, "{told}");
    }
    // And nothing is wrong with the next ones either.
    world.back_up().await;
    world.prune(NO_GRACE).await;
    world.assert_sound(told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_at_any_moment_of_a_prune_names_nothing_that_goes() {
    for seed in 0..2 {
        for nth in 1.. {
            let world = if seed == 0 { tempting().await } else { with_an_interrupted_run().await };
            let (made, beside) = (Arc::new(Mutex::new(None)), world.clone());
            let result = made.clone();
            let (vault, count) = at_call(&world, nth, move || {
                let beside = beside.clone();
                let made = apart(move || block_on(beside.back_up_through(beside.store()))).join().unwrap();
                *result.lock().unwrap() = Some(made);
            });
            world.prune_through(vault, NO_GRACE).await.unwrap();
            let made = made.lock().unwrap().take();
            check(&world, made, &format!("seed {seed}, prune stopped at call {nth}")).await;
            if count.load(Ordering::SeqCst) < nth {
                assert!(nth > 20, "a prune of {nth} calls");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prune_at_any_moment_of_a_backup_takes_nothing_from_it() {
    for seed in 0..2 {
        for nth in 1.. {
            let world = if seed == 0 { tempting().await } else { with_an_interrupted_run().await };
            let beside = world.clone();
            let (vault, count) = at_call(&world, nth, move || {
                let beside = beside.clone();
                apart(move || block_on(beside.prune_through(beside.store(), NO_GRACE))).join().unwrap().unwrap();
            });
            let made = world.back_up_through(vault).await;
            check(&world, Some(made), &format!("seed {seed}, backup stopped at call {nth}")).await;
            if count.load(Ordering::SeqCst) < nth {
                assert!(nth > 20, "a backup of {nth} calls");
                break;
            }
        }
    }
}

/// The backup stops at its call `first`; prune begins and stops at its call `second`; the backup ends, then prune.
async fn crossed(world: &World, first: usize, second: usize) -> (Result<Manifest>, bool) {
    let (reached, stopped) = mpsc::channel();
    let (go_on, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let (vault, _) = at_call(world, first, move || {
        reached.send(()).ok();
        told.lock().unwrap().recv().ok();
    });
    let backup = {
        let world = world.clone();
        apart(move || block_on(world.back_up_through(vault)))
    };
    // An error is a backup that ended before its call: the sender went with it.
    let was_stopped = stopped.recv().is_ok();
    let backup = Arc::new(Mutex::new(Some(backup)));
    let made = Arc::new(Mutex::new(None));
    let end = {
        let (backup, made) = (backup.clone(), made.clone());
        let go_on = Mutex::new(go_on);
        move || {
            go_on.lock().unwrap().send(()).ok();
            if let Some(backup) = backup.lock().unwrap().take() {
                *made.lock().unwrap() = Some(backup.join().unwrap());
            }
        }
    };
    let end = Arc::new(end);
    let at_second = end.clone();
    let (vault, prune_calls) = at_call(world, second, move || at_second());
    world.prune_through(vault, NO_GRACE).await.unwrap();
    let was_reached = prune_calls.load(Ordering::SeqCst) >= second;
    end();
    let made = made.lock().unwrap().take().unwrap();
    (made, was_stopped && was_reached)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_and_a_prune_that_overlap_anyhow_lose_nothing() {
    // Every pair would take minutes; with steps that have no common divisor all regions are met.
    let mut pairs = 0;
    for first in (1..200).step_by(3) {
        let mut any = false;
        for second in (1 + first % 5..200).step_by(5) {
            let world = with_an_interrupted_run().await;
            let (made, both) = crossed(&world, first, second).await;
            check(&world, Some(made), &format!("backup stopped at call {first}, prune at {second}")).await;
            if !both {
                break;
            }
            any = true;
            pairs += 1;
        }
        if !any {
            break;
        }
    }
    assert!(pairs > 50, "{pairs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_sleeps_right_before_its_manifest_for_longer_than_its_lock_lasts_is_none() {
    let world = tempting().await;
    world.put("new", &support::noise(1000)).await;
    let listed = world.backups().await;
    let beside = world.clone();
    let vault = FaultyStore::planned(world.store(), move |call| {
        if call.method == "put" && call.subject.ends_with("/manifest.json") {
            beside.vault.advance_clock(jiff::SignedDuration::from_mins(31));
            let beside = beside.clone();
            let pruned = apart(move || block_on(beside.prune(NO_GRACE))).join().unwrap();
            assert!(pruned.waits_for.is_empty() && pruned.removed.objects >= 2, "{pruned:?}");
        }
        None
    });
    let error = world.back_up_through(vault).await.unwrap_err();
    assert!(error.to_string().contains("the lock was lost"), "{error}");
    assert_eq!(world.backups().await, listed);
    world.assert_sound("after it woke up").await;
}
