//! PostgreSQL dumps and restores against a live server.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use dcs::database::{Database, DatabaseError, DumpOptions, ErrorKind, PostgresDatabase, PostgresOptions};
use dcs::model::database::Fingerprint;
use dcs::model::{RunId, Secret};
use futures_util::{StreamExt, TryStreamExt, stream};

#[path = "support/postgres.rs"]
mod postgres;
mod support;

use postgres::{Dump, Scratch, fake_tools, quoted, read, stream_of};

async fn scratch(stem: &str) -> Option<Scratch> {
    Some(Scratch::create(&support::postgres()?, stem).await)
}

fn dump_options() -> DumpOptions {
    DumpOptions { spool: std::env::temp_dir(), run: RunId::create() }
}

/// One of everything that a dump or a fingerprint could trip over.
const RICH: &str = r#"
    CREATE SCHEMA "my ""schéma";
    CREATE TABLE "my ""schéma"."tab le's" ("cö""l" text PRIMARY KEY, n int);
    INSERT INTO "my ""schéma"."tab le's" SELECT 'row ' || g, g FROM generate_series(1, 37) g;
    CREATE TABLE measured (at int, v text) PARTITION BY RANGE (at);
    CREATE TABLE measured_low PARTITION OF measured FOR VALUES FROM (0) TO (100);
    CREATE TABLE measured_high PARTITION OF measured FOR VALUES FROM (100) TO (200);
    INSERT INTO measured SELECT g, 'x' FROM generate_series(0, 149) g;
    CREATE TABLE parent (id serial PRIMARY KEY, t text);
    CREATE TABLE child (extra int) INHERITS (parent);
    INSERT INTO parent (t) VALUES ('a'), ('b');
    INSERT INTO child (t, extra) VALUES ('c', 1);
    CREATE MATERIALIZED VIEW filled AS SELECT count(*) AS c FROM measured;
    CREATE MATERIALIZED VIEW stale AS SELECT * FROM measured WHERE at < 10;
    INSERT INTO measured VALUES (5, 'after the refresh');
    CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WITH NO DATA;
    CREATE SEQUENCE unused;
    CREATE SEQUENCE falling INCREMENT -3;
    SELECT nextval('falling'), nextval('falling');
    CREATE EXTENSION citext;
    CREATE TABLE words (w citext);
    INSERT INTO words VALUES ('Word');
    SELECT lo_from_bytea(0, 'a large object');
    CREATE TEMPORARY TABLE passing (x int);
    ALTER TABLE words ENABLE ROW LEVEL SECURITY;
"#;

#[tokio::test]
async fn everything_comes_back_under_names_with_quotes_spaces_and_letters() {
    let Some(scratch) = scratch("dcs \"odd\" 'näme").await else { return };
    let spool = support::folder();
    let role = support::unique("dcs role");
    let name = quoted(&scratch.name);
    let sql = format!(
        "CREATE ROLE {0} LOGIN PASSWORD 'pa;ss'; COMMENT ON DATABASE {name} IS 'it''s \\ :\"dbname\"; mine';
         ALTER DATABASE {name} SET search_path TO \"my \"\"schéma\", public; ALTER DATABASE {name} SET work_mem = '7MB';
         ALTER DATABASE {name} SET default_transaction_read_only = on;
         ALTER ROLE {0} IN DATABASE {name} SET statement_timeout = '9s';
         ALTER DATABASE {name} CONNECTION LIMIT 17; ALTER DATABASE {name} OWNER TO {0};
         REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CREATE ON DATABASE {name} TO {0} WITH GRANT OPTION",
        quoted(&role)
    );
    scratch.client().await.batch_execute(RICH).await.unwrap();
    for statement in sql.split(";\n").flat_map(|line| line.split("; ALTER DATABASE").enumerate()) {
        let (index, text) = statement;
        let text = if index > 0 { format!("ALTER DATABASE{text}") } else { text.to_owned() };
        scratch.admin().await.batch_execute(&text).await.unwrap();
    }
    let facts = format!(
        "SELECT concat_ws('|', pg_get_userbyid(datdba), datconnlimit, datacl::text, pg_encoding_to_char(encoding), datcollate,
         shobj_description(oid, 'pg_database'), (SELECT string_agg(setconfig::text, ' ' ORDER BY setrole)
         FROM pg_db_role_setting WHERE setdatabase = d.oid)) FROM pg_database d WHERE datname = '{}'",
        scratch.name.replace('\'', "''")
    );
    let before: String = scratch.admin().await.query_one(&facts, &[]).await.unwrap().get(0);

    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    assert_eq!(dump.fingerprint.rows(), 37 + 151 + 2 + 1 + 1 + 1 + 10);
    assert!(dump.fingerprint.tables.iter().any(|table| table.schema == "my \"schéma" && table.name == "tab le's"));
    assert!(!dump.fingerprint.tables.iter().any(|table| table.name == "empty" || table.name == "passing"));
    assert!(dump.server.extensions.iter().any(|extension| extension.starts_with("citext ")));

    let options = dump.restore_options(spool.path());
    let plan = database.plan_restore(&options).await.unwrap();
    assert!(plan.displaces_live);
    let mut session = database.begin_restore(&options).await.unwrap();
    session.load(dump.stream()).await.unwrap();
    assert_eq!(session.compare(&dump.fingerprint).await.unwrap(), []);
    let kept = session.swap().await.unwrap();
    assert_eq!(kept, plan.kept_as);

    let after: String = scratch.admin().await.query_one(&facts, &[]).await.unwrap().get(0);
    assert_eq!(after, before);
    let large = "SELECT count(*) FROM pg_largeobject_metadata";
    assert_eq!(scratch.count(large).await, 1);
    // The stale view is what its definition says now.
    assert_eq!(scratch.count("SELECT count(*) FROM public.stale").await, 11);
    let note = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1";
    let note: String = scratch.admin().await.query_one(note, &[&kept]).await.unwrap().get(0);
    let note: serde_json::Value = serde_json::from_str(&note).unwrap();
    assert_eq!(note["dcs"]["was"], scratch.name);
    assert_eq!(note["dcs"]["comment"], "it's \\ :\"dbname\"; mine");

    let admin = scratch.admin().await;
    scratch.remove().await;
    admin.batch_execute(&format!("DROP ROLE {}", quoted(&role))).await.unwrap();
}

#[tokio::test]
async fn the_properties_script_makes_the_database_by_psql_alone() {
    let Some(scratch) = scratch("dcs-properties").await else { return };
    let spool = support::folder();
    let sql = format!("ALTER DATABASE {} SET work_mem = '5MB'", quoted(&scratch.name));
    scratch.admin().await.batch_execute(&sql).await.unwrap();
    let dump = Dump::take(&scratch.open(), spool.path()).await.unwrap();
    let script = spool.path().join("properties.sql");
    std::fs::write(&script, dump.properties.unwrap()).unwrap();
    let made = format!("{} by \"psql\"", scratch.name);
    let Some(psql) =
        ["/usr/bin/psql", "/usr/lib/postgresql/15/bin/psql"].iter().find(|path| std::path::Path::new(path).exists())
    else {
        return scratch.remove().await;
    };
    let status = tokio::process::Command::new(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", &format!("dbname={made}"), "-f"])
        .args([script.as_os_str(), "-d".as_ref(), scratch.url_as(None, "postgres").as_ref()])
        .status();
    assert!(status.await.unwrap().success());
    let setting: String = scratch.connect(&made).await.query_one("SHOW work_mem", &[]).await.unwrap().get(0);
    assert_eq!(setting, "5MB");
    scratch.remove().await;
}

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
    let mut restore = database.begin_restore(&dump.restore_options(spool.path())).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
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
async fn a_role_that_may_not_read_everything_is_denied_by_name() {
    let Some(scratch) = scratch("dcs-denied").await else { return };
    let role = support::unique("dcs-reader");
    let client = scratch.client().await;
    let setup = format!(
        "CREATE ROLE {0} LOGIN PASSWORD 'secret-of-a-test'; CREATE TABLE open_to_all (x int);
         CREATE TABLE hidden (x int); GRANT SELECT ON open_to_all TO {0}",
        quoted(&role)
    );
    client.batch_execute(&setup).await.unwrap();
    let mut options = PostgresOptions::new(scratch.url_as(Some(&role), &scratch.name));
    options.password = Some(Secret::new("secret-of-a-test"));
    let database = PostgresDatabase::open(options).unwrap();
    let error = database.preflight_dump().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.to_string().contains("public.hidden"), "{error}");

    // A policy that hides rows is no smaller backup, it is an error.
    let policy = format!("GRANT SELECT ON hidden TO {}; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY", quoted(&role));
    client.batch_execute(&policy).await.unwrap();
    let error = database.begin_dump(&dump_options()).await.map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);

    let server = scratch.open().preflight_dump().await.unwrap();
    let dump = Dump { bytes: Vec::new(), fingerprint: Fingerprint::default(), properties: None, globals: None, server };
    let error = database.plan_restore(&dump.restore_options(&std::env::temp_dir())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.hint.unwrap().contains("CREATEDB"));
    let admin = scratch.admin().await;
    scratch.remove().await;
    admin.batch_execute(&format!("DROP ROLE {}", quoted(&role))).await.unwrap();
}

#[tokio::test]
async fn wrong_passwords_ports_and_names_have_kinds_of_their_own_and_show_no_password() {
    let Some(scratch) = scratch("dcs-kinds").await else { return };
    let preflight = async |url: String, password: Option<&str>| -> DatabaseError {
        let mut options = PostgresOptions::new(url);
        options.password = password.map(Secret::new);
        let database = PostgresDatabase::open(options).unwrap();
        let error = database.preflight_dump().await.unwrap_err();
        let told = format!("{error} {error:?} {database:?} {}", database.describe());
        assert!(!told.contains("hunter2") && !told.contains("dcs-test-password"), "{told}");
        error
    };
    let url = scratch.url_as(None, &scratch.name);
    assert_eq!(preflight(url.clone(), Some("hunter2")).await.kind, ErrorKind::Denied);
    assert_eq!(preflight(scratch.url_as(Some("nobody"), "postgres"), None).await.kind, ErrorKind::Denied);
    let unreachable = url.replace(&url[url.rfind(':').unwrap()..url.rfind('/').unwrap()], ":1");
    assert_eq!(preflight(unreachable, None).await.kind, ErrorKind::Unreachable);
    let missing = preflight(scratch.url_as(None, "no such database"), None).await;
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.to_string().contains("no such database"), "{missing}");
    scratch.remove().await;
}

#[tokio::test]
async fn tools_older_than_the_server_are_refused_before_anything_starts() {
    let Some(scratch) = scratch("dcs-old-tools").await else { return };
    let folder = support::folder();
    let old = "case $1 in --version) echo 'pg_dump (PostgreSQL) 9.6.24';; *) touch \"$0.was-run\";; esac";
    let mut options = scratch.options();
    options.installed = folder.path().join("nothing");
    options.search_path = vec![fake_tools(folder.path(), &[("pg_dump", old), ("pg_restore", old)])];
    let database = PostgresDatabase::open(options).unwrap();
    let error = database.begin_dump(&dump_options()).await.map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoTool);
    assert!(error.hint.unwrap().contains("postgresql-client-"));
    let dump = Dump::take(&scratch.open(), folder.path()).await.unwrap();
    let error = database.plan_restore(&dump.restore_options(folder.path())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoTool);
    assert!(!folder.path().join("pg_dump.was-run").exists());
    assert_eq!(scratch.family().await.join("\n"), scratch.name);
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
    let mut restore = database.begin_restore(&dump.restore_options(folder.path())).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    restore.discard().await;
    let log = std::fs::read_to_string(folder.path().join("inside.log")).unwrap();
    assert!(log.contains("pg_restore") && !log.contains("dcs-test-password"), "{log}");
    scratch.remove().await;
}

#[tokio::test]
async fn a_restore_under_clients_that_come_back_swaps_and_keeps_the_old_database() {
    let Some(scratch) = scratch("dcs-swap").await else { return };
    let spool = support::folder();
    scratch.client().await.batch_execute("CREATE TABLE t AS SELECT 1 AS version").await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    scratch.client().await.batch_execute("UPDATE t SET version = 2; INSERT INTO t VALUES (2)").await.unwrap();

    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let scratch = Arc::new(scratch);
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (scratch, stop, answers) = (Arc::clone(&scratch), Arc::clone(&stop), Arc::clone(&answers));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(client) = scratch.try_connect(&scratch.name).await else { continue };
                    while !stop.load(Ordering::Relaxed) {
                        let Ok(row) = client.query_one("SELECT max(version), count(*) FROM t", &[]).await else {
                            break;
                        };
                        // Either the old state or the new one, whole.
                        let seen: (i32, i64) = (row.get(0), row.get(1));
                        assert!(seen == (2, 2) || seen == (1, 1), "{seen:?}");
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let options = dump.restore_options(spool.path());
    let mut restore = database.begin_restore(&options).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    let kept = restore.swap().await.unwrap().unwrap();
    let so_far = answers.load(Ordering::Relaxed);
    while answers.load(Ordering::Relaxed) < so_far + 12 {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(scratch.count("SELECT max(version)::int8 FROM t").await, 1);
    let old = scratch.connect(&kept).await;
    assert_eq!(old.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 2);
    drop(old);
    Arc::into_inner(scratch).unwrap().remove().await;
}

#[tokio::test]
async fn a_swap_that_fails_leaves_the_live_database_answering() {
    let Some(scratch) = scratch("dcs-rollback").await else { return };
    let spool = support::folder();
    let client = scratch.client().await;
    client.batch_execute("CREATE TABLE t AS SELECT 1 AS version").await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    client.batch_execute("UPDATE t SET version = 2").await.unwrap();
    let options = dump.restore_options(spool.path());
    let mut restore = database.begin_restore(&options).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
    // The name of the displaced database is taken at the last moment: the second statement of the transaction fails.
    let kept = format!("{}__before_{}", scratch.name, options.run.short());
    scratch.admin().await.batch_execute(&format!("CREATE DATABASE {}", quoted(&kept))).await.unwrap();
    let error = restore.swap().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    assert_eq!(scratch.count("SELECT max(version)::int8 FROM t").await, 2);
    let plan = database.plan_restore(&dump.restore_options(spool.path())).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("__new_")), "{plan:?}");
    scratch.remove().await;
}

#[tokio::test]
async fn a_database_that_is_gone_is_made_again() {
    let Some(scratch) = scratch("dcs-gone").await else { return };
    let spool = support::folder();
    scratch.client().await.batch_execute("CREATE TABLE t AS SELECT 1 AS version").await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    scratch
        .admin()
        .await
        .batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", quoted(&scratch.name)))
        .await
        .unwrap();
    let options = dump.restore_options(spool.path());
    let plan = database.plan_restore(&options).await.unwrap();
    assert!(!plan.displaces_live && plan.kept_as.is_none());
    let mut restore = database.begin_restore(&options).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
    assert_eq!(restore.swap().await.unwrap(), None);
    assert_eq!(scratch.count("SELECT count(*) FROM t").await, 1);
    scratch.remove().await;
}

#[tokio::test]
async fn missing_roles_are_made_with_their_passwords_and_existing_ones_are_left_alone() {
    let Some(scratch) = scratch("dcs-roles").await else { return };
    let spool = support::folder();
    let (gone, stays) = (support::unique("dcs gone"), support::unique("dcs stays"));
    let setup = format!(
        "CREATE ROLE {1}; CREATE ROLE {0} LOGIN PASSWORD 'first'; GRANT {1} TO {0}; CREATE TABLE t (x int); \
         ALTER TABLE t OWNER TO {0}",
        quoted(&gone),
        quoted(&stays)
    );
    scratch.client().await.batch_execute(&setup).await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let lost = format!("DROP OWNED BY {0}; DROP ROLE {0}; ALTER ROLE {1} CREATEDB", quoted(&gone), quoted(&stays));
    scratch.client().await.batch_execute(&lost).await.unwrap();
    let mut options = dump.restore_options(spool.path());
    let globals = dump.globals.unwrap();
    let ours = globals.lines().filter(|line| line.contains(&gone) || line.contains(&stays));
    options.globals = Some(ours.collect::<Vec<_>>().join("\n"));
    let plan = database.plan_restore(&options).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains(&gone)), "{plan:?}");
    let mut restore = database.begin_restore(&options).await.unwrap();
    restore.load(stream_of(&dump.bytes)).await.unwrap();
    restore.discard().await;
    let facts = "SELECT (SELECT rolpassword IS NOT NULL AND rolcanlogin FROM pg_authid WHERE rolname = $1), \
         (SELECT rolcreatedb FROM pg_authid WHERE rolname = $2), pg_has_role($1::name, $2::name, 'MEMBER')";
    let admin = scratch.admin().await;
    let row = admin.query_one(facts, &[&gone, &stays]).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (true, true, true));
    scratch.remove().await;
    admin.batch_execute(&format!("DROP ROLE {}; DROP ROLE {}", quoted(&gone), quoted(&stays))).await.unwrap();
}

#[tokio::test]
async fn damaged_archives_and_broken_sources_fail_the_load_and_touch_nothing_live() {
    let Some(scratch) = scratch("dcs-damaged").await else { return };
    let spool = support::folder();
    let fill = "CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 20000) g";
    scratch.client().await.batch_execute(fill).await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let load = async |stream| {
        let mut restore = database.begin_restore(&dump.restore_options(spool.path())).await.unwrap();
        let result = restore.load(stream).await;
        restore.discard().await;
        result.map_err(|error: DatabaseError| error.kind)
    };
    assert_eq!(load(dump.stream()).await, Ok(()));
    assert_eq!(load(stream_of(&dump.bytes[..dump.bytes.len() / 2])).await, Err(ErrorKind::Damaged));
    assert_eq!(load(stream_of(b"")).await, Err(ErrorKind::Damaged));
    assert_eq!(load(stream_of(b"not an archive at all")).await, Err(ErrorKind::Damaged));
    let broken = || Err(DatabaseError::new(ErrorKind::Source, "read", "a pack"));
    let cut = stream_of(&dump.bytes[..300_000]).chain(stream::once(async move { broken() })).boxed();
    assert_eq!(load(cut).await, Err(ErrorKind::Source));
    // The source's last word counts even when the tool has all it wants.
    let late = dump.stream().chain(stream::once(async move { broken() })).boxed();
    assert_eq!(load(late).await, Err(ErrorKind::Source));
    assert_eq!(scratch.family().await.join("\n"), scratch.name);
    assert_eq!(scratch.count("SELECT count(*) FROM t").await, 20000);
    scratch.remove().await;
}

#[tokio::test]
async fn a_row_too_few_is_found() {
    let Some(scratch) = scratch("dcs-compare").await else { return };
    let spool = support::folder();
    scratch.client().await.batch_execute("CREATE TABLE t AS SELECT generate_series(1, 10) AS g").await.unwrap();
    let database = scratch.open();
    let mut dump = Dump::take(&database, spool.path()).await.unwrap();
    dump.fingerprint.tables[0].rows += 1;
    let mut restore = database.begin_restore(&dump.restore_options(spool.path())).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
    let differences = restore.compare(&dump.fingerprint).await.unwrap();
    restore.discard().await;
    assert_eq!(differences.len(), 1);
    assert_eq!((differences[0].expected.as_str(), differences[0].found.as_str()), ("11 rows", "10 rows"));
    scratch.remove().await;
}

/// A database owned by a role that may create databases and nothing else, as an application's role should be.
async fn owned(stem: &str) -> Option<(Scratch, String, PostgresDatabase)> {
    let scratch = scratch(stem).await?;
    let role = support::unique("dcs-owner");
    let (role_name, database) = (quoted(&role), quoted(&scratch.name));
    let admin = scratch.admin().await;
    admin.batch_execute(&format!("CREATE ROLE {role_name} LOGIN CREATEDB PASSWORD 'own'")).await.unwrap();
    admin.batch_execute(&format!("ALTER DATABASE {database} OWNER TO {role_name}")).await.unwrap();
    let fill = format!(
        "SET ROLE {role_name}; CREATE SCHEMA s; CREATE EXTENSION hstore; CREATE TABLE s.t AS SELECT 1 AS version; \
         CREATE SEQUENCE s.q; SELECT nextval('s.q'), lo_from_bytea(0, 'x')"
    );
    scratch.client().await.batch_execute(&fill).await.unwrap();
    let mut options = PostgresOptions::new(scratch.url_as(Some(&role), &scratch.name));
    options.password = Some(Secret::new("own"));
    Some((scratch, role, PostgresDatabase::open(options).unwrap()))
}

async fn remove_owned(scratch: Scratch, role: &str) {
    let admin = scratch.admin().await;
    scratch.remove().await;
    admin.batch_execute(&format!("DROP ROLE {}", quoted(role))).await.unwrap();
}

#[tokio::test]
async fn an_owner_who_is_no_superuser_dumps_without_passwords_and_restores() {
    let Some((scratch, role, database)) = owned("dcs-owned").await else { return };
    let spool = support::folder();
    let mut session = database.begin_dump(&dump_options()).await.unwrap();
    let (globals, holds_passwords) = session.globals().unwrap();
    assert!(!holds_passwords && globals.contains(&role) && !globals.contains("PASSWORD"), "{globals}");
    drop(session.open().await.unwrap());
    session.abort().await;

    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let options = dump.restore_options(spool.path());
    let plan = database.plan_restore(&options).await.unwrap();
    let mut restore = database.begin_restore(&options).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    assert_eq!(restore.swap().await.unwrap(), plan.kept_as);
    assert_eq!(scratch.count("SELECT count(*) FROM s.t").await, 1);
    remove_owned(scratch, &role).await;
}

#[tokio::test]
async fn a_swap_that_is_cut_off_between_its_two_renames_leaves_the_old_database_live() {
    let Some((scratch, role, database)) = owned("dcs-cut-off").await else { return };
    let spool = support::folder();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    scratch.client().await.batch_execute("UPDATE s.t SET version = 2").await.unwrap();
    let options = dump.restore_options(spool.path());
    let mut restore = database.begin_restore(&options).await.unwrap();
    restore.load(dump.stream()).await.unwrap();
    // A superuser's session, which the owner cannot end, holds up the second rename.
    let side = format!("{}__new_{}", scratch.name, options.run.short());
    let holder = scratch.connect(&side).await;
    let swap = tokio::spawn(restore.swap());
    let admin = scratch.admin().await;
    let renaming = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = $1 \
         AND query LIKE 'ALTER DATABASE%__new_%RENAME TO%'";
    while admin.query_one(renaming, &[&role]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    swap.abort();
    assert!(swap.await.is_err());
    assert_eq!(scratch.count("SELECT max(version)::int8 FROM s.t").await, 2);
    assert_eq!(scratch.family().await, [scratch.name.clone(), side]);
    drop(holder);
    remove_owned(scratch, &role).await;
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_where_tls_is_required() {
    let Some(url) = support::postgres() else { return };
    let database = PostgresDatabase::open(PostgresOptions::new(format!("{url}?sslmode=require"))).unwrap();
    let error = database.preflight_dump().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error:?}");
}
