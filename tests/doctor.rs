//! `dcs doctor` finds what would stand in the way of a backup or a restore, says what to do, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cli::{Dcs, Output};
use machine::Machine;

#[path = "support/cli.rs"]
mod cli;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/small_system.rs"]
mod small_system;
mod support;
#[path = "support/system.rs"]
mod system;

fn doctor(machine: &Machine) -> Output {
    machine.dcs().run(&["doctor"])
}

/// All files but the work folders of the stores, which any write makes.
fn everything(machine: &Machine) -> system::Objects {
    let mut found = system::files(machine.home.path());
    found.retain(|key, _| !["live/.dcs/", "vault/.dcs/"].iter().any(|folder| key.starts_with(folder)));
    found
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn where_all_is_well_every_check_says_so_and_nothing_is_left() {
    let machine = Machine::new();
    machine.back_up();
    set_mode(&machine.path("dcs.toml"), 0o600);
    let before = everything(&machine);
    let told = doctor(&machine).ok();
    for said in [
        "configuration",
        "bucket vault/dcs: can be written to",
        "bucket vault/dcs: lists what was just written",
        "bucket vault/dcs: takes uploads in parts",
        "bucket live/trash: copies objects by itself",
        "bucket live/books: can be listed",
        "vault/dcs, 1 backup",
        "database dream: SQLite",
        "can be restored here",
        "the programs that RECOVERY.txt uses are here",
    ] {
        assert!(told.stdout.contains(said), "{said}\n{told}");
    }
    assert!(!told.stdout.contains("WARNING") && !told.stdout.contains("FAILED"), "{told}");
    assert_eq!(before, everything(&machine));
    machine.dcs().run(&["doctor", "--quiet"]).ok().silent();
}

#[test]
fn who_may_read_a_secret_or_write_the_configuration_is_a_warning() {
    let machine = Machine::new();
    set_mode(&machine.path("dcs.toml"), 0o644);
    doctor(&machine).ok();
    set_mode(&machine.path("dcs.toml"), 0o666);
    doctor(&machine).fails(3, "others may write to it").answers("do: chmod 600");
    // A file with a secret that the configuration names, and a configuration that holds one itself.
    fs::write(
        machine.path("dcs.toml"),
        machine.config() + "[databases.other]\nurl = \"postgres://me:hush@127.0.0.1:1/x\"\n",
    )
    .unwrap();
    set_mode(&machine.path("dcs.toml"), 0o644);
    let told = doctor(&machine).code(21);
    assert!(told.stdout.contains("it holds a secret, and others may read it"), "{told}");
    assert!(!told.stdout.contains("hush") && !told.stderr.contains("hush"), "{told}");
    let key = "access_key_id = \"dcs\"\nsecret_access_key_file = ";
    let secret = machine.path("live.secret");
    fs::write(&secret, "hush\n").unwrap();
    set_mode(&secret, 0o640);
    let remote = format!("[stores.far]\nendpoint = \"http://127.0.0.1:1\"\n{key}\"{}\"\n", secret.display());
    fs::write(machine.path("dcs.toml"), machine.config() + &remote).unwrap();
    let told = doctor(&machine).fails(20, "store far");
    assert!(told.stdout.contains("live.secret: it holds a secret, and others may read it"), "{told}");
}

#[test]
fn what_failed_first_decides_the_exit_code_and_the_rest_is_tried_all_the_same() {
    let machine = Machine::new();
    machine.spoil("dream.db\"", "gone.db\"");
    doctor(&machine).fails(21, "database dream").answers("FAILED").answers("the programs that RECOVERY.txt uses");
    machine.mend();
    fs::rename(machine.path("live"), machine.path("gone")).unwrap();
    doctor(&machine).fails(20, "store live").answers("database dream: SQLite").answers("bucket vault/dcs");
    fs::rename(machine.path("gone"), machine.path("live")).unwrap();
    fs::remove_dir_all(machine.path("live/books")).unwrap();
    doctor(&machine).fails(20, "bucket live/books").answers("there is no such bucket");
    fs::create_dir(machine.path("live/books")).unwrap();
    fs::remove_file(machine.path("vault/dcs/repository.json")).unwrap();
    doctor(&machine).fails(20, "repository").answers("dcs init");
    machine.spoil("[backup]", "[backup");
    doctor(&machine).fails(2, "dcs.toml");
}

#[test]
fn a_key_that_may_only_read_is_a_warning_and_is_examined_all_the_same() {
    let machine = Machine::new();
    machine.back_up();
    let dcs = machine.unprivileged();
    set_mode(&machine.path("vault/dcs"), 0o555);
    let told = dcs.run(&["doctor"]);
    set_mode(&machine.path("vault/dcs"), 0o755);
    let told = told.fails(3, "bucket vault/dcs").answers("may read and not write").answers("1 backup");
    assert!(told.stdout.contains("bucket live/trash: can be written to"), "{told}");
}

#[test]
fn a_state_directory_that_cannot_be_written_to_is_told() {
    let machine = Machine::new();
    fs::write(machine.path("blocked"), "").unwrap();
    machine.spoil("/state\"", "/blocked/state\"");
    // What stands in the way is no folder; the nearest one above it is looked at.
    let told = doctor(&machine);
    assert!(told.stdout.contains("state_dir"), "{told}");
    machine.spoil("state_dir", "#state_dir");
    doctor(&machine).fails(3, "state_dir").answers("not set");
}

#[test]
fn the_bucket_alone_is_examined_without_a_configuration() {
    let machine = Machine::new();
    let elsewhere = support::folder();
    let repository = machine.path("vault/dcs").display().to_string();
    let told = Dcs::new(elsewhere.path()).run(&["--repo", &repository, "doctor"]).code(3);
    assert!(told.stdout.contains("bucket of --repo/dcs: can be written to"), "{told}");
}

#[tokio::test]
async fn s3_and_postgresql_are_examined_and_a_role_that_may_not_restore_is_a_warning() {
    let (Some(s3), Some(postgres)) = (support::s3(), support::postgres()) else { return };
    let system = small_system::System::served(s3, &postgres).await;
    let told = system.run(&["doctor"]);
    for said in [
        "lists what was just written",
        "gives back what was written last",
        "copies objects by itself",
        "keeps tags and metadata",
        "takes uploads in parts",
        "PostgreSQL 15",
        "can be dumped",
        "can be restored here",
    ] {
        assert!(told.stdout.contains(said), "{said}\n{}", told.text());
    }
    assert!(matches!(told.code, 0 | 3), "{}", told.text());
    // Nothing of it stays in the buckets, no version either.
    let used = system.run(&["status", "--usage", "--json"]);
    assert!(!used.stdout.contains(".dcs/doctor"), "{}", used.text());
    system.remove().await;
}
