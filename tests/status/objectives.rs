//! Objectives that are met, and those that are missed: exit code 30, naming each.

use std::fs;

use crate::machine::Machine;

#[test]
fn objectives_that_are_met_are_0_and_quiet_is_silent() {
    let machine = Machine::new();
    let id = machine.back_up();
    machine.dcs().run(&["verify", &id, "--level", "restore"]).ok();
    machine.configure(
        "[objectives]\ndb = \"26h\"\nfiles = \"1h\"\nconfig = \"1h\"\ncomplete = \"8d\"\nproven = \"8d\"\n\
         backup_time = \"1h\"\nrestore_time = \"4h\"\ndisk_used = \"1GB\"\n",
    );
    let shown = machine.dcs().run(&["status", "--check"]).ok().answers("ok      db, db dream").answers("wanted 26h");
    assert!(!shown.stdout.contains("MISSED"), "{shown}");
    machine.dcs().run(&["status", "--check", "--quiet"]).ok().silent();
    let told = machine.dcs().run(&["status", "--check", "--json"]).ok().json();
    let objectives = told["objectives"].as_array().unwrap();
    // Three ages and one of all, three proofs, two times and the room.
    assert_eq!(objectives.len(), 10, "{told:#}");
    assert!(objectives.iter().all(|judged| judged["met"] == true), "{told:#}");
    machine.dcs().run(&["status"]).ok().answers("objectives").answers("YES");
}

#[test]
fn each_objective_that_is_missed_is_30_and_named_with_what_to_run() {
    let machine = Machine::new();
    let nothing = "[objectives]\ndb = \"26h\"\n";
    machine.configure(nothing);
    let missed = machine.dcs().run(&["status", "--check"]).fails(30, "db of db dream").answers("MISSED");
    missed.answers("no good backup").answers("run: dcs backup db dream").says("dcs backup db dream");
    let id = machine.dcs().run(&["backup", "db", "--json"]).ok().json()["id"].as_str().unwrap().to_owned();
    machine.dcs().run(&["status", "--check"]).ok();
    // A backup that was begun a while ago.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    for (objective, subject, next) in [
        ("db = \"1s\"", "db of db dream", "dcs backup db dream".to_owned()),
        ("files = \"1h\"", "files of files live/books", "dcs backup files".to_owned()),
        ("config = \"1h\"", "config of config", "dcs backup config".to_owned()),
        ("complete = \"8d\"", "complete of complete", "dcs backup complete".to_owned()),
        ("proven = \"8d\"", "proven of db dream", format!("dcs verify {id} --level restore")),
        ("restore_time = \"4h\"", "restore_time of restore", "dcs verify latest --level restore".to_owned()),
        ("disk_used = \"1B\"", "disk_used of repository", "dcs backup prune".to_owned()),
    ] {
        machine.configure(&format!("[objectives]\n{objective}\n"));
        let missed = machine.dcs().run(&["status", "--check", "--quiet"]).fails(30, subject).says(&next);
        assert!(missed.stdout.is_empty(), "{missed}");
        // The screen says the same, and is an answer all the same.
        machine.dcs().run(&["status"]).ok().answers("MISSED");
    }
}

#[test]
fn without_objectives_there_is_nothing_to_check_and_that_is_no_success() {
    let machine = Machine::new();
    machine.back_up();
    machine.dcs().run(&["status", "--check"]).fails(2, "[objectives]");
    machine.configure("[objectives]\ndb = \"soon\"\n");
    machine.dcs().run(&["status"]).fails(2, "[objectives].db");
}

#[test]
fn an_objective_for_what_is_not_configured_is_missed() {
    let machine = Machine::new();
    let config = machine.config().replace("databases = [\"dream\"]\n", "");
    fs::write(machine.path("dcs.toml"), config + "[objectives]\ndb = \"26h\"\n").unwrap();
    machine.dcs().run(&["status", "--check"]).fails(30, "db").answers("nothing is backed up");
}

#[test]
fn a_backup_whose_verification_failed_does_not_meet_an_age() {
    let machine = Machine::new();
    let id = machine.dcs().run(&["backup", "db", "--json"]).ok().json()["id"].as_str().unwrap().to_owned();
    machine.configure("[objectives]\ndb = \"26h\"\n");
    machine.dcs().run(&["status", "--check"]).ok();
    fs::write(machine.path("vault/dcs/backups").join(&id).join("db/dream.dump.gz"), "not a dump").unwrap();
    machine.dcs().run(&["verify", &id]).code(4);
    machine.dcs().run(&["status", "--check"]).fails(30, "db of db dream");
}
