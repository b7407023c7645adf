use dcs::store::ObjectStore;

use crate::world::{World, bucket, noise};

#[tokio::test]
async fn a_source_that_is_suddenly_empty_is_not_a_good_backup_until_it_is_accepted() {
    let mut world = World::new().await;
    world.how.shrink_guard = 50;
    for n in 0..10 {
        world.put(&format!("books/{n}"), &noise(n, 1000)).await;
    }
    let good = world.try_backup(&world.context().await).await.unwrap();
    assert!(good.is_good());
    for n in 0..5 {
        world.remove(&format!("books/{n}")).await;
    }
    assert!(world.try_backup(&world.context().await).await.unwrap().is_good(), "half is left");
    world.remove("books/5").await;
    let context = world.context().await;
    let less = world.try_backup(&context).await.unwrap();
    assert!(less.is_good(), "the last good one is what it is compared with");
    for n in 6..10 {
        world.remove(&format!("books/{n}")).await;
    }
    for _ in 0..2 {
        let empty = world.try_backup(&context).await.unwrap();
        assert!(!empty.is_good(), "also the second time");
        assert!(empty.report.problems[0].reason.contains("had 4 objects"), "{:?}", empty.report);
    }
}

#[tokio::test]
async fn a_bucket_that_is_gone_ends_the_run() {
    let world = World::new().await;
    world.put("books/a", b"a").await;
    world.backup().await;
    world.remove("books/a").await;
    assert!(world.live.inner.bucket_exists(&bucket("books")).await.unwrap());
    let empty = world.backup().await;
    assert_eq!(empty.objects, 0);
}

#[tokio::test]
async fn patterns_choose_what_is_backed_up_and_choosing_less_is_no_loss() {
    let mut world = World::new().await;
    world.how.shrink_guard = 50;
    for n in 0..10 {
        world.put(&format!("books/{n}/text"), &noise(n, 1000)).await;
        world.put(&format!("books/{n}/draft.tmp"), &noise(n + 100, 1000)).await;
    }
    world.backup().await;
    world.how.patterns.exclude = vec!["**/*.tmp".parse().unwrap(), "live/books/1/**".parse().unwrap()];
    let context = world.context().await;
    let less = world.try_backup(&context).await.unwrap();
    assert!(less.is_good(), "{:?}", less.report);
    let files = less.files.unwrap();
    let held = world.held(&files).await;
    assert_eq!(files.objects, 9);
    assert!(held.keys().all(|(_, key)| key.ends_with("/text") && key != "1/text"), "{:?}", held.keys());
    assert!(files.sources[0].covers("2/text") && !files.sources[0].covers("2/draft.tmp"));

    world.how.patterns = dcs::model::Patterns::default();
    assert_eq!(world.backup().await.objects, 20);
}
