//! Restores of a part, to elsewhere, of another time, and of exactly what was: through the binary.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;

use dcs::model::{Attributes, BucketName};
use dcs::store::{ErrorKind, Precondition};
use small_system::runs::Ran;
use small_system::{COVER, COVER_CHANGED, GONE, Live, System};
use support::faulty::{Fault, FaultyStore};

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/small_system.rs"]
mod small_system;
mod support;

const BOOK: &str = "42/book one.epub";

/// A system with a backup, and nothing live.
async fn emptied() -> (System, Live) {
    let system = System::embedded().await;
    system.make_backup();
    let before = system.everything().await;
    for bucket in [&system.buckets.books, &system.buckets.apps] {
        for key in support::keys(&*system.live, bucket).await {
            system.live.delete(&support::at(bucket, &key)).await.unwrap();
        }
    }
    (system, before)
}

async fn put(system: &System, bucket: &BucketName, key: &str, content: &'static [u8]) {
    let at = support::at(bucket, key);
    let body = bytes::Bytes::from_static(content);
    system.live.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
}

async fn keys(system: &System, bucket: &BucketName) -> Vec<String> {
    let mut keys = support::keys(&*system.live, bucket).await;
    keys.retain(|key| !key.ends_with('/'));
    keys
}

fn restore(system: &System, more: &[&str]) -> Ran {
    system.run(&[&["restore-files", "--yes"], more].concat())
}

#[tokio::test]
async fn what_is_selected_comes_back_and_nothing_else() {
    let none: [&str; 0] = [];
    for (arguments, books, apps) in [
        (&["--only", "live/books/42/cover.jpg"][..], &[COVER][..], 0),
        (&["--only", "live/books/42/"], &[BOOK, COVER], 0),
        (&["--only", "live/books/42/cover.jpg", "--only", "live/apps"], &[COVER], 1),
        (&["--prefix", "43"], &[GONE], 0),
        (&["--include", "**/*.jpg", "--include", "reader/*"], &[COVER], 1),
        (&["--exclude", "**/*.jpg", "--exclude", "reader/*"], &[BOOK, GONE], 0),
        (&["--only", "live/apps", "--include", "**"], &none, 1),
    ] {
        let (system, before) = emptied().await;
        let ran = restore(&system, arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.text());
        assert_eq!(keys(&system, &system.buckets.books).await, books, "{arguments:?}");
        assert_eq!(keys(&system, &system.buckets.apps).await.len(), apps, "{arguments:?}");
        for (name, content) in system.contents(&system.buckets.books).await {
            assert!(name.ends_with('/') || before[&name] == content, "{name}");
        }
    }
}

#[tokio::test]
async fn what_the_backup_does_not_hold_is_never_a_restore_that_was_done() {
    let (system, _) = emptied().await;
    for (arguments, named) in [
        (&["--only", "live/books/42/cover"][..], "live/books/42/cover"),
        (&["--only", "live/other/42/cover.jpg"], "live/other"),
        (&["--prefix", "44/"], "selected"),
        (&["--include", "*.jpg"], "selected"),
        (&["--at", "2020-01-01"], "2020-01-01"),
    ] {
        let ran = restore(&system, arguments);
        assert_eq!(ran.code, 10, "{arguments:?}: {}", ran.text());
        assert!(ran.stderr.contains(named) && ran.stderr.contains("hint: "), "{arguments:?}: {}", ran.text());
    }
    for arguments in [&["--include", ""][..], &["--only", "books"], &["--at", "soon"], &["--to", "live"]] {
        assert_eq!(restore(&system, arguments).code, 2, "{arguments:?}");
    }
    assert_eq!(system.run(&["restore-files", "latest", "--at", "2030-01-01"]).code, 2, "one or the other");
}

#[tokio::test]
async fn the_newest_good_backup_of_a_time_is_restored() {
    let system = System::embedded().await;
    let first = system.make_backup();
    let shown = system.succeed(&["--json", "backup", "show", first.as_str()]).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let finished = shown["finished_at"].as_str().unwrap().to_owned();
    system.change().await;
    // A second passes: the store's clock may have no finer.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    system.make_backup();
    for command in ["restore-files", "restore-db", "restore-complete"] {
        let ran = system.succeed(&[command, "--dry-run", "--at", &finished]);
        assert!(ran.stdout.contains(first.as_str()), "{command}: {}", ran.text());
        let ran = system.succeed(&[command, "--dry-run", "--at", "2999-12-31"]);
        assert!(!ran.stdout.contains(first.as_str()), "{command}: {}", ran.text());
    }
    let ran = restore(&system, &["--at", &finished]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(system.contents(&system.buckets.books).await[&format!("books/{COVER}")], b"the cover");
}

#[tokio::test]
async fn objects_go_to_another_bucket_a_folder_of_one_or_a_folder_of_this_machine() {
    let (system, before) = emptied().await;
    let other = support::bucket("other");
    for to in ["live/other/was/2026", "live/other"] {
        let ran = restore(&system, &["--only", "live/books", "--to", to]);
        assert_eq!(ran.code, 0, "{}", ran.text());
        assert!(keys(&system, &system.buckets.books).await.is_empty());
    }
    let copied = system.contents(&other).await;
    for key in [BOOK, COVER, GONE] {
        for place in [format!("other/{key}"), format!("other/was/2026/{key}")] {
            assert_eq!(copied[&place], before[&format!("books/{key}")], "{place}");
        }
    }
    // Again, everything is the same; what differs there goes to the trash.
    put(&system, &other, "was/2026/42/cover.jpg", COVER_CHANGED).await;
    let ran = restore(&system, &["--only", "live/books", "--to", "live/other/was/2026/"]);
    assert!(ran.code == 0 && ran.stdout.contains("0 objects added, 1 replaced, 2 the same"), "{}", ran.text());
    let trash = system.contents(&system.buckets.trash).await;
    assert!(trash.iter().any(|(key, content)| key.ends_with(COVER) && content == COVER_CHANGED), "{:?}", trash.keys());

    let folder = system.root.join("look");
    let ran = restore(&system, &["--to", folder.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(fs::read(folder.join("live/books").join(COVER)).unwrap(), b"the cover");
    assert_eq!(fs::read(folder.join("live/apps/reader/app.apk")).unwrap(), b"an app");
    assert!(keys(&system, &system.buckets.books).await.is_empty());
}

#[tokio::test]
async fn a_place_that_cannot_be_meant_is_refused() {
    let (system, _) = emptied().await;
    let before = system.everything().await;
    let ran = restore(&system, &["--to", "live/other"]);
    assert!(ran.code == 2 && ran.stderr.contains("--only"), "two buckets into one: {}", ran.text());
    let ran = restore(&system, &["--only", "live/books", "--to", "live/trash/x"]);
    assert!(ran.code == 5 && ran.stderr.contains("it is the trash"), "{}", ran.text());
    let ran = restore(&system, &["--only", "live/books", "--to", "vault/backups"]);
    assert!(ran.code == 5 && ran.stderr.contains("it is the backup bucket"), "{}", ran.text());
    assert_eq!(system.everything().await, before);
}

#[tokio::test]
async fn a_mirror_is_exactly_what_was_and_the_rest_is_in_the_trash() {
    let system = System::embedded().await;
    system.make_backup();
    let before = system.contents(&system.buckets.books).await;
    system.change().await;
    put(&system, &system.buckets.books, "42/note.txt", b"written since").await;
    put(&system, &system.buckets.books, "99/new.txt", b"new").await;
    let changed = system.everything().await;

    // Asked for, shown, and not done by itself.
    let ran = system.run(&["restore-files", "--mirror"]);
    assert_eq!(ran.code, 5, "it is asked for: {}", ran.text());
    let ran = system.succeed(&["restore-files", "--mirror", "--dry-run"]);
    assert!(ran.stdout.contains("remove   2 objects"), "{}", ran.text());
    assert_eq!(system.everything().await, changed);

    // Only what is selected.
    let ran = restore(&system, &["--mirror", "--only", "live/books/42/"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let books = &system.buckets.books;
    assert_eq!(keys(&system, books).await, [BOOK, COVER, "99/new.txt"], "{}", ran.text());
    let ran = restore(&system, &["--mirror", "--include", "**/*.jpg"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(keys(&system, books).await, [BOOK, COVER, "99/new.txt"]);

    let ran = restore(&system, &["--mirror"]);
    assert!(ran.code == 0 && ran.stdout.contains("1 removed"), "{}", ran.text());
    let mut after = system.contents(books).await;
    after.retain(|key, _| !key.ends_with('/'));
    assert_eq!(after, before);
    let trash = system.contents(&system.buckets.trash).await;
    for (key, content) in [("42/note.txt", &b"written since"[..]), ("99/new.txt", b"new"), (COVER, COVER_CHANGED)] {
        assert!(trash.iter().any(|(name, kept)| name.ends_with(key) && kept == content), "{key}: {:?}", trash.keys());
    }
    let again = restore(&system, &["--mirror"]);
    assert!(again.code == 0 && again.stdout.contains("0 objects added, 0 replaced"), "{}", again.text());

    // What was removed is an entry of the trash, and comes back as one.
    let entries = system.succeed(&["--json", "trash", "list"]).stdout;
    let entries: serde_json::Value = serde_json::from_str(&entries).unwrap();
    assert!(entries["entries"].as_array().unwrap().iter().all(|entry| entry["state"] == "complete"), "{entries}");
}

#[tokio::test]
async fn a_mirror_is_refused_where_it_would_lose_something() {
    let system = System::embedded().await;
    system.make_backup();
    put(&system, &system.buckets.books, "99/new.txt", b"new").await;
    let before = system.everything().await;
    let path = system.root.join("dcs.toml");
    let config = fs::read_to_string(&path).unwrap();
    let trash = "[trash]\nstore = \"live\"\nbucket = \"trash\"\n";
    assert!(config.contains(trash), "{config}");
    fs::write(&path, config.replace(trash, "")).unwrap();
    let ran = restore(&system, &["--mirror"]);
    assert!(ran.code == 5 && ran.stderr.contains("no trash"), "{}", ran.text());
    fs::write(&path, config).unwrap();

    // A backup that could not read an object does not hold it: a mirror would take it for removed.
    let unreadable = FaultyStore::planned(system.live.clone(), |call| {
        (call.method == "get" && call.subject.ends_with("99/new.txt")).then_some(Fault::Before(ErrorKind::Other))
    });
    let context = system.context(system.vault.clone(), unreadable, system.database()).await;
    let manifest = system.back_up(&context).await.unwrap();
    assert!(!manifest.is_good());
    let ran = restore(&system, &[manifest.id.as_str(), "--mirror"]);
    assert!(ran.code == 5 && ran.stderr.contains("it has problems"), "{}", ran.text());
    assert_eq!(system.everything().await, before);
}

#[tokio::test]
async fn a_mirror_elsewhere_stays_in_its_folder() {
    let (system, before) = emptied().await;
    let other = support::bucket("other");
    system.live.create_bucket(&other).await.unwrap();
    for key in ["keep", "was-not/x", "was/99/new.txt", "was/42/note.txt", "x"] {
        put(&system, &other, key, b"here before").await;
    }
    let arguments = ["--only", "live/books/42/", "--to", "live/other/was", "--mirror"];
    let ran = restore(&system, &arguments);
    assert!(ran.code == 0 && ran.stdout.contains("1 removed"), "{}", ran.text());
    let expected = ["keep", "was-not/x", "was/42/book one.epub", "was/42/cover.jpg", "was/99/new.txt", "x"];
    assert_eq!(keys(&system, &other).await, expected);
    assert_eq!(system.contents(&other).await["other/was/42/cover.jpg"], before[&format!("books/{COVER}")]);
}

#[tokio::test]
async fn a_mirror_stays_within_what_was_backed_up() {
    let system = System::embedded().await;
    let path = system.root.join("dcs.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        config.replace("[\"live/books\", \"live/apps\"]", "[\"live/books/42/\"]\nexclude = [\"**/*.tmp\"]"),
    )
    .unwrap();
    system.make_backup();
    put(&system, &system.buckets.books, "42/note.txt", b"written since").await;
    put(&system, &system.buckets.books, "99/new.txt", b"not backed up at all").await;
    put(&system, &system.buckets.books, "42/a.tmp", b"left out on purpose").await;
    let ran = restore(&system, &["--mirror"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(keys(&system, &system.buckets.books).await, ["42/a.tmp", BOOK, COVER, GONE, "99/new.txt"]);
}
