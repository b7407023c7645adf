//! What stands in the way is said, and nothing is changed.

use std::sync::Arc;

use dcs::error::CommandError;
use dcs::exit::ExitCode;
use dcs::model::{Attributes, BucketName, Key, Prefix};
use dcs::steps::StepError;
use dcs::steps::items::{self, DeleteOptions, Filter, PurgeOptions, RestoreOptions};
use dcs::store::{Address, ErrorKind, ObjectStore};
use dcs::trash::{EntryState, Row, TrashBucket};

use crate::support::faulty::{Fault, FaultyStore};
use crate::world::{World, item, restore};

fn code(error: StepError) -> ExitCode {
    CommandError::from(error).code
}

/// The code of a delete that is refused, with everything as it was.
async fn refused(world: &World, name: &str) -> (ExitCode, String) {
    let (before, trash) = (world.state().await, world.in_trash().await);
    let error = world.delete(name).await.unwrap_err();
    assert_eq!(world.state().await, before);
    assert_eq!(world.in_trash().await, trash);
    let text = error.to_string();
    (code(error), text)
}

#[tokio::test]
async fn what_cannot_be_deleted_is_said_and_nothing_is_changed() {
    let world = World::in_memory(false).await;
    let rows = "(7, 'empty', 'published'), (8, 'gone', 'archived'), (9, 'odd', 'archived')";
    world.sql(&format!("INSERT INTO books VALUES {rows}")).await;
    world.write("9/a.txt", "x").await;
    world.write("77/a.txt", "no row").await;
    for (name, expected, word) in [
        ("none/1", ExitCode::Usage, "no kind"),
        ("books/43", ExitCode::NotFound, "books/43"),
        ("books/042", ExitCode::NotFound, "books/042"),
        ("books/4", ExitCode::NotFound, "books/4"),
        ("books/77", ExitCode::NotFound, "books/77"),
        ("books/7", ExitCode::NotFound, "7/"),
        ("books/8", ExitCode::Refused, "archived already"),
        ("books/9", ExitCode::Refused, "not empty"),
        ("apps/none", ExitCode::NotFound, "none/"),
        ("apps/..", ExitCode::Refused, ".."),
        ("apps/a/b", ExitCode::Refused, "slash"),
    ] {
        let (code, text) = refused(&world, name).await;
        assert_eq!(code, expected, "{name}: {text}");
        assert!(text.contains(word), "{name}: {text}");
    }
    // Objects without a row are moved when the row is left out of it.
    let options = DeleteOptions { skip_db: true, ..DeleteOptions::default() };
    items::delete(&world.items(), &item("books/77"), &options).await.unwrap();
    assert_eq!(world.entries().await[0].row, Row::Skipped);
}

#[tokio::test]
async fn a_folder_that_two_rows_share_or_that_a_template_cannot_give_is_refused() {
    let world = World::in_memory(false).await;
    for (id, slug) in [(50, "'a'"), (51, "'a'"), (52, "'b/c'"), (53, "'b'"), (54, "NULL"), (55, "''"), (56, "'..'")] {
        world.sql(&format!("INSERT INTO books VALUES ({id}, {slug}, 'published')")).await;
    }
    for key in ["a/1", "b/1", "b/c/1"] {
        world.write(key, "x").await;
    }
    let before = world.state().await;
    for (name, word) in [
        ("books/50", "books/51"),
        ("books/53", "books/52"),
        ("books/52", "slash"),
        ("books/54", "NULL"),
        ("books/55", "empty"),
        ("books/56", ".."),
    ] {
        let mut items = world.items();
        items.kinds.insert("books".to_owned(), world.kind("books", "{slug}/", true));
        let error = items::delete(&items, &item(name), &DeleteOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
        assert_eq!(code(error), ExitCode::Refused, "{name}");
    }
    assert_eq!(world.state().await, before);
    assert!(world.in_trash().await.is_empty());
}

#[tokio::test]
async fn a_trash_bucket_that_is_missing_or_cannot_be_written_changes_nothing() {
    let world = World::in_memory(false).await;
    let before = world.state().await;
    let mut items = world.items();
    items.trash = TrashBucket { store: world.store.clone(), bucket: BucketName::new("nowhere").unwrap() };
    let error = items::delete(&items, &item("books/42"), &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(code(error), ExitCode::Store);

    for method in ["put", "copy"] {
        let denied = FaultyStore::planned(world.store.clone(), move |call| {
            (call.method == method).then_some(Fault::Before(ErrorKind::Denied))
        });
        let items = world.items_on(denied, world.database());
        let error = items::delete(&items, &item("books/42"), &DeleteOptions::default()).await.unwrap_err();
        assert_eq!(code(error), ExitCode::Store, "{method}");
        assert_eq!(world.state().await, before, "{method}");
    }
}

#[tokio::test]
async fn a_source_that_may_not_be_emptied_is_left_as_it_was() {
    let world = World::in_memory(false).await;
    let before = world.state().await;
    let books = world.books.to_string();
    let denied: Arc<dyn ObjectStore> = FaultyStore::planned(world.store.clone(), move |call| {
        let is_source = call.method.starts_with("delete") && call.subject.starts_with(&books);
        is_source.then_some(Fault::Before(ErrorKind::Denied))
    });
    let items = world.items_on(denied, world.database());
    let error = items::delete(&items, &item("books/42"), &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(code(error), ExitCode::Store);
    assert_eq!(world.state().await, before);
    assert_eq!(world.in_trash().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_that_is_not_free_is_refused_or_sent_to_the_trash() {
    let world = World::in_memory(false).await;
    let before = world.state().await;
    world.delete("books/42").await.unwrap();
    world.write("42/a.txt", "a new one").await;
    world.write("42/other.txt", "another").await;
    let occupied = world.state().await;
    let error = world.restore("books/42").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("42/a.txt") && text.contains("42/other.txt") && text.contains("4 objects"), "{text}");
    assert_eq!(code(error), ExitCode::Refused);
    assert_eq!(world.state().await, occupied);

    let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let restored = restore(&world.items(), "books/42", &options).await.unwrap();
    assert_eq!(world.state().await, before);
    let displaced = world.entries().await.pop().unwrap();
    assert_eq!(Some(&displaced.id), restored.displaced_to.as_ref());
    assert_eq!((displaced.objects, displaced.state), (2, EntryState::Complete));
    // The way back from the way back.
    let again = restore(&world.items(), displaced.id.as_str(), &options).await.unwrap();
    assert_eq!(again.objects, 2);
    assert_eq!(world.objects(&world.books).await, occupied.books);
}

#[tokio::test]
async fn a_folder_that_a_killed_run_left_empty_is_in_nobodys_way() {
    let world = World::in_folders().await;
    let before = world.state().await;
    std::fs::create_dir_all(world.folder.join("live").join(world.trash.as_str()).join("20261120T021500Z-k3x9/a"))
        .unwrap();
    let listing = items::list(&world.items(), &Filter::default()).await.unwrap();
    assert!(listing.broken.is_empty() && listing.entries.is_empty());
    let deep = world.folder.join("live").join(world.books.as_str()).join("42/deep");
    world.delete("books/42").await.unwrap();
    std::fs::create_dir_all(&deep).unwrap();
    world.restore("books/42").await.unwrap();
    assert_eq!(world.state().await, before);
    // The original is removed, its folder not yet.
    let deleted = world.delete("books/42").await.unwrap();
    std::fs::create_dir_all(&deep).unwrap();
    let items = world.items();
    let mut entry = items.entry(&deleted.entry).await.unwrap();
    entry.state = EntryState::Archived;
    items.trash.save(&entry).await.unwrap();
    items.trash.set_open(&entry).await.unwrap();
    let again = world.delete("books/42").await.unwrap();
    assert_eq!((again.entry, again.late.len()), (deleted.entry, 0));
    assert!(!deep.exists());
}

#[tokio::test]
async fn a_row_that_was_published_since_the_interruption_is_archived_again() {
    let world = World::in_memory(false).await;
    let deleted = world.delete("books/42").await.unwrap();
    let items = world.items();
    let mut entry = items.entry(&deleted.entry).await.unwrap();
    entry.state = EntryState::Archived;
    items.trash.save(&entry).await.unwrap();
    items.trash.set_open(&entry).await.unwrap();
    world.sql("UPDATE books SET status = 'published' WHERE id = 42").await;
    world.delete("books/42").await.unwrap();
    assert_eq!(world.status("42").await.as_deref(), Some("archived"));
    assert_eq!(world.entries().await.remove(0).row, Row::Archived { prior: Some("published".to_owned()) });
}

#[tokio::test]
async fn an_adoption_of_the_folder_is_not_taken_for_a_delete_of_it() {
    let world = World::in_memory(false).await;
    let before = world.state().await;
    let items = world.items();
    world.delete("books/2").await.unwrap();
    let mut entry = world.entries().await.remove(0);
    entry.id = dcs::model::TrashId::create(jiff::Timestamp::UNIX_EPOCH);
    (entry.state, entry.origin, entry.adopted) = (EntryState::Moving, dcs::trash::Origin::Adopted, true);
    (entry.item, entry.prefix) = (Some(item("books/42")), "42/".to_owned());
    items.trash.save(&entry).await.unwrap();
    items.trash.set_open(&entry).await.unwrap();
    let error = world.delete("books/42").await.unwrap_err();
    assert!(error.to_string().contains(entry.id.as_str()), "{error}");
    assert_eq!(code(error), ExitCode::Refused);
    world.restore("books/2").await.unwrap();
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn of_several_entries_one_is_asked_for() {
    let world = World::in_memory(false).await;
    world.delete("books/42").await.unwrap();
    world.write("42/a.txt", "the second").await;
    world.sql("UPDATE books SET status = 'published' WHERE id = 42").await;
    world.wait_for_locks();
    let second = world.delete("books/42").await.unwrap();
    let error = world.restore("books/42").await.unwrap_err();
    assert!(world.entries().await.iter().all(|entry| error.to_string().contains(entry.id.as_str())), "{error}");
    assert_eq!(code(error), ExitCode::Refused);
    let options = RestoreOptions { latest: true, ..RestoreOptions::default() };
    let restored = restore(&world.items(), "books/42", &options).await.unwrap();
    assert_eq!(restored.entry, second.entry);
    assert!(world.restore("books/1").await.is_err_and(|error| code(error) == ExitCode::NotFound));
}

#[tokio::test]
async fn a_row_that_changed_is_told_before_anything_moves() {
    let world = World::in_memory(false).await;
    let before = world.state().await;
    world.delete("books/42").await.unwrap();
    world.sql("UPDATE books SET status = 'withdrawn' WHERE id = 42").await;
    let restored = world.restore("books/42").await.unwrap();
    assert_eq!((restored.status.as_deref(), restored.status_kept), (Some("withdrawn"), true));
    assert_eq!(world.objects(&world.books).await, before.books);

    world.sql("UPDATE books SET status = 'published' WHERE id = 42").await;
    world.delete("books/42").await.unwrap();
    world.sql("DELETE FROM books WHERE id = 42").await;
    let deleted = world.state().await;
    let error = world.restore("books/42").await.unwrap_err();
    assert!(error.to_string().contains("row is gone"), "{error}");
    assert_eq!(code(error), ExitCode::Refused);
    assert_eq!(world.state().await, deleted);
    let options = RestoreOptions { skip_db: true, ..RestoreOptions::default() };
    restore(&world.items(), "books/42", &options).await.unwrap();
    assert_eq!(world.objects(&world.books).await, before.books);
}

#[tokio::test]
async fn what_others_put_into_the_trash_is_adopted_and_restored() {
    let world = World::in_memory(false).await;
    let before = world.state().await;
    for (key, (content, attributes)) in before.books.iter().filter(|(key, _)| key.starts_with("42/")) {
        let text = String::from_utf8(content.to_vec()).unwrap();
        world.put(&world.trash, &format!("{}/{key}", world.books), &text, attributes).await;
        let at = Address::new(world.books.clone(), Key::new(key.as_str()).unwrap());
        world.store.delete(&at).await.unwrap();
    }
    world.sql("UPDATE books SET status = 'archived' WHERE id = 42").await;
    let foreign = format!("{}/42/", world.books);
    let listing = items::list(&world.items(), &Filter::default()).await.unwrap();
    assert_eq!(listing.foreign, std::slice::from_ref(&foreign));
    let adopted = items::adopt(&world.items(), &Prefix::new(foreign).unwrap(), "moved by the web").await.unwrap();
    assert_eq!((adopted.item, adopted.objects), (Some(item("books/42")), 4));
    let restored = world.restore("books/42").await.unwrap();
    assert_eq!(restored.status.as_deref(), Some("published"));
    assert_eq!(world.state().await, before);
    assert_eq!(world.in_trash().await, Vec::<String>::new());
    for own in [".dcs/locks/", "nothing/1/", &format!("{}/", world.books)] {
        assert!(items::adopt(&world.items(), &Prefix::new(own).unwrap(), "").await.is_err(), "{own}");
    }
}

#[tokio::test]
async fn an_entry_that_is_needed_is_not_purged() {
    let world = World::in_memory(false).await;
    world.delete("books/42").await.unwrap();
    world.delete("books/2").await.unwrap();
    let items = world.items();
    let mut entry = world.entries().await.remove(0);
    for state in [EntryState::Archived, EntryState::Restoring, EntryState::Restored] {
        entry.state = state;
        items.trash.save(&entry).await.unwrap();
        let options = PurgeOptions { entries: vec![entry.id.clone()], ..PurgeOptions::default() };
        assert!(items::plan_purge(&items, &options).await.is_err_and(|error| code(error) == ExitCode::Refused));
        let all = items::plan_purge(&items, &PurgeOptions::default()).await.unwrap();
        assert_eq!((all.entries.len(), all.unfinished.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_damaged_entry_is_told_and_nothing_is_changed() {
    let world = World::in_memory(false).await;
    world.delete("books/42").await.unwrap();
    world.delete("books/2").await.unwrap();
    let entries = world.entries().await;
    let named = |name: &str| entries.iter().find(|entry| entry.item == Some(item(name))).unwrap().id.clone();
    let (journal, object) = (named("books/42"), named("books/2"));
    world.put(&world.trash, &format!("{journal}/entry.json"), "{", &Attributes::default()).await;
    let key = Key::new(format!("{object}/{}/2/a.txt", world.books)).unwrap();
    world.store.delete(&Address::new(world.trash.clone(), key)).await.unwrap();
    let before = world.state().await;
    for entry in [journal, object] {
        let error = world.restore(entry.as_str()).await.unwrap_err();
        assert_eq!(code(error), ExitCode::Damage, "{entry}");
    }
    assert_eq!(world.state().await, before);
    let listing = items::list(&world.items(), &Filter::default()).await.unwrap();
    assert_eq!((listing.broken.len(), listing.entries.len()), (1, 1));
}
