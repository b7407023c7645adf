//! The journal of a complete restore: what it says, and what the next run and an undo make of it.

use std::fs;
use std::path::Path;
use std::time::Instant;

use dcs::model::RestoreJournal;
use dcs::model::journal::{DatabaseState, HookState, RestoreState};
use dcs::repository::Repository;
use rustix::process::{Pid, Signal, kill_process};

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

/// A hook that does not end by itself, says who it is, and keeps nothing of its parent open.
fn waiting(begun: &Path) -> String {
    format!("echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 1000 > /dev/null 2>&1", begun.display())
}

/// Starts a restore and kills it, and its hook, while that waits.
fn kill_in_hook(system: &System, arguments: &[&str], begun: &Path) {
    let mut running = system.dcs().start(arguments);
    assert!(running.until(|| begun.exists()), "{}", running.end());
    running.signal(Signal::KILL);
    assert_eq!(running.end().signal, Some(9));
    let hook = fs::read_to_string(begun).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(hook).unwrap(), Signal::KILL).unwrap();
    fs::remove_file(begun).unwrap();
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
    hooks(&system, "true", &waiting(&begun));
    kill_in_hook(&system, &["restore-complete", "--yes"], &begun);
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
    hooks(&system, &waiting(&begun), "true");
    kill_in_hook(&system, &["restore-complete", "--yes"], &begun);
    assert_eq!(system.database.contents().await, changed.database);

    hooks(&system, "true", "true");
    system.dcs().run(&["restore-complete", "--yes"]).ok().says("the hook after the swap has not run yet");
    assert_restored(&before, &changed, &system.state().await);
    let kept = system.database.kept().await;
    assert!(kept.len() == 1 && !kept[0].contains("__new_"), "{kept:?}");

    // Asked to, a rerun does all of it again.
    hooks(&system, "true", &waiting(&begun));
    kill_in_hook(&system, &["restore-complete", "--yes"], &begun);
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
    hooks(&system, "true", &waiting(&begun));
    kill_in_hook(&system, &["restore-complete", "--yes"], &begun);
    system.database.lose().await;
    hooks(&system, "true", "true");
    let again = system.dcs().run(&["restore-complete", "--yes"]).ok().answers("restored database dream");
    assert!(!again.stderr.contains("in place already"), "{again}");
    assert_restored(&before, &changed, &system.state().await);
    system.remove().await;
}

/// Forth and back: databases and objects are what they were, and what the restore brought is kept.
async fn an_undo_goes_back_to_exactly_what_was_before(system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["restore-complete", "--undo"]).fails(10, "complete restore").says("none");
    let (_, changed) = backed_up_and_changed(&system).await;
    dcs.run(&["restore-complete", "--yes"]).ok();
    let restored = system.state().await;
    let [journal] = journals(&system).await.try_into().unwrap();
    let run = journal.run.to_string();

    // Looking and refusing change nothing.
    let plan = dcs.run(&["restore-complete", "--undo", "--dry-run", "--json"]).ok().json();
    assert_eq!(
        (plan["run"].as_str(), plan["databases"][0]["name"].as_str()),
        (Some(run.as_str()), Some("dream")),
        "{plan}"
    );
    dcs.run(&["restore-complete", "--undo", "-n"]).ok().answers("back     1 object").answers("remove   1 object");
    dcs.run(&["restore-complete", "--undo"]).fails(5, "confirmation").says("--yes");
    dcs.run(&["restore-complete", "--undo", "zzzz", "--yes"]).fails(10, "zzzz").says(&run);
    dcs.run(&["restore-complete", "latest", "--undo", &run]).fails(2, "--undo");
    assert_same(&restored, &system.state().await);

    let told = system.path("told");
    let tell = |what: &str| format!("echo \"{what} $DCS_STATUS $DCS_DATABASES\" >> '{}'", told.display());
    hooks(&system, &tell("before"), &tell("after"));
    let undone = dcs.run(&["restore-complete", "--undo", "--yes", "--json"]).ok().json();
    assert_eq!(fs::read_to_string(&told).unwrap(), "before  dream\nafter ok dream\n");
    assert_same(&changed, &system.state().await);
    assert_eq!((&undone["put_back_objects"], &undone["removed_objects"]), (&1.into(), &1.into()), "{undone}");
    let entry = undone["entries"][0].as_str().unwrap();
    dcs.run(&["trash", "list"]).ok().answers(entry);
    let [journal] = journals(&system).await.try_into().unwrap();
    assert_eq!((journal.state, journal.undos.len()), (RestoreState::Undone, 1));

    // Once more is no harm, and there is no other. What the undo took away can be had back.
    dcs.run(&["restore-complete", "--undo", &run, "--yes"]).ok().says("undone already");
    dcs.run(&["restore-complete", "--undo", "--yes"]).fails(10, "to undo").says(&run);
    dcs.run(&["restore", entry, "--overwrite", "--yes"]).ok();
    assert_eq!(restored.objects, system.state().await.objects);

    // A backup can be restored again, as another restore.
    dcs.run(&["restore-complete", "--yes"]).ok().answers("restored database dream");
    assert_eq!(restored.database, system.state().await.database);
    system.remove().await;
}

async fn an_undo_leaves_what_was_changed_since_and_names_it(system: System) {
    let dcs = system.dcs();
    let (before, changed) = backed_up_and_changed(&system).await;
    dcs.run(&["restore-complete", "--yes"]).ok();
    // One that had given way, and one that had been added.
    system.live.write(0, "a/b", "written after the restore").await;
    system.live.write(0, "plus+and%percent%2B.txt", "written after the restore").await;
    let now = system.state().await;
    dcs.run(&["restore-complete", "--undo", "-n"]).ok().answers("a/b: it was changed since");
    let undone = dcs.run(&["restore-complete", "--undo", "--yes"]).fails(3, "2 that stay");
    assert!(undone.stdout.contains("0 objects put back, 0 removed") && undone.stdout.contains("2 left"), "{undone}");
    let after = system.state().await;
    assert_eq!(after.objects, now.objects);
    assert_eq!(after.database, changed.database);
    assert_ne!(after.database, before.database);
    dcs.run(&["restore-complete", "--undo"]).fails(10, "to undo");
    system.remove().await;
}

/// Killed in either hook: before anything was swapped, and when all was.
async fn an_undo_takes_back_what_was_killed(system: System) {
    let (before, changed) = backed_up_and_changed(&system).await;
    let begun = system.path("begun");
    for (first, second) in [(waiting(&begun), "true".to_owned()), ("true".to_owned(), waiting(&begun))] {
        let kept = system.database.kept().await;
        hooks(&system, &first, &second);
        kill_in_hook(&system, &["restore-complete", "--yes"], &begun);
        hooks(&system, "true", "true");
        system.dcs().run(&["restore-complete", "--undo", "--yes"]).ok();
        assert_same(&changed, &system.state().await);
        let left: Vec<String> = system.database.kept().await.into_iter().filter(|name| !kept.contains(name)).collect();
        assert!(!left.iter().any(|name| name.contains("__new_")), "{left:?}");
    }

    // The undo itself, killed before it came to anything, and when it was through.
    hooks(&system, "true", "true");
    system.dcs().run(&["restore-complete", "--yes"]).ok();
    for (first, second) in [(waiting(&begun), "true".to_owned()), ("true".to_owned(), waiting(&begun))] {
        hooks(&system, &first, &second);
        kill_in_hook(&system, &["restore-complete", "--undo", "--yes"], &begun);
    }
    hooks(&system, "true", "true");
    system.dcs().run(&["restore-complete", "--undo", "--yes"]).ok();
    assert_same(&changed, &system.state().await);
    assert_ne!(before.database, changed.database);
    system.remove().await;
}

/// Killed at moments spread over the whole of it, restore and undo by turns: the next undo goes back to what was.
async fn an_undo_goes_back_from_wherever_a_kill_left_it(system: System) {
    let (_, changed) = backed_up_and_changed(&system).await;
    let commands = [&["restore-complete", "--yes"][..], &["restore-complete", "--undo", "--yes"]];
    let whole = commands.map(|command| {
        let begun = Instant::now();
        system.dcs().run(command).ok();
        begun.elapsed()
    });
    for step in 1..=6 {
        for (command, whole) in commands.iter().zip(whole) {
            let mut running = system.dcs().start(command);
            let begun = Instant::now();
            if running.until(|| begun.elapsed() >= whole * step / 6) {
                running.signal(Signal::KILL);
            }
            let ended = running.end();
            assert!(ended.signal == Some(9) || matches!(ended.code, Some(0 | 10)), "{ended}");
        }
        let undone = system.dcs().run(&["restore-complete", "--undo", "--yes"]);
        assert!(matches!(undone.code, Some(0 | 10)), "{undone}");
        assert_same(&changed, &system.state().await);
    }
    system.remove().await;
}

on_both!(a_journal_says_what_was_restored_and_where_the_old_is, Size::Small);
on_both!(a_rerun_leaves_what_is_in_place_and_runs_the_hook_that_did_not_end, Size::Small);
on_both!(a_rerun_drops_what_a_dead_run_has_loaded_and_swaps_its_own, Size::Small);
on_both!(a_rerun_restores_a_database_again_that_is_another_by_now, Size::Small);
on_both!(an_undo_goes_back_to_exactly_what_was_before, Size::Small);
on_both!(an_undo_leaves_what_was_changed_since_and_names_it, Size::Small);
on_both!(an_undo_takes_back_what_was_killed, Size::Small);
on_both!(an_undo_goes_back_from_wherever_a_kill_left_it, Size::Small);
