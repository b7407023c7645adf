//! Backups and restores while others write, through the binary.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use postgres::{Scratch, fake_tools};
use rusqlite::Connection;
use small_system::System;

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/small_system.rs"]
mod small_system;
mod support;

/// Writes note after note, numbered, until told to stop; a failed write fails the test that joins it.
struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicI64>,
    thread: std::thread::JoinHandle<()>,
}

impl Writer {
    fn begin(path: PathBuf, after: i64) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(after)));
        let (ended, last) = (stop.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            let connection = connect(&path);
            while !ended.load(Ordering::SeqCst) {
                let next = last.load(Ordering::SeqCst) + 1;
                connection.execute("INSERT INTO notes VALUES (?1, hex(randomblob(500)))", [next]).unwrap();
                last.store(next, Ordering::SeqCst);
            }
        });
        Self { stop, written, thread }
    }

    /// Waits until so many more notes are written.
    fn wait_for(&self, more: i64) {
        let target = self.written.load(Ordering::SeqCst) + more;
        while self.written.load(Ordering::SeqCst) < target {
            assert!(!self.thread.is_finished(), "the writer failed");
            std::thread::yield_now();
        }
    }

    /// Stops it; answers the last note.
    fn end(self) -> i64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.written.load(Ordering::SeqCst)
    }
}

fn connect(path: &PathBuf) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection
}

#[tokio::test]
async fn restore_db_under_a_writer_loses_no_note_in_wal_mode() {
    restore_under_a_writer("WAL").await;
}

#[tokio::test]
async fn restore_db_under_a_writer_loses_no_note_with_a_rollback_journal() {
    restore_under_a_writer("DELETE").await;
}

/// The live file holds the backup and what came after the restore; the kept one everything before it.
async fn restore_under_a_writer(journal_mode: &str) {
    let system = System::embedded().await;
    system
        .sql(&format!("PRAGMA journal_mode = {journal_mode}; CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"))
        .await;
    system.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO notes SELECT i, '' FROM n").await;
    let id = system.make_backup();
    let writer = Writer::begin(system.database_path(), 100);
    writer.wait_for(50);
    system.sql("PRAGMA busy_timeout = 60000; UPDATE books SET title = 'lost'").await;
    let ran = system.succeed(&["restore-db", id.as_str(), "--yes"]);
    writer.wait_for(50);
    let last = writer.end();

    // `rows` checks the file's integrity too.
    assert_eq!(system.rows().await, "1 one\n2 two\n42 forty-two\n");
    let live = notes(&system.database_path());
    let (backed_up, after) = live.split_at(100);
    assert!(backed_up.iter().copied().eq(1..=100), "{}", ran.text());
    let files = small_system::names_in(&system.root.join("db"));
    let kept = files.iter().find(|name| name.contains(".before-")).unwrap();
    let displaced = notes(&system.root.join("db").join(kept));
    let whole = displaced.iter().chain(after).copied();
    assert!(whole.eq(1..=last), "{} displaced, {} after of {last}", displaced.len(), after.len());
    assert!(after.len() >= 50 && displaced.len() >= 150, "the writer wrote before and after");
}

fn notes(path: &PathBuf) -> Vec<i64> {
    let connection = connect(path);
    let mut statement = connection.prepare("SELECT id FROM notes ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn backup_db_under_a_writer_is_one_moment_and_restores() {
    let system = System::embedded().await;
    system.sql("PRAGMA journal_mode = WAL; CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)").await;
    let writer = Writer::begin(system.database_path(), 0);
    writer.wait_for(50);
    let id = system.make_backup();
    writer.wait_for(50);
    let last = writer.end();
    system.succeed(&["restore-db", id.as_str(), "--yes"]);
    let sum = "SELECT count(*), max(id) FROM notes";
    let connection = connect(&system.database_path());
    let (count, max): (i64, i64) = connection.query_row(sum, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(count == max && (50..last).contains(&count), "{count} {max} {last}");
}

/// `tools` puts a script before every tool: the moment before `pg_dump` begins is the one after the snapshot was taken.
#[tokio::test]
async fn a_truncate_between_snapshot_and_dump_waits_and_the_backup_restores_what_it_counted() {
    let Some(url) = support::postgres() else { return };
    let scratch = Scratch::create(&url, "dcs-truncate").await;
    let setup =
        "CREATE TABLE books (id int, title text); INSERT INTO books SELECT g, 'a' FROM generate_series(1, 500) g";
    scratch.client().await.batch_execute(setup).await.unwrap();
    let system = System::embedded().await;
    let connection = scratch.url_as(None, &scratch.name);
    let interposed = format!(
        "case \"$*\" in *--version*) ;; *pg_dump\\ *--snapshot*)\n\
         psql -X -q -c \"SET lock_timeout = '100ms'\" -c 'TRUNCATE books' -d '{connection}' 2>\"$0.log\" </dev/null ;;\nesac\n\
         exec \"$@\""
    );
    fake_tools(&system.root, &[("interposed", &interposed)]);
    let settings = std::fs::read_to_string(system.root.join("dcs.toml")).unwrap();
    let sqlite = format!("url = \"sqlite:{}/db/dream.db\"", system.root.display());
    assert!(settings.contains(&sqlite));
    let postgres = format!("url = \"{connection}\"\ntools = [\"{}/interposed\"]", system.root.display());
    std::fs::write(system.root.join("dcs.toml"), settings.replace(&sqlite, &postgres)).unwrap();

    system.succeed(&["backup", "db"]);
    let log = std::fs::read_to_string(system.root.join("interposed.log")).unwrap();
    assert!(log.contains("lock timeout"), "the truncate came while the dump held its locks: {log}");
    scratch.client().await.batch_execute("TRUNCATE books").await.unwrap();
    system.succeed(&["restore-db", "latest", "--yes"]);
    assert_eq!(scratch.count("SELECT count(*) FROM books").await, 500);
    scratch.remove().await;
}
