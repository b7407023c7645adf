//! Servers without room, databases that are held, roles that see too little, and settings against long work.

use std::fs;
use std::time::Duration;

use dcs::database::{Database, DumpOptions, ErrorKind, PostgresDatabase, PostgresOptions};
use dcs::model::RunId;

use crate::one_database::Machine;
use crate::private_server::PrivateServer;
use crate::{FILL, TITLE, assert_untouched, changed, support};

#[tokio::test]
async fn a_server_whose_disk_is_full_keeps_the_live_database_and_loses_the_new_one() {
    let Some(server) = PrivateServer::start_new() else { return };
    let large = "CREATE TABLE large AS SELECT repeat(md5(i::text), 100) AS x FROM generate_series(1, 2000) i; \
         ALTER TABLE large ALTER x SET STORAGE EXTERNAL; UPDATE large SET x = x || '.';";
    let machine = Machine::on(server, "dream", &format!("{FILL} {large}")).await;
    machine.back_up();
    machine.server.run("dream", "UPDATE books SET title = 'changed'; CHECKPOINT").await;
    // No file may grow beyond 4 MiB, of which there is none but the large table.
    machine.server.restart_limited("ulimit -f 8192");
    let ended = machine.restore().fails(1, "no space left").says("pg_restore: error: ").says("could not extend file");
    let ended = ended.says("Free space");
    assert_untouched(&machine, &ended).await;
    machine.server.restart_limited("");
    machine.restore().ok();
    assert_eq!(machine.ask(TITLE).await, "book 99500");
}

#[tokio::test]
async fn a_prepared_transaction_keeps_a_database_from_being_renamed_whenever_it_came() {
    let Some(machine) = changed("").await else { return };
    let prepare = "BEGIN; INSERT INTO books VALUES (501, 'held'); PREPARE TRANSACTION 'holds it'";
    machine.server.run("dream", prepare).await;
    let ended = machine.restore().fails(5, "prepared transactions").says("ROLLBACK PREPARED");
    machine.server.run("dream", "ROLLBACK PREPARED 'holds it'").await;
    assert_untouched(&machine, &ended).await;

    // One that comes when all was looked at.
    let psql =
        format!("psql -X -q -d '{}' -c \"$(cat '{}')\"", machine.server.url("dream"), machine.path("sql").display());
    fs::write(machine.path("sql"), prepare).unwrap();
    let before = machine.program("before", &psql);
    machine.configure("", &format!("[restore]\nbefore = \"{}\"", before.display()));
    let ended = machine.restore().fails(5, "prepared transaction").says("being accessed").says("nothing was changed");
    machine.server.run("dream", "ROLLBACK PREPARED 'holds it'").await;
    assert_untouched(&machine, &ended).await;
    machine.configure("", "");
    machine.restore().ok();
    assert_eq!(machine.ask(TITLE).await, "book 99500");
}

#[tokio::test]
async fn a_session_that_the_role_may_not_end_is_denied_before_anything_starts() {
    let Some(mut machine) = changed("").await else { return };
    let owner = "CREATE ROLE shop LOGIN CREATEDB; ALTER DATABASE dream OWNER TO shop; ALTER TABLE books OWNER TO shop";
    machine.server.run("dream", owner).await;
    machine.user = "shop".to_owned();
    machine.configure("", "");
    machine.back_up();
    let holds = machine.server.connect("dream").await;
    let ended = machine.restore().fails(21, "may not end the sessions of \"dcs\"").says("pg_signal_backend");
    assert_untouched(&machine, &ended).await;
    drop(holds);
    machine.server.wait_for_none_in("dream").await;
    machine.restore().ok();
}

#[tokio::test]
async fn rows_that_a_policy_hides_are_no_smaller_backup() {
    let Some(mut machine) = changed("").await else { return };
    let policy = "CREATE ROLE shop LOGIN; ALTER DATABASE dream OWNER TO shop; ALTER TABLE books OWNER TO shop; \
         ALTER TABLE books ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; \
         CREATE POLICY few ON books USING (id < 10)";
    machine.server.run("dream", policy).await;
    machine.user = "shop".to_owned();
    machine.configure("", "");
    machine.dcs().run(&["backup", "db"]).fails(21, "public.books").says("BYPASSRLS");
    assert_eq!(machine.backups(), 1);
    // Whom no policy binds sees all, and brings policy and rows back.
    machine.user = "dcs".to_owned();
    machine.configure("", "");
    machine.back_up();
    machine.server.run("dream", "DROP POLICY few ON books; DELETE FROM books").await;
    machine.restore().ok();
    assert_eq!(machine.ask(TITLE).await, "changed500");
    assert_eq!(machine.ask("SELECT count(*)::text FROM pg_policy").await, "1");
}

/// What an operator sets against the application's long statements is not meant for a restore.
#[tokio::test]
async fn time_limits_of_the_role_and_the_database_stop_neither_backup_nor_restore_nor_undo() {
    let slow = "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(1.2); RETURN $1; END'; \
         CREATE TABLE one AS SELECT 1 AS id; CREATE INDEX ON one (slow(id));";
    let Some(machine) = Machine::with_database("dream", &format!("{FILL} {slow}")).await else { return };
    for limit in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        machine.server.run("postgres", &format!("ALTER ROLE dcs SET {limit} = '1s'")).await;
        machine.server.run("postgres", &format!("ALTER DATABASE dream SET {limit} = '1s'")).await;
    }
    machine.server.run("postgres", "ALTER ROLE dcs SET default_transaction_read_only = on").await;
    machine.back_up();
    let change = "BEGIN READ WRITE; UPDATE books SET title = 'changed'; COMMIT";
    machine.server.run("dream", change).await;
    machine.restore().ok();
    assert_eq!(machine.ask(TITLE).await, "book 99500");
    machine.undo().ok();
    assert_eq!(machine.ask(TITLE).await, "changed500");
}

#[tokio::test]
async fn a_table_that_stays_locked_ends_a_dump_with_what_is_in_its_way() {
    let Some(machine) = changed("").await else { return };
    let holds = machine.server.connect("dream").await;
    holds.batch_execute("BEGIN; LOCK TABLE books IN ACCESS EXCLUSIVE MODE").await.expect("it is free");
    let mut options = PostgresOptions::new(machine.server.url("dream"));
    options.limits.lock_timeout = Duration::from_millis(50);
    let database = PostgresDatabase::open(options).expect("a valid URL");
    let spool = support::folder();
    let dump = DumpOptions { spool: spool.path().to_owned(), run: RunId::create(), selection: None };
    let error = database.begin_dump(&dump).await.map(drop).expect_err("it is locked");
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains("lock timeout"), "{error}");
    assert!(error.hint.is_some_and(|hint| hint.contains("ALTER TABLE")));
}

#[tokio::test]
async fn several_jobs_load_what_one_loads_and_leave_no_spool() {
    let tables: Vec<String> = (0..4)
        .map(|n| format!("CREATE TABLE t{n} AS SELECT i FROM generate_series(1, 20000) i; CREATE INDEX ON t{n} (i);"))
        .collect();
    let Some(machine) = changed(&tables.concat()).await else { return };
    let restore = |jobs: &str| machine.dcs().run(&["restore-db", "--yes", "--jobs", jobs]);
    restore("0").fails(2, "--jobs");
    machine.configure("tools = [\"env\"]", "");
    let ended = restore("2").fails(5, "spooled").says("--jobs 1");
    assert_untouched(&machine, &ended).await;
    machine.configure("", "[restore]\njobs = 65\n");
    restore("2").fails(2, "[restore].jobs");

    machine.configure("", "[restore]\njobs = 3\n");
    machine.restore().ok();
    assert_eq!(machine.ask(TITLE).await, "book 99500");
    assert_eq!(machine.ask("SELECT sum(i)::text FROM t3").await, "200010000");
    assert_eq!(machine.ask("SELECT count(*)::text FROM pg_indexes WHERE tablename ~ '^t[0-9]'").await, "4");
    let left: Vec<_> = fs::read_dir(machine.path("state/spool")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    machine.undo().ok();
    assert_eq!(machine.ask(TITLE).await, "changed500");
}
