use std::sync::Arc;

use dcs::model::BackupId;
use dcs::store::ErrorKind;

use crate::support::faulty::{FaultyStore, When};
use crate::world::{World, bucket, noise};

const LARGE: usize = 20 << 20;

/// Four packs' worth of objects that do not compress.
async fn world() -> World {
    let world = World::new().await;
    for n in 0..14 {
        world.put(&format!("books/{n:02}"), &noise(n, LARGE)).await;
    }
    world
}

#[tokio::test]
async fn a_run_that_was_interrupted_is_gone_on_with() {
    let world = world().await;
    // The last pack fails, and all that comes after it.
    let vault = FaultyStore::planned(world.vault.inner.clone(), {
        let packs = std::sync::atomic::AtomicUsize::new(0);
        move |call| {
            let order = std::sync::atomic::Ordering::SeqCst;
            if call.method == "complete_upload" {
                packs.fetch_add(1, order);
            }
            (packs.load(order) > 3 && call.write.is_some())
                .then_some(crate::support::faulty::Fault::Before(ErrorKind::Other))
        }
    });
    let failed = world.try_backup(&world.context_with(vault).await).await;
    assert!(failed.is_err());

    world.put("books/03", &noise(103, 4000)).await;
    world.live.take_calls();
    let files = world.backup().await;
    assert!(files.effort.reused >= 6, "{:?}", files.effort);
    assert!(files.effort.read < 14 - 6 + 1, "{:?}", files.effort);
    let repository = world.repository().await;
    for id in repository.backup_ids().await.unwrap() {
        assert!(repository.partial(&id).await.unwrap().is_none(), "{id} left lists behind");
    }
}

/// Whatever call of the backup store is the last one of a run: the next run makes a backup of what is live, and all that
/// is listed is whole.
#[tokio::test]
async fn wherever_a_run_ends_the_next_one_is_whole() {
    let world = World::new().await;
    for n in 0..12 {
        world.put(&format!("books/{n:02}"), &noise(n, 3000)).await;
    }
    world.backup().await;
    let mut nth = 1;
    loop {
        world.put("books/05", &noise(500 + nth as u64, 2000)).await;
        world.put(&format!("books/new{nth}"), &noise(900 + nth as u64, 2000)).await;
        let vault = FaultyStore::from_nth(Arc::clone(&world.vault.inner), nth, When::Before, ErrorKind::Other);
        let result = world.try_backup(&world.context_with(vault).await).await;
        let files = world.backup().await;
        assert_eq!(usize::try_from(files.objects).unwrap(), world.objects().await.len());
        if result.is_ok() {
            break;
        }
        nth += 1;
    }
    assert!(nth > 5, "faults were injected: {nth}");
    let repository = world.repository().await;
    let ids: Vec<BackupId> = repository.backup_ids().await.unwrap();
    assert!(ids.len() >= nth && bucket("vault").as_str() == "vault");
}
