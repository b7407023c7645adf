//! A dump in which a row was altered on the way, and everything that guards its bytes was made to fit.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};

use cli::Dcs;
use dcs::archive::gzip::{Level, compress_member};
use dcs::archive::sha256;
use flate2::read::MultiGzDecoder;
use postgres::Scratch;
use serde_json::{Value, json};

#[path = "support/cli.rs"]
mod cli;
#[path = "support/postgres.rs"]
mod postgres;
mod support;

fn configure(folder: &Path, url: &str) -> Dcs {
    for bucket in ["backups", "trash"] {
        fs::create_dir_all(folder.join("vault").join(bucket)).unwrap();
    }
    let root = folder.display();
    let text = format!(
        "state_dir = \"{root}/state\"\n[stores.vault]\npath = \"{root}/vault\"\n[databases.dream]\nurl = \"{url}\"\n\
         [trash]\nstore = \"vault\"\nbucket = \"trash\"\n\
         [backup]\nstore = \"vault\"\nbucket = \"backups\"\ndatabases = [\"dream\"]\n"
    );
    fs::write(folder.join("dcs.toml"), text).unwrap();
    let dcs = Dcs::new(folder);
    dcs.run(&["init"]).ok();
    dcs
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} holds no {from}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Replaces `from` in the dump by `to`, and everything by which that could be known: sizes, digests, the manifest's own.
fn alter(backup: &Path, from: &str, to: &str) {
    let path: PathBuf = backup.join("db/dream.dump.gz");
    let (old, manifest, sums) = (fs::read(&path).unwrap(), backup.join("manifest.json"), backup.join("SHA256SUMS"));
    let mut raw = Vec::new();
    std::io::copy(&mut MultiGzDecoder::new(old.as_slice()), &mut raw).unwrap();
    let at = raw.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    raw[at..at + to.len()].copy_from_slice(to.as_bytes());
    let new = compress_member(&raw, Level::default());
    fs::write(&path, &new).unwrap();

    let old_manifest = sha256(&fs::read(&manifest).unwrap()).to_string();
    let mut document: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let dump = &mut document["databases"][0]["dump"];
    dump["parts"][0]["size"] = json!(new.len());
    dump["parts"][0]["sha256"] = json!(sha256(&new).to_string());
    dump["raw_sha256"] = json!(sha256(&raw).to_string());
    fs::write(&manifest, serde_json::to_vec_pretty(&document).unwrap()).unwrap();
    replace(&sums, &sha256(&old).to_string(), &sha256(&new).to_string());
    replace(&sums, &old_manifest, &sha256(&fs::read(&manifest).unwrap()).to_string());
}

#[tokio::test]
async fn a_row_that_was_altered_on_the_way_is_found_and_its_table_named() {
    let Some(url) = support::postgres() else { return };
    let scratch = Scratch::create(&url, "dcs-on-the-way").await;
    let sql = "CREATE TABLE books (id int, title text); CREATE TABLE others AS SELECT 1 AS one;
         INSERT INTO books SELECT g, 'the title of ' || g FROM generate_series(1, 500) g";
    scratch.client().await.batch_execute(sql).await.unwrap();
    let home = support::folder();
    let dcs = configure(home.path(), &scratch.url_as(None, &scratch.name));
    let id = dcs.run(&["backup", "db", "--json"]).ok().json()["id"].as_str().unwrap().to_owned();
    dcs.run(&["verify", "--level", "contents"]).ok();

    alter(&home.path().join("vault/backups/backups").join(&id), "the title of 250", "the title of 999");
    dcs.run(&["verify", "--level", "checksum"]).ok();
    dcs.run(&["verify", "--level", "contents"]).fails(4, "table public.books");
    dcs.run(&["verify", "--level", "restore"]).fails(4, "table public.books");
    dcs.run(&["restore-db", "--yes"]).fails(4, "table public.books");

    assert_eq!(scratch.count("SELECT count(*) FROM books WHERE title = 'the title of 250'").await, 1);
    assert_eq!(scratch.family().await, std::slice::from_ref(&scratch.name), "no side database is left");
    scratch.remove().await;
}

#[tokio::test]
async fn a_database_that_lost_most_of_its_rows_is_no_good_backup_until_that_is_accepted() {
    let Some(url) = support::postgres() else { return };
    let scratch = Scratch::create(&url, "dcs-shrunken").await;
    let sql = "CREATE TABLE books AS SELECT g AS id, repeat('word ', 20) AS title FROM generate_series(1, 900) g";
    scratch.client().await.batch_execute(sql).await.unwrap();
    let home = support::folder();
    let dcs = configure(home.path(), &scratch.url_as(None, &scratch.name));
    let made = |output: cli::Output| output.json()["id"].as_str().unwrap().to_owned();
    let full = made(dcs.run(&["backup", "db", "--json"]).ok());
    scratch.client().await.batch_execute("DELETE FROM books WHERE id > 300").await.unwrap();
    let less = made(dcs.run(&["backup", "db", "--json"]).code(3));
    let show = |id: &str| dcs.run(&["backup", "show", id]).ok();
    show(&less).answers("database dream: it has 300 rows").answers("dcs backup accept");
    assert_eq!(dcs.run(&["restore-db", "--dry-run", "--json"]).ok().json()["backup"], json!(full));

    // A part is no measure of the whole, and never stands for it.
    let part = made(dcs.run(&["backup", "db", "--exclude-table-data", "public.books", "--json"]).ok());
    show(&part).answers("only no rows of public.books");
    assert_eq!(dcs.run(&["restore-db", "--dry-run", "--json"]).ok().json()["backup"], json!(full));
    dcs.run(&["restore-db", &part, "--yes"]).fails(5, "it does not hold");

    dcs.run(&["backup", "accept", &less]).ok();
    assert_eq!(dcs.run(&["restore-db", "--dry-run", "--json"]).ok().json()["backup"], json!(less));
    dcs.run(&["backup", "db"]).ok();
    scratch.remove().await;
}
