use dcs::repository::layout;

use crate::world::{World, noise};

#[tokio::test]
async fn a_run_that_changes_nothing_reads_nothing_and_writes_no_index() {
    let world = World::new().await;
    for n in 0..50 {
        world.put(&format!("books/{n}/text"), &noise(n, 3000)).await;
    }
    let first = world.backup().await;
    assert_eq!((first.parent, first.effort.read), (None, 50));

    world.live.take_calls();
    world.vault.take_calls();
    let second = world.try_backup(&world.context().await).await.unwrap().files.unwrap();
    let live = world.live.take_calls();
    assert!(!live.iter().any(|call| ["get", "head"].contains(&call.method)), "{live:?}");
    let written: Vec<String> =
        world.vault.take_calls().into_iter().filter(|call| call.write.is_some()).map(|call| call.subject).collect();
    assert!(!written.iter().any(|key| key.contains("indexes/") || key.contains("packs/")), "{written:?}");
    assert_eq!(second.segments, first.segments);
    assert_eq!((second.packs, second.pack_bytes, second.objects), (first.packs, first.pack_bytes, first.objects));
    assert_eq!((second.effort.unchanged, second.effort.read, second.effort.new_packs), (50, 0, 0));
    assert_eq!(world.held(&second).await, world.objects().await);
}

#[tokio::test]
async fn only_what_is_new_or_changed_is_read() {
    let world = World::new().await;
    for n in 0..20 {
        world.put(&format!("books/{n:02}"), &noise(n, 3000)).await;
    }
    world.put("books/large", &noise(7, 5 << 20)).await;
    let first = world.backup().await;
    world.put("books/03", &noise(103, 2000)).await;
    world.put("books/030", &noise(104, 2000)).await;
    world.put("books/large", &noise(8, 6 << 20)).await;
    world.remove("books/07").await;
    world.live.take_calls();
    let context = world.context().await;
    let second = world.try_backup(&context).await.unwrap().files.unwrap();
    assert_eq!(world.live_calls("get"), 3);
    assert_eq!(world.held(&second).await, world.objects().await);
    assert_eq!((second.effort.unchanged, second.effort.read, second.objects), (18, 3, 21));
    assert!(second.packs > first.packs && second.effort.new_pack_bytes < second.pack_bytes);

    world.how.full.then(|| unreachable!());
    world.remove("books/large").await;
    let third = world.backup().await;
    assert_eq!((third.effort.read, third.objects), (0, 20));
    assert!(third.effort.new_packs == 0 && third.pack_bytes <= second.pack_bytes);
}

#[tokio::test]
async fn a_full_run_reads_everything_again() {
    let mut world = World::new().await;
    world.put("books/a", &noise(1, 3000)).await;
    let first = world.backup().await;
    world.how.full = true;
    let second = world.backup().await;
    assert_eq!((second.parent, second.effort.read), (None, 1));
    assert_ne!(first.segments, second.segments);
}

#[tokio::test]
async fn what_was_moved_is_found_and_not_read() {
    let world = World::new().await;
    for n in 0..10 {
        world.put(&format!("books/42/{n}"), &noise(n, 3000)).await;
    }
    world.put("books/43", &noise(43, 3000)).await;
    world.backup().await;
    for n in 0..10 {
        world.put(&format!("trash/20261120T021500Z-k3x9/books/42/{n}"), &noise(n, 3000)).await;
        world.remove(&format!("books/42/{n}")).await;
    }
    world.live.take_calls();
    let context = world.context().await;
    let moved = world.try_backup(&context).await.unwrap().files.unwrap();
    assert_eq!(world.live_calls("get"), 0);
    assert_eq!((moved.effort.reused, moved.effort.read, moved.effort.new_packs), (10, 0, 0));
    assert_eq!(world.held(&moved).await, world.objects().await);
}

#[tokio::test]
async fn what_is_there_twice_is_stored_once() {
    let world = World::new().await;
    for n in 0..5 {
        world.put(&format!("books/{n}"), &noise(1, 100_000)).await;
    }
    let files = world.backup().await;
    assert!(files.pack_bytes < 150_000, "{}", files.pack_bytes);
}

#[tokio::test]
async fn a_listing_in_no_order_is_sorted_and_one_object_listed_twice_is_one() {
    use crate::support::faulty::Fault;
    let world = World::new().await;
    for n in 0..20 {
        world.put(&format!("books/{n}"), &noise(n, 1000)).await;
    }
    for _ in 0..2 {
        for _ in 0..6 {
            world.live.fail("list", Fault::Shuffled);
        }
        assert_eq!(world.backup().await.objects, 20);
        world.put("books/5", &noise(55, 1500)).await;
    }
}

#[tokio::test]
async fn the_lists_of_unfinished_packs_are_gone_when_the_backup_is_there() {
    let world = World::new().await;
    world.put("books/a", &noise(1, 3000)).await;
    let context = world.context().await;
    let manifest = world.try_backup(&context).await.unwrap();
    let folder = layout::partial_folder(&manifest.id);
    let left = crate::support::keys_below(&*world.vault.inner, &crate::world::bucket("vault"), &folder).await;
    assert!(left.is_empty(), "{left:?}");
}
