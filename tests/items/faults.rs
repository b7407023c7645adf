//! Every single call of a store and of a database goes wrong in turn: before it takes effect, after it did, and with the
//! process gone.

use std::sync::Arc;

use dcs::database::Database;
use dcs::steps::StepError;
use dcs::steps::items::{self, DeleteOptions, Items, PurgeOptions, RestoreOptions};
use dcs::store::{ErrorKind, ObjectStore};
use dcs::trash::EntryState;

use crate::faulty_database::FaultyDatabase;
use crate::support::faulty::{FaultyStore, When};
use crate::world::{State, World, item, restore};

/// How a call goes wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Before,
    After,
    /// The call never happens, nor any later one.
    KilledBefore,
    /// The call takes effect, and no later one happens.
    KilledAfter,
}

/// Not of the item: a restore may send it to the trash.
const IN_THE_WAY: &str = "42/z.txt";
const ALL: [Wrong; 4] = [Wrong::Before, Wrong::After, Wrong::KilledBefore, Wrong::KilledAfter];

impl Wrong {
    fn at(self, nth: usize, store: &Arc<dyn ObjectStore>) -> Arc<FaultyStore<dyn ObjectStore>> {
        let store = store.clone();
        match self {
            Self::Before => FaultyStore::nth(store, nth, When::Before, ErrorKind::Other),
            Self::After => FaultyStore::nth(store, nth, When::After, ErrorKind::Other),
            Self::KilledBefore => FaultyStore::from_nth(store, nth, When::Before, ErrorKind::Other),
            Self::KilledAfter => FaultyStore::from_nth(store, nth, When::After, ErrorKind::Other),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Work {
    Delete(&'static str),
    Restore(&'static str),
    RestoreOver(&'static str),
    Purge,
}

impl Work {
    pub async fn run(self, items: &Items) -> Result<(), StepError> {
        match self {
            Self::Delete(name) => items::delete(items, &item(name), &DeleteOptions::default()).await.map(drop),
            Self::Restore(name) => restore(items, name, &RestoreOptions::default()).await.map(drop),
            Self::RestoreOver(name) => {
                let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
                restore(items, name, &options).await.map(drop)
            }
            Self::Purge => {
                let plan = items::plan_purge(items, &PurgeOptions::default()).await?;
                let purged = items::purge(items, plan).await?;
                match purged.report.problems.first() {
                    Some(problem) => Err(StepError::refused("purge", &problem.subject, &problem.reason)),
                    None => Ok(()),
                }
            }
        }
    }

    async fn world(self, versioned: bool) -> World {
        let world = World::in_memory(versioned).await;
        match self {
            Self::Delete(_) => {}
            Self::Restore(name) => drop(world.delete(name).await.unwrap()),
            Self::Purge => drop(world.delete("books/42").await.unwrap()),
            Self::RestoreOver(name) => {
                world.delete(name).await.unwrap();
                world.write("42/a.txt", "in the way").await;
                world.write(IN_THE_WAY, "in the way too").await;
            }
        }
        world
    }
}

/// What an undisturbed run comes to.
pub struct Expected {
    pub state: State,
    pub entries: Vec<(EntryState, u64)>,
    pub in_trash: usize,
}

impl Expected {
    pub async fn of(world: &World) -> Self {
        let entries = world.entries().await.iter().map(|entry| (entry.state, entry.objects)).collect();
        Self { state: world.state().await, entries, in_trash: world.in_trash().await.len() }
    }
}

/// Each object of before is somewhere, and no published row lacks one.
pub async fn check_safe(world: &World, before: &State, at: &str) {
    let now = world.state().await;
    let trash = world.objects(&world.trash).await;
    let buckets = [(&world.books, &before.books, &now.books), (&world.apps, &before.apps, &now.apps)];
    for (bucket, objects, there) in buckets {
        for (key, object) in objects {
            let path = format!("/{bucket}/{key}");
            let kept = trash.iter().any(|(name, kept)| name.ends_with(&path) && kept == object);
            assert!(there.get(key) == Some(object) || kept, "{key} is nowhere: {at}");
            let id = key.split('/').next().unwrap();
            let is_published = now.statuses.get(id).is_some_and(|status| status.as_deref() == Some("published"));
            let needs_it = *bucket == world.books && is_published && key != IN_THE_WAY;
            assert!(!needs_it || there.contains_key(key), "{key} of a published row: {at}");
        }
    }
}

async fn check_all(work: Work, versioned: bool) {
    let clean = work.world(versioned).await;
    let counting = FaultyStore::recording(clean.store.clone());
    let database = FaultyDatabase::nth(clean.database(), usize::MAX, When::Before);
    work.run(&clean.items_on(counting.clone(), database.clone())).await.unwrap();
    let expected = Expected::of(&clean).await;
    assert!(counting.count() > 5, "{}", counting.count());
    for nth in 1..=counting.count() {
        for wrong in ALL {
            let world = work.world(versioned).await;
            let (faulty, database) = (wrong.at(nth, &world.store), world.database());
            check_one(work, &world, &expected, faulty, database, &format!("{work:?}, write {nth} {wrong:?}")).await;
        }
    }
    for nth in 1..=database.count() {
        for when in [When::Before, When::After] {
            let world = work.world(versioned).await;
            let (store, faulty) = (world.store.clone(), FaultyDatabase::nth(world.database(), nth, when));
            check_one(work, &world, &expected, store, faulty, &format!("{work:?}, row {nth} {when:?}")).await;
        }
    }
}

async fn check_one(
    work: Work,
    world: &World,
    expected: &Expected,
    store: Arc<dyn ObjectStore>,
    database: Arc<dyn Database>,
    at: &str,
) {
    let before = world.state().await;
    let first = work.run(&world.items_on(store, database)).await;
    if !matches!(work, Work::Purge) {
        check_safe(world, &before, at).await;
    }
    world.wait_for_locks();
    let again = work.run(&world.items()).await;
    let now = Expected::of(world).await;
    let at = format!("{at}: {first:?}, then {again:?}");
    assert_eq!(now.state, expected.state, "{at}");
    assert_eq!(now.entries, expected.entries, "{at}");
    assert_eq!(now.in_trash, expected.in_trash, "{at}: {:?}", world.in_trash().await);
    // What was done to its end cannot be done again; anything else the second run finishes.
    if let Err(error) = &again {
        assert!(matches!(error, StepError::Refused { .. } | StepError::NotFound { .. }), "{at}");
    }
}

#[tokio::test]
async fn of_a_delete() {
    check_all(Work::Delete("books/42"), false).await;
}

#[tokio::test]
async fn of_a_delete_with_versions() {
    check_all(Work::Delete("books/42"), true).await;
}

#[tokio::test]
async fn of_a_delete_without_a_table() {
    check_all(Work::Delete("apps/reader"), false).await;
}

#[tokio::test]
async fn of_a_restore() {
    check_all(Work::Restore("books/42"), false).await;
}

#[tokio::test]
async fn of_a_restore_with_versions() {
    check_all(Work::Restore("books/42"), true).await;
}

#[tokio::test]
async fn of_a_restore_over_what_is_there() {
    check_all(Work::RestoreOver("books/42"), false).await;
}

#[tokio::test]
async fn of_a_purge() {
    check_all(Work::Purge, false).await;
}

#[tokio::test]
async fn of_a_purge_with_versions() {
    check_all(Work::Purge, true).await;
}

#[tokio::test]
async fn of_one_of_two_deletes_at_once() {
    check_two_at_once(Work::Delete("books/42")).await;
}

#[tokio::test]
async fn of_one_of_two_restores_at_once() {
    check_two_at_once(Work::Restore("books/42")).await;
}

#[tokio::test]
async fn of_one_of_two_purges_at_once() {
    check_two_at_once(Work::Purge).await;
}

async fn check_two_at_once(work: Work) {
    let clean = work.world(false).await;
    let counting = FaultyStore::recording(clean.store.clone());
    let database = FaultyDatabase::nth(clean.database(), usize::MAX, When::Before);
    work.run(&clean.items_on(counting.clone(), database.clone())).await.unwrap();
    let expected = Expected::of(&clean).await;
    for nth in 1..=counting.count() {
        for wrong in ALL {
            let world = work.world(false).await;
            let one = world.items_on(wrong.at(nth, &world.store), world.database());
            check_beside_another(work, &world, &one, &expected, &format!("{work:?}, write {nth} {wrong:?}")).await;
        }
    }
    for nth in 1..=database.count() {
        for when in [When::Before, When::After] {
            let world = work.world(false).await;
            let one = world.items_on(world.store.clone(), FaultyDatabase::nth(world.database(), nth, when));
            check_beside_another(work, &world, &one, &expected, &format!("{work:?}, row {nth} {when:?}")).await;
        }
    }
}

async fn check_beside_another(work: Work, world: &World, one: &Items, expected: &Expected, at: &str) {
    let before = world.state().await;
    let other = world.items();
    let both = tokio::join!(Box::pin(work.run(one)), Box::pin(work.run(&other)));
    let at = format!("{at}: {both:?}");
    if !matches!(work, Work::Purge) {
        check_safe(world, &before, &at).await;
    }
    world.wait_for_locks();
    let again = work.run(&world.items()).await;
    let now = Expected::of(world).await;
    assert_eq!((&now.state, &now.entries), (&expected.state, &expected.entries), "{at}, then {again:?}");
}

#[tokio::test]
async fn of_two_runs_at_once_one_wins_and_the_other_is_locked_out() {
    let world = World::in_memory(false).await;
    let (one, other) = (world.items(), world.items());
    let both = tokio::join!(Work::Delete("books/42").run(&one), Work::Delete("books/42").run(&other));
    let (won, lost) = if both.0.is_ok() { both } else { (both.1, both.0) };
    won.unwrap();
    let lost = lost.unwrap_err();
    assert!(
        matches!(&lost, StepError::Repository(error) if error.kind == dcs::repository::ErrorKind::Locked),
        "{lost}"
    );
    assert_eq!(world.entries().await.len(), 1);
}
