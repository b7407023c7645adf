//! What verifications leave behind, and how it is read: samples that walk, failures that count, and an end with the backup.

use std::fs;

use crate::Machine;

#[tokio::test]
async fn samples_walk_through_all_files_and_prove_nothing() {
    let machine = Machine::embedded();
    // Several packs, one for each backup.
    for number in 0..6 {
        fs::write(machine.path(&format!("live/apps/app {number}")), format!("app {number}")).unwrap();
        machine.back_up();
    }
    let all = machine.dcs().run(&["verify", "--level", "contents", "--json"]).ok().json();
    let (mut objects, mut parts) = (0, Vec::new());
    for _ in 0..3 {
        let ran = machine.prove(&["--sample", "1/3", "--json"]).ok().json();
        objects += ran[0]["objects"].as_u64().unwrap();
        parts.push(ran[0]["sample"]["part"].as_u64().unwrap());
    }
    assert_eq!(parts, [0, 1, 2]);
    // What has no bytes lies in no pack, and is in every sample: a folder, a link, an empty file.
    assert_eq!(objects, all[0]["objects"].as_u64().unwrap() + 2 * 3);
    let rows = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["proof"]["state"] == "never"), "{rows}");
    let sampled = machine.evidence().into_iter().filter(|(name, _)| name.ends_with("-restore-sampled.json"));
    assert_eq!(sampled.count(), 3);
    machine.prove(&["--sample", "2/3"]).code(2);
    machine.dcs().run(&["verify", "--level", "presence", "--sample", "1/3"]).fails(2, "--sample");
}

#[tokio::test]
async fn damage_that_is_found_later_ends_a_proof() {
    let machine = Machine::embedded();
    let id = machine.back_up();
    machine.prove(&[]).ok();
    machine.dcs().run(&["verify"]).ok();
    assert_eq!(machine.listed().1["state"], "proven", "a lower level takes no proof away");
    let archive = machine.in_backup(&id, "config/config.tar.gz");
    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, &whole[1..]).unwrap();
    machine.dcs().run(&["verify"]).code(4);
    let (proven, proof) = machine.listed();
    assert_eq!((proven.as_str(), proof["level"].as_str()), ("FAILED", Some("checksum")));
    machine.dcs().run(&["backup", "show"]).ok().answers("FAILED verification of checksum").answers("config.tar.gz");
}

#[tokio::test]
async fn evidence_goes_with_its_backup() {
    let machine = Machine::embedded();
    let id = machine.back_up();
    machine.prove(&[]).ok();
    let newer = machine.back_up();
    machine.dcs().run(&["verify", &newer]).ok();
    assert_eq!(machine.evidence().len(), 2);
    machine.dcs().run(&["backup", "delete", &id, "--yes"]).ok();
    let [(_, evidence)] = machine.evidence().try_into().unwrap();
    assert_eq!(evidence["id"].as_str(), Some(newer.as_str()));
    assert!(!machine.path("vault/dcs/evidence").join(&id).exists());
}
