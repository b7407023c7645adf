//! Into the trash and back, undisturbed: everything is as it was.

use std::time::Duration;

use dcs::steps::items::{self, DeleteOptions, Filter, PurgeOptions};
use dcs::trash::EntryState;

use crate::world::{World, item};

#[tokio::test]
async fn in_memory() {
    round_trip(World::in_memory(false).await).await;
}

#[tokio::test]
async fn in_memory_with_versions() {
    round_trip(World::in_memory(true).await).await;
}

#[tokio::test]
async fn in_folders() {
    round_trip(World::in_folders().await).await;
}

#[tokio::test]
async fn on_servers() {
    let Some(world) = World::on_servers().await else { return };
    round_trip(world).await;
}

async fn round_trip(world: World) {
    let before = world.state().await;
    for (name, prefix, status) in
        [("books/42", "42/", Some("published")), ("books/2", "2/", Some("draft")), ("apps/reader", "reader/", None)]
    {
        let intact = world.state().await;
        let options = DeleteOptions { reason: "a test".to_owned(), skip_db: false };
        let deleted = items::delete(&world.items(), &item(name), &options).await.unwrap();
        assert!(deleted.late.is_empty());
        let after = world.state().await;
        let bucket =
            if name.starts_with("books") { (&intact.books, &after.books) } else { (&intact.apps, &after.apps) };
        assert!(!after.books.keys().chain(after.apps.keys()).any(|key| key.starts_with(prefix)), "{name}");
        assert!(
            bucket
                .0
                .iter()
                .filter(|(key, _)| !key.starts_with(prefix))
                .all(|(key, value)| bucket.1.get(key) == Some(value))
        );
        // Entries of one second come in any order.
        let entry = world.entries().await.into_iter().find(|entry| entry.item == Some(item(name))).unwrap();
        assert_eq!(
            (entry.state, entry.objects, entry.reason.as_str()),
            (EntryState::Complete, deleted.objects, "a test")
        );
        if status.is_some() {
            assert_eq!(world.status(item(name).id()).await.as_deref(), Some("archived"));
        }
        // Whole paths are kept below the entry, with all attributes.
        let trash = world.objects(&world.trash).await;
        let (folder, objects) =
            (format!("{}/{}/", entry.id, entry.bucket), bucket.0.iter().filter(|(key, _)| key.starts_with(prefix)));
        for (key, value) in objects {
            assert_eq!(trash.get(&format!("{folder}{key}")), Some(value), "{key}");
        }
    }
    for (name, status) in [("books/2", Some("draft")), ("apps/reader", None), ("books/42", Some("published"))] {
        let restored = world.restore(name).await.unwrap();
        assert_eq!(restored.status.as_deref(), status);
        assert!(!restored.status_kept);
    }
    assert_eq!(world.state().await, before);
    assert_eq!(world.in_trash().await, Vec::<String>::new());

    // Twice the same item: two entries, and a purge of one of them.
    world.delete("books/42").await.unwrap();
    world.write("42/a.txt", "another").await;
    world.sql("UPDATE books SET status = 'published' WHERE id = 42").await;
    // Of entries of one second of the store's clock, none is the later.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.delete("books/42").await.unwrap();
    let entries = world.entries().await;
    assert_eq!(entries.len(), 2);
    let options = PurgeOptions { entries: vec![entries[1].id.clone()], filter: Filter::default() };
    let plan = items::plan_purge(&world.items(), &options).await.unwrap();
    let purged = items::purge(&world.items(), plan).await.unwrap();
    assert_eq!((purged.entries, purged.objects), (1, 1));
    world.restore("books/42").await.unwrap();
    assert_eq!(world.state().await, before);
    assert_eq!(world.in_trash().await, Vec::<String>::new());
    world.remove().await;
}
