//! What `history` answers, and that the catalogue it answers from is a cache and no more.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use crate::cli::Output;
use crate::machine::Machine;

const ALL: [&str; 3] = ["history", "-n", "0"];

impl Machine {
    fn history(&self, arguments: &[&str]) -> Value {
        self.dcs().run(&[&["history", "--json"], arguments].concat()).ok().json()
    }

    /// All of the history, with nothing to complain about.
    fn quietly(&self) -> Output {
        let told = self.dcs().run(&ALL).ok();
        assert!(told.stderr.is_empty(), "{told}");
        told
    }

    fn catalogue(&self) -> std::path::PathBuf {
        self.path("state/catalog.sqlite")
    }

    /// Three backups, one failure, and a verification.
    fn busy() -> (Self, String) {
        let machine = Self::new();
        machine.back_up();
        machine.spoil("dream.db\"", "gone.db\"");
        machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
        machine.mend();
        let id = machine.back_up();
        machine.dcs().run(&["verify"]).ok();
        (machine, id)
    }
}

#[test]
fn it_tells_what_was_done_and_fits_a_terminal() {
    let (machine, id) = Machine::busy();
    let told = machine.dcs().run(&["history"]).ok().answers(&id).answers("backup db").answers("gone.db");
    assert!(told.stdout.lines().all(|line| line.chars().count() <= 80), "{told}");
    assert!(told.stdout.contains("5 runs: 80 % succeeded, 0 with problems, 1 failed"), "{told}");
    assert!(told.stderr.is_empty(), "{told}");
}

#[test]
fn runs_are_chosen_by_command_time_and_outcome() {
    let (machine, _) = Machine::busy();
    let count = |arguments: &[&str]| machine.history(arguments)["runs"].as_array().unwrap().len();
    assert_eq!(count(&["--command", "backup"]), 3);
    assert_eq!(count(&["--command", "backup complete"]), 2);
    assert_eq!(count(&["--command", "back"]), 0);
    assert_eq!(count(&["--failed"]), 1);
    assert_eq!(count(&["-n", "2"]), 2);
    assert_eq!(count(&["--since", "1d"]), 5);
    assert_eq!(count(&["--until", "2020-01-01"]), 0);
    let newest = machine.history(&["-n", "1"]);
    assert_eq!(newest["runs"][0]["command"], "verify");
    assert_eq!(newest["totals"]["runs"], 5, "the totals are of all that were asked for");
    machine.dcs().run(&["history", "--since", "yesterday"]).fails(2, "--since");
}

#[test]
fn what_another_machine_did_is_there_and_what_went_is_gone() {
    let (machine, _) = Machine::busy();
    machine.dcs().run(&ALL).ok();
    let repository = machine.path("vault/dcs");
    let elsewhere = crate::support::folder();
    let repo = repository.to_str().unwrap();
    let there = crate::cli::Dcs::new(elsewhere.path()).run(&["--repo", repo, "history"]).ok().answers("5 runs");
    assert_eq!(there.stderr.matches("no `state_dir`").count(), 1, "it is said once\n{there}");
    machine.forget();
    assert_eq!(machine.history(&[])["totals"]["runs"], 0);
}

#[test]
fn a_catalogue_that_was_wiped_is_made_again() {
    let (machine, _) = Machine::busy();
    machine.dcs().run(&ALL).ok();
    fs::remove_dir_all(machine.path("state")).unwrap();
    assert_eq!(machine.history(&[])["totals"]["runs"], 5);
    machine.dcs().run(&["catalog", "rebuild"]).ok().answers("the catalogue holds 5 runs");
}

#[test]
fn a_damaged_catalogue_is_set_aside_and_made_again() {
    let (machine, _) = Machine::busy();
    machine.dcs().run(&ALL).ok();
    for damage in ["no database ".repeat(1000), String::from_utf8_lossy(&[0; 5000]).into_owned()] {
        fs::write(machine.catalogue(), damage).unwrap();
        let told = machine.dcs().run(&ALL).ok().says("was damaged").answers("5 runs");
        assert!(told.stderr.contains("damaged-"), "{told}");
        drop(machine.quietly());
    }
    // A record in it that nobody wrote.
    let catalogue = Connection::open(machine.catalogue()).unwrap();
    catalogue.execute("UPDATE runs SET record = '{'", ()).unwrap();
    drop(catalogue);
    machine.dcs().run(&ALL).ok().says("the catalogue is not used").answers("5 runs");
    machine.dcs().run(&["catalog", "rebuild"]).ok();
    machine.quietly().answers("5 runs");
}

#[test]
fn a_catalogue_of_a_newer_dcs_is_left_alone() {
    let (machine, _) = Machine::busy();
    machine.dcs().run(&ALL).ok();
    Connection::open(machine.catalogue()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    machine.dcs().run(&ALL).ok().says("a newer dcs").answers("5 runs");
    assert_eq!(fs::read_dir(machine.path("state")).unwrap().filter(is_damaged).count(), 0);
}

fn is_damaged(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged")
}

#[test]
fn a_catalogue_that_another_holds_is_not_waited_for_for_ever() {
    let (machine, _) = Machine::busy();
    machine.dcs().run(&ALL).ok();
    let catalogue = Connection::open(machine.catalogue()).unwrap();
    catalogue.execute_batch("BEGIN EXCLUSIVE").unwrap();
    machine.dcs().run(&ALL).ok().says("another process holds it").answers("5 runs");
    machine.dcs().run(&["catalog", "rebuild"]).fails(1, "another process holds it");
}

#[test]
fn a_catalogue_that_may_not_be_written_is_done_without() {
    let (machine, _) = Machine::busy();
    machine.dcs().run(&ALL).ok();
    let dcs = machine.unprivileged();
    // Another user's now, as a state directory is of which root made parts.
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let path = machine.path("state").join(name);
        if path.exists() {
            std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        }
    }
    dcs.run(&ALL).ok().says("the catalogue is not used").answers("5 runs");
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_the_rest_told() {
    let (machine, _) = Machine::busy();
    let month = fs::read_dir(machine.path("vault/dcs/runs")).unwrap().next().unwrap().unwrap().path();
    let name = format!("{}01T000000.000Z-backup_db-0-zzzzzzzz.json", month.file_name().unwrap().to_str().unwrap());
    fs::write(month.join(name), "{").unwrap();
    machine.dcs().run(&ALL).ok().says("zzzzzzzz").answers("5 runs");
    machine.dcs().run(&["catalog", "rebuild"]).says("zzzzzzzz").code(3);
}
