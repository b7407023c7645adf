//! What the rows of a dump are, and what becomes known of it where they are other ones; dumps of a part.

use dcs::database::{Database, DumpWatcher, ErrorKind};
use dcs::model::database::{Engine, Fingerprint};
use dcs::model::manifest::DumpSelection;

use crate::postgres::{Dump, Scratch, quoted, stream_of};
use crate::{scratch, support};

/// Values whose text depends on settings, on order, or on how it is cut.
const VALUES: &str = r#"
    CREATE SCHEMA "My (sch""ema, x";
    CREATE TABLE "My (sch""ema, x"."ta(b""le" ("a, b" text, "c)" bytea, n numeric, "Upper" float8);
    INSERT INTO "My (sch""ema, x"."ta(b""le" SELECT repeat('é\' || chr(10) || chr(9), g % 50), decode(md5(g::text), 'hex'),
        g / 7.0, random() FROM generate_series(1, 3000) g;
    CREATE TABLE times (at timestamptz, day date, span interval, moment time with time zone);
    INSERT INTO times SELECT now() - g * interval '1 hour', current_date - g, g * interval '1 day 3 hours', now()::timetz
        FROM generate_series(1, 100) g;
    CREATE TABLE big (t text);
    INSERT INTO big SELECT string_agg(md5(g::text), '') FROM generate_series(1, 100000) g;
    INSERT INTO big VALUES (''), (NULL), ('\.'), ('\N');
    CREATE TABLE none_of_it (x int);
    CREATE TABLE "no columns" ();
    INSERT INTO "no columns" DEFAULT VALUES;
    CREATE TABLE computed (a int, b int GENERATED ALWAYS AS (a * 2) STORED, id int GENERATED ALWAYS AS IDENTITY);
    INSERT INTO computed (a) SELECT g FROM generate_series(1, 50) g;
    CREATE TABLE parent (id int, name text);
    CREATE TABLE child (name text, extra int, id int);
    ALTER TABLE child INHERIT parent;
    INSERT INTO child VALUES ('one', 2, 3);
    CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS one;
    CREATE TABLE types (t regclass, j jsonb, x xml, p point, r int4range, a text[], m tsvector);
    INSERT INTO types VALUES ('times', '{"b": 1, "a": [1, 2.50]}', '<a>1</a>', '(1,2)', '[1,5)', '{"a b",NULL,"c\\"}', 'a:1 b:2');
    SELECT lo_from_bytea(0, convert_to(repeat('large ', 90000), 'UTF8')), lo_from_bytea(0, ''), lo_from_bytea(0, 'small');
"#;

async fn with_values(stem: &str) -> Option<Scratch> {
    let scratch = scratch(stem).await?;
    scratch.client().await.batch_execute(VALUES).await.unwrap();
    Some(scratch)
}

/// The archive with the first `from` in it replaced by `to`, which is as long.
fn altered(dump: &Dump, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = dump.bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut bytes = dump.bytes.clone();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

fn watched(bytes: &[u8], piece: usize, expected: &Fingerprint) -> Vec<String> {
    let mut watcher = DumpWatcher::new(Engine::Postgresql);
    bytes.chunks(piece).for_each(|bytes| watcher.update(bytes));
    watcher.differences(expected).into_iter().map(|difference| difference.subject).collect()
}

#[tokio::test]
async fn rows_of_every_kind_read_back_as_they_were_dumped_on_a_server_set_up_otherwise() {
    let Some(scratch) = with_values("dcs-contents").await else { return };
    let spool = support::folder();
    let name = quoted(&scratch.name);
    let settings = format!(
        "ALTER DATABASE {name} SET TimeZone = 'Asia/Kolkata'; ALTER DATABASE {name} SET bytea_output = 'escape'; \
         ALTER DATABASE {name} SET DateStyle = 'German'; ALTER DATABASE {name} SET IntervalStyle = 'iso_8601'; \
         ALTER DATABASE {name} SET extra_float_digits = -5"
    );
    for statement in settings.split("; ") {
        scratch.admin().await.batch_execute(statement).await.unwrap();
    }
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let known: Vec<&str> = dump
        .fingerprint
        .tables
        .iter()
        .filter(|table| table.content.is_some())
        .map(|table| table.name.as_str())
        .collect();
    let all = ["ta(b\"le", "big", "child", "computed", "none_of_it", "parent", "times", "types", "unlogged"];
    assert_eq!(known, all, "of a table without columns there is nothing to know");
    assert_eq!(dump.fingerprint.large_objects, Some(3));
    for piece in [1, 7, 4096, 1 << 20] {
        assert_eq!(watched(&dump.bytes, piece, &dump.fingerprint), [""; 0], "in pieces of {piece}");
    }

    // Without the properties, so with other settings than those of the source.
    let mut options = dump.restore_options(spool.path());
    options.properties = None;
    let mut restore = dump.load(&database, &options).await;
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    assert_eq!(restore.compare_contents(&dump.fingerprint).await.unwrap(), []);

    // What is another row now is found, and only that.
    let side = scratch.family().await.into_iter().find(|name| name.contains("__new_")).unwrap();
    let client = scratch.connect(&side).await;
    client.batch_execute("UPDATE times SET day = day + 1 WHERE day = (SELECT min(day) FROM times)").await.unwrap();
    let found = restore.compare_contents(&dump.fingerprint).await.unwrap();
    assert_eq!(found.iter().map(|found| found.subject.as_str()).collect::<Vec<_>>(), ["table public.times"]);
    drop(client);
    restore.discard().await;
    scratch.remove().await;
}

#[tokio::test]
async fn a_row_altered_in_the_archive_is_found_with_and_without_a_restore() {
    let Some(scratch) = scratch("dcs-altered").await else { return };
    let spool = support::folder();
    let client = scratch.client().await;
    let sql = "CREATE TABLE books (id int, title text); CREATE TABLE others AS SELECT 1 AS one;
         INSERT INTO books SELECT g, 'the title of ' || g FROM generate_series(1, 500) g";
    client.batch_execute(sql).await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let bytes = altered(&dump, "the title of 250", "the title of 999");
    assert_eq!(watched(&bytes, 1000, &dump.fingerprint), ["table public.books"]);
    let mut restore = database.begin_restore(&dump.restore_options(spool.path())).await.unwrap();
    restore.load(stream_of(&bytes)).await.unwrap();
    for found in [restore.compare(&dump.fingerprint).await, restore.compare_contents(&dump.fingerprint).await] {
        let found = found.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].subject, "table public.books");
        assert!(found[0].found.starts_with("500 rows that sum up to "), "{}", found[0].found);
    }
    restore.discard().await;
    scratch.remove().await;
}

#[tokio::test]
async fn a_database_in_another_encoding_is_read_back_in_it() {
    let Some(scratch) = scratch("dcs-latin").await else { return };
    let spool = support::folder();
    let admin = scratch.admin().await;
    let name = quoted(&scratch.name);
    admin.batch_execute(&format!("DROP DATABASE {name}")).await.unwrap();
    let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    admin.batch_execute(&sql).await.unwrap();
    let sql =
        "CREATE TABLE plain AS SELECT 'déjà vu ' || g AS t FROM generate_series(1, 30) g; CREATE TABLE été (é text)";
    scratch.client().await.batch_execute(sql).await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let mut restore = dump.load(&database, &dump.restore_options(spool.path())).await;
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    assert_eq!(restore.compare_contents(&dump.fingerprint).await.unwrap(), []);
    restore.discard().await;
    scratch.remove().await;
}

#[tokio::test]
async fn a_dump_of_a_part_counts_that_part() {
    let Some(scratch) = with_values("dcs-part").await else { return };
    let spool = support::folder();
    let database = scratch.open();
    let select = async |selection: DumpSelection| Dump::take_of(&database, spool.path(), Some(selection)).await;
    let tables = |dump: &Dump| -> Vec<(String, u64)> {
        dump.fingerprint.tables.iter().map(|table| (table.name.clone(), table.rows)).collect()
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();

    let one = select(DumpSelection { tables: names(&["public.tim*"]), ..Default::default() }).await.unwrap();
    assert_eq!(tables(&one), [("times".to_owned(), 100)]);
    assert_eq!(one.fingerprint.large_objects, Some(0));
    let schema = DumpSelection { schemas: names(&["My (sch\"ema, x"]), ..Default::default() };
    let quoted_pattern = DumpSelection { schemas: names(&["\"My (sch\"\"ema, x\""]), ..Default::default() };
    assert_eq!(select(schema).await.unwrap_err().kind, ErrorKind::ToolFailed, "a pattern that matches nothing");
    assert_eq!(tables(&select(quoted_pattern).await.unwrap()), [("ta(b\"le".to_owned(), 3000)]);
    let without = DumpSelection { exclude_table_data: names(&["public.big"]), ..Default::default() };
    let without = select(without).await.unwrap();
    assert_eq!((tables(&without).len(), without.fingerprint.large_objects), (10, Some(3)));
    assert!(tables(&without).contains(&("big".to_owned(), 0)));
    let bare = select(DumpSelection { schema_only: true, ..Default::default() }).await.unwrap();
    assert_eq!((bare.fingerprint.tables.len(), bare.fingerprint.rows()), (10, 0));

    for dump in [one, without, bare] {
        let mut restore = dump.load(&database, &dump.restore_options(spool.path())).await;
        assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
        assert_eq!(restore.compare_contents(&dump.fingerprint).await.unwrap(), []);
        restore.discard().await;
    }
    scratch.remove().await;
}
