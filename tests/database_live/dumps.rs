//! Dumps while others work on the database, and dumps that end too soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dcs::database::{Database, ErrorKind, PostgresDatabase};
use futures_util::{StreamExt, TryStreamExt};

use crate::postgres::{Dump, fake_tools, read};
use crate::{dump_options, scratch, support};

#[tokio::test]
async fn a_truncate_behind_the_snapshot_waits_for_the_dump_and_does_not_hold_it_up() {
    let Some(scratch) = scratch("dcs-truncate").await else { return };
    let spool = support::folder();
    let writer = scratch.client().await;
    writer.batch_execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 500) g").await.unwrap();
    let database = scratch.open();
    let mut session = database.begin_dump(&dump_options()).await.unwrap();
    writer.batch_execute("INSERT INTO t VALUES (501); DELETE FROM t WHERE g < 100").await.unwrap();
    // Waits behind the snapshot's locks, and stands in the way of whoever asks for a lock after it.
    let truncating = scratch.client().await;
    let truncate = tokio::spawn(async move { truncating.batch_execute("TRUNCATE t").await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE query = 'TRUNCATE t' AND wait_event_type = 'Lock' \
         AND datname = current_database()";
    while scratch.count(waiting).await == 0 {
        tokio::task::yield_now().await;
    }
    let bytes = read(session.open().await.unwrap()).await.unwrap();
    let fingerprint = session.finish().await.unwrap();
    assert_eq!(fingerprint.rows(), 500);
    truncate.await.unwrap().unwrap();

    let server = database.preflight_dump().await.unwrap();
    let dump = Dump { bytes, fingerprint, properties: None, globals: None, server };
    let mut restore = dump.load(&database, &dump.restore_options(spool.path())).await;
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    restore.discard().await;
    assert_eq!(scratch.family().await.join("\n"), scratch.name);
    assert_eq!(scratch.count("SELECT count(*) FROM t").await, 0);
    scratch.remove().await;
}

#[tokio::test]
async fn tables_made_and_dropped_all_the_while_do_not_stop_a_dump() {
    let Some(scratch) = scratch("dcs-migrations").await else { return };
    let spool = support::folder();
    scratch.client().await.batch_execute("CREATE TABLE stays AS SELECT 1 AS one; CREATE SEQUENCE s").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = scratch.client().await;
    let busy = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            while !stop.load(Ordering::Relaxed) {
                writer.batch_execute("CREATE TABLE comes (x int); SELECT nextval('s')").await.unwrap();
                writer.batch_execute("DROP TABLE comes").await.unwrap();
            }
        }
    });
    for _ in 0..3 {
        match Dump::take(&scratch.open(), spool.path()).await {
            Ok(dump) => {
                assert!(dump.fingerprint.tables.iter().any(|table| table.name == "stays" && table.rows == 1));
            }
            // Said plainly, where it never held still; nothing else may go wrong.
            Err(error) => assert_eq!(error.kind, ErrorKind::Refused, "{error:?}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    busy.await.unwrap();
    scratch.remove().await;
}

#[tokio::test]
async fn a_tool_that_dies_half_way_never_ends_a_stream_cleanly() {
    let Some(scratch) = scratch("dcs-dying-tool").await else { return };
    for ending in ["exit 3", "kill -9 $$"] {
        let folder = support::folder();
        let dying = format!(
            "case $1 in --version) echo 'pg_dump (PostgreSQL) 99.1';; --globals*) ;; \
             *) head -c 700000 /dev/zero; echo 'the last words' >&2; {ending};; esac"
        );
        let mut options = scratch.options();
        options.installed = folder.path().join("nothing");
        options.search_path = vec![fake_tools(folder.path(), &[("pg_dump", &dying), ("pg_dumpall", &dying)])];
        let database = PostgresDatabase::open(options).unwrap();
        let mut session = database.begin_dump(&dump_options()).await.unwrap();
        let chunks: Vec<_> = session.open().await.unwrap().collect().await;
        let bytes: usize = chunks.iter().filter_map(|chunk| chunk.as_ref().ok()).map(bytes::Bytes::len).sum();
        assert_eq!(bytes, 700_000);
        let error = chunks.into_iter().next_back().unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::ToolFailed);
        assert!(error.to_string().contains("the last words"), "{error}");
        assert_eq!(session.finish().await.unwrap_err().kind, ErrorKind::ToolFailed);
    }
    scratch.remove().await;
}

#[tokio::test]
async fn an_aborted_dump_leaves_no_session_on_the_server() {
    let Some(scratch) = scratch("dcs-abort").await else { return };
    scratch
        .client()
        .await
        .batch_execute("CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 9000)")
        .await
        .unwrap();
    let database = scratch.open();
    let mut session = database.begin_dump(&dump_options()).await.unwrap();
    let mut stream = session.open().await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    session.abort().await;
    assert!(stream.try_collect::<Vec<_>>().await.is_err());
    let admin = scratch.admin().await;
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    let mut left = 1;
    for _ in 0..500 {
        left = admin.query_one(others, &[&scratch.name]).await.unwrap().get::<_, i64>(0);
        if left == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(left, 0);
    scratch.remove().await;
}

#[tokio::test]
async fn tools_behind_a_command_get_the_password_by_their_input_only() {
    let Some(scratch) = scratch("dcs-prefix").await else { return };
    let folder = support::folder();
    // Stands in for `docker exec -i NAME`: notes the command line, hides our environment, keeps standard input.
    let inside =
        "printf '%s\\n' \"$*\" >>\"$0.log\"; exec env -i PATH=\"$PATH:$(echo /usr/lib/postgresql/*/bin)\" \"$@\"";
    fake_tools(folder.path(), &[("inside", inside)]);
    scratch.client().await.batch_execute("CREATE TABLE t AS SELECT generate_series(1, 60000) AS g").await.unwrap();
    let mut options = scratch.options();
    options.tools = Some(vec![folder.path().join("inside").to_string_lossy().into_owned()]);
    let database = PostgresDatabase::open(options).unwrap();
    let dump = Dump::take(&database, folder.path()).await.unwrap();
    assert!(dump.globals.as_ref().unwrap().contains("CREATE ROLE"));
    let mut restore = dump.load(&database, &dump.restore_options(folder.path())).await;
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    restore.discard().await;
    let log = std::fs::read_to_string(folder.path().join("inside.log")).unwrap();
    assert!(log.contains("pg_restore") && !log.contains("dcs-test-password"), "{log}");
    scratch.remove().await;
}
