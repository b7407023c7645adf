//! What a run says where something is wrong in a way of its own: that the code is true, and that the hint helps.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use crate::{Machine, support};

#[test]
fn usage_errors_are_json_where_the_environment_asks_for_it() {
    let machine = Machine::new();
    for (value, is_json) in [("1", true), ("yes", true), ("0", false)] {
        let output = machine.dcs().with("DCS_JSON", value).run(&["backup", "nonsense"]).code(2);
        let told: Option<serde_json::Value> = serde_json::from_str(&output.stderr).ok();
        assert_eq!(told.is_some_and(|told| told["code"] == 2), is_json, "{output}");
    }
}

#[test]
fn a_hint_names_the_backup_that_was_chosen() {
    let machine = Machine::new();
    let id = machine.back_up();
    fs::write(machine.path("vault/dcs/backups").join(&id).join("manifest.json"), "{").unwrap();
    machine.refuses(&machine.dcs(), &["backup", "show", &id], 4, &id).says(&format!("`dcs verify {id} --level"));
}

#[test]
fn a_live_file_that_is_damaged_is_the_database_s_failure_and_no_backup_s() {
    let machine = Machine::new();
    fs::write(machine.path("dream.db"), "no database ".repeat(500)).unwrap();
    let output = machine.refuses(&machine.dcs(), &["backup", "db"], 21, "dream.db").says("dcs restore-db");
    assert!(!output.stderr.contains("Choose another backup"), "{output}");
}

#[test]
fn an_incomplete_backup_is_restored_by_its_id_and_never_ends_with_0() {
    let machine = Machine::new();
    let database = Connection::open(machine.path("dream.db")).unwrap();
    let fill = "CREATE TABLE pages AS WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT 9999) SELECT v FROM n";
    database.execute_batch(fill).unwrap();
    drop(database);
    let mut bytes = fs::read(machine.path("dream.db")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xaa);
    fs::write(machine.path("dream.db"), bytes).unwrap();
    let made = machine.dcs().run(&["backup", "complete", "--json"]).code(3).says("database dream");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    fs::remove_file(machine.path("live/books/a b")).unwrap();
    let restored = machine.dcs().run(&["restore-complete", &id, "--yes"]).says("is not good").fails(3, &id);
    assert!(machine.path("live/books/a b").exists(), "{restored}");
}

#[test]
fn a_restore_elsewhere_needs_nothing_of_the_place_that_is_gone() {
    let machine = Machine::new();
    machine.back_up();
    fs::rename(machine.path("live"), machine.path("gone")).unwrap();
    let elsewhere = format!("live={}", machine.path("elsewhere").display());
    let restore = ["restore-files", "--store", &elsewhere, "--yes"];
    machine.dcs().run(&restore).ok().answers("2 objects added");
    // What gives way there is kept there, and a name that is no key is in nobody's way.
    fs::write(machine.path("elsewhere/books/42/page"), "another page").unwrap();
    fs::write(machine.path("elsewhere/books").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    machine.dcs().run(&restore).ok().answers("1 replaced");
    let kept = crate::files(&machine.path("elsewhere/trash"));
    assert!(kept.keys().any(|key| key.ends_with("books/42/page")), "{:?}", kept.keys());
}

#[test]
fn a_capture_that_prints_too_much_and_a_path_with_two_dots_are_said_so() {
    let machine = Machine::new();
    machine.spoil("config = [", "capture = [\"seq 99999\"]\nconfig = [");
    machine.dcs().run(&["backup", "config"]).code(3).says("it prints more than 64.0 KiB");
    for path in ["/etc/../etc", "/"] {
        machine.spoil("config = [", &format!("config = [\"{path}\", "));
        machine.refuses(&machine.dcs(), &["backup", "config"], 2, "[backup].config");
    }
}

#[test]
fn a_dry_run_of_init_says_what_init_would() {
    let machine = Machine::new();
    machine.dcs().run(&["init", "-n"]).ok().answers("found the repository");
    machine.spoil("bucket = \"dcs\"", "bucket = \"new\"");
    machine.dcs().run(&["init", "-n"]).ok().answers("would make the repository");
    fs::create_dir_all(machine.path("vault/new/family")).unwrap();
    fs::write(machine.path("vault/new/family/photo"), "").unwrap();
    for arguments in [&["init", "-n"][..], &["init"]] {
        machine.refuses(&machine.dcs(), arguments, 5, "family");
    }
}

#[test]
fn the_backup_bucket_is_not_backed_up_under_another_name_of_its_store() {
    let machine = Machine::new();
    let home = machine.home.path().display().to_string();
    fs::create_dir(machine.path("vault/notes")).unwrap();
    let alias = format!("[stores.alias]\npath = \"{home}/live/../vault\"\n[stores.live]");
    let with = |files: &str| {
        machine.spoil("[stores.live]", &alias);
        let config = fs::read_to_string(machine.path("dcs.toml")).unwrap();
        fs::write(machine.path("dcs.toml"), config.replace("files = [\"live/books\"]", files)).unwrap();
    };
    with("files = [\"alias/*\"]");
    let plan = machine.dcs().run(&["backup", "files", "-n"]).ok().answers("alias/notes");
    assert!(!plan.stdout.contains("alias/dcs"), "{plan}");
    with("files = [\"alias/dcs\"]");
    machine.refuses(&machine.dcs(), &["backup", "files"], 2, "alias/dcs");
}

#[test]
fn a_configuration_with_a_folder_that_may_not_be_written_to_comes_back() {
    let machine = Machine::new();
    let closed = machine.path("etc/closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("key"), "k").unwrap();
    let mode = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    let id = machine.back_up();
    let out = support::folder();
    fs::set_permissions(out.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let to = out.path().join("etc");
    machine.unprivileged().run(&["restore-complete", &id, "--yes", "--config-to", to.to_str().unwrap()]).ok();
    mode(0o755);
    let back = to.join(closed.strip_prefix("/").unwrap());
    assert_eq!(fs::read(back.join("key")).unwrap(), b"k");
    assert_eq!(fs::metadata(&back).unwrap().permissions().mode() & 0o7777, 0o555);
    fs::set_permissions(back, fs::Permissions::from_mode(0o755)).unwrap();
}
