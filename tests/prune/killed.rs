//! A deletion and a prune that die at any of their writes, before it took effect and after it.

use dcs::store::ErrorKind;

use crate::support;
use crate::support::faulty::{FaultyStore, When};
use crate::world::{NO_GRACE, World};

const WHEN: [When; 2] = [When::Before, When::After];

#[tokio::test]
async fn a_prune_that_dies_at_any_write_leaves_every_backup_whole_and_the_next_one_finishes() {
    for when in WHEN {
        for nth in 1.. {
            let world = World::new().await;
            world.put("one", &support::noise(1000)).await;
            let one = world.back_up().await;
            world.put("one", &support::noise(1000)).await;
            world.back_up().await;
            world.interrupted_backup_of("two", &support::noise(1000)).await;
            world.delete(&one.id).await;
            let vault = FaultyStore::from_nth(world.store(), nth, when, ErrorKind::Denied);
            let result = world.prune_killed(vault.clone(), NO_GRACE).await;
            if vault.count() < nth {
                assert!(result.unwrap().report.is_clean());
                // Two for the lock, the mark, a folder, packs and segments, and the mark again.
                assert!(nth > 10, "{nth} writes");
                break;
            }
            // What could not be removed is an error, or a problem; never nothing.
            assert!(result.is_err() || !result.unwrap().report.is_clean(), "write {nth}, {when:?}");
            let told = format!("write {nth}, {when:?}");
            world.assert_sound(&told).await;
            // A backup in between takes nothing of what was marked.
            let made = world.back_up().await;
            assert_eq!(world.listed(&made).await, ["one", "two"], "{told}");
            world.prune(NO_GRACE).await;
            world.assert_sound(&told).await;
            assert!(world.names("marks/").await.is_empty(), "{told}");
            assert_eq!(world.prune(NO_GRACE).await.marked.objects, 0, "{told}");
        }
    }
}

#[tokio::test]
async fn a_deletion_that_dies_at_any_write_leaves_a_backup_or_none_and_a_repeat_finishes() {
    for when in WHEN {
        for nth in 1.. {
            let world = World::new().await;
            world.put("one", &support::noise(1000)).await;
            let one = world.back_up().await;
            let two = world.back_up().await;
            let vault = FaultyStore::from_nth(world.store(), nth, when, ErrorKind::Denied);
            let result = world.delete_killed(vault.clone(), &one.id).await;
            if vault.count() < nth {
                assert!(result.unwrap().report.is_clean());
                assert!(nth > 6, "{nth} writes");
                break;
            }
            assert!(result.is_err(), "write {nth}, {when:?}");
            world.assert_sound(&format!("write {nth}, {when:?}")).await;
            let left = world.sound().await.repository.backup_ids().await.unwrap();
            if left.contains(&one.id) {
                world.delete(&one.id).await;
            }
            assert_eq!(world.backups().await, [two], "write {nth}, {when:?}");
            assert!(world.names(&format!("backups/{}/", one.id)).await.is_empty());
        }
    }
}
