//! What comes back, with which roles and properties, and archives from which nothing may.

use dcs::database::{Database, DatabaseError, ErrorKind};
use futures_util::{StreamExt, stream};

use crate::postgres::{Dump, quoted, stream_of};
use crate::{dump_options, owned, remove_with_role, scratch, support};

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
    let mut session = dump.load(&database, &options).await;
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

    remove_with_role(scratch, &role).await;
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
    let restore = dump.load(&database, &options).await;
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
    let mut restore = dump.load(&database, &dump.restore_options(spool.path())).await;
    let differences = restore.compare(&dump.fingerprint).await.unwrap();
    restore.discard().await;
    assert_eq!(differences.len(), 1);
    assert_eq!((differences[0].expected.as_str(), differences[0].found.as_str()), ("11 rows", "10 rows"));
    scratch.remove().await;
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
    let mut restore = dump.load(&database, &options).await;
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    assert_eq!(restore.swap().await.unwrap(), plan.kept_as);
    assert_eq!(scratch.count("SELECT count(*) FROM s.t").await, 1);
    remove_with_role(scratch, &role).await;
}
