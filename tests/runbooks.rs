//! The runbooks, from disaster to recovery: a system is backed up, loses something for real, and a person runs the script.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;
use std::process::Command;

use cli::{Dcs, Output};
use system::{Live, LiveDatabase, Size, State, System, assert_same};

#[path = "support/cli.rs"]
mod cli;
#[path = "support/postgres.rs"]
mod postgres;
mod support;
#[path = "support/system.rs"]
mod system;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/runbooks");

/// One test of a disaster on folders and SQLite, one on an S3 server and PostgreSQL.
macro_rules! on_both {
    ($scenario:ident) => {
        mod $scenario {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_folders() {
                super::$scenario(System::on_folders(Size::Small)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_servers() {
                let Some(system) = System::on_servers(Size::Small).await else { return };
                super::$scenario(system).await;
            }
        }
    };
}

/// A machine on which the runbooks find this dcs.
fn book(dcs: Dcs, name: &str) -> Dcs {
    dcs.binary(&format!("{FOLDER}/{name}.sh")).with("DCS_BIN", env!("CARGO_BIN_EXE_dcs"))
}

/// Runs a runbook to its end, which tells the time it took.
fn recover(dcs: Dcs, name: &str, arguments: &[&str]) -> Output {
    book(dcs, name).run(&[&["--yes"], arguments].concat()).ok().says("\nDone in ")
}

/// Without a terminal and without --yes a runbook stops at its question, and has changed nothing.
fn refuses_unasked(dcs: Dcs, name: &str, arguments: &[&str]) {
    book(dcs, name).run(arguments).code(5).says("no terminal to ask on").says("STOPPED after ");
}

async fn backed_up(system: &System) -> State {
    system.dcs().run(&["init"]).ok();
    let before = system.state().await;
    system.dcs().run(&["backup", "complete"]).ok();
    before
}

/// Makes the database one that nobody can use: pages of the file are overwritten, or tables are dropped and rows changed.
async fn corrupt(system: &mut System) {
    match &mut system.database {
        LiveDatabase::Sqlite { path, application } => {
            // What the application has not yet merged into the file goes there when it ends.
            *application = None;
            let mut bytes = fs::read(&*path).unwrap();
            assert!(bytes.len() > 20 * 4096, "there are pages to damage");
            bytes[4096..12 * 4096].fill(0xa5);
            fs::write(path, bytes).unwrap();
        }
        LiveDatabase::Postgres { .. } => {
            system.database.execute("DROP TABLE secret_rows; UPDATE books SET title = 'nonsense'").await;
        }
    }
}

async fn a_corrupted_database_is_replaced(mut system: System) {
    let before = backed_up(&system).await;
    corrupt(&mut system).await;
    refuses_unasked(system.dcs(), "database-corrupted", &["dream"]);
    recover(system.dcs(), "database-corrupted", &["dream"]).says("bring it back");
    assert_same(&before, &system.state().await);
    assert_eq!(system.database.kept().await.len(), 1, "what was live is kept");
    system.remove().await;
}
on_both!(a_corrupted_database_is_replaced);

async fn lost_and_changed_files_come_back(system: System) {
    let before = backed_up(&system).await;
    let [books, apps] = system.live.buckets().clone();
    for key in ["a/b", "7/middle.bin", "emoji 📚/🐉.bin"] {
        system.live.delete(0, key).await;
    }
    system.live.write(0, "a.b", "something else").await;
    system.live.remove_bucket(&apps).await;

    let (books, apps) = (format!("live/{books}"), format!("live/{apps}"));
    refuses_unasked(system.dcs(), "files-lost", &[&books]);
    recover(system.dcs(), "files-lost", &[&books, &apps]);
    assert_same(&before, &system.state().await);
    let trash = system.bucket(&system.trash).await;
    assert!(trash.keys().any(|key| key.ends_with("a.b")), "what was replaced is in the trash: {:?}", trash.keys());
    system.remove().await;
}
on_both!(lost_and_changed_files_come_back);

async fn a_lost_machine_is_made_anew(mut system: System) {
    backed_up(&system).await;
    makes_the_machine_anew(&mut system).await;
    system.remove().await;
}
on_both!(a_lost_machine_is_made_anew);

async fn a_lost_machine_gets_what_was_backed_up_since(mut system: System) {
    backed_up(&system).await;
    // As with the schedule that dcs prints: databases and objects are backed up more often than all of it.
    system.live.write(0, "a.b", "written since the complete backup").await;
    system.live.write(1, "new", "made since the complete backup").await;
    system.database.execute("UPDATE books SET title = 'renamed since the complete backup' WHERE id < 10").await;
    system.dcs().run(&["backup", "db"]).ok();
    system.dcs().run(&["backup", "files"]).ok();
    makes_the_machine_anew(&mut system).await;
    system.remove().await;
}
on_both!(a_lost_machine_gets_what_was_backed_up_since);

async fn makes_the_machine_anew(system: &mut System) {
    let before = system.state().await;
    system.lose_everything().await;
    let configuration = fs::read(system.path("machine/etc/app.conf")).unwrap();
    fs::remove_dir_all(system.path("machine")).unwrap();

    // Nothing is known there but the backup bucket and the keys.
    let elsewhere = system.dcs_elsewhere().without("DCS_REPO");
    refuses_unasked(elsewhere.clone(), "machine-lost", &["--repo", &system.repo]);
    recover(elsewhere.clone(), "machine-lost", &["--repo", &system.repo, "--config-to", "review"]);
    assert_same(&before, &system.state().await);
    let found = find(&elsewhere.folder().join("review"), "app.conf");
    assert_eq!(fs::read(found.expect("the configuration is laid out")).unwrap(), configuration);
}

fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    fs::read_dir(folder).ok()?.find_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}

/// With a kind of items whose rows are in the database.
fn has_items(system: &System) {
    let bucket = &system.live.buckets()[0];
    system.write_config(&format!(
        "[items.books]\nstore = \"live\"\nbucket = \"{bucket}\"\ndatabase = \"dream\"\ntable = \"books\"\nid = \"id\"\n\
         status = \"status\"\n"
    ));
}

async fn a_book_deleted_with_dcs_comes_back_from_the_trash(system: System) {
    has_items(&system);
    let before = backed_up(&system).await;
    system.dcs().run(&["delete", "books/7"]).ok();
    assert!(!system.live.objects().await.contains_key("0/7/middle.bin"));
    refuses_unasked(system.dcs(), "book-deleted", &["books/7"]);
    recover(system.dcs(), "book-deleted", &["books/7"]);
    assert_eq!(system.live.objects().await, before.objects);
    // The id 1 is taken: this fails where the row is still archived.
    system.database.execute("UPDATE books SET id = 1 WHERE id = 7 AND status = 'archived'").await;
    system.remove().await;
}
on_both!(a_book_deleted_with_dcs_comes_back_from_the_trash);

async fn a_book_deleted_by_hand_comes_back_from_a_backup(system: System) {
    has_items(&system);
    let before = backed_up(&system).await;
    system.live.delete(0, "7/middle.bin").await;
    if let Live::Directory { root, buckets } = &system.live {
        fs::remove_dir(root.join(buckets[0].as_str()).join("7")).ok();
    }
    system.database.execute("DELETE FROM books WHERE id = 7").await;
    // The newest good backup does not hold it any more; that so much went was found to be right.
    system.dcs().run(&["backup", "complete"]).code(3);
    system.dcs().run(&["backup", "accept", &system.newest()]).ok();

    let bucket = format!("live/{}/7/", system.live.buckets()[0]);
    let table = if matches!(system.live, Live::S3 { .. }) { "public.books" } else { "books" };
    let url = system.database.url();
    book(system.dcs(), "book-deleted").run(&["--yes", "books/7"]).code(5).says("Name the folder");
    let row = ["books/7", &bucket, "dream", &url, table, "id"];
    refuses_unasked(system.dcs(), "book-deleted", &row);
    recover(system.dcs(), "book-deleted", &row);
    assert_same(&before, &system.state().await);
    recover(system.dcs(), "book-deleted", &row).says("left as it is");
    assert_same(&before, &system.state().await);
    assert_eq!(beside(&system).await, Vec::<String>::new(), "the copy is removed");
    system.remove().await;
}
on_both!(a_book_deleted_by_hand_comes_back_from_a_backup);

/// The copies of the database that the runbook made and did not remove.
async fn beside(system: &System) -> Vec<String> {
    let names: Vec<String> = match &system.database {
        LiveDatabase::Sqlite { path, .. } => {
            let entries = fs::read_dir(path.parent().unwrap()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
        LiveDatabase::Postgres { scratch, .. } => {
            let rows = scratch.admin().await.query("SELECT datname::text FROM pg_database", &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    };
    names.into_iter().filter(|name| name.starts_with("dream_book_")).collect()
}

async fn after_the_loss_of_the_backups_there_is_a_new_one(mut system: System) {
    backed_up(&system).await;
    let archive = system.path("one.tar.gz");
    system.dcs().run(&["backup", "export", "latest", archive.to_str().unwrap()]).ok();
    lose_the_backups(&system).await;
    let before = system.state().await;

    refuses_unasked(system.dcs(), "backup-store-lost", &[]);
    let output = recover(system.dcs(), "backup-store-lost", &["--export", archive.to_str().unwrap()]);
    output.says("readable to its end").answers("made the backup");
    // The new backup is one that restores everything.
    system.lose_everything().await;
    system.dcs().run(&["restore-complete", "--yes"]).ok();
    assert_same(&before, &system.state().await);
    system.remove().await;
}
on_both!(after_the_loss_of_the_backups_there_is_a_new_one);

async fn lose_the_backups(system: &System) {
    match &system.live {
        Live::Directory { .. } => fs::remove_dir_all(system.path("vault").join(system.vault.as_str())).unwrap(),
        Live::S3 { .. } => system.live.remove_bucket(&system.vault).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_backups_is_brought_back_first() {
    let system = System::on_folders(Size::Small);
    backed_up(&system).await;
    let (vault, copy) = (system.path("vault"), system.path("copy"));
    let first = system.newest();
    fs::rename(&vault, &copy).unwrap();
    fs::create_dir(&vault).unwrap();
    let command = format!("cp -a '{}'/. '{}'", copy.display(), vault.display());
    recover(system.dcs(), "backup-store-lost", &["--copy-back", &command]).answers(&first);
    let listed = system.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "the old one and a new one: {listed}");
    // What is there is never written over.
    book(system.dcs(), "backup-store-lost").run(&["--yes", "--copy-back", "false"]).code(5).says("not written over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runbook_stops_at_the_first_step_that_fails() {
    let system = System::on_folders(Size::Small);
    backed_up(&system).await;
    let before = system.state().await;
    let unreachable = system.dcs().with("DCS_REPO", "http://127.0.0.1:1/nowhere").with("AWS_ACCESS_KEY_ID", "a");
    let unreachable = unreachable.with("AWS_SECRET_ACCESS_KEY", "b");
    for (name, arguments) in
        [("database-corrupted", &["dream"][..]), ("files-lost", &[]), ("machine-lost", &[]), ("backup-store-lost", &[])]
    {
        let output = book(unreachable.clone(), name).run(&[&["--yes"], arguments].concat()).code(20);
        output.says("STOPPED after ").says("at step 1, ").says("exit code 20");
    }
    // Damage is found before anything is touched.
    let packs = system.path("vault").join(system.vault.as_str()).join("packs");
    fs::remove_dir_all(packs).unwrap();
    book(system.dcs_elsewhere(), "machine-lost").run(&["--yes"]).code(4).says("at step 3, ");
    assert_same(&before, &system.state().await);
}

#[test]
fn every_runbook_has_a_manual_and_refuses_what_it_does_not_know() {
    let folder = support::folder();
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "common" {
            continue;
        }
        let dcs = || book(Dcs::new(folder.path()), &name);
        dcs().run(&["--help"]).ok().answers("Needs: dcs").answers(&format!("{name}.sh "));
        dcs().run(&["--no-such-option"]).code(2).says("no option --no-such-option").says("Needs: dcs");
        names.push(name);
    }
    names.sort();
    let wanted = ["backup-store-lost", "book-deleted", "database-corrupted", "files-lost", "machine-lost"];
    assert_eq!(names, wanted, "each has a test of its own");
}

#[test]
fn the_scripts_that_are_shipped_are_ones_that_shellcheck_finds_nothing_in() {
    if !support::has_tool("shellcheck") {
        return;
    }
    let scripts = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut command = Command::new("shellcheck");
    command.arg("--external-sources").args(["-P", env!("CARGO_MANIFEST_DIR")]).args(scripts);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
