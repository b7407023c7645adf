//! What is asked on a terminal before a live database goes aside.

use std::fs;

use rusqlite::Connection;

use crate::{Machine, cli::Output};

/// Says what was asked for, and refuses with everything as it was.
fn refuses(machine: &Machine, arguments: &[&str], answer: &str, asked: &str) -> Output {
    let before = machine.everything();
    let output = machine.dcs().run_on_terminal(arguments, answer).fails(5, "not confirmed").says(asked);
    assert_eq!(before, machine.everything(), "{output}");
    output
}

#[test]
fn a_live_database_goes_aside_only_for_whoever_types_its_name() {
    let machine = Machine::new();
    machine.back_up();
    for command in ["restore-db", "restore-complete"] {
        for answer in ["y", "yes", "", "drea", "DREAM", "other"] {
            refuses(&machine, &[command], answer, "type dream: ").says("or say `--yes`");
        }
        machine.dcs().run_on_terminal(&[command], " dream ").ok().answers("restored database dream");
    }
    refuses(&machine, &["restore-db", "--undo"], "yes", "type dream: ");
    machine.dcs().run_on_terminal(&["restore-db", "--undo"], "dream").ok().answers("put back database dream");
    // Where nothing is live there is nothing to ask.
    fs::remove_file(machine.path("dream.db")).unwrap();
    machine.dcs().run(&["restore-db"]).ok();
}

#[test]
fn of_several_the_backup_is_typed_and_of_files_alone_a_yes() {
    let machine = Machine::new();
    let home = machine.path("");
    let second = format!("[databases.second]\nurl = \"sqlite:{}\"\n[trash]", home.join("second.db").display());
    machine.spoil("[trash]", &second);
    let config = fs::read_to_string(machine.path("dcs.toml")).unwrap();
    fs::write(machine.path("dcs.toml"), config.replace("[\"dream\"]", "[\"dream\", \"second\"]")).unwrap();
    Connection::open(machine.path("second.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let id = machine.back_up();
    refuses(&machine, &["restore-db"], "dream", &format!("type {id}: "));
    let restored = machine.dcs().run_on_terminal(&["restore-db", "--json"], &id).ok();
    assert_eq!(restored.json()["databases"].as_array().map(Vec::len), Some(2));
    refuses(&machine, &["restore-db", "--undo"], &id, "type ");
    let undone = machine.dcs().run(&["restore-db", "--undo", "--yes"]).ok();
    undone.answers("put back database dream").answers("put back database second");

    for database in ["dream.db", "second.db"] {
        fs::remove_file(machine.path(database)).unwrap();
    }
    fs::write(machine.path("live/books/42/page"), "another page").unwrap();
    machine.dcs().run_on_terminal(&["restore-complete"], "n").fails(5, "not confirmed").says("[y/N]");
    machine.dcs().run_on_terminal(&["restore-complete"], "y").ok();
}
