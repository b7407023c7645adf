//! SQLite dumps and restores, with programs at work in the live file.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dcs::database::{Database, DatabaseError, ErrorKind, SqliteDatabase, UndoOptions};
use dcs::model::RunId;
use rusqlite::Connection;

#[path = "support/postgres.rs"]
mod postgres;
mod support;

use postgres::{Dump, stream_of};

struct Scratch {
    folder: tempfile::TempDir,
    live: PathBuf,
}

impl Scratch {
    fn create(sql: &str) -> Self {
        let scratch = Self::empty();
        scratch.client().execute_batch(sql).unwrap();
        scratch
    }

    fn empty() -> Self {
        let folder = support::folder();
        std::fs::create_dir(folder.path().join("live dir ü%?#")).unwrap();
        let live = folder.path().join("live dir ü%?#/dream.db");
        Self { folder, live }
    }

    fn client(&self) -> Connection {
        open(&self.live)
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    fn database(&self) -> SqliteDatabase {
        SqliteDatabase::open(&self.live)
    }

    async fn dump(&self) -> Dump {
        Dump::take(&self.database(), &self.spool()).await.unwrap()
    }

    async fn restore(&self, dump: &Dump) -> Result<Option<String>, DatabaseError> {
        let database = self.database();
        let options = dump.restore_options(&self.spool());
        let plan = database.plan_restore(&options).await?;
        let mut session = database.begin_restore(&options).await?;
        if let Err(error) = session.load(dump.stream()).await {
            session.discard().await;
            return Err(error);
        }
        assert_eq!(session.compare(&dump.fingerprint).await?, []);
        let kept = session.swap().await?;
        assert_eq!(kept, plan.kept_as);
        assert!(self.spool_is_empty());
        Ok(kept)
    }

    fn spool_is_empty(&self) -> bool {
        std::fs::read_dir(self.spool()).unwrap().next().is_none()
    }
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn integrity(connection: &Connection) -> String {
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

/// Moves 1 between two halves of a table that sums to zero, as fast as it can, until told to stop.
fn writer(path: PathBuf, stop: Arc<AtomicBool>, rounds: Arc<AtomicU64>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let connection = open(&path);
        while !stop.load(Ordering::Relaxed) {
            let change = "BEGIN IMMEDIATE; UPDATE ledger SET v = v + 1 WHERE id % 2 = 0;
                UPDATE ledger SET v = v - 1 WHERE id % 2 = 1; COMMIT";
            connection.execute_batch(change).unwrap();
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    })
}

async fn wait_for_rounds(rounds: &AtomicU64, more: u64) {
    let target = rounds.load(Ordering::Relaxed) + more;
    while rounds.load(Ordering::Relaxed) < target {
        tokio::task::yield_now().await;
    }
}

const LEDGER: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, v INTEGER, pad TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO ledger SELECT i, 0, hex(randomblob(200)) FROM n;";

#[tokio::test]
async fn names_with_quotes_and_letters_virtual_tables_and_all_contents_come_back() {
    let scratch = Scratch::create(
        r#"CREATE TABLE "tab ""le's" ("cö l" TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO "tab ""le's" VALUES ('a'), ('b');
           CREATE TABLE "таблица" (id INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB); INSERT INTO "таблица" (b) VALUES (x'00ff');
           CREATE TABLE sqliteish (x); CREATE VIRTUAL TABLE words USING fts5(t); INSERT INTO words VALUES ('some words');
           CREATE VIEW seen AS SELECT 1; PRAGMA user_version = 7;"#,
    );
    let dump = scratch.dump().await;
    assert!(scratch.spool_is_empty());
    let count = |name: &str| dump.fingerprint.tables.iter().find(|table| table.name == name).map(|table| table.rows);
    assert_eq!((count("tab \"le's"), count("таблица"), count("sqliteish")), (Some(2), Some(1), Some(0)));
    assert_eq!((count("seen"), count("words"), count("sqlite_sequence")), (None, None, None));
    scratch.client().execute_batch("DELETE FROM \"таблица\"; DROP TABLE words; PRAGMA user_version = 8").unwrap();
    let kept = scratch.restore(&dump).await.unwrap().unwrap();
    let (new, old) = (scratch.client(), open(Path::new(&kept)));
    assert_eq!(number(&new, "PRAGMA user_version"), 7);
    assert_eq!(number(&new, "SELECT count(*) FROM words WHERE words MATCH 'words'"), 1);
    assert_eq!(number(&new, "SELECT hex(b) = '00FF' FROM \"таблица\""), 1);
    assert_eq!((number(&old, "PRAGMA user_version"), number(&old, "SELECT count(*) FROM \"таблица\"")), (8, 0));
}

#[tokio::test]
async fn a_dump_under_a_writer_is_one_moment_and_the_writer_goes_on() {
    let scratch = Scratch::create(LEDGER);
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let busy = writer(scratch.live.clone(), Arc::clone(&stop), Arc::clone(&rounds));
    for turn in 0..4 {
        wait_for_rounds(&rounds, 3).await;
        let dump = scratch.dump().await;
        let file = scratch.folder.path().join(format!("dump-{turn}"));
        std::fs::write(&file, &dump.bytes).unwrap();
        let copy = open(&file);
        assert_eq!(integrity(&copy), "ok");
        assert_eq!((number(&copy, "SELECT sum(v) FROM ledger"), dump.fingerprint.rows()), (0, 2000));
        assert_eq!(number(&copy, "SELECT count(DISTINCT abs(v)) FROM ledger"), 1);
    }
    wait_for_rounds(&rounds, 3).await;
    stop.store(true, Ordering::Relaxed);
    busy.join().unwrap();
}

#[tokio::test]
async fn a_restore_under_a_writer_gives_it_the_new_contents_in_its_next_transaction() {
    let scratch = Scratch::create(LEDGER);
    scratch.client().execute_batch("CREATE TABLE mark AS SELECT 'restored' AS m; UPDATE ledger SET v = 0").unwrap();
    let dump = scratch.dump().await;
    scratch
        .client()
        .execute_batch("DROP TABLE mark; INSERT INTO ledger VALUES (5000, 0, 'x'), (5001, 0, 'y')")
        .unwrap();
    let reader = scratch.client();
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(number(&reader, "SELECT count(*) FROM ledger"), 2002);
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let busy = writer(scratch.live.clone(), Arc::clone(&stop), Arc::clone(&rounds));
    wait_for_rounds(&rounds, 3).await;

    let kept = scratch.restore(&dump).await.unwrap().unwrap();
    // A reader of before keeps its snapshot until it lets go.
    assert_eq!(number(&reader, "SELECT count(*) FROM ledger"), 2002);
    reader.execute_batch("COMMIT").unwrap();
    wait_for_rounds(&rounds, 3).await;
    assert_eq!(number(&reader, "SELECT count(*) FROM mark"), 1);
    stop.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    let new = scratch.client();
    assert_eq!(integrity(&new), "ok");
    assert_eq!((number(&new, "SELECT count(*) FROM ledger"), number(&new, "SELECT sum(v) FROM ledger")), (2000, 0));
    let old = open(Path::new(&kept));
    assert_eq!((number(&old, "SELECT count(*) FROM ledger"), number(&old, "SELECT sum(v) FROM ledger")), (2002, 0));
}

#[tokio::test]
async fn a_wal_file_with_pages_of_another_size_takes_the_contents() {
    for journal in ["DELETE", "WAL"] {
        let sql = "CREATE TABLE t AS SELECT 'from small pages' AS v";
        let source = Scratch::create(&format!("PRAGMA page_size = 1024; PRAGMA journal_mode = {journal}; {sql}"));
        let dump = source.dump().await;
        let target = Scratch::create("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; CREATE TABLE other (x)");
        let held = target.client();
        assert_eq!(number(&held, "SELECT count(*) FROM other"), 0);
        target.restore(&dump).await.unwrap();
        assert_eq!(number(&held, "SELECT v = 'from small pages' FROM t"), 1);
        assert_eq!((integrity(&held), number(&held, "PRAGMA page_size")), ("ok".to_owned(), 8192));
    }
}

#[tokio::test]
async fn files_with_a_rollback_journal_are_restored_into_too() {
    let scratch = Scratch::create("CREATE TABLE t AS SELECT 1 AS v");
    let dump = scratch.dump().await;
    let held = scratch.client();
    held.execute_batch("UPDATE t SET v = 2").unwrap();
    scratch.restore(&dump).await.unwrap();
    assert_eq!(number(&held, "SELECT v FROM t"), 1);
}

#[tokio::test]
async fn a_missing_file_is_made_and_an_empty_database_is_a_database() {
    let scratch = Scratch::create("PRAGMA journal_mode = WAL; CREATE TABLE t AS SELECT 1 AS v");
    let dump = scratch.dump().await;
    let elsewhere = Scratch::empty();
    assert_eq!(elsewhere.restore(&dump).await.unwrap(), None);
    assert_eq!(number(&elsewhere.client(), "SELECT v FROM t"), 1);

    let empty = Scratch::empty();
    std::fs::write(&empty.live, b"").unwrap();
    let dump = empty.dump().await;
    assert!(dump.fingerprint.tables.is_empty() && !dump.bytes.is_empty());
    scratch.restore(&dump).await.unwrap();
    assert_eq!(number(&scratch.client(), "SELECT count(*) FROM sqlite_schema"), 0);
}

#[tokio::test]
async fn a_wal_left_without_its_file_does_not_reach_the_restored_contents() {
    let scratch = Scratch::create(LEDGER);
    let dump = scratch.dump().await;
    let held = scratch.client();
    held.execute_batch("UPDATE ledger SET v = 99").unwrap();
    let wal = PathBuf::from(format!("{}-wal", scratch.live.display()));
    let left = std::fs::read(&wal).unwrap();
    drop(held);
    std::fs::remove_file(&scratch.live).unwrap();
    std::fs::write(&wal, left).unwrap();
    assert_eq!(scratch.restore(&dump).await.unwrap(), None);
    let new = scratch.client();
    assert_eq!((integrity(&new), number(&new, "SELECT sum(abs(v)) FROM ledger")), ("ok".to_owned(), 0));
}

#[tokio::test]
async fn damaged_dumps_are_refused_and_the_live_file_is_untouched() {
    let scratch = Scratch::create(LEDGER);
    let dump = scratch.dump().await;
    scratch.client().execute_batch("DELETE FROM ledger WHERE id > 10").unwrap();
    let mut flipped = dump.bytes.clone();
    for byte in &mut flipped[8192..12_000] {
        *byte ^= 0x5a;
    }
    let broken = [&dump.bytes[..dump.bytes.len() / 2], &flipped, b"", b"no database, by any means".as_slice()];
    for bytes in broken {
        let database = scratch.database();
        let mut session = database.begin_restore(&dump.restore_options(&scratch.spool())).await.unwrap();
        let error = session.load(stream_of(bytes)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Damaged, "{error:?}");
        session.discard().await;
    }
    assert!(scratch.spool_is_empty());
    assert_eq!(number(&scratch.client(), "SELECT count(*) FROM ledger"), 10);
}

#[tokio::test]
async fn what_is_missing_or_no_database_is_said_so_and_an_unreadable_live_file_is_kept_and_replaced() {
    let scratch = Scratch::empty();
    let missing = scratch.database().preflight_dump().await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    let dump = Scratch::create("CREATE TABLE t AS SELECT 1 AS v").dump().await;
    let garbage = b"this was a database once, before the disk went bad".repeat(100);
    std::fs::write(&scratch.live, &garbage).unwrap();
    let damaged = scratch.database().preflight_dump().await.unwrap_err();
    assert_eq!(damaged.kind, ErrorKind::Other, "no backup is damaged: {damaged:?}");
    let kept = scratch.restore(&dump).await.unwrap().unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), garbage);
    assert_eq!(number(&scratch.client(), "SELECT v FROM t"), 1);
}

#[tokio::test]
async fn a_row_too_few_is_found() {
    let scratch = Scratch::create("CREATE TABLE t AS SELECT 1 AS v");
    let mut dump = scratch.dump().await;
    dump.fingerprint.tables[0].rows = 2;
    let mut session = scratch.database().begin_restore(&dump.restore_options(&scratch.spool())).await.unwrap();
    session.load(dump.stream()).await.unwrap();
    let differences = session.compare(&dump.fingerprint).await.unwrap();
    assert_eq!(differences[0].subject, "table t");
    session.discard().await;
}

#[tokio::test]
async fn an_undo_loads_what_was_kept_while_programs_are_at_work() {
    let scratch = Scratch::create(LEDGER);
    let dump = scratch.dump().await;
    scratch.client().execute_batch("CREATE TABLE later (x); INSERT INTO later VALUES (1)").unwrap();
    scratch.restore(&dump).await.unwrap();
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = writer(scratch.live.clone(), Arc::clone(&stop), Arc::clone(&rounds));
    let database = scratch.database();
    // Back, forth and back: what is kept each time is what was live.
    for later in [1, 0, 1] {
        wait_for_rounds(&rounds, 20).await;
        let options = UndoOptions { spool: scratch.spool(), run: RunId::create() };
        let displaced = database.displaced(&options.run).await.unwrap();
        let plan = database.plan_undo(&displaced[0], &options).await.unwrap();
        assert!(plan.live.is_some() && displaced[0].until.is_some());
        assert_eq!(database.undo(&displaced[0], &options).await.unwrap(), plan.kept_as);
        assert!(scratch.spool_is_empty());
        let client = scratch.client();
        assert_eq!(number(&client, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'"), later);
        assert_eq!((number(&client, "SELECT sum(v) FROM ledger"), integrity(&client)), (0, "ok".to_owned()));
    }
    wait_for_rounds(&rounds, 20).await;
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(integrity(&scratch.client()), "ok");
}

#[tokio::test]
async fn what_was_kept_and_is_no_database_is_not_put_back() {
    let scratch = Scratch::create("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    let database = scratch.database();
    let options = UndoOptions { spool: scratch.spool(), run: RunId::create() };
    assert_eq!(database.displaced(&options.run).await.unwrap(), []);
    std::fs::write(scratch.live.with_file_name("dream.db.before-ab12"), "no database at all".repeat(100)).unwrap();
    let displaced = database.displaced(&options.run).await.unwrap();
    let planned = database.plan_undo(&displaced[0], &options).await.unwrap_err();
    let done = database.undo(&displaced[0], &options).await.unwrap_err();
    assert_eq!((planned.kind, done.kind), (ErrorKind::Refused, ErrorKind::Refused));
    assert_eq!(number(&scratch.client(), "SELECT count(*) FROM t"), 1);
    assert_eq!(database.displaced(&options.run).await.unwrap(), displaced);
}
