//! The journal of a complete restore: what it says, and what the next run and an undo make of it.

use std::fs;

use dcs::model::RestoreJournal;
use dcs::model::journal::{DatabaseState, HookState, RestoreState};
use dcs::repository::Repository;
use rustix::process::Signal;

use crate::live::CHANGE;
use crate::on_both;
use crate::system::{Size, State, System, assert_same};

/// The journals of all restores, the last one last.
async fn journals(system: &System) -> Vec<RestoreJournal> {
    let repository: Repository = system.repository().await;
    repository.restores().await.unwrap().found
}

/// Objects that differ, are missing and are there beside those of the backup, and other rows.
async fn backed_up_and_changed(system: &System) -> (State, State) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    let before = system.state().await;
    dcs.run(&["backup", "complete"]).ok();
    system.live.write(0, "a/b", "other content of another length").await;
    system.live.write(1, "extra/object", "extra").await;
    system.live.delete(0, "plus+and%percent%2B.txt").await;
    system.database.execute(CHANGE).await;
    (before, system.state().await)
}

fn assert_restored(backup: &State, changed: &State, now: &State) {
    let mut objects = backup.objects.clone();
    let extra = changed.objects.iter().filter(|(key, _)| !backup.objects.contains_key(*key));
    objects.extend(extra.map(|(key, found)| (key.clone(), found.clone())));
    assert_same(&State { objects, database: backup.database.clone() }, now);
}

fn hooks(system: &System, before: &str, after: &str) {
    system.write_config(&format!("[restore]\nbefore = {before:?}\nafter = {after:?}\n"));
}

async fn a_journal_says_what_was_restored_and_where_the_old_is(system: System) {
    let (before, changed) = backed_up_and_changed(&system).await;
    let id = system.newest();
    assert!(journals(&system).await.is_empty());
    system.dcs().run(&["restore-complete", "-n"]).ok();
    assert!(journals(&system).await.is_empty(), "a dry run writes nothing");
    hooks(&system, "true", "true");
    let answer = system.dcs().run(&["restore-complete", "--yes", "--json"]).ok().json();
    assert_restored(&before, &changed, &system.state().await);

    let [journal] = journals(&system).await.try_into().unwrap();
    assert_eq!(answer["run"], journal.run.as_str());
    assert_eq!((journal.state, &journal.error, journal.backup.as_str()), (RestoreState::Finished, &None, id.as_str()));
    assert!(journal.command.contains("restore-complete") && !journal.host.is_empty() && !journal.user.is_empty());
    let [database] = journal.databases.as_slice() else { panic!("{journal:?}") };
    let kept = system.database.kept().await;
    assert_eq!((database.state, kept.len()), (DatabaseState::Swapped, 1));
    assert!(database.kept_as.as_ref().unwrap().ends_with(&kept[0]), "{database:?} {kept:?}");
    assert!(database.identity.is_some() && database.displaces);
    let displaced: Vec<String> =
        journal.files.iter().flat_map(|files| &files.displaced).map(ToString::to_string).collect();
    assert_eq!(answer["files"]["displaced_to"], serde_json::json!(displaced));
    assert!(displaced.len() == 1 && journal.files.iter().all(|files| files.done));
    assert_eq!((journal.hooks.before, journal.hooks.after), (HookState::Begun, HookState::Done));
    assert!(journal.config.is_some_and(|config| config.done && config.folder.contains(&id)));
    let texts: String = system.backup_texts().await.into_iter().map(|(_, text)| text).collect();
    assert!(system.secrets().iter().all(|secret| !texts.contains(secret)));

    // A finished one is not gone on with: the next restore is one of its own, and the old state is kept again.
    system.dcs().run(&["restore-complete", "--yes"]).ok().answers("restored database dream");
    assert_eq!(system.database.kept().await.len(), 2);
    system.remove().await;
}

/// Killed between the swap and the end of the hook after it: all is in place but that.
async fn a_rerun_leaves_what_is_in_place_and_runs_the_hook_that_did_not_end(system: System) {
    let (before, changed) = backed_up_and_changed(&system).await;
    let (begun, told) = (system.path("begun"), system.path("told"));
    hooks(&system, "true", &format!("touch '{}'; exec sleep 1000", begun.display()));
    let mut running = system.dcs().start(&["restore-complete", "--yes"]);
    assert!(running.until(|| begun.exists()), "{}", running.end());
    running.signal(Signal::KILL);
    assert_eq!(running.end().signal, Some(9));
    let [killed] = journals(&system).await.try_into().unwrap();
    assert_eq!((killed.state, killed.hooks.after), (RestoreState::Running, HookState::Not));

    hooks(&system, "exit 7", &format!("echo \"$DCS_STATUS $DCS_DATABASES\" > '{}'", told.display()));
    let kept = system.database.kept().await;
    let planned = system.dcs().run(&["restore-complete", "-n"]).ok();
    planned.answers(&format!("goes on with the restore {}", killed.run)).answers("dream is in place already");
    assert!(!told.exists());
    system.dcs().run(&["restore-complete", "--yes"]).ok().says("goes on with the restore");
    assert_eq!(fs::read_to_string(&told).unwrap(), "ok dream\n");
    assert_eq!(system.database.kept().await, kept, "nothing was swapped again");
    assert_restored(&before, &changed, &system.state().await);
    let [_, last] = journals(&system).await.try_into().unwrap();
    assert_eq!((last.continues, last.state), (Some(killed.run), RestoreState::Finished));
    assert_eq!(last.databases[0].state, DatabaseState::Swapped);
    system.remove().await;
}

/// Killed when all is ready for the swap: what was loaded beside the live database goes, and is loaded again.
async fn a_rerun_drops_what_a_dead_run_has_loaded_and_swaps_its_own(system: System) {
    let (before, changed) = backed_up_and_changed(&system).await;
    let begun = system.path("begun");
    hooks(&system, &format!("touch '{}'; exec sleep 1000", begun.display()), "true");
    let mut running = system.dcs().start(&["restore-complete", "--yes"]);
    assert!(running.until(|| begun.exists()), "{}", running.end());
    running.signal(Signal::KILL);
    assert_eq!(running.end().signal, Some(9));
    assert_eq!(system.database.contents().await, changed.database);

    hooks(&system, "true", "true");
    system.dcs().run(&["restore-complete", "--yes"]).ok().says("the hook after the swap has not run yet");
    assert_restored(&before, &changed, &system.state().await);
    let kept = system.database.kept().await;
    assert!(kept.len() == 1 && !kept[0].contains("__new_"), "{kept:?}");

    // Asked to, a rerun does all of it again.
    let log = system.path("again");
    hooks(&system, "true", &format!("touch '{}'; exec sleep 1000", log.display()));
    let mut running = system.dcs().start(&["restore-complete", "--yes"]);
    assert!(running.until(|| log.exists()), "{}", running.end());
    running.signal(Signal::KILL);
    assert_eq!(running.end().signal, Some(9));
    system.database.execute(CHANGE).await;
    hooks(&system, "true", "true");
    system.dcs().run(&["restore-complete", "--yes", "--afresh"]).ok().answers("restored database dream");
    assert_restored(&before, &changed, &system.state().await);
    system.remove().await;
}

/// A database that somebody put in the place of the restored one is not taken for it.
async fn a_rerun_restores_a_database_again_that_is_another_by_now(mut system: System) {
    let (before, changed) = backed_up_and_changed(&system).await;
    let begun = system.path("begun");
    hooks(&system, "true", &format!("touch '{}'; exec sleep 1000", begun.display()));
    let mut running = system.dcs().start(&["restore-complete", "--yes"]);
    assert!(running.until(|| begun.exists()), "{}", running.end());
    running.signal(Signal::KILL);
    assert_eq!(running.end().signal, Some(9));
    system.database.lose().await;
    hooks(&system, "true", "true");
    let again = system.dcs().run(&["restore-complete", "--yes"]).ok().answers("restored database dream");
    assert!(!again.stderr.contains("in place already"), "{again}");
    assert_restored(&before, &changed, &system.state().await);
    system.remove().await;
}

on_both!(a_journal_says_what_was_restored_and_where_the_old_is, Size::Small);
on_both!(a_rerun_leaves_what_is_in_place_and_runs_the_hook_that_did_not_end, Size::Small);
on_both!(a_rerun_drops_what_a_dead_run_has_loaded_and_swaps_its_own, Size::Small);
on_both!(a_rerun_restores_a_database_again_that_is_another_by_now, Size::Small);
