//! Rows of items: the same cases on SQLite and on a live PostgreSQL server, and what only SQLite does.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;
use std::time::Duration;

use dcs::database::{Database, DatabaseError, ErrorKind, SqliteDatabase};
use dcs::model::{ItemTable, Prefix, StatusChange};
use rusqlite::Connection;

#[path = "database_items/on_postgres.rs"]
mod on_postgres;
#[path = "support/postgres.rs"]
mod postgres;
mod support;

use postgres::{Scratch, quoted};

/// A database of one test.
enum Live {
    Sqlite(tempfile::TempDir),
    Postgres(Scratch),
}

impl Live {
    async fn each(stem: &str) -> Vec<Self> {
        let mut each = vec![Self::Sqlite(support::folder())];
        if let Some(url) = support::postgres() {
            each.push(Self::Postgres(Scratch::create(&url, stem).await));
        }
        each
    }

    fn open(&self) -> Arc<dyn Database> {
        match self {
            Self::Sqlite(folder) => Arc::new(SqliteDatabase::open(folder.path().join("dream.db"))),
            Self::Postgres(scratch) => Arc::new(scratch.open()),
        }
    }

    async fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(folder) => client(folder).execute_batch(sql).unwrap(),
            Self::Postgres(scratch) => scratch.client().await.batch_execute(sql).await.unwrap(),
        }
    }

    async fn remove(self) {
        if let Self::Postgres(scratch) = self {
            scratch.remove().await;
        }
    }
}

fn client(folder: &tempfile::TempDir) -> Connection {
    let connection = Connection::open(folder.path().join("dream.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection
}

fn table(table: &str, id: &str, status: &str) -> ItemTable {
    ItemTable { table: table.to_owned(), id: id.to_owned(), status: status.to_owned() }
}

fn books() -> ItemTable {
    table("books", "id", "status")
}

/// What the row says, and its column `slug`.
async fn slug(database: &dyn Database, table: &ItemTable, id: &str) -> Option<(Option<String>, Option<String>)> {
    let row = database.item_row(table, id, &["slug".to_owned()]).await.unwrap()?;
    Some((row.status, row.columns["slug"].clone()))
}

async fn status(database: &dyn Database, id: &str) -> Option<String> {
    database.item_row(&books(), id, &[]).await.unwrap().unwrap().status
}

async fn around(database: &dyn Database, template: &str, folder: &str, id: Option<&str>) -> Vec<String> {
    let (template, folder) = (template.parse().unwrap(), Prefix::new(folder).unwrap());
    database.items_around(&books(), &template, &folder, id, 100).await.unwrap()
}

fn check(error: &DatabaseError, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind, kind, "{error}");
    let told = format!("{error} {}", error.hint.as_deref().unwrap_or_default());
    for word in words {
        assert!(told.contains(word), "{word:?} is not in {told:?}");
    }
}

fn row(status: &str, slug: &str) -> (Option<String>, Option<String>) {
    (Some(status.to_owned()), Some(slug.to_owned()))
}

#[tokio::test]
async fn a_row_is_found_by_its_id_to_the_letter() {
    for live in Live::each("dcs-ids").await {
        let database = live.open();
        for kind in ["integer PRIMARY KEY", "bigint", "numeric", "text", "varchar(20) UNIQUE", "char(9)"] {
            live.run(&format!(
                "CREATE TABLE books (id {kind}, status text, slug text);
                 INSERT INTO books VALUES (420, 'draft', 'long'), (42, 'published', 'short')"
            ))
            .await;
            assert_eq!(slug(&*database, &books(), "42").await, Some(row("published", "short")), "{kind}");
            assert_eq!(slug(&*database, &books(), "420").await, Some(row("draft", "long")), "{kind}");
            let strangers = ["042", " 42", "42 ", "+42", "4", "42.0", "4e1", "", "x", "4'2", "NULL", "4\x002"];
            for id in strangers.into_iter().chain(["99999999999999999999999", "ü", "*"]) {
                assert_eq!(slug(&*database, &books(), id).await, None, "{kind} {id:?}");
                let change = database.set_item_status(&books(), id, None, "archived").await.unwrap();
                assert_eq!(change, StatusChange::Gone, "{kind} {id:?}");
            }
            live.run("DROP TABLE books").await;
        }
        live.run(
            "CREATE TABLE books (id text PRIMARY KEY, status text, slug text);
             INSERT INTO books VALUES ('042', 'a', '1'), ('42', 'b', '2'), ('Ä b''\"/', NULL, NULL), ('ABC', 'd', '4')",
        )
        .await;
        assert_eq!(slug(&*database, &books(), "042").await, Some(row("a", "1")));
        assert_eq!(slug(&*database, &books(), "42").await, Some(row("b", "2")));
        assert_eq!(slug(&*database, &books(), "Ä b'\"/").await, Some((None, None)));
        assert_eq!(slug(&*database, &books(), "abc").await, None);
        let uuid = "550e8400-e29b-41d4-a716-446655440000";
        live.run(&format!(
            "CREATE TABLE apps (id uuid PRIMARY KEY, status text, slug text); INSERT INTO apps VALUES ('{uuid}', 'x', 'y')"
        ))
        .await;
        let apps = table("apps", "id", "status");
        assert_eq!(slug(&*database, &apps, uuid).await, Some(row("x", "y")));
        assert_eq!(slug(&*database, &apps, &uuid.to_uppercase()).await, None);
        assert_eq!(slug(&*database, &apps, "550e8400").await, None);
        live.remove().await;
    }
}

#[tokio::test]
async fn an_sqlite_column_of_no_type_has_ids_of_any() {
    let folder = support::folder();
    client(&folder)
        .execute_batch(
            "CREATE TABLE books (id, status, slug); CREATE TABLE words (id TEXT COLLATE NOCASE UNIQUE, status, slug);
             INSERT INTO books VALUES (42, 1, 'number'), ('042', 2, 'text'), (x'3433', 3, 'bytes');
             INSERT INTO words VALUES ('abc', 1, 'low')",
        )
        .unwrap();
    let database = SqliteDatabase::open(folder.path().join("dream.db"));
    assert_eq!(slug(&database, &books(), "42").await, Some(row("1", "number")));
    assert_eq!(slug(&database, &books(), "042").await, Some(row("2", "text")));
    assert_eq!(slug(&database, &books(), "43").await, Some(row("3", "bytes")));
    let words = table("words", "id", "status");
    assert_eq!(slug(&database, &words, "abc").await, Some(row("1", "low")));
    assert_eq!(slug(&database, &words, "ABC").await, None);
}

#[tokio::test]
async fn names_with_quotes_spaces_and_letters_are_names_and_nothing_else() {
    for live in Live::each("dcs-item-names").await {
        let odd = table("we \"ird'; таблица", "the \"id\"", "Stä tus");
        let name = quoted(&odd.table);
        live.run(&format!(
            "CREATE TABLE {name} (\"the \"\"id\"\"\" int PRIMARY KEY, \"Stä tus\" text, \"slug\" text, \"sl'ug--\" text);
             INSERT INTO {name} VALUES (1, 'published', 's', 'one'), (2, NULL, 's', 'two')"
        ))
        .await;
        let database = live.open();
        let first = database.item_row(&odd, "1", &["sl'ug--".to_owned()]).await.unwrap().unwrap();
        assert_eq!(first.columns["sl'ug--"].as_deref(), Some("one"));
        let change = database.set_item_status(&odd, "1", Some("published"), "it's \"archived\"").await.unwrap();
        assert_eq!(change, StatusChange::Done);
        assert_eq!(slug(&*database, &odd, "1").await, Some(row("it's \"archived\"", "s")));
        let (template, folder) = ("a'b\\c/{sl'ug--}/".parse().unwrap(), Prefix::new("a'b\\c/").unwrap());
        let found = database.items_around(&odd, &template, &folder, None, 100).await.unwrap();
        assert_eq!(found, ["1", "2"]);
        live.remove().await;
    }
}

#[tokio::test]
async fn a_table_may_be_in_a_schema_or_where_the_search_path_leads() {
    for live in Live::each("dcs-schema").await {
        let database = live.open();
        let shop = table("shop.books", "id", "status");
        if let Live::Postgres(scratch) = &live {
            let path = format!("ALTER DATABASE {} SET search_path = shop, public", quoted(&scratch.name));
            // The triggers' function finds its table where the application would.
            live.run(&format!(
                "CREATE SCHEMA shop; {path}; CREATE TABLE shop.books (id int, status text, slug text);
                 INSERT INTO shop.books VALUES (1, 'draft', 'in the shop'); CREATE TABLE shop.log (was text);
                 CREATE TABLE public.books (id int, status text, slug text);
                 CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql AS
                 $$BEGIN INSERT INTO log VALUES (OLD.status); RETURN NEW; END$$;
                 CREATE TRIGGER note BEFORE UPDATE ON shop.books FOR EACH ROW EXECUTE FUNCTION shop.note()"
            ))
            .await;
            assert_eq!(slug(&*database, &books(), "1").await, Some(row("draft", "in the shop")));
            assert_eq!(slug(&*database, &table("public.books", "id", "status"), "1").await, None);
        } else {
            live.run(
                "CREATE TABLE \"shop.books\" (id int, status text, slug text);
                 INSERT INTO \"shop.books\" VALUES (1, 'draft', 'in the shop')",
            )
            .await;
        }
        assert_eq!(slug(&*database, &shop, "1").await, Some(row("draft", "in the shop")));
        let change = database.set_item_status(&shop, "1", Some("draft"), "archived").await.unwrap();
        assert_eq!(change, StatusChange::Done);
        if let Live::Postgres(scratch) = &live {
            assert_eq!(scratch.count("SELECT count(*) FROM shop.log").await, 1);
        }
        live.remove().await;
    }
}

#[tokio::test]
async fn a_status_is_changed_where_it_is_the_expected_one() {
    for live in Live::each("dcs-status").await {
        live.run(
            "CREATE TABLE books (id int PRIMARY KEY, status varchar(9) CHECK (status <> 'forbidden'));
             INSERT INTO books VALUES (1, 'published'), (2, NULL), (3, '')",
        )
        .await;
        let database = live.open();
        let set = async |id: &str, expected: Option<&str>, status: &str| {
            database.set_item_status(&books(), id, expected, status).await
        };
        let differs = |status: &str| StatusChange::Differs(Some(status.to_owned()));
        assert_eq!(set("1", Some("draft"), "archived").await.unwrap(), differs("published"));
        assert_eq!(set("1", None, "archived").await.unwrap(), differs("published"));
        assert_eq!(set("1", Some("published"), "archived").await.unwrap(), StatusChange::Done);
        assert_eq!(set("1", Some("published"), "archived").await.unwrap(), differs("archived"));
        assert_eq!(set("2", Some(""), "archived").await.unwrap(), StatusChange::Differs(None));
        assert_eq!(set("2", None, "archived").await.unwrap(), StatusChange::Done);
        assert_eq!(set("3", None, "archived").await.unwrap(), differs(""));
        assert_eq!(set("4", None, "archived").await.unwrap(), StatusChange::Gone);
        let error = set("3", Some(""), "forbidden").await.unwrap_err();
        check(&error, ErrorKind::Refused, &["\"books\"", "\"status\"", "\"forbidden\"", &database.describe()]);
        if matches!(live, Live::Postgres(_)) {
            let error = set("3", Some(""), "far too long").await.unwrap_err();
            check(&error, ErrorKind::Refused, &["value too long"]);
        }
        assert_eq!(status(&*database, "3").await.as_deref(), Some(""));
        assert_eq!(status(&*database, "1").await.as_deref(), Some("archived"));
        live.remove().await;
    }
}

#[tokio::test]
async fn a_change_that_a_trigger_prevents_or_turns_is_undone_and_refused() {
    for live in Live::each("dcs-trigger").await {
        live.run("CREATE TABLE books (id int, status text); INSERT INTO books VALUES (1, 'a'), (2, 'a'), (3, 'a')")
            .await;
        live.run(match live {
            Live::Sqlite(_) => {
                "CREATE TRIGGER keep BEFORE UPDATE ON books WHEN OLD.id = 1 BEGIN SELECT RAISE(IGNORE); END;
                 CREATE TRIGGER turn AFTER UPDATE ON books WHEN OLD.id = 2
                 BEGIN UPDATE books SET status = 'z' WHERE id = 2; END;
                 CREATE TRIGGER fail AFTER UPDATE ON books WHEN OLD.id = 3 BEGIN SELECT RAISE(ABORT, 'not today'); END"
            }
            Live::Postgres(_) => {
                "CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
                 IF OLD.id = 1 THEN RETURN NULL; ELSIF OLD.id = 3 THEN RAISE 'not today'; END IF;
                 NEW.status := 'z'; RETURN NEW; END$$;
                 CREATE TRIGGER turn BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION turn()"
            }
        })
        .await;
        let database = live.open();
        for (id, words) in [("1", "0 rows"), ("2", "\"z\""), ("3", "not today")] {
            let error = database.set_item_status(&books(), id, Some("a"), "archived").await.unwrap_err();
            check(&error, ErrorKind::Refused, &["\"books\"", words]);
            assert_eq!(status(&*database, id).await.as_deref(), Some("a"));
        }
        live.remove().await;
    }
}

#[tokio::test]
async fn of_two_changes_at_the_same_time_one_is_done() {
    for live in Live::each("dcs-race").await {
        live.run("CREATE TABLE books (id int PRIMARY KEY, status text); INSERT INTO books VALUES (1, 's0')").await;
        for turn in 0..5 {
            let racers = (0..4).map(|_| {
                let database = live.open();
                tokio::spawn(async move {
                    let (old, new) = (format!("s{turn}"), format!("s{}", turn + 1));
                    database.set_item_status(&books(), "1", Some(&old), &new).await.unwrap()
                })
            });
            let answers = futures_util::future::join_all(racers).await;
            let done = answers.iter().filter(|answer| *answer.as_ref().unwrap() == StatusChange::Done).count();
            assert_eq!(done, 1);
        }
        live.remove().await;
    }
}

#[tokio::test]
async fn an_id_of_several_rows_is_refused() {
    for live in Live::each("dcs-several").await {
        live.run(
            "CREATE TABLE books (id text, status text); INSERT INTO books VALUES ('1', 'a'), ('1', 'a'), ('2', 'a')",
        )
        .await;
        let database = live.open();
        let words = ["\"books\"", "\"id\"", "\"1\"", "not unique", &database.describe(), "[items.KIND]"];
        check(&database.item_row(&books(), "1", &[]).await.unwrap_err(), ErrorKind::Refused, &words);
        let error = database.set_item_status(&books(), "1", Some("a"), "b").await.unwrap_err();
        check(&error, ErrorKind::Refused, &words);
        assert_eq!(status(&*database, "2").await.as_deref(), Some("a"));
        live.remove().await;
    }
}

#[tokio::test]
async fn a_table_or_column_that_is_not_there_is_named_with_its_key() {
    for live in Live::each("dcs-missing").await {
        live.run("CREATE TABLE books (id int, status text); CREATE INDEX an_index ON books (id)").await;
        let database = live.open();
        for missing in ["book", "an_index", "", "no.books", ".", "a.b.c", "books; DROP TABLE books"] {
            let error = database.item_row(&table(missing, "id", "status"), "1", &[]).await.unwrap_err();
            check(
                &error,
                ErrorKind::NotFound,
                &[&format!("{missing:?}"), &database.describe(), "`table`", "[items.KIND]"],
            );
        }
        let (no_id, no_status) = (table("books", "nr", "status"), table("books", "id", "state"));
        let error = database.item_row(&no_id, "1", &[]).await.unwrap_err();
        check(&error, ErrorKind::NotFound, &["\"nr\"", "\"books\"", &database.describe(), "`id`"]);
        let error = database.set_item_status(&no_status, "1", None, "x").await.unwrap_err();
        check(&error, ErrorKind::NotFound, &["\"state\"", "\"books\"", "`status`", "[items.KIND]"]);
        let error = database.item_row(&books(), "1", &["slug".to_owned()]).await.unwrap_err();
        check(&error, ErrorKind::NotFound, &["\"slug\"", "`prefix`"]);
        let (template, folder) = ("{slug}/".parse().unwrap(), Prefix::new("x/").unwrap());
        let error = database.items_around(&books(), &template, &folder, None, 1).await.unwrap_err();
        check(&error, ErrorKind::NotFound, &["\"slug\"", "`prefix`"]);
        live.remove().await;
    }
}

#[tokio::test]
async fn an_sqlite_file_that_is_not_there_is_not_made() {
    let folder = support::folder();
    let path = folder.path().join("none.db");
    let database = SqliteDatabase::open(&path);
    check(&database.item_row(&books(), "1", &[]).await.unwrap_err(), ErrorKind::NotFound, &["none.db"]);
    let error = database.set_item_status(&books(), "1", None, "x").await.unwrap_err();
    check(&error, ErrorKind::NotFound, &["none.db"]);
    assert!(!path.exists());
}

#[tokio::test]
async fn items_whose_folders_are_equal_nested_or_around_are_found() {
    for live in Live::each("dcs-around").await {
        live.run(
            "CREATE TABLE books (id text, status text, publisher text, slug text); INSERT INTO books VALUES
             ('1', '', 'knaus', 'dream'), ('2', '', 'knaus', 'dream'), ('3', '', 'knaus', 'dream/sequel'), ('4', '', 'knaus', NULL),
             ('5', '', 'knaus/dream', 'x'), ('6', '', 'Knaus', 'dream'), ('7', '', 'knaus', 'dreams'), ('8', '', 'k%', '_'),
             ('9', '', 'kx', 'y'), ('ü', '', 'träume', 'ä'), (NULL, '', 'träume', 'ä/b')",
        )
        .await;
        let database = live.open();
        let template = "b/{publisher}/{slug}/";
        assert_eq!(around(&*database, template, "b/knaus/dream/", Some("1")).await, ["2", "3", "5"]);
        assert_eq!(around(&*database, template, "b/knaus/dream/", None).await, ["1", "2", "3", "5"]);
        assert_eq!(around(&*database, template, "b/knaus/dream/sequel/", Some("3")).await, ["1", "2"]);
        assert_eq!(around(&*database, template, "b/k%/_/", Some("8")).await, [""; 0]);
        assert_eq!(around(&*database, template, "b/kx/y/", Some("9")).await, [""; 0]);
        assert_eq!(around(&*database, template, "b/träume/ä/", None).await, ["ü", "NULL"].map(str::to_owned));
        assert_eq!(around(&*database, template, "other/", None).await, [""; 0]);
        assert_eq!(around(&*database, template, "b/", None).await.len(), 10);
        assert_eq!(around(&*database, "{id}/", "1/", Some("1")).await, [""; 0]);
        let (template, folder) = (template.parse().unwrap(), Prefix::new("b/").unwrap());
        let three = database.items_around(&books(), &template, &folder, Some("2"), 3).await.unwrap();
        assert_eq!(three, ["1", "3", "5"]);
        live.remove().await;
    }
}

#[tokio::test]
async fn a_change_waits_for_a_busy_writer_of_sqlite_and_sees_what_it_wrote() {
    let folder = support::folder();
    let writer = client(&folder);
    let start = "CREATE TABLE books (id int, status text); INSERT INTO books VALUES (1, 'published')";
    writer.execute_batch(start).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE books SET status = 'draft'").unwrap();
    let database = SqliteDatabase::open(folder.path().join("dream.db"));
    let change =
        tokio::spawn(
            async move { database.set_item_status(&books(), "1", Some("published"), "archived").await.unwrap() },
        );
    tokio::task::yield_now().await;
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(change.await.unwrap(), StatusChange::Differs(Some("draft".to_owned())));
}
