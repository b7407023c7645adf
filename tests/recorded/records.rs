//! What a record says, and where it is while the bucket cannot be reached.

use std::fs;

use rustix::process::Signal;

use crate::machine::Machine;

#[test]
fn a_backup_leaves_what_it_was_and_what_it_counted() {
    let machine = Machine::new();
    machine.forget();
    let id = machine.back_up();
    let record = machine.last_record();
    assert_eq!(record["command"], "backup complete");
    assert_eq!(record["arguments"], "backup complete --json");
    assert_eq!(record["exit_code"], 0);
    assert_eq!(record["backup"], id);
    assert_eq!(record["clock"], "store");
    assert_eq!(record["facts"]["objects"], 2);
    assert!(record["facts"]["bytes"].as_u64().unwrap() > 7000, "{record}");
    assert!(record["facts"]["stored_bytes"].as_u64().unwrap() > 0, "{record}");
    for absent in ["message", "hints", "destroyed"] {
        assert!(record.get(absent).is_none(), "{record}");
    }
    assert!(!record["host"].as_str().unwrap().is_empty() && !record["user"].as_str().unwrap().is_empty());
}

#[test]
fn looks_and_dry_runs_leave_nothing() {
    let machine = Machine::new();
    let id = machine.back_up();
    let before = machine.records().len();
    for look in [
        &["backup", "list"][..],
        &["backup", "show", &id],
        &["backup", "files", "-n"],
        &["backup", "prune", "-n"],
        &["restore-files", "-n"],
        &["trash", "list"],
        &["config", "check"],
    ] {
        machine.dcs().run(look).ok();
    }
    assert_eq!(machine.records().len(), before);
}

#[test]
fn a_failure_and_a_refusal_leave_why_and_what_to_do() {
    let machine = Machine::new();
    machine.back_up();
    machine.spoil("dream.db\"", "gone.db\"");
    machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
    let failed = machine.last_record();
    assert_eq!((&failed["command"], &failed["exit_code"]), (&"backup db".into(), &21.into()));
    assert!(failed["message"].as_str().unwrap().contains("gone.db"), "{failed}");
    assert!(!failed["hints"].as_array().unwrap().is_empty(), "{failed}");
    machine.mend();
    fs::write(machine.path("live/books/42/page"), "another").unwrap();
    machine.dcs().run(&["restore-files"]).fails(5, "confirmation");
    let refused = machine.last_record();
    assert_eq!((&refused["exit_code"], refused.get("destroyed")), (&5.into(), None));
}

#[test]
fn what_was_destroyed_is_named() {
    let machine = Machine::new();
    let (first, _second) = (machine.back_up(), machine.back_up());
    machine.dcs().run(&["backup", "delete", &first, "--yes"]).ok();
    let deleted = machine.last_record();
    assert_eq!(deleted["destroyed"]["what"], "backups");
    assert_eq!(deleted["destroyed"]["names"], serde_json::json!([first]));
    assert_eq!(deleted["destroyed"]["finished"], true);
    fs::write(machine.path("live/books/42/page"), "another").unwrap();
    machine.dcs().run(&["restore-complete", "--yes"]).ok();
    let restored = machine.last_record();
    assert_eq!(restored["destroyed"]["names"], serde_json::json!(["database dream", "objects of live/books"]));
    assert_eq!(restored["facts"]["objects"], 1, "{restored}");
}

#[test]
fn a_run_that_was_stopped_says_so() {
    let machine = Machine::new();
    machine.spoil("config = [", "capture = [\"touch begun; sleep 100\"]\nconfig = [");
    let mut run = machine.dcs().start(&["backup", "config"]);
    assert!(run.until(|| machine.path("begun").exists()));
    run.signal(Signal::TERM);
    run.end().fails(143, "signal");
    let record = machine.last_record();
    assert_eq!((&record["command"], &record["exit_code"]), (&"backup config".into(), &143.into()));
}

#[test]
fn while_the_bucket_is_away_records_wait_and_the_next_run_brings_them() {
    let machine = Machine::new();
    machine.forget();
    let (here, away) = (machine.path("vault"), machine.path("away"));
    fs::rename(&here, &away).unwrap();
    machine.dcs().run(&["backup", "files"]).fails(20, "vault");
    machine.dcs().run(&["backup", "db"]).fails(20, "vault");
    assert_eq!(machine.waiting(), 2);
    // An empty mount point is no repository: nothing is written into it.
    fs::create_dir_all(here.join("dcs")).unwrap();
    machine.dcs().run(&["backup", "files"]).code(5);
    assert_eq!((machine.waiting(), fs::read_dir(here.join("dcs")).unwrap().count()), (3, 0));
    fs::remove_dir_all(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    machine.dcs().run(&["backup", "files"]).ok();
    assert_eq!(machine.waiting(), 0);
    let codes: Vec<u64> = machine.records().iter().map(|record| record["exit_code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [20, 20, 5, 0]);
}

#[test]
fn records_of_another_repository_are_left_for_it() {
    let machine = Machine::new();
    fs::rename(machine.path("vault/dcs"), machine.path("vault/away")).unwrap();
    machine.dcs().run(&["backup", "files"]).code(5);
    assert_eq!(machine.waiting(), 1);
    machine.spoil("bucket = \"dcs\"", "bucket = \"other\"");
    machine.dcs().run(&["init"]).ok();
    assert_eq!(machine.waiting(), 1, "another bucket, the same state directory");
}

#[test]
fn with_nowhere_to_wait_the_loss_of_a_record_is_said() {
    let machine = Machine::new();
    let config = machine.config();
    fs::write(machine.path("dcs.toml"), config.split_once('\n').unwrap().1).unwrap();
    fs::rename(machine.path("vault"), machine.path("away")).unwrap();
    machine.dcs().run(&["backup", "files"]).says("leaves no record").fails(20, "vault");
}

#[test]
fn a_password_on_the_command_line_is_not_written_down() {
    let machine = Machine::new();
    let command = ["backup", "config", "--note", "postgres://me:hunter2@host/db"];
    machine.dcs().run(&command).ok();
    let record = machine.last_record().to_string();
    assert!(record.contains("--note") && !record.contains("hunter2"), "{record}");
}
