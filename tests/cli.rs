//! What is wrong is refused with the right exit code, one error line that names the subject, a hint, and no change.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;

use cli::Dcs;
use machine::Machine;
use rusqlite::Connection;
use system::{Objects, Size, System, files};

#[path = "support/cli.rs"]
mod cli;
#[path = "cli/confirmed.rs"]
mod confirmed;
#[path = "cli/damaged.rs"]
mod damaged;
#[path = "cli/deletions.rs"]
mod deletions;
#[path = "cli/items.rs"]
mod items;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "cli/retention.rs"]
mod retention;
#[path = "cli/services.rs"]
mod services;
mod support;
#[path = "support/system.rs"]
mod system;
#[path = "cli/told.rs"]
mod told;

#[test]
fn without_a_configuration_it_is_said_where_one_was_looked_for() {
    let machine = Machine::new();
    let elsewhere = support::folder();
    let dcs = Dcs::new(elsewhere.path());
    machine.refuses(&dcs, &["backup", "list"], 2, "/etc/dcs/dcs.toml").says("dcs config example").says("--repo URL");
    machine.refuses(&dcs, &["--config", "nowhere.toml", "backup", "list"], 2, "nowhere.toml").says("--config FILE");
    let folder = machine.path("etc");
    machine.refuses(&dcs.clone().with("DCS_CONFIG", folder.display()), &["backup", "list"], 2, "etc");
    // What needs none works without.
    for command in [&["--help"][..], &["--version"], &["config", "example"], &["completions", "bash"]] {
        dcs.run(command).ok();
    }
}

#[test]
fn a_spoilt_configuration_is_told_by_the_place_and_changes_nothing() {
    let machine = Machine::new();
    let home = machine.home.path().display().to_string();
    for (from, to, subject) in [
        ("[backup]", "[backup", "dcs.toml"),
        ("[stores.live]", "[stores.live]\nendpont = \"http://x\"", "did you mean `endpoint`?"),
        ("[trash]", "[rubbish]", "rubbish"),
        ("databases =", "database =", "did you mean `databases`?"),
        ("store = \"vault\"", "store = \"nas\"", "no store \"nas\""),
        ("databases = [\"dream\"]", "databases = [\"other\"]", "no database \"other\""),
        ("files = [\"live/books\"]", "files = [\"nas/books\"]", "no store \"nas\""),
        ("url = \"sqlite:", "url = \"mysql:", "[databases.dream].url"),
        (&format!("sqlite:{home}"), "sqlite:relative", "[databases.dream].url"),
        (&format!("url = \"sqlite:{home}/dream.db\""), "url = \"postgres://h:notaport/db\"", "notaport"),
        (&format!("path = \"{home}/live\""), "path = \"live\"", "[stores.live].path"),
        (&format!("path = \"{home}/live\""), "endpoint = \"ftp://host\"", "[stores.live].endpoint"),
        (&format!("path = \"{home}/live\""), "", "[stores.live]"),
        (&format!("path = \"{home}/live\""), "endpoint = \"http://h\"\naccess_key_id = \"x\"", "no secret access key"),
        ("[\"live/books\"]", "[\"live/books\", \"live/*\"]", "overlap"),
        ("[\"live/books\"]", "[\"live/books/a\", \"live/books/a/b\"]", "overlap"),
        ("[\"live/books\"]", "[\"vault/dcs\"]", "cannot back up itself"),
        ("[\"live/books\"]", "[\"books\"]", "\"books\" is neither"),
        ("bucket = \"dcs\"", "bucket = \"../dcs\"", "[backup].bucket"),
        ("state_dir = \"/", "state_dir = \"", "state_dir"),
        (
            "[trash]",
            "[items.books]\nstore = \"live\"\nbucket = \"books\"\ndatabase = \"dream\"\n[trash]",
            "[items.books]",
        ),
        ("bucket = \"dcs\"", "bucket = \"dcs\"\ncompression = \"lzma:3\"", "lzma:3"),
        ("[trash]\nstore = \"live\"", "[trash]\nstore = \"nas\"", "[trash]"),
    ] {
        machine.spoil(from, to);
        for command in [&["backup", "complete"][..], &["config", "check"], &["restore-complete", "--yes"]] {
            machine.refuses(&machine.dcs(), command, 2, subject);
        }
    }
}

#[test]
fn wrong_options_and_wrong_environment_twins_are_usage_errors_that_name_them() {
    let machine = Machine::new();
    let id = machine.back_up();
    for (arguments, subject) in [
        (&["backup", "everything"][..], "everything"),
        (&["backup", "complete", "--nope"], "--nope"),
        (&["backup", "db", "other"], "other"),
        (&["backup", "show", "yesterday"], "yesterday"),
        (&["backup", "show", "latest~x"], "latest~x"),
        (&["restore-complete", "2026"], "2026"),
        (&["restore-files", "--only", "books"], "books"),
        (&["restore-complete", "--store", "live"], "NAME=URL"),
        (&["restore-complete", "--store", "live=ftp://host"], "ftp://host"),
        (&["restore-complete", "--database", "dream=mysql://host/db"], "postgres://"),
        (&["verify", "--level", "deep"], "deep"),
        (&["--lock-wait", "soon", "backup", "list"], "soon"),
        (&["--repo", "nonsense", "backup", "list"], "nonsense"),
        (&["--log-file", "/nowhere/at/all", "backup", "list"], "/nowhere/at/all"),
    ] {
        machine.refuses(&machine.dcs(), arguments, 2, subject);
    }
    for (name, value) in [
        ("DCS_JSON", "maybe"),
        ("DCS_QUIET", "2"),
        ("DCS_COLOR", "blue"),
        ("DCS_LOG_FORMAT", "xml"),
        ("DCS_LOCK_WAIT", "soon"),
        ("DCS_NO_PROGRESS", "x"),
    ] {
        machine.refuses(&machine.dcs().with(name, value), &["backup", "list"], 2, value);
    }
    machine.refuses(&machine.dcs().with("DCS_YES", "perhaps"), &["restore-complete", &id], 2, "perhaps");
    machine.refuses(&machine.dcs().with("DCS_LEVEL", "deep"), &["verify"], 2, "deep");
    let failed = machine.dcs().run(&["--json", "backup", "--nope"]).code(2);
    let error: serde_json::Value = serde_json::from_str(&failed.stderr).unwrap();
    assert_eq!(error["code"], 2, "{failed}");
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let machine = Machine::new();
    machine.back_up();
    let log = machine.path("state/log");
    let dcs = machine.dcs().with("DCS_LOG_FILE", log.display());
    for arguments in [
        &["restore-db", "--database", "dream=postgres://me:hunter2@127.0.0.1/db"][..],
        &["restore-db", "--database", "dream=postgres://me@127.0.0.1/db?password=hunter2"],
        &["restore-files", "--store", "live=http://me:hunter2@127.0.0.1:1"],
        &["backup", "list", "--repo", "http://me:hunter2@127.0.0.1:1/bucket"],
        &["--json", "restore-db", "--database", "dream=postgres://me:hunter2@127.0.0.1/db"],
    ] {
        let before = machine.everything();
        let output = dcs.run(arguments).code(2);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("hunter2"), "{output}");
        assert!(!fs::read_to_string(&log).unwrap_or_default().contains("hunter2"), "in the log: {output}");
        assert_eq!(before, machine.everything());
    }
}

#[test]
fn what_is_not_there_is_told_and_never_taken_for_empty() {
    let machine = Machine::new();
    let id = machine.back_up();
    let dcs = machine.dcs();
    machine.refuses(&dcs, &["backup", "show", "20200101T000000Z-db-k3x9"], 10, "20200101T000000Z-db-k3x9");
    machine.refuses(&dcs, &["verify", "20200101T000000Z-db-k3x9"], 10, "20200101T000000Z-db-k3x9");
    machine.refuses(&dcs, &["restore-complete", "latest~1", "--yes"], 10, "latest~1").says("dcs backup list");

    machine.spoil("bucket = \"dcs\"", "bucket = \"other\"");
    machine.refuses(&dcs, &["backup", "complete"], 5, "other").says("dcs init");
    machine.refuses(&dcs, &["restore-complete", &id, "--yes"], 5, "other");
    fs::create_dir(machine.path("vault/other")).unwrap();
    fs::write(machine.path("vault/other/mine"), "x").unwrap();
    machine.refuses(&dcs, &["backup", "complete"], 5, "repository.json");
    machine.refuses(&dcs, &["init"], 5, "mine");

    machine.spoil("[\"live/books\"]", "[\"live/apps\"]");
    machine.refuses(&dcs, &["backup", "complete"], 20, "apps");
    machine.refuses(&dcs, &["config", "check"], 20, "apps");
    machine.spoil("dream.db", "gone.db");
    machine.refuses(&dcs, &["backup", "complete"], 21, "gone.db");
    machine.refuses(&dcs, &["backup", "db"], 21, "gone.db");
}

#[test]
fn an_unmounted_disk_is_refused_as_source_and_as_target() {
    let machine = Machine::new();
    let id = machine.back_up();
    let dcs = machine.dcs();
    machine.spoil("[\"live/books\"]", "[\"live/*\"]");
    fs::rename(machine.path("live"), machine.path("live on disk")).unwrap();
    machine.refuses(&dcs, &["backup", "complete"], 20, "live");
    fs::create_dir(machine.path("live")).unwrap();
    machine.refuses(&dcs, &["backup", "complete"], 5, "unmounted");
    machine.mend();
    machine.refuses(&dcs, &["backup", "complete"], 20, "mounted");
    fs::remove_dir(machine.path("live")).unwrap();
    fs::rename(machine.path("live on disk"), machine.path("live")).unwrap();

    fs::rename(machine.path("vault"), machine.path("vault on disk")).unwrap();
    machine.refuses(&dcs, &["backup", "complete"], 20, "vault");
    fs::create_dir(machine.path("vault")).unwrap();
    for arguments in
        [&["backup", "complete"][..], &["backup", "list"], &["verify"], &["restore-complete", &id, "--yes"]]
    {
        machine.refuses(&dcs, arguments, 5, "vault/dcs").says("mounted");
    }
}

#[test]
fn an_empty_bucket_and_an_empty_database_are_backed_up_and_come_back() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("live/books")).unwrap();
    fs::create_dir(machine.path("live/books")).unwrap();
    fs::write(machine.path("dream.db"), "").unwrap();
    machine.back_up();
    machine.dcs().run(&["verify", "--level", "contents"]).ok();
    fs::remove_dir(machine.path("live/books")).unwrap();
    fs::remove_file(machine.path("dream.db")).unwrap();
    machine.dcs().run(&["restore-complete"]).ok();
    assert!(fs::read_dir(machine.path("live/books")).unwrap().next().is_none());
    let database = Connection::open(machine.path("dream.db")).unwrap();
    let tables: i64 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn a_full_target_ends_the_backup_and_leaves_none() {
    let machine = Machine::new();
    fs::write(machine.path("live/books/large"), support::noise(1 << 20)).unwrap();
    let before = machine.everything();
    // No file may grow beyond a quarter of that.
    let shell = ["sh", "-c", "trap '' XFSZ; ulimit -f 512; exec \"$@\"", "sh"];
    machine.dcs().through(&shell).run(&["backup", "files"]).fails(1, "no space left").says("Free space");
    assert_eq!(live(&before), live(&machine.everything()));
    let listed = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(0));
    machine.back_up();

    // And a restore to one changes no object that is there.
    fs::remove_file(machine.path("live/books/large")).unwrap();
    fs::write(machine.path("live/books/42/page"), "changed").unwrap();
    machine.dcs().through(&shell).run(&["restore-files", "--yes"]).fails(1, "no space left");
    machine.dcs().run(&["restore-files", "--yes"]).ok();
    assert_eq!(live(&before), live(&machine.everything()));
}

fn live(objects: &Objects) -> Objects {
    objects
        .iter()
        .filter(|(key, _)| key.starts_with("live/books"))
        .map(|(key, found)| (key.clone(), found.clone()))
        .collect()
}

#[test]
fn a_target_that_may_not_be_written_is_denied_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let id = machine.back_up();
    let dcs = machine.unprivileged();
    let mode = |name: &str, mode| fs::set_permissions(machine.path(name), fs::Permissions::from_mode(mode)).unwrap();
    dcs.run(&["backup", "list"]).ok();
    mode("vault/dcs", 0o555);
    machine.refuses(&dcs, &["backup", "complete"], 20, "access denied");
    mode("vault/dcs", 0o755);
    fs::remove_file(machine.path("live/books/a b")).unwrap();
    mode("live/books", 0o555);
    machine.refuses(&dcs, &["restore-files", &id, "--yes"], 20, "a b");
    mode("live/books", 0o755);
    dcs.run(&["restore-files", &id, "--yes"]).ok();
    mode("state", 0o500);
    fs::remove_dir_all(machine.path("state/spool")).unwrap();
    machine.refuses(&dcs, &["backup", "complete"], 2, "state/spool");
}

/// Every run of a whole round, at its most talkative, with secrets from every source that there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_printed_logged_or_stored() {
    let Some(mut system) = System::on_servers(Size::Small).await else { return };
    let log = system.path("log");
    let dcs = system.dcs().with("DCS_LOG_FILE", log.display());
    let mut said = String::new();
    let mut run = |dcs: &Dcs, arguments: &[&str]| {
        let output = dcs.run(&[&["-vv"], arguments].concat()).ok();
        said.push_str(&format!("{}\n{}\n", output.stdout, output.stderr));
    };
    for arguments in
        [&["init"][..], &["config", "show"], &["config", "check"], &["backup", "complete"], &["backup", "show"]]
    {
        run(&dcs, arguments);
    }
    system.lose_everything().await;
    run(&dcs, &["restore-complete", "--yes", "--json"]);
    run(&system.dcs_elsewhere().with("DCS_LOG_FILE", log.display()), &["verify", "--level", "contents"]);
    said.push_str(&fs::read_to_string(&log).unwrap());
    for (key, content) in system.backup_texts().await {
        said.push_str(&format!("{key}\n{content}\n"));
    }
    for secret in system.secrets() {
        let at = said.find(&secret);
        assert!(at.is_none(), "a secret is in: {}", said[at.unwrap().saturating_sub(200)..].replace(&secret, "SECRET"));
    }
    system.remove().await;
}
