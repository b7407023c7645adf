//! Rows, folders and the trash held against each other.

use std::fmt::Write;

use dcs::steps::check::{Checked, FindingKind, MOST_LISTED, check};
use dcs::trash::EntryState;

use crate::world::{World, item};

/// Every finding in a line, sorted.
fn told(checked: &Checked) -> Vec<String> {
    let told = checked.findings.iter().map(|found| format!("{:?} {} -> {}", found.kind, found.subject, found.mend));
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

async fn checked(world: &World) -> Checked {
    check(&world.items()).await.unwrap()
}

async fn every_difference_is_told_once_and_mended_by_what_it_names(world: World) {
    let whole = checked(&world).await;
    assert_eq!((told(&whole), whole.rows, whole.objects), (Vec::new(), 4, 7));

    // Two rows without a folder, one archived with a folder, one in the trash, two folders without a row, one row without an id.
    world
        .sql(
            "INSERT INTO books VALUES (7, 'seven', 'published'), (9, 'nine', NULL), (10, 'ten', 'archived');
             UPDATE books SET status = 'archived' WHERE id = 1",
        )
        .await;
    world.delete("books/420").await.unwrap();
    world.sql("UPDATE books SET status = 'published' WHERE id = 420").await;
    for key in ["42-no/row.txt", "500/a", "500/b/c", "loose.txt", "zz/ü"] {
        world.write(key, key).await;
    }
    let found = checked(&world).await;
    let entry = world.entries().await[0].id.clone();
    let books = world.books.as_str();
    let mut expected = vec![
        "Archived books/1 -> dcs delete --skip-db books/1, or set its status".to_owned(),
        format!("InTrash books/420 -> dcs restore {entry}"),
        format!("NoObjects books/7 -> dcs restore-files --only live/{books}/7/"),
        format!("NoObjects books/9 -> dcs restore-files --only live/{books}/9/"),
        format!("NoRow live/{books}/ -> make the row, or remove the objects with your S3 tool"),
        format!("NoRow live/{books}/42-no/ -> dcs delete --skip-db books/42-no, or make the row"),
        format!("NoRow live/{books}/500/ -> dcs delete --skip-db books/500, or make the row"),
        format!("NoRow live/{books}/zz/ -> dcs delete --skip-db books/zz, or make the row"),
    ];
    expected.sort();
    assert_eq!(told(&found), expected);
    assert_eq!((found.rows, found.objects, found.differences), (7, 11, 8));
    let five = found.findings.iter().find(|found| found.subject.ends_with("/500/")).unwrap();
    assert!(five.what.starts_with("2 objects of "), "{}", five.what);

    // What each says.
    let options = dcs::steps::items::DeleteOptions { skip_db: true, ..Default::default() };
    for name in ["books/1", "books/42-no", "books/500", "books/zz"] {
        dcs::steps::items::delete(&world.items(), &item(name), &options).await.unwrap();
    }
    world.restore(entry.as_str()).await.unwrap();
    world.write("7/back", "from a backup").await;
    world.write("9/back", "from a backup").await;
    let left = checked(&world).await;
    assert_eq!(told(&left), [format!("NoRow live/{books}/ -> make the row, or remove the objects with your S3 tool")]);
    world.remove().await;
}

#[tokio::test]
async fn in_memory() {
    every_difference_is_told_once_and_mended_by_what_it_names(World::in_memory(false).await).await;
}

#[tokio::test]
async fn in_folders() {
    every_difference_is_told_once_and_mended_by_what_it_names(World::in_folders().await).await;
}

#[tokio::test]
async fn on_servers() {
    let Some(world) = World::on_servers().await else { return };
    every_difference_is_told_once_and_mended_by_what_it_names(world).await;
}

#[tokio::test]
async fn what_is_under_way_is_told_with_what_finishes_it() {
    let world = World::in_memory(false).await;
    world.delete("books/42").await.unwrap();
    let entry = world.entries().await.remove(0);
    let unfinished = dcs::trash::Entry { state: EntryState::Archived, ..entry };
    world.items().trash.save(&unfinished).await.unwrap();
    let found = checked(&world).await;
    assert_eq!(told(&found), [format!("Unfinished trash entry {} -> dcs delete books/42", unfinished.id)]);
}

#[tokio::test]
async fn folders_of_several_kinds_and_columns_in_one_bucket_are_kept_apart() {
    let world = World::in_memory(false).await;
    let mut items = world.items();
    items.kinds.clear();
    for (name, template) in [("books", "{id}/"), ("covers", "covers/{slug}/{id}/")] {
        items.kinds.insert(name.to_owned(), world.kind(name, template, true));
    }
    for key in ["covers/one/1/front.jpg", "covers/two/2/front.jpg", "covers/forty-two/42/x", "covers/x/420/x"] {
        world.write(key, key).await;
    }
    assert_eq!(told(&check(&items).await.unwrap()), [""; 0]);
    world.sql("UPDATE books SET slug = NULL WHERE id = 1; UPDATE books SET slug = 'other' WHERE id = 2").await;
    let found = check(&items).await.unwrap();
    let kinds: Vec<(FindingKind, &str)> =
        found.findings.iter().map(|found| (found.kind, found.subject.rsplit('/').next().unwrap())).collect();
    assert!(kinds.contains(&(FindingKind::NoFolder, "1")), "{found:?}");
    assert!(kinds.contains(&(FindingKind::NoObjects, "2")), "{found:?}");
}

#[tokio::test]
async fn very_many_differences_are_counted_and_the_first_told() {
    let world = World::in_folders().await;
    let mut rows = String::from("INSERT INTO books VALUES (1000, 'x', 'published')");
    for id in 1001..3500 {
        write!(rows, ", ({id}, 'x', 'published')").unwrap();
    }
    world.sql(&rows).await;
    let found = checked(&world).await;
    assert_eq!((found.differences, found.findings.len(), found.rows), (2500, MOST_LISTED, 2504));
}
