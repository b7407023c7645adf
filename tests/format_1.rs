//! A backup made by the first version of format 1, kept for ever: whatever reads backups must go on reading this one.
//!
//! It holds small and empty objects, names that need escaping, a link, an empty folder, an object of two gzip members and
//! one of two pieces, a SQLite database and configuration. `SHA256SUMS` beside it was written from the live folder.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;

use support::cli::Dcs;

mod support {
    pub mod cli;
}

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-1");
const ID: &str = "20261121T130830Z-complete-pvbv";

/// A copy of the repository, for locks are written into it.
fn repository(folder: &Path) -> String {
    copy(Path::new(FIXTURE), &folder.join("vault"));
    format!("{}/vault/dcs-backups", folder.display())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn dcs(folder: &Path) -> Dcs {
    Dcs::new(folder).with("DCS_REPO", repository(folder))
}

#[test]
fn verifies_down_to_the_contents() {
    let folder = tempfile::tempdir().unwrap();
    dcs(folder.path()).run(&["verify", ID, "--level", "contents"]).ok().answers("70 objects");
}

#[test]
fn restores_every_object_and_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let (live, database) = (folder.path().join("live"), folder.path().join("dream.db"));
    let (store, url) = (format!("live={}", live.display()), format!("dream=sqlite:{}", database.display()));
    dcs(folder.path()).run(&["restore-complete", ID, "--store", &store, "--database", &url, "--yes"]).ok();

    let sums = fs::read_to_string(Path::new(FIXTURE).join("SHA256SUMS")).unwrap();
    for line in sums.lines() {
        let (sum, path) = line.split_once("  ").unwrap();
        let found = dcs::archive::sha256(&fs::read(live.join(path)).unwrap());
        assert_eq!(found.to_string(), sum, "{path}");
    }
    assert_eq!(fs::read_link(live.join("books/odd/link")).unwrap(), Path::new("../1/content.txt"));
    assert!(fs::read_dir(live.join("books/odd/empty-folder")).unwrap().next().is_none());
    let rows = rusqlite::Connection::open(database).unwrap();
    let count: i64 =
        rows.query_row("SELECT count(*) FROM books WHERE status = 'published'", [], |row| row.get(0)).unwrap();
    assert_eq!((count, sums.lines().count()), (30, 68));
}
