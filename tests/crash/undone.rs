//! A complete restore that is taken back: after a kill at any call of it, and killed itself at any call.

use crate::small_system::{Live, System};
use crate::support::faulty::When;
use crate::{Target, assert_not_locked, backed_up_and_changed, for_every_call, kill_at};

/// Everything live is what it was, to the byte, and the restored state is not lost.
async fn assert_undone(system: &System, old: &Live) {
    let now = system.everything().await;
    // A directory store may show a folder that an object has left.
    let live = |state: &Live| {
        let is_live = |name: &str| !name.starts_with("trash/") && name != "beside" && !name.ends_with('/');
        state
            .iter()
            .filter(|(name, _)| is_live(name))
            .map(|(name, bytes)| (name.clone(), bytes.clone()))
            .collect::<Live>()
    };
    let (old, now) = (live(old), live(&now));
    assert_eq!(old.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    for (name, content) in &old {
        assert!(now.get(name) == Some(content), "{name} is not as it was");
    }
}

/// All entries of the trash are whole: each can be brought back.
fn assert_trash_is_whole(system: &System) {
    let listed = system.succeed(&["trash", "list", "--json"]).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["broken"], serde_json::json!([]), "{listed}");
    for entry in listed["entries"].as_array().unwrap() {
        assert_eq!(entry["state"], "complete", "{listed}");
    }
}

async fn undone_after_a_kill(target: Target, nth: usize, when: When) -> bool {
    let (system, ..) = backed_up_and_changed().await;
    let old = system.everything().await;
    let is_killed = kill_at(&system, "restore", target, nth, when);
    assert_not_locked(&system).await;
    let undone = system.run(&["restore-complete", "--undo", "--yes"]);
    let at = format!("{target:?} {nth} {when:?}: {}", undone.text());
    // Killed before there was a journal, a restore has done nothing.
    assert!(undone.code == 0 || (undone.code == 10 && is_killed), "{at}");
    assert_undone(&system, &old).await;
    assert_trash_is_whole(&system);
    is_killed
}

#[tokio::test]
async fn a_restore_killed_at_any_write_can_be_taken_back() {
    let writes = for_every_call("writes", async |nth, when| undone_after_a_kill(Target::Store, nth, when).await);
    assert!(writes.await >= 9);
}

#[tokio::test]
async fn a_restore_killed_at_any_write_of_its_journal_can_be_taken_back() {
    let writes = for_every_call("writes", async |nth, when| undone_after_a_kill(Target::Journal, nth, when).await);
    assert!(writes.await >= 11);
}

#[tokio::test]
async fn a_restore_killed_at_any_call_of_its_database_can_be_taken_back() {
    let calls = for_every_call("calls", async |nth, when| undone_after_a_kill(Target::Database, nth, when).await);
    assert_eq!(calls.await, 4);
}

/// Killed in the restore, finished by a second run, taken back: what was there before the first.
#[tokio::test]
async fn a_restore_that_took_two_runs_is_taken_back_as_one() {
    let writes = for_every_call("writes", async |nth, when| {
        let (system, manifest, _) = backed_up_and_changed().await;
        let old = system.everything().await;
        let is_killed = kill_at(&system, "restore", Target::Store, nth, when);
        if is_killed {
            system.succeed(&["restore-complete", manifest.id.as_str(), "--yes"]);
        }
        system.succeed(&["restore-complete", "--undo", "--yes"]);
        assert_undone(&system, &old).await;
        assert_trash_is_whole(&system);
        is_killed
    });
    assert!(writes.await >= 9);
}

async fn killed_undo(target: Target, nth: usize, when: When) -> bool {
    let (system, manifest, wanted) = backed_up_and_changed().await;
    let old = system.everything().await;
    system.succeed(&["restore-complete", manifest.id.as_str(), "--yes"]);
    let is_killed = kill_at(&system, "undo", target, nth, when);
    crate::assert_old_or_new(&system, &old, &wanted).await;
    if is_killed {
        assert_not_locked(&system).await;
        let again = system.run(&["restore-complete", "--undo", "--yes"]);
        // Killed when all was done but the answer.
        assert!([0, 10].contains(&again.code), "{target:?} {nth} {when:?}: {}", again.text());
    }
    assert_undone(&system, &old).await;
    assert_trash_is_whole(&system);
    is_killed
}

#[tokio::test]
async fn an_undo_killed_at_any_write_is_finished_by_the_next_one() {
    let writes = for_every_call("writes", async |nth, when| killed_undo(Target::Store, nth, when).await);
    // An entry with three copies and a list, the old cover, and two removals, at least.
    assert!(writes.await >= 8);
}

#[tokio::test]
async fn an_undo_killed_at_any_write_of_its_journal_is_finished_by_the_next_one() {
    let writes = for_every_call("writes", async |nth, when| killed_undo(Target::Journal, nth, when).await);
    // Two of the lock; begun, the database, an entry of the trash, undone.
    assert!(writes.await >= 6);
}

#[tokio::test]
async fn an_undo_killed_at_the_call_of_its_database_is_finished_by_the_next_one() {
    let calls = for_every_call("calls", async |nth, when| killed_undo(Target::Database, nth, when).await);
    assert_eq!(calls.await, 1);
}
