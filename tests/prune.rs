//! Prune: what no backup names goes, after its time, and never what one names.

use std::time::Duration;

use dcs::model::Key;
use dcs::repository::locks::Want;
use dcs::repository::prune::sparse_packs;
use dcs::repository::{ErrorKind, layout};
use dcs::steps::StepError;
use dcs::store::Precondition;
use jiff::SignedDuration;
use world::{NO_GRACE, World, locks};

#[path = "prune/beside.rs"]
mod beside;
#[path = "prune/killed.rs"]
mod killed;
#[path = "prune/retention.rs"]
mod retention;
mod support;
#[path = "prune/world.rs"]
mod world;

/// Short enough that the clock of the store, advanced by it, does not look wrong to a backup.
const GRACE: Duration = Duration::from_secs(300);

fn pass_grace(world: &World) {
    world.vault.advance_clock(SignedDuration::from_secs(301));
}

/// Two backups that share one object, of which the first was deleted.
async fn with_garbage() -> World {
    let world = World::new().await;
    world.put("kept", &support::noise(3000)).await;
    world.put("changed", &support::noise(2000)).await;
    let one = world.back_up().await;
    world.remove("changed").await;
    world.put("new", &support::noise(1000)).await;
    world.back_up().await;
    world.delete(&one.id).await;
    world
}

#[tokio::test]
async fn what_nobody_names_is_marked_and_goes_when_the_mark_is_old_enough() {
    let world = with_garbage().await;
    let (packs, segments) = (world.names("packs/").await, world.names("indexes/").await);
    assert_eq!((packs.len(), segments.len()), (2, 2));
    let pruned = world.prune(GRACE).await;
    // The first pack holds what the second backup kept; only the first backup's index is of no use.
    assert_eq!((pruned.marked.objects, pruned.removed.objects), (1, 0));
    assert_eq!(world.names("indexes/").await, segments);
    assert_eq!(world.names("marks/").await.len(), 1);

    let again = world.prune(GRACE).await;
    assert_eq!((again.marked.objects, again.removed.objects), (0, 0));
    pass_grace(&world);
    let pruned = world.prune(GRACE).await;
    assert_eq!((pruned.marked.objects, pruned.removed.objects), (0, 1));
    assert_eq!(world.names("packs/").await, packs);
    assert_eq!(world.names("indexes/").await.len(), 1);
    assert!(world.names("marks/").await.is_empty());
    world.assert_sound("after the grace").await;
}

#[tokio::test]
async fn without_a_grace_it_goes_at_once_and_with_the_last_backup_everything() {
    let world = with_garbage().await;
    let pruned = world.prune(NO_GRACE).await;
    assert_eq!((pruned.marked.objects, pruned.removed.objects), (1, 1));
    world.assert_sound("at once").await;
    let last = world.backups().await.remove(0);
    world.delete(&last.id).await;
    let pruned = world.prune(NO_GRACE).await;
    assert_eq!(pruned.removed.objects, 3);
    for folder in ["packs/", "indexes/", "marks/", "backups/", "locks/"] {
        assert!(world.names(folder).await.is_empty(), "{folder}");
    }
}

#[tokio::test]
async fn a_run_that_began_before_the_mark_holds_back_what_it_names_and_one_of_its_own_kind_does_not() {
    let world = with_garbage().await;
    let context = world.sound().await;
    let run = locks(&context, "restore-files");
    let lock = run.acquire(&[Want::shared(Want::REPOSITORY)], Duration::ZERO).await.unwrap();
    let pruned = world.prune(NO_GRACE).await;
    assert_eq!((pruned.marked.objects, pruned.removed.objects), (1, 0));
    assert!(pruned.waits_for[0].contains("restore-files"), "{pruned:?}");
    lock.release().await.unwrap();

    // Long after the mark: it saw it.
    world.vault.advance_clock(SignedDuration::from_secs(121));
    let lock = run.acquire(&[Want::shared(Want::REPOSITORY)], Duration::ZERO).await.unwrap();
    let pruned = world.prune(NO_GRACE).await;
    assert_eq!(pruned.removed.objects, 1);
    lock.release().await.unwrap();
}

#[tokio::test]
async fn what_a_running_backup_stored_is_not_marked() {
    let world = World::new().await;
    world.put("one", b"one").await;
    world.back_up().await;
    let context = world.sound().await;
    let lock =
        locks(&context, "backup files").acquire(&[Want::shared(Want::REPOSITORY)], Duration::ZERO).await.unwrap();
    world.vault.advance_clock(SignedDuration::from_secs(1));
    let path = layout::pack("bcdf2345bcdf2345bcdf2345");
    context.repository.put(&path, "a pack".into(), Precondition::Overwrite).await.unwrap();
    assert_eq!(world.prune(NO_GRACE).await.marked.objects, 0);
    lock.release().await.unwrap();
    assert_eq!(world.prune(NO_GRACE).await.removed.objects, 1);
}

#[tokio::test]
async fn a_manifest_or_a_list_that_cannot_be_read_stops_it_with_nothing_removed() {
    let world = with_garbage().await;
    let manifest = world.backups().await.remove(0);
    let context = world.sound().await;
    let list = manifest.files.as_ref().unwrap().pack_list.parts[0].path.clone();
    let foreign = Key::new("backups/20261120T020000Z-wal-k3x9/manifest.json").unwrap();
    for (path, text, kind) in [
        (layout::manifest(&manifest.id), "{\"format\": 1", ErrorKind::Damaged),
        (layout::manifest(&manifest.id), "{\"format\": 2}", ErrorKind::Unsupported),
        (list, "no list", ErrorKind::Damaged),
        (foreign, "{\"format\": 1}", ErrorKind::Unsupported),
    ] {
        let before = context.repository.get(&path).await.unwrap();
        context.repository.put(&path, text.into(), Precondition::Overwrite).await.unwrap();
        let everything = world.names("").await;
        let error = world.prune_through(world.store(), NO_GRACE).await.unwrap_err();
        let StepError::Repository(error) = error else { panic!("{error}") };
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(world.names("").await, everything, "{path}");
        match before {
            Some(before) => context.repository.put(&path, before, Precondition::Overwrite).await.unwrap(),
            None => context.repository.remove(&path).await.unwrap(),
        }
    }
    assert_eq!(world.prune(NO_GRACE).await.removed.objects, 1);
}

#[tokio::test]
async fn what_a_killed_run_stored_stays_for_the_next_one_until_the_grace_is_over() {
    let world = World::new().await;
    world.put("one", &support::noise(1000)).await;
    world.back_up().await;
    let (id, pack) = world.interrupted_backup_of("two", &support::noise(1000)).await;
    let path = layout::pack(&pack.name).to_string();
    let pruned = world.prune(GRACE).await;
    assert!(pruned.leftovers.is_empty() && world.names("packs/").await.contains(&path), "{pruned:?}");
    // Its index segment nobody takes over.
    assert_eq!(pruned.marked.objects, 1);

    pass_grace(&world);
    let context = world.sound().await;
    let lock = locks(&context, "verify").acquire(&[Want::shared(Want::REPOSITORY)], Duration::ZERO).await.unwrap();
    assert!(world.prune(GRACE).await.leftovers.is_empty());
    lock.release().await.unwrap();
    let pruned = world.prune(GRACE).await;
    assert_eq!(pruned.leftovers, [id]);
    assert_eq!(pruned.marked.objects, 1, "now its pack is of no use either");
    pass_grace(&world);
    world.prune(GRACE).await;
    assert!(!world.names("packs/").await.contains(&path));
    world.assert_sound("at the end").await;
}

#[tokio::test]
async fn what_replaces_a_damaged_pack_stays_as_long_as_somebody_needs_the_damaged_one() {
    let world = World::new().await;
    world.put("one", &support::noise(1000)).await;
    let one = world.back_up().await;
    let repository = world.sound().await.repository;
    let damaged = world.names("packs/").await.remove(0);
    let damaged = damaged.rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
    let (replacing, path) = ("bcdf2345bcdf2345bcdf2345", layout::pack("bcdf2345bcdf2345bcdf2345"));
    repository.put(&path, "a pack".into(), Precondition::Overwrite).await.unwrap();
    let line = format!("{}\t1000\t{replacing}:0:6\n", "0".repeat(64));
    repository.put(&layout::replacements(&damaged, "run"), line.into(), Precondition::Overwrite).await.unwrap();
    assert_eq!(world.prune(NO_GRACE).await.removed.objects, 0);

    world.delete(&one.id).await;
    world.prune(NO_GRACE).await;
    assert!(world.names("damaged/").await.is_empty());
    world.prune(NO_GRACE).await;
    assert!(world.names("packs/").await.is_empty());
}

#[tokio::test]
async fn packs_of_which_little_is_named_are_told_the_emptiest_first() {
    let world = World::new().await;
    for n in 0..10 {
        world.put(&format!("object-{n}"), &support::noise(10_000)).await;
    }
    let one = world.back_up().await;
    let full = world.names("packs/").await.remove(0);
    for n in 0..9 {
        world.put(&format!("object-{n}"), &support::noise(9_000)).await;
    }
    world.back_up().await;
    world.prune(NO_GRACE).await;
    let repository = world.sound().await.repository;
    assert!(sparse_packs(&repository).await.unwrap().is_empty(), "the first backup needs all of it");
    world.delete(&one.id).await;
    world.prune(GRACE).await;
    assert!(sparse_packs(&repository).await.unwrap().is_empty(), "it is too young");
    assert_eq!(world.prune(NO_GRACE).await.sparse_packs, 1);
    let sparse = sparse_packs(&repository).await.unwrap();
    assert!(full.contains(sparse.first().unwrap()), "{full} {sparse:?}");
}
