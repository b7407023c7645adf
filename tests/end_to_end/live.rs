//! Restores into a system that lives: what differs is kept, what is extra stays, and nothing happens unasked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dcs::store::ObjectStore;
use futures_util::TryStreamExt;

use crate::on_both;
use crate::system::{Live, Size, State, System, assert_same};

pub(crate) const CHANGE: &str = "UPDATE books SET title = 'changed' WHERE id < 50; CREATE TABLE new_one (a int);";

async fn change(system: &System) -> State {
    system.live.write(0, "a/b", "other content of another length").await;
    // As long as before: only the content tells.
    system.live.write(0, "a.b", "A.B").await;
    system.live.write(1, "extra/object", "extra").await;
    system.live.delete(0, "plus+and%percent%2B.txt").await;
    system.database.execute(CHANGE).await;
    system.state().await
}

async fn displaces_what_differs_and_keeps_the_rest(system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    let before = system.state().await;
    dcs.run(&["backup", "complete"]).ok();
    let changed = change(&system).await;
    let backups = system.backup_objects().await;

    // Looking and refusing change nothing, here and in the backup bucket.
    for command in ["restore-complete", "restore-files", "restore-db"] {
        dcs.run(&[command, "--dry-run"]).ok();
        dcs.run(&[command]).fails(5, "confirmation").says("--yes");
    }
    dcs.run(&["backup", "complete", "--dry-run"]).ok();
    assert_same(&changed, &system.state().await);
    assert!(system.database.kept().await.is_empty() && system.bucket(&system.trash).await.is_empty());
    assert_eq!(backups, system.backup_objects().await);

    dcs.run(&["restore-complete", "--yes"]).ok().answers("2 replaced").answers("1 object added");
    let mut expected = before.clone();
    expected.objects.insert("1/extra/object".to_owned(), changed.objects["1/extra/object"].clone());
    assert_same(&expected, &system.state().await);

    // What was displaced is all there.
    let trash = system.bucket(&system.trash).await;
    for key in ["0/a/b", "0/a.b"] {
        let old = &changed.objects[key].sha256;
        assert!(trash.values().any(|found| found.sha256 == *old), "{key} is not in the trash: {:?}", trash.keys());
    }
    let kept = system.database.kept().await;
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    let mut old = State { database: system.database.contents_of(kept).await, ..changed.clone() };
    // The comment of what is kept says what it was.
    if let Some(own) = changed.database.get("database") {
        assert!(old.database["database"][0].contains("the dream, it's ü"), "{:?}", old.database["database"]);
        old.database.insert("database".to_owned(), own.clone());
    }
    assert_same(&changed, &old);

    // Again: nothing differs any more.
    dcs.run(&["restore-complete", "--yes"]).ok().answers("0 objects added, 0 replaced");
    assert_same(&expected, &system.state().await);
    assert_eq!(trash, system.bucket(&system.trash).await);
    system.remove().await;
}

async fn restores_what_is_asked_for(mut system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    let before = system.state().await;
    dcs.run(&["backup", "complete"]).ok();
    system.lose_everything().await;
    let [books, apps] = system.live.buckets().clone();
    let (books, apps) = (format!("live/{books}"), format!("live/{apps}"));

    dcs.run(&["restore-files", "--only", "live/other"]).fails(10, "live/other").says(&apps);
    dcs.run(&["restore-db", "--only", "other"]).fails(10, "databases");
    dcs.run(&["restore-files", "--only", &apps]).ok().answers("300 objects added");
    system.live.make_bucket(0).await;
    let objects = system.live.objects().await;
    assert!(objects.keys().all(|key| key.starts_with("1/")) && objects.len() == 300, "{:?}", objects.keys());
    dcs.run(&["restore-db", "--only", "dream"]).ok();
    dcs.run(&["restore-files", "--only", &books, "--only", &apps]).ok().answers("300 the same");
    assert_same(&before, &system.state().await);
    system.remove().await;
}

/// A live system is written to while its backup is made.
async fn is_backed_up_while_it_is_written_to(mut system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    let before = system.state().await;
    let done = Arc::new(AtomicBool::new(false));
    let system_now = &system;
    let backup = {
        let done = Arc::clone(&done);
        let dcs = dcs.clone();
        tokio::task::spawn_blocking(move || {
            let output = dcs.run(&["backup", "complete"]);
            done.store(true, Ordering::SeqCst);
            output
        })
    };
    let mut number = 0;
    while !done.load(Ordering::SeqCst) {
        for key in [format!("0 first/{number}"), format!("5 between/{number}"), format!("zz last/{number}")] {
            system_now.live.append(1, &key, &format!("written meanwhile {number}")).await;
        }
        let row = format!("INSERT INTO books (title, status) VALUES ('meanwhile {number}', 'draft')");
        system_now.database.execute(&row).await;
        number += 1;
    }
    backup.await.unwrap().ok();
    dcs.run(&["verify", "--level", "contents"]).ok();
    let after = system.live.objects().await;
    system.lose_everything().await;
    dcs.run(&["restore-complete", "--yes"]).ok();
    let restored = system.live.objects().await;
    for (key, found) in &before.objects {
        assert_eq!(restored.get(key), Some(found), "{key}");
    }
    for (key, found) in &restored {
        assert_eq!(after.get(key), Some(found), "{key}");
    }
    system.remove().await;
}

async fn is_quiet_when_told_and_answers_in_one_document(mut system: System) {
    let dcs = system.dcs();
    dcs.run(&["init", "-q"]).ok().silent();
    for what in ["db", "files", "config", "complete"] {
        dcs.run(&["backup", what, "-q"]).ok().silent();
        assert_eq!(dcs.run(&["backup", what, "--json"]).ok().json()["code"], 0);
        dcs.run(&["backup", what, "--json", "--dry-run"]).ok().json();
    }
    dcs.run(&["verify", "-q"]).ok().silent();
    dcs.run(&["config", "check", "-q"]).ok().silent();
    system.lose_everything().await;
    dcs.run(&["restore-complete", "-q"]).ok().silent();
    for command in [
        &["init"][..],
        &["config", "show"],
        &["config", "check"],
        &["backup", "list"],
        &["backup", "show", "latest"],
        &["verify", "all", "--level", "presence"],
        &["restore-files", "--dry-run"],
        &["restore-db", "--dry-run"],
        &["restore-complete", "--dry-run"],
        &["restore-files", "--yes"],
        &["restore-db", "--yes"],
        &["restore-complete", "--yes"],
    ] {
        let output = dcs.run(&[command, &["--json"]].concat()).ok();
        output.json();
        assert!(output.stderr.is_empty(), "{output}");
    }
    let failed = dcs.run(&["backup", "show", "20200101T000000Z-db-k3x9", "--json"]).code(10);
    let error: serde_json::Value = serde_json::from_str(&failed.stderr).unwrap();
    assert_eq!(error["code"], 10, "{failed}");
    assert!(failed.stdout.is_empty() && error["hints"][0].is_string() && error["message"].is_string(), "{failed}");
    system.remove().await;
}

/// Buckets of a live server that keep every version: what is displaced is in the trash, and behind what was restored too.
#[tokio::test]
async fn a_versioned_bucket_is_restored_and_mirrored() {
    let Some(system) = System::on_servers(Size::Small).await else { return };
    let Live::S3 { env, store, buckets } = &system.live else { unreachable!("it is on servers") };
    for bucket in buckets.iter().chain([&system.trash]) {
        env.keep_versions(bucket).await;
    }
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    let before = system.state().await.objects;
    dcs.run(&["backup", "files"]).ok();
    let changed = change(&system).await.objects;
    dcs.run(&["restore-files", "--mirror", "--yes"]).ok();
    assert_eq!(system.state().await.objects, before);
    let trash = system.bucket(&system.trash).await;
    for key in ["0/a/b", "0/a.b", "1/extra/object"] {
        assert!(trash.values().any(|found| found.sha256 == changed[key].sha256), "{key} is not in the trash");
    }
    let versions: Vec<_> = store.versions(&buckets[0], "a/b".to_owned()).try_collect().await.unwrap();
    assert_eq!(versions.iter().filter(|version| version.info.key.as_str() == "a/b").count(), 3, "{versions:?}");
    // The next backup sees what is there now, and no older version.
    dcs.run(&["backup", "files"]).ok();
    dcs.run(&["restore-files", "--mirror", "--yes"]).ok().answers("0 objects added, 0 replaced");
    system.remove().await;
}

/// On servers the rows come out of the snapshot that pg_dump reads, whatever others do meanwhile.
async fn rows_and_files_of_one_backup_are_compared(system: System) {
    let bucket = system.live.buckets()[0].clone();
    system
        .database
        .execute(
            "CREATE TABLE works (id text, state text);
             INSERT INTO works VALUES ('shelf-1', 'published'), ('shelf-2', 'published'), ('shelf-3', 'archived');",
        )
        .await;
    for key in ["shelf-1/a", "shelf-1/b/c", "shelf-4/x"] {
        system.live.write(0, key, key).await;
    }
    let items = format!(
        "[items.works]\nstore = \"live\"\nbucket = \"{bucket}\"\ndatabase = \"dream\"\ntable = \"works\"\nstatus = \"state\"\n"
    );
    system.write_config(&items);
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["backup", "complete"]).ok().answers("rows and files: drifted: ");
    let shown = dcs.run(&["backup", "show"]).ok();
    for told in ["difference: works/shelf-2: its folder", "/shelf-4/: 1 object of"] {
        assert!(shown.stdout.contains(told), "{told}: {shown}");
    }
    assert!(!shown.stdout.contains("difference: works/shelf-1") && !shown.stdout.contains("works/shelf-3"), "{shown}");

    // Without the table the backup is as good, and says what it could not compare.
    system.database.execute("DROP TABLE works;").await;
    dcs.run(&["backup", "complete"]).ok().answers("rows and files: unknown: ").answers("works");
    dcs.run(&["verify", "--level", "contents"]).ok();
    system.remove().await;
}

on_both!(rows_and_files_of_one_backup_are_compared, Size::Small);
on_both!(displaces_what_differs_and_keeps_the_rest, Size::Small);
on_both!(restores_what_is_asked_for, Size::Small);
on_both!(is_backed_up_while_it_is_written_to, Size::Small);
on_both!(is_quiet_when_told_and_answers_in_one_document, Size::Small);
