//! Folders and SQLite: proofs that pass, that fail, and that cannot be had here.

use std::fs;

use crate::{Machine, asks};

#[tokio::test]
async fn a_good_backup_is_proven_and_nothing_of_the_proof_is_left() {
    let machine = Machine::embedded();
    let id = machine.back_up();
    assert_eq!(machine.listed().0, "never");
    let live = fs::read(machine.path("dream.db")).unwrap();
    machine.configure(
        &(asks("SELECT count(*) FROM books", "3") + &asks("SELECT title FROM books WHERE id = 42", "forty-two")),
    );
    let proven = machine.prove(&[]).ok().answers("ok").answers(&id).answers("restored 1 table, 3 rows");
    assert!(proven.stderr.is_empty(), "{proven}");
    machine.assert_nothing_is_left().await;
    assert_eq!(fs::read(machine.path("dream.db")).unwrap(), live);

    let [(name, evidence)] = machine.evidence().try_into().unwrap();
    assert!(name.ends_with("Z-restore.json"), "{name}");
    assert_eq!((evidence["ok"].as_bool(), evidence["verdict"].as_str()), (Some(true), Some("passed")));
    assert_eq!((evidence["id"].as_str(), evidence["level"].as_str()), (Some(id.as_str()), Some("restore")));
    let compared = &evidence["compared"];
    assert_eq!(
        (compared["tables"].as_u64(), compared["rows"].as_u64(), compared["checks"].as_u64()),
        (Some(1), Some(3), Some(2))
    );
    assert_eq!(compared["objects"].as_u64(), Some(25), "{evidence}");
    assert!(compared["object_bytes"].as_u64() > Some(9 << 20), "{evidence}");
    let components: Vec<&str> = evidence["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    assert_eq!(components, ["database dream", "configuration", "files"]);
    assert!(evidence["components"][2]["seconds"].as_f64() > Some(0.0) && evidence["recovery_point_seconds"].is_u64());

    let plan = machine.dcs().run(&["restore-db", "--dry-run"]).ok();
    plan.answers("takes   about 0.").answers(&format!("by the proof of {id}"));
    let (proven, proof) = machine.listed();
    assert_eq!(proof["state"], "proven");
    assert!(proof["at"].as_str().unwrap().starts_with(&proven), "{proven} {proof}");
    machine.dcs().run(&["backup", "show", &id]).ok().answers("proven     20").answers(" in ");
    let shown = machine.dcs().run(&["backup", "show", &id, "--json"]).ok().json();
    assert_eq!(
        (shown["id"].as_str(), shown["evidence"]["run"].as_str()),
        (Some(id.as_str()), evidence["run"].as_str())
    );
}

#[tokio::test]
async fn a_statement_that_is_answered_otherwise_is_4_and_named_with_both_answers() {
    let machine = Machine::embedded();
    let id = machine.back_up();
    for (statement, expect, said) in [
        ("SELECT count(*) > 100 FROM books", "1", "it answers \"0\" instead of \"1\""),
        ("SELECT title FROM books WHERE id = 7", "seven", "it answers nothing instead of \"seven\""),
        ("SELECT nonsense FROM books", "1", "it fails (no such column"),
    ] {
        machine.configure(&asks(statement, expect));
        machine.prove(&[]).fails(4, statement).answers("DAMAGED").answers(statement).answers(said);
        machine.assert_nothing_is_left().await;
    }
    assert_eq!(machine.listed().0, "FAILED");
    machine.dcs().run(&["backup", "show", &id]).ok().answers("FAILED verification of restore").answers("statement");
    machine.configure(&asks("SELECT count(*) FROM books", "3"));
    machine.prove(&[]).ok();
    assert_eq!(machine.listed().1["state"], "proven");
}

#[tokio::test]
async fn a_backup_that_does_not_come_back_as_it_was_is_4() {
    // As it would be, had it been counted wrongly.
    let machine = Machine::embedded();
    let id = machine.back_up();
    machine.forge(&id, |manifest| manifest["databases"][0]["fingerprint"]["tables"][0]["rows"] = 4.into());
    machine.dcs().run(&["verify", "--level", "contents"]).ok();
    machine.prove(&[]).fails(4, "table books").answers("restored, it has 3 rows instead of 4 rows");
    machine.assert_nothing_is_left().await;

    // A dump that is no database, in a backup that is whole to the last digest.
    let machine = Machine::embedded();
    let id = machine.back_up();
    machine.forge_dump(&id, |raw| raw[..raw.len() / 2].to_owned());
    machine.dcs().run(&["verify", "--level", "contents"]).ok();
    machine.prove(&[]).fails(4, "database dream").answers("does not restore");
    machine.assert_nothing_is_left().await;

    // Stored bytes that are not what they were.
    let machine = Machine::embedded();
    let id = machine.back_up();
    let dump = machine.in_backup(&id, "db/dream.dump.gz");
    let mut bytes = fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&dump, bytes).unwrap();
    let told = machine.prove(&["--json"]).code(4).json();
    assert_eq!(told[0]["findings"].as_array().map(Vec::len), Some(1), "told once: {told}");
    machine.assert_nothing_is_left().await;
}

#[tokio::test]
async fn where_there_is_no_room_it_is_refused_and_the_backup_is_not_called_damaged() {
    let machine = Machine::embedded();
    let id = machine.back_up();
    machine.forge(&id, |manifest| manifest["databases"][0]["server"]["size_bytes"] = (1_u64 << 60).into());
    machine.prove(&[]).fails(5, "database dream").says("1024.0 PiB").says("free").answers("UNKNOWN");
    machine.assert_nothing_is_left().await;
    let [(name, evidence)] = machine.evidence().try_into().unwrap();
    assert!(name.ends_with("-restore-unfinished.json") && evidence["error"].is_string(), "{name} {evidence}");
    assert_eq!((evidence["ok"].as_bool(), machine.listed().0.as_str()), (Some(false), "never"));
    // What else there is was proven all the same.
    assert_eq!(evidence["compared"]["objects"].as_u64(), Some(25));
}
