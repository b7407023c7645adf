//! The promise itself: back up a whole system, lose it, bring it back, and find nothing missing and nothing changed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;

use system::{LiveDatabase, Size, State, System, assert_same};

#[path = "support/cli.rs"]
mod cli;
#[path = "end_to_end/hooked.rs"]
mod hooked;
#[path = "end_to_end/interrupted.rs"]
mod interrupted;
#[path = "end_to_end/journaled.rs"]
mod journaled;
#[path = "end_to_end/live.rs"]
mod live;
#[path = "end_to_end/parts.rs"]
mod parts;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "end_to_end/reclaimed.rs"]
mod reclaimed;
#[path = "end_to_end/rows.rs"]
mod rows;
mod support;
#[path = "support/system.rs"]
mod system;
#[path = "end_to_end/undone.rs"]
mod undone;

/// One test of a scenario on folders and SQLite, one on an S3 server and PostgreSQL.
macro_rules! on_both {
    ($scenario:ident, $size:expr) => {
        mod $scenario {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_folders() {
                super::$scenario(System::on_folders($size)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_servers() {
                let Some(system) = System::on_servers($size).await else { return };
                super::$scenario(system).await;
            }
        }
    };
}
pub(crate) use on_both;

/// Backs a system up as an operator would, with everything that can be asked about it.
async fn back_up(system: &System) -> State {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok().answers("made the repository");
    dcs.run(&["init"]).ok().answers("found the repository");
    dcs.run(&["backup", "list"]).ok();
    let before = system.state().await;
    dcs.run(&["backup", "complete", "--note", "before the fire"])
        .ok()
        .answers("made the backup")
        .answers("database dream");

    let listed = dcs.run(&["backup", "list", "--json"]).ok().json();
    let [row] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((row["state"].as_str(), row["note"].as_str()), (Some("good"), Some("before the fire")));
    let objects = u64::try_from(before.objects.len()).unwrap();
    assert_eq!(row["objects"].as_u64(), Some(objects));
    let id = row["id"].as_str().unwrap();
    let shown = dcs.run(&["backup", "show", id, "--json"]).ok().json();
    assert_eq!(shown["id"].as_str(), Some(id));
    dcs.run(&["backup", "show"]).ok().answers(id).answers("before the fire");
    dcs.run(&["backup", "list"]).ok().answers(id);
    for level in ["presence", "checksum", "contents"] {
        dcs.run(&["verify", "--level", level]).ok().answers("ok").answers(id);
    }
    let verified = dcs.run(&["verify", id, "--level", "contents", "--json"]).ok().json();
    assert_eq!((verified[0]["ok"].as_bool(), verified[0]["objects"].as_u64()), (Some(true), Some(objects)));
    before
}

async fn comes_back_whole_here_on_a_new_machine_and_elsewhere(mut system: System) {
    let before = back_up(&system).await;
    let id = system.newest();

    // Where the configuration is.
    system.lose_everything().await;
    let dcs = system.dcs();
    dcs.run(&["restore-complete", "--yes"]).ok().answers("restored database dream").answers("restored files");
    assert_same(&before, &system.state().await);
    let unpacked = system.path("machine").join(format!("dcs-restored-{id}"));
    let unpacked = unpacked.join(system.path("machine/etc").strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(unpacked.join("app.conf")).unwrap(), "secret = 1\n");
    assert_eq!(fs::read_to_string(unpacked.join("ünder/b c.conf")).unwrap(), "x\n");

    // On a machine that knows the bucket and the credentials alone.
    system.lose_everything().await;
    fs::remove_dir_all(system.path("machine")).unwrap();
    fs::remove_dir_all(system.path("state")).unwrap();
    let dcs = system.dcs_elsewhere();
    dcs.run(&["backup", "list"]).ok().answers(&id);
    dcs.run(&["verify", "--level", "contents"]).ok();
    dcs.run(&["restore-complete"]).ok();
    assert_same(&before, &system.state().await);
    assert!(dcs.folder().join(format!("dcs-restored-{id}")).is_dir());

    // To other places, with the live ones left alone.
    let elsewhere = system.path("other places");
    let (name, database) = match &system.database {
        LiveDatabase::Sqlite { .. } => ("other.db".to_owned(), system.database.url_of("other.db")),
        LiveDatabase::Postgres { name, .. } => {
            (format!("{name} other"), system.database.url_of(&format!("{name} other")))
        }
    };
    let store = format!("live={}", elsewhere.display());
    let database = format!("dream={database}");
    let dcs = system.dcs_elsewhere();
    dcs.run(&["restore-complete", "--store", &store, "--database", &database]).ok();
    assert_same(&before, &system.state().await);
    let there =
        State { objects: system.objects_in(&elsewhere).await, database: system.database.contents_of(&name).await };
    let here = State { objects: system.objects_without_files().await, database: before.database.clone() };
    assert_same(&here, &there);
    system.remove().await;
}

on_both!(comes_back_whole_here_on_a_new_machine_and_elsewhere, Size::Large);
