//! `dcs status` says whether all would survive, what to run where it would not, and changes nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::time::Duration;

use cli::{Dcs, Output};
use machine::Machine;
use serde_json::Value;

#[path = "support/cli.rs"]
mod cli;
#[path = "support/machine.rs"]
mod machine;
#[path = "status/objectives.rs"]
mod objectives;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "status/served.rs"]
mod served;
mod support;
#[path = "support/system.rs"]
mod system;

impl Machine {
    fn status(&self) -> Output {
        self.dcs().run(&["status"]).ok()
    }

    fn told(&self) -> Value {
        self.dcs().run(&["status", "--json"]).ok().json()
    }

    /// Adds lines to the configuration.
    fn configure(&self, more: &str) {
        fs::write(self.path("dcs.toml"), self.config() + more).unwrap();
    }
}

/// What begins in the same second is not known to be later.
fn next_second() {
    std::thread::sleep(Duration::from_millis(1100));
}

/// What is told of one thing: `db dream`.
fn component(told: &Value, kind: &str) -> Value {
    let all = told["components"].as_array().unwrap();
    all.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {told:#}")).clone()
}

#[test]
fn without_a_backup_the_answer_is_no_and_every_thing_has_its_command() {
    let machine = Machine::new();
    let shown = machine.status().answers("NO: not all has a good backup").answers("room ");
    for said in ["db dream", "files live/books", "config", "run: dcs backup db dream", "run: dcs backup files"] {
        assert!(shown.stdout.contains(said), "{said}\n{shown}");
    }
    let told = machine.told();
    assert_eq!(told["survives"], "no");
    assert_eq!(component(&told, "db")["good"], Value::Null);
}

#[test]
fn a_good_backup_is_not_enough_until_it_is_proven() {
    let machine = Machine::new();
    let id = machine.back_up();
    let shown = machine.status().answers("PERHAPS: all has a good backup").answers(&id);
    let shown = shown.answers(&format!("run: dcs verify {id} --level restore"));
    // The same for all three is said once.
    assert_eq!(shown.stdout.matches("never proven to restore").count(), 1, "{shown}");
    machine.dcs().run(&["verify", &id, "--level", "restore"]).ok();
    machine.status().answers("YES: all has a good backup");
    let told = machine.told();
    assert_eq!(told["survives"], "yes");
    for kind in ["db", "files", "config"] {
        let of = component(&told, kind);
        assert_eq!((&of["good"]["id"], &of["proven"]["id"]), (&Value::from(id.as_str()), &Value::from(id.as_str())));
        assert!(of["proven"]["restore_seconds"].as_f64().is_some(), "{of}");
    }
    // A newer backup is the newest good one, and what is proven stays the older one.
    let newer = machine.dcs().run(&["backup", "db", "--json"]).ok().json()["id"].clone();
    let told = machine.told();
    assert_eq!(component(&told, "db")["good"]["id"], newer);
    assert_eq!(component(&told, "db")["proven"]["id"], id.as_str());
    assert_eq!(component(&told, "files")["good"]["id"], id.as_str());
}

#[test]
fn the_screen_has_80_columns_whatever_it_has_to_say() {
    let machine = Machine::new();
    machine.back_up();
    fs::create_dir(machine.path("live/apps")).unwrap();
    machine.spoil("dream.db\"", "gone.db\"");
    machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
    let shown = machine.dcs().run(&["status"]);
    let home = machine.home.path().display().to_string();
    let wide: Vec<&str> =
        shown.stdout.lines().filter(|line| line.chars().count() > 80 && !line.contains(&home)).collect();
    assert!(wide.is_empty(), "{wide:?}\n{shown}");
}

#[test]
fn runs_that_failed_since_the_newest_good_backup_are_counted_until_there_is_one() {
    let machine = Machine::new();
    machine.back_up();
    machine.spoil("dream.db\"", "gone.db\"");
    next_second();
    for _ in 0..2 {
        machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
    }
    machine.mend();
    machine.status().answers("2 runs failed since the newest good backup").answers("exit code 21");
    let told = machine.told();
    assert_eq!(component(&told, "db")["failures"]["count"], 2);
    assert_eq!(component(&told, "files")["failures"]["count"], 0);
    machine.dcs().run(&["backup", "db"]).ok();
    assert_eq!(component(&machine.told(), "db")["failures"]["count"], 0);
}

#[test]
fn what_is_not_good_damaged_or_failed_its_verification_is_passed_over_and_named() {
    let machine = Machine::new();
    let good = machine.back_up();
    // A manifest that cannot be read.
    next_second();
    let damaged = machine.back_up();
    fs::write(machine.path("vault/dcs/backups").join(&damaged).join("manifest.json"), "{").unwrap();
    let told = machine.told();
    assert_eq!(component(&told, "db")["good"]["id"], good.as_str());
    assert_eq!(component(&told, "db")["passed_over"]["id"], damaged.as_str());
    machine.status().answers(&format!("{damaged} is not")).answers(&format!("run: dcs verify {damaged}"));

    // A backup whose bytes are not what they were, once that was found.
    let spoilt = machine.dcs().run(&["backup", "db", "--json"]).ok().json()["id"].as_str().unwrap().to_owned();
    assert_eq!(component(&machine.told(), "db")["good"]["id"], spoilt.as_str());
    let dump = machine.path("vault/dcs/backups").join(&spoilt).join("db/dream.dump.gz");
    let mut bytes = fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&dump, bytes).unwrap();
    machine.dcs().run(&["verify", &spoilt]).fails(4, &spoilt);
    let told = machine.told();
    assert_eq!(component(&told, "db")["good"]["id"], good.as_str());
    machine.status().answers("is not good: its verification failed").answers("--level checksum");
}

#[test]
fn what_exists_and_is_in_no_backup_is_named() {
    let machine = Machine::new();
    fs::create_dir(machine.path("live/apps")).unwrap();
    rusqlite::Connection::open(machine.path("notes.db")).unwrap();
    let notes = format!("[databases.notes]\nurl = \"sqlite:{}/notes.db\"\n", machine.home.path().display());
    machine.configure(&notes);
    let told = machine.told();
    assert_eq!(told["unprotected"], serde_json::json!(["bucket live/apps", "bucket live/trash", "database notes"]));
    machine.status().answers("bucket live/apps is in no backup").answers("add it to `databases` of [backup]");
    // All buckets of a store leave none out; each is a thing of its own.
    fs::write(machine.path("dcs.toml"), machine.config().replace("live/books\"]", "live/*\"]") + &notes).unwrap();
    let told = machine.told();
    assert_eq!(told["unprotected"], serde_json::json!(["database notes"]));
    assert_eq!(told["components"].as_array().unwrap().iter().filter(|one| one["kind"] == "files").count(), 3);
}

#[test]
fn the_trash_is_counted_and_what_is_older_than_it_should_be_has_its_command() {
    let machine = Machine::new();
    let items = "[items.books]\nstore = \"live\"\nbucket = \"books\"\n";
    machine.configure(items);
    machine.dcs().run(&["delete", "books/42"]).ok();
    let trash = machine.told()["trash"].clone();
    assert_eq!((&trash["entries"], &trash["expired"], &trash["bytes"]), (&1.into(), &0.into(), &7000.into()));
    let config = machine.config().replace("bucket = \"trash\"\n", "bucket = \"trash\"\nkeep = \"0s\"\n") + items;
    fs::write(machine.path("dcs.toml"), &config).unwrap();
    machine.status().answers("run: dcs trash purge --older-than 0s");
    fs::write(machine.path("dcs.toml"), config.replace("0s", "long ago")).unwrap();
    machine.dcs().run(&["status"]).fails(2, "[trash].keep");

    // A journal that says that a move was not finished, and one that says nothing.
    fs::write(machine.path("dcs.toml"), machine.config() + items).unwrap();
    let mut entry = fs::read_dir(machine.path("live/trash")).unwrap().map(|entry| entry.unwrap().path());
    let entry = entry.find(|path| !path.ends_with(".dcs")).unwrap().join("entry.json");
    let journal = fs::read_to_string(&entry).unwrap();
    assert!(journal.contains("\"complete\""), "{journal}");
    fs::write(&entry, journal.replace("\"complete\"", "\"moving\"")).unwrap();
    machine.status().answers("moving").answers("run: dcs delete books/42");
    fs::write(&entry, "{").unwrap();
    machine.status().answers("1 entry of the trash cannot be read").answers("run: dcs trash list");
}

#[test]
fn what_is_running_is_told_from_its_lock_and_nothing_waits_for_it() {
    let machine = Machine::new();
    let gate = machine.path("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let capture = format!("capture = [\"cat {}\"]\n[trash]", gate.display());
    let config = machine.config().replace("[trash]", "");
    let (begin, trash) = config.split_once("store = \"live\"\nbucket = \"trash\"\n[backup]").unwrap();
    let config = format!("{begin}[backup]{trash}{capture}\nstore = \"live\"\nbucket = \"trash\"\n");
    fs::write(machine.path("dcs.toml"), config).unwrap();
    machine.status().answers("running   nothing");
    let mut backup = machine.dcs().start(&["backup", "config"]);
    let mut shown = None;
    let seen = backup.until(|| {
        let status = machine.status();
        let is_seen = status.stdout.contains("\"backup config\" on ");
        shown = Some(status);
        is_seen
    });
    assert!(seen, "{}", shown.unwrap());
    let told = machine.told();
    assert_eq!(told["running"][0]["holder"]["command"], "backup config");
    fs::write(&gate, "captured").unwrap();
    let _ended = backup.end().ok();
    machine.status().answers("running   nothing");
}

#[test]
fn a_restore_that_never_ended_is_told() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("vault/dcs/restores")).unwrap();
    let backup = "20261120T020000Z-complete-k3x9";
    // The last two are one restore, of which the second run came to the end.
    for (run, state, continues) in [
        ("k3x9k3x9", "running", None),
        ("b4b4b4b4", "finished", None),
        ("c5c5c5c5", "undone", None),
        ("d6d6d6d6", "undoing", None),
        ("f7f7f7f7", "failed", None),
        ("h8h8h8h8", "finished", Some("f7f7f7f7")),
    ] {
        let mut journal = serde_json::json!({
            "format": 1, "run": run, "backup": backup, "host": "atlas", "user": "root", "command": "restore-complete",
            "dcs_version": "0.1.0", "began_at": "2026-11-20T02:00:00Z", "state": state, "databases": [], "files": [],
        });
        if let Some(run) = continues {
            journal["continues"] = run.into();
        }
        fs::write(machine.path(&format!("vault/dcs/restores/{run}.json")), journal.to_string()).unwrap();
    }
    let told = machine.told();
    let told: Vec<(&str, &str)> = told["interrupted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["subject"].as_str().unwrap()[..16], one["next"].as_str().unwrap()))
        .collect();
    let again = format!("dcs restore-complete {backup}, or dcs restore-complete --undo k3x9k3x9");
    let undo = "dcs restore-complete --undo d6d6d6d6";
    assert_eq!(told, [("restore k3x9k3x9", again.as_str()), ("restore d6d6d6d6", undo)]);
    machine.status().answers("restore k3x9k3x9").answers(undo);
    fs::write(machine.path("vault/dcs/restores/x9x9x9x9.json"), "{").unwrap();
    machine.dcs().run(&["status"]).fails(3, "").answers("journal of a restore");
}

#[test]
fn status_changes_nothing_at_all() {
    let machine = Machine::new();
    let id = machine.back_up();
    machine.dcs().run(&["verify", &id, "--level", "restore"]).ok();
    machine.configure("[objectives]\ndb = \"26h\"\nproven = \"1h\"\ndisk_used = \"1GB\"\n");
    let before = system::files(machine.home.path());
    for arguments in [&["status"][..], &["status", "--json"], &["status", "--check"], &["status", "--usage"]] {
        machine.dcs().run(arguments).ok();
    }
    let after = system::files(machine.home.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert_eq!(before, after);
}

#[test]
fn the_bucket_alone_tells_what_the_backups_know() {
    let machine = Machine::new();
    let id = machine.back_up();
    let elsewhere = support::folder();
    let repository = machine.path("vault/dcs").display().to_string();
    let dcs = Dcs::new(elsewhere.path());
    let shown = dcs.run(&["--repo", &repository, "status"]).ok().answers("PERHAPS").answers(&id);
    let shown = shown.answers("Without a configuration");
    for what in ["db dream", "files live/books", "config"] {
        assert!(shown.stdout.contains(what), "{shown}");
    }
    dcs.run(&["--repo", &repository, "status", "--usage"]).ok().answers("repository/dcs");
    dcs.run(&["--repo", &repository, "status", "--check"]).fails(2, "[objectives]");
}

#[test]
fn what_cannot_be_looked_at_is_said_and_is_never_0() {
    let machine = Machine::new();
    let id = machine.back_up();
    let all = machine.config().replace("live/books\"]", "live/*\"]");
    fs::write(machine.path("dcs.toml"), all).unwrap();
    next_second();
    machine.back_up();
    fs::rename(machine.path("live"), machine.path("gone")).unwrap();
    // What the store held is known from the backups.
    let shown = machine.dcs().run(&["status"]).fails(3, "store live").answers("could not look at");
    assert!(shown.stdout.contains("files live/books") && shown.stdout.contains("files live/trash"), "{shown}");
    assert!(!shown.stdout.contains(&id), "{shown}");
    fs::rename(machine.path("vault"), machine.path("lost")).unwrap();
    machine.dcs().run(&["status"]).fails(20, "vault");
}

#[test]
fn usage_counts_every_bucket_and_names_the_largest_object() {
    let machine = Machine::new();
    let told = machine.dcs().run(&["status", "--usage", "--json"]).ok().json();
    let books = told["usage"].as_array().unwrap().iter().find(|one| one["bucket"] == "live/books").unwrap().clone();
    assert_eq!((&books["objects"], &books["bytes"]), (&2.into(), &7000.into()));
    assert_eq!((&books["largest"]["key"], &books["largest"]["bytes"]), (&"42/page".into(), &7000.into()));
    machine.dcs().run(&["status", "--usage"]).ok().answers("vault/dcs").answers("6.8 KiB 42/page");
    machine.dcs().run(&["status", "--usage", "--check"]).code(2);
}
