//! Backups that go for good, and those that must not.

use std::fs;

use crate::Machine;

impl Machine {
    fn listed(&self) -> Vec<String> {
        let listed = self.dcs().run(&["backup", "list", "--json"]).ok().json();
        listed.as_array().unwrap().iter().map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
    }

    fn back_up_as(&self, arguments: &[&str]) -> String {
        let made = self.dcs().run(&[&["backup", "--json"], arguments].concat()).ok().json();
        made["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_backup_goes_only_when_somebody_said_yes_and_takes_nothing_from_the_others() {
    let machine = Machine::new();
    let dcs = machine.dcs();
    let (one, two) = (machine.back_up(), machine.back_up());
    machine.refuses(&dcs, &["backup", "delete", &one], 5, "confirmation").says("--yes").says(&one);
    machine.refuses(&dcs, &["backup", "delete"], 2, "<ID>...");
    machine.refuses(&dcs, &["backup", "delete", "latest", "--yes"], 2, "latest");
    let before = machine.everything();
    dcs.run(&["backup", "delete", &one, "--dry-run"]).ok().answers(&one).answers("good");
    assert_eq!(before, machine.everything());

    let packs = crate::files(&machine.path("vault/dcs/packs"));
    let answer = dcs.run(&["backup", "delete", &one, "--yes", "--json"]).ok().json();
    assert_eq!(answer["backups"], serde_json::json!([one]));
    assert!(answer["objects"].as_u64().unwrap() >= 5 && answer["bytes"].as_u64().unwrap() > 0, "{answer}");
    assert_eq!(machine.listed(), std::slice::from_ref(&two));
    assert!(!machine.path("vault/dcs/backups").join(&one).exists());
    assert_eq!(crate::files(&machine.path("vault/dcs/packs")), packs);
    dcs.run(&["verify", &two, "--level", "contents"]).ok();
    machine.refuses(&dcs, &["backup", "delete", &one, "--yes"], 10, &one);
}

#[test]
fn of_several_those_that_are_there_go_and_the_others_are_named() {
    let machine = Machine::new();
    let (one, two, three) = (machine.back_up(), machine.back_up(), machine.back_up());
    let dcs = machine.dcs();
    let absent = "20200101T000000Z-complete-k3x9";
    dcs.run(&["backup", "delete", &one, absent, &two, "--yes"]).fails(3, "1 backup").says(absent);
    assert_eq!(machine.listed(), [three]);
}

#[test]
fn the_last_good_backup_of_anything_stays_unless_it_is_said_twice() {
    let machine = Machine::new();
    let complete = machine.back_up();
    let files = machine.back_up_as(&["files"]);
    let dcs = machine.dcs();
    // The files alone are in two; the database and the configuration are not.
    machine.refuses(&dcs, &["backup", "delete", &complete, "--yes"], 5, "holds the").says("--even-the-last");
    machine.refuses(&dcs, &["backup", "delete", &complete, &files, "--yes"], 5, "no other good backup");
    let database = machine.back_up_as(&["db"]);
    machine.refuses(&dcs, &["backup", "delete", &complete, "--yes"], 5, "holds the configuration");
    machine.back_up_as(&["config"]);
    dcs.run(&["backup", "delete", &complete, "--yes"]).ok();
    machine.refuses(&dcs, &["backup", "delete", &database, "--yes"], 5, "the database dream");

    // One that is not good is no substitute, and keeps nobody from deleting it.
    let other = machine.back_up_as(&["db"]);
    let manifest = machine.path("vault/dcs/backups").join(&other).join("manifest.json");
    fs::write(&manifest, "{\"format\": 1").unwrap();
    machine.refuses(&dcs, &["backup", "delete", &database, "--yes"], 5, "the database dream");
    dcs.run(&["backup", "delete", &other, "--yes"]).ok();
    dcs.run(&["backup", "delete", &database, "--yes", "--even-the-last"]).ok();
    assert_eq!(machine.listed().len(), 2);
}

#[test]
fn what_a_newer_dcs_wrote_does_not_go() {
    let machine = Machine::new();
    let (one, two) = (machine.back_up(), machine.back_up());
    let manifest = machine.path("vault/dcs/backups").join(&two).join("manifest.json");
    fs::write(manifest, "{\"format\": 2}").unwrap();
    let dcs = machine.dcs();
    machine.refuses(&dcs, &["backup", "delete", &two, "--yes"], 5, "format is 2");
    machine.refuses(&dcs, &["backup", "delete", &one, "--yes"], 5, "no other good backup");
}

#[test]
fn a_protected_backup_stays_until_it_is_no_longer_protected() {
    let machine = Machine::new();
    let (one, _two) = (machine.back_up(), machine.back_up());
    let dcs = machine.dcs();
    let before = machine.everything();
    dcs.run(&["backup", "protect", &one, "-n"]).ok().answers("would say");
    assert_eq!(before, machine.everything());
    dcs.run(&["backup", "protect", &one]).ok().answers("is protected");
    dcs.run(&["backup", "protect", &one]).ok().answers("before");
    let said = machine.path("vault/dcs/backups").join(&one).join("state/protected.json");
    let said: serde_json::Value = serde_json::from_str(&fs::read_to_string(said).unwrap()).unwrap();
    assert!(said["by"].is_string() && said["at"].is_string() && said["host"].is_string(), "{said}");

    machine.refuses(&dcs, &["backup", "delete", &one, "--yes"], 5, "it is protected").says("unprotect");
    dcs.run(&["backup", "unprotect", &one]).ok();
    dcs.run(&["backup", "delete", &one, "--yes"]).ok();
    machine.refuses(&dcs, &["backup", "protect", &one], 10, &one);
}

#[test]
fn problems_that_are_accepted_no_longer_keep_a_backup_from_being_the_latest() {
    let machine = Machine::new();
    let good = machine.back_up();
    fs::write(machine.path("live/books/unreadable"), "x").unwrap();
    let mut permissions = fs::metadata(machine.path("live/books/unreadable")).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0);
    fs::set_permissions(machine.path("live/books/unreadable"), permissions).unwrap();
    let dcs = machine.unprivileged();
    let made = dcs.run(&["backup", "files", "--json"]).code(3).json();
    let id = made["id"].as_str().unwrap();
    let shown = |dcs: &crate::Dcs| dcs.run(&["backup", "show", "--json"]).ok().json()["id"].clone();
    assert_eq!(shown(&dcs), good);
    dcs.run(&["backup", "accept", id, "--dry-run"]).ok();
    assert_eq!(shown(&dcs), good);
    dcs.run(&["backup", "accept", id]).ok().answers("accepted");
    assert_eq!(shown(&dcs), id);
    dcs.run(&["backup", "accept", &good]).ok().answers("good as it is");
}

#[test]
fn what_a_killed_deletion_left_goes_with_the_next() {
    let machine = Machine::new();
    let (one, two) = (machine.back_up(), machine.back_up());
    fs::remove_file(machine.path("vault/dcs/backups").join(&one).join("manifest.json")).unwrap();
    assert_eq!(machine.listed(), std::slice::from_ref(&two));
    machine.dcs().run(&["backup", "delete", &one, "--yes"]).ok().says("unfinished");
    assert!(!machine.path("vault/dcs/backups").join(&one).exists());
    assert_eq!(machine.listed(), [two]);
}

#[test]
fn what_no_backup_needs_is_shown_then_marked_and_goes_when_somebody_said_yes() {
    let machine = Machine::new();
    let one = machine.back_up();
    let packs = || crate::files(&machine.path("vault/dcs/packs")).len();
    fs::write(machine.path("live/books/42/page"), "another page\n".repeat(1000)).unwrap();
    machine.back_up();
    assert_eq!(packs(), 2);
    let dcs = machine.dcs();
    dcs.run(&["backup", "delete", &one, "--yes"]).ok().answers("dcs backup prune");

    let before = machine.everything();
    dcs.run(&["backup", "prune", "--dry-run"]).ok().answers("to be marked").answers("after 24 hours");
    let plan = dcs.run(&["backup", "prune", "-n", "--grace", "0s", "--json"]).ok().json();
    assert_eq!(plan["remove"]["objects"], 2, "{plan}");
    assert_eq!(before, machine.everything());
    machine.refuses(&dcs, &["backup", "prune", "--grace", "0s"], 5, "confirmation").says("to be removed");
    machine.refuses(&dcs, &["backup", "prune", "--grace", "soon"], 2, "--grace");

    // Marking destroys nothing, so nobody is asked.
    let marked = dcs.run(&["backup", "prune", "--json"]).ok().json();
    assert_eq!((&marked["marked"]["objects"], &marked["removed"]["objects"]), (&2.into(), &0.into()), "{marked}");
    assert_eq!(packs(), 2);
    machine.spoil("databases = [\"dream\"]", "grace = \"0s\"\ndatabases = [\"dream\"]");
    let removed = dcs.run(&["backup", "prune", "--yes", "--json"]).ok().json();
    assert_eq!(removed["removed"]["objects"], 2, "{removed}");
    assert_eq!(packs(), 1);
    assert!(!machine.path("vault/dcs/marks").exists());
    dcs.run(&["verify", "all", "--level", "contents"]).ok();
    dcs.run(&["backup", "prune", "--yes", "-q"]).ok().silent();
}

#[test]
fn a_backup_that_cannot_be_read_keeps_everything_until_it_is_deleted() {
    let machine = Machine::new();
    let (one, _two) = (machine.back_up(), machine.back_up());
    let manifest = machine.path("vault/dcs/backups").join(&one).join("manifest.json");
    fs::write(&manifest, "{\"format\": 1").unwrap();
    let dcs = machine.dcs();
    machine
        .refuses(&dcs, &["backup", "prune", "--yes", "--grace", "0s"], 4, &one)
        .says("until it is mended or deleted");
    machine.refuses(&dcs, &["backup", "prune", "--dry-run"], 4, &one);
    dcs.run(&["backup", "delete", &one, "--yes"]).ok();
    dcs.run(&["backup", "prune", "--yes", "--grace", "0s"]).ok();
    dcs.run(&["verify", "all", "--level", "contents"]).ok();
}
