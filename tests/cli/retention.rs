//! Which backups go by rules, which stay whatever the rules are, and how they are found by their words.

use std::fs;

use crate::Machine;

impl Machine {
    fn listed_by(&self, arguments: &[&str]) -> Vec<String> {
        let listed = self.dcs().run(&[&["backup", "list", "--json"], arguments].concat()).ok().json();
        listed.as_array().unwrap().iter().map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
    }

    fn make(&self, arguments: &[&str]) -> String {
        let made = self.dcs().run(&[&["backup", "--json"], arguments].concat()).ok().json();
        made["id"].as_str().unwrap().to_owned()
    }
}

/// Nothing but what the rule for the last ones keeps.
const LAST: [&str; 6] = ["backup", "prune", "--keep-last", "1", "--keep-daily", "0"];

#[test]
fn what_no_rule_keeps_is_shown_first_and_goes_when_somebody_said_yes() {
    let machine = Machine::new();
    let made: Vec<String> = (0..4).map(|_| machine.make(&["db"])).collect();
    let files = machine.make(&["files"]);
    let dcs = machine.dcs();
    let before = machine.everything();
    dcs.run(&["backup", "prune", "-n"]).ok();
    let shown = dcs.run(&[&LAST[..], &["-n"]].concat()).ok();
    shown.answers("keep 2 backups, delete 3").answers(&format!("{}  last, last good of the database dream", made[3]));
    let planned = dcs.run(&[&LAST[..], &["-n", "--json"]].concat()).ok().json();
    let kept_by = |index: usize| planned["retention"]["backups"][index]["kept_by"].clone();
    assert_eq!(kept_by(0), serde_json::json!(["last", "last good of the files of live/books"]));
    assert_eq!(kept_by(4), serde_json::json!([]));
    machine.refuses(&dcs, &LAST, 5, "confirmation").says("goes: no rule keeps it");
    assert_eq!(before, machine.everything());

    // Without rules all stay, with one alone those of each day.
    dcs.run(&["backup", "prune", "--yes"]).ok();
    dcs.run(&["backup", "prune", "--yes", "--keep-last", "3"]).ok().answers("deleted 1 backup");
    assert_eq!(machine.listed_by(&[]), [&made[1..], std::slice::from_ref(&files)].concat());
    let answer = dcs.run(&[&LAST[..], &["--yes", "--json"]].concat()).ok().json();
    assert_eq!(answer["deleted"]["backups"], serde_json::json!([made[2], made[1]]));
    assert_eq!(machine.listed_by(&[]), [made[3].clone(), files]);
    dcs.run(&["verify", "all", "--level", "contents"]).ok();
}

#[test]
fn rules_come_from_the_configuration_and_those_that_keep_nothing_are_refused() {
    let machine = Machine::new();
    let made: Vec<String> = (0..3).map(|_| machine.make(&["db"])).collect();
    let rules = |keep: &str| fs::write(machine.path("dcs.toml"), machine.config() + keep).unwrap();
    let dcs = machine.dcs();
    rules("[backup.keep]\ndaily = 0\n");
    machine.refuses(&dcs, &["backup", "prune", "--yes"], 2, "keep nothing");
    rules("[backup.keep]\nlast = 9\n[backup.keep.db]\ndaily = 0\nlast = 2\n");
    dcs.run(&["backup", "prune", "--yes"]).ok();
    assert_eq!(machine.listed_by(&[]), made[1..]);
    machine.refuses(&dcs, &["backup", "prune", "--yes", "--keep-daily", "0", "--keep-tag", "x"], 2, "keep nothing");
    machine.refuses(&dcs, &["backup", "prune", "--keep-daily=-1"], 2, "keep-daily");

    rules("budget = \"1B\"\n[backup.keep]\nlast = 9\n");
    machine.make(&["files"]);
    dcs.run(&["backup", "prune", "--yes"]).ok().says("`budget` of [backup] is 1 B");
}

#[test]
fn words_are_put_on_backups_and_keep_them() {
    let machine = Machine::new();
    let one = machine.make(&["db", "--tag", "release", "--tag", "v1"]);
    let two = machine.make(&["db"]);
    let three = machine.make(&["db"]);
    let four = machine.make(&["files"]);
    let dcs = machine.dcs();
    dcs.run(&["backup", "tag", &two, "release"]).ok().answers("release");
    dcs.run(&["backup", "tag", &one, "--remove", "v1", "--remove", "none"]).ok().answers(&format!("{one}: release"));
    dcs.run(&["backup", "tag", &one]).ok().answers(&format!("{one}: release"));
    dcs.run(&["backup", "show", &one]).ok().answers("release");
    machine.refuses(&dcs, &["backup", "tag", &one, "two words"], 2, "one word");
    machine.refuses(&dcs, &["backup", "tag", "20200101T000000Z-db-k3x9", "x"], 10, "20200101T000000Z");
    assert_eq!(machine.listed_by(&["--tag", "release"]), [one.clone(), two.clone()]);
    assert_eq!(machine.listed_by(&["--kind", "files"]), std::slice::from_ref(&four));
    assert_eq!(machine.listed_by(&["--kind", "db", "--kind", "files"]).len(), 4);
    let day = format!("{}-{}-{}", &one[..4], &one[4..6], &one[6..8]);
    assert_eq!(machine.listed_by(&["--since", &day]).len(), 4);
    assert_eq!(machine.listed_by(&["--until", "2026-01-01"]), [""; 0]);
    machine.refuses(&dcs, &["backup", "list", "--kind", "tape"], 2, "the kinds are db, files");

    dcs.run(&[&LAST[..], &["--keep-tag", "release", "--yes"]].concat()).ok();
    assert_eq!(machine.listed_by(&[]), [one.clone(), two.clone(), three.clone(), four.clone()]);
    dcs.run(&["backup", "tag", &two, "--remove", "release"]).ok().answers("no tags");
    dcs.run(&["backup", "protect", &one]).ok();
    dcs.run(&[&LAST[..], &["--yes"]].concat()).ok().says("protected");
    assert_eq!(machine.listed_by(&[]), [one, three, four]);
}

#[test]
fn while_a_source_that_lost_much_is_not_accepted_nothing_goes() {
    let machine = Machine::new();
    for name in 0..9 {
        fs::write(machine.path(&format!("live/books/{name}")), "a page").unwrap();
    }
    let good = [machine.make(&["files"]), machine.make(&["files"])];
    for name in 0..9 {
        fs::remove_file(machine.path(&format!("live/books/{name}"))).unwrap();
    }
    let dcs = machine.dcs();
    let less = dcs.run(&["backup", "files", "--json"]).code(3).json()["id"].as_str().unwrap().to_owned();
    let prune = [&LAST[..], &["--yes"]].concat();
    dcs.run(&prune).fails(3, &less).says("backup accept").says("stays while nothing may go");
    assert_eq!(machine.listed_by(&[]), [good[0].clone(), good[1].clone(), less.clone()]);
    dcs.run(&["backup", "accept", &less]).ok();
    dcs.run(&prune).ok().answers("deleted 2 backups");
    assert_eq!(machine.listed_by(&[]), [less]);
}
