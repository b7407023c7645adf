//! Rows into live tables, in one transaction that has the tables for itself.

use dcs::database::{Database, DatabaseError, ErrorKind, PostgresDatabase, RowsOptions, RowsSession};
use dcs::model::RunId;
use dcs::model::database::Fingerprint;
use futures_util::{StreamExt, stream};
use tokio_postgres::Client;

use crate::postgres::{Dump, Scratch};
use crate::{scratch, support};

const SETUP: &str = "CREATE TABLE authors (id serial PRIMARY KEY, name text);
    CREATE TABLE books (id int PRIMARY KEY, author int REFERENCES authors, next int REFERENCES books);
    CREATE TABLE log (at timestamptz DEFAULT now());
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log DEFAULT VALUES; RETURN new; END $$;
    CREATE TRIGGER noted AFTER INSERT ON books FOR EACH ROW EXECUTE FUNCTION note();
    INSERT INTO authors (name) VALUES ('one'), ('two'); INSERT INTO books VALUES (1, 1, 2), (2, 2, NULL)";

struct World {
    scratch: Scratch,
    client: Client,
    database: PostgresDatabase,
    dump: Dump,
}

async fn world(stem: &str) -> Option<World> {
    let scratch = scratch(stem).await?;
    let (client, database) = (scratch.client().await, scratch.open());
    client.batch_execute(SETUP).await.unwrap();
    let dump = Dump::take(&database, support::folder().path()).await.unwrap();
    client.batch_execute("DELETE FROM books; DELETE FROM authors WHERE id = 2; DELETE FROM log").await.unwrap();
    Some(World { scratch, client, database, dump })
}

impl World {
    fn options(&self, tables: &[&str]) -> RowsOptions {
        let mut tables_with_rows = self.dump.fingerprint.tables.clone();
        tables_with_rows.retain(|table| tables.contains(&table.name.as_str()));
        let rendering = self.dump.fingerprint.rendering.clone();
        RowsOptions {
            run: RunId::create(),
            expected: Fingerprint { tables: tables_with_rows, rendering, ..Fingerprint::default() },
            encoding: self.dump.server.encoding.clone(),
            with_loose_sequences: false,
            replaces: true,
        }
    }

    async fn begin(&self, tables: &[&str]) -> Result<Box<dyn RowsSession>, DatabaseError> {
        self.database.begin_rows(&self.options(tables)).await
    }

    /// Authors, books, and how often the trigger fired.
    async fn counts(&self) -> (i64, i64, i64) {
        let sql = "SELECT (SELECT count(*) FROM authors), (SELECT count(*) FROM books), (SELECT count(*) FROM log)";
        let row = self.client.query_one(sql, &[]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }
}

#[tokio::test]
async fn from_the_begin_on_nobody_else_writes_and_until_the_commit_nobody_sees_anything() {
    let Some(world) = world("dcs-rows").await else { return };
    let mut session = world.begin(&["authors", "books"]).await.unwrap();
    let other = world.scratch.client().await;
    other.batch_execute("SET lock_timeout = '50ms'; SELECT * FROM books").await.unwrap();
    assert!(other.batch_execute("INSERT INTO authors (name) VALUES ('late')").await.is_err());
    session.load(world.dump.stream()).await.unwrap();
    session.raise_sequences(&world.dump.fingerprint.sequences).await.unwrap();
    assert!(session.compare().await.unwrap().is_empty());
    assert!(other.batch_execute("SELECT * FROM books").await.is_err(), "half of it could be seen");
    session.commit().await.unwrap();
    assert_eq!(world.counts().await, (2, 2, 0), "the trigger fired, or rows are missing");
    world.client.batch_execute("INSERT INTO books VALUES (3, 1, 1)").await.unwrap();
    assert_eq!(world.counts().await, (2, 3, 1), "the trigger is gone");
    let late =
        world.client.batch_execute("BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO books VALUES (4, 99, 1)").await;
    assert!(late.is_err(), "the foreign key can wait now");
    world.scratch.remove().await;
}

#[tokio::test]
async fn a_dump_that_breaks_off_or_is_another_one_changes_nothing() {
    let Some(world) = world("dcs-rows-broken").await else { return };
    let before = world.counts().await;
    let half = world.dump.bytes.len() / 2;
    let broken = DatabaseError::new(ErrorKind::Source, "restore", "the store broke");
    let first = stream::iter([Ok(bytes::Bytes::copy_from_slice(&world.dump.bytes[..half])), Err(broken)]).boxed();
    let cut = crate::postgres::stream_of(&world.dump.bytes[..half]);
    let other = String::from_utf8_lossy(b"1\t1\t2\n").into_owned().into_bytes();
    let mut bytes = world.dump.bytes.clone();
    let at = bytes.windows(other.len()).position(|part| part == other).unwrap();
    bytes[at + 4] = b'1';
    let altered = crate::postgres::stream_of(&bytes);
    for (dump, kind) in [(first, ErrorKind::Source), (cut, ErrorKind::Refused), (altered, ErrorKind::Damaged)] {
        let mut session = world.begin(&["authors", "books"]).await.unwrap();
        let error = session.load(dump).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        session.abort().await;
        assert_eq!(world.counts().await, before);
    }
    world.scratch.remove().await;
}

#[tokio::test]
async fn rows_that_refer_to_what_is_not_there_are_refused_and_so_are_tables_in_use() {
    let Some(world) = world("dcs-rows-alone").await else { return };
    let before = world.counts().await;
    let mut session = world.begin(&["books"]).await.unwrap();
    let error = session.load(world.dump.stream()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    assert!(error.hint.unwrap().contains("together"));
    session.abort().await;
    assert_eq!(world.begin(&["authors"]).await.map(drop).unwrap_err().kind, ErrorKind::Refused);

    let mut options = world.scratch.options();
    options.limits.lock_timeout = std::time::Duration::from_millis(50);
    let impatient = PostgresDatabase::open(options).unwrap();
    world.client.batch_execute("BEGIN; INSERT INTO books VALUES (9, 1, NULL)").await.unwrap();
    let error = impatient.begin_rows(&world.options(&["books"])).await.map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    world.client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(world.counts().await, before);
    world.scratch.remove().await;
}
