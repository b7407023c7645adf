//! Runs that are ended from outside: what is visible afterwards is old or new, and the same command finishes the job.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::on_both;
use crate::system::{Size, System, assert_same};

fn holds(log: &Path, text: &str) -> bool {
    fs::read_to_string(log).is_ok_and(|log| log.contains(text))
}

/// Starts a command and kills it as soon as its log tells of the phase.
fn kill_in(system: &System, arguments: &[&str], phase: &str) {
    let log = system.path("log");
    let mut running = system.dcs().with("DCS_LOG_FILE", log.display()).start(arguments);
    assert!(running.until(|| holds(&log, phase)), "{}", running.end());
    running.signal(Signal::KILL);
    let ended = running.end();
    assert_eq!(ended.signal, Some(9), "{ended}");
    fs::remove_file(&log).unwrap();
}

/// A command of the configuration holds the backup up, when all is stored but the manifest.
async fn a_backup_that_is_told_to_end_leaves_neither_a_backup_nor_a_lock(system: System) {
    system.dcs().run(&["init"]).ok();
    let waits = system.path("waits");
    system.write_config(&format!("capture = [\"touch '{}'; exec sleep 1000\"]", waits.display()));
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 143)] {
        let mut running = system.dcs().start(&["backup", "complete"]);
        assert!(running.until(|| waits.exists()), "{}", running.end());
        running.signal(signal);
        running.end().fails(code, "signal");
        fs::remove_file(&waits).unwrap();
        let listed = system.dcs().run(&["backup", "list", "--json"]).ok().json();
        assert_eq!(listed.as_array().map(Vec::len), Some(0), "{listed}");
        let left = system.backup_objects().await;
        assert!(!left.keys().any(|key| key.starts_with("locks/")), "{:?}", left.keys());
        let spooled: Vec<_> = fs::read_dir(system.path("state/spool")).unwrap().collect();
        assert!(spooled.is_empty(), "{spooled:?}");
    }
    system.write_config("");
    system.dcs().run(&["backup", "complete"]).ok();
    system.dcs().run(&["verify", "--level", "contents"]).ok();
    system.remove().await;
}

async fn a_backup_that_is_killed_leaves_no_backup_and_the_next_one_is_good(mut system: System) {
    system.dcs().run(&["init"]).ok();
    let before = system.state().await;
    for phase in ["phase=\"database dream\"", "phase=\"files\"", "phase=\"configuration\""] {
        kill_in(&system, &["backup", "complete"], phase);
        let listed = system.dcs().run(&["backup", "list", "--json"]).ok().json();
        assert_eq!(listed.as_array().map(Vec::len), Some(0), "{listed}");
    }
    system.dcs().run(&["backup", "complete"]).ok();
    system.dcs().run(&["verify", "all", "--level", "contents"]).ok();
    system.lose_everything().await;
    system.dcs().run(&["restore-complete", "--yes"]).ok();
    assert_same(&before, &system.state().await);
    system.remove().await;
}

async fn a_restore_that_is_killed_is_finished_by_the_same_command(mut system: System) {
    system.dcs().run(&["init"]).ok();
    let before = system.state().await;
    system.dcs().run(&["backup", "complete"]).ok();
    system.lose_everything().await;
    for phase in ["phase=\"database dream\"", "phase=\"restore files\"", "phase=\"restore files\""] {
        kill_in(&system, &["restore-complete", "--yes"], phase);
    }
    let finished = system.dcs().run(&["restore-complete", "--yes"]).ok();
    assert_same(&before, &system.state().await);
    // There was no live database to keep; what killed runs left beside it was named.
    for name in system.database.kept().await {
        assert!(name.contains("__new_") && finished.stderr.contains(&name), "{name}\n{finished}");
    }
    system.remove().await;
}

on_both!(a_backup_that_is_told_to_end_leaves_neither_a_backup_nor_a_lock, Size::Small);
on_both!(a_backup_that_is_killed_leaves_no_backup_and_the_next_one_is_good, Size::Small);
on_both!(a_restore_that_is_killed_is_finished_by_the_same_command, Size::Small);
