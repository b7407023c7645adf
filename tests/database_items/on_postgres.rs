//! Rows of items as only PostgreSQL has them: enums, domains, rights, locks, a server that may not answer.

use std::time::Duration;

use dcs::database::{Database, ErrorKind, PostgresDatabase, PostgresOptions};
use dcs::model::{Prefix, Secret, StatusChange};

use crate::postgres::{Scratch, quoted};
use crate::{books, check, slug, status, support, table};

async fn scratch(stem: &str) -> Option<Scratch> {
    Some(Scratch::create(&support::postgres()?, stem).await)
}

#[tokio::test]
async fn an_enum_takes_the_values_that_it_has() {
    let Some(scratch) = scratch("dcs-enum").await else { return };
    let setup =
        "CREATE SCHEMA s; CREATE TYPE s.\"St ate\" AS ENUM ('draft', 'published', 'archived'); CREATE EXTENSION citext;
        CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0); CREATE TABLE books (id even PRIMARY KEY, status s.\"St ate\");
        INSERT INTO books VALUES (2, 'published'); CREATE TABLE words (id citext PRIMARY KEY, status citext, slug text);
        INSERT INTO words VALUES ('Word', 'Draft', 'w')";
    scratch.client().await.batch_execute(setup).await.unwrap();
    let database = scratch.open();
    assert_eq!(database.item_row(&books(), "3", &[]).await.unwrap(), None);
    let error = database.set_item_status(&books(), "2", Some("published"), "gone").await.unwrap_err();
    check(&error, ErrorKind::Refused, &["\"books\"", "\"status\"", "\"gone\"", "St ate"]);
    let change = database.set_item_status(&books(), "2", Some("none of them"), "archived").await.unwrap();
    assert_eq!(change, StatusChange::Differs(Some("published".to_owned())));
    let change = database.set_item_status(&books(), "2", Some("published"), "archived").await.unwrap();
    assert_eq!(change, StatusChange::Done);
    assert_eq!(status(&database, "2").await.as_deref(), Some("archived"));
    let words = table("words", "id", "status");
    assert_eq!(slug(&database, &words, "word").await, None);
    let change = database.set_item_status(&words, "Word", Some("draft"), "x").await.unwrap();
    assert_eq!(change, StatusChange::Differs(Some("Draft".to_owned())));
    scratch.remove().await;
}

#[tokio::test]
async fn a_role_without_the_right_is_denied() {
    let Some(scratch) = scratch("dcs-item-rights").await else { return };
    let role = support::unique("dcs-item-role");
    let setup = format!(
        "CREATE ROLE {0} LOGIN PASSWORD 'secret-of-a-test'; CREATE TABLE books (id int, status text, secret text);
         INSERT INTO books VALUES (1, 'a', 'b'); GRANT SELECT (id, status) ON books TO {0}",
        quoted(&role)
    );
    scratch.client().await.batch_execute(&setup).await.unwrap();
    let mut options = PostgresOptions::new(scratch.url_as(Some(&role), &scratch.name));
    options.password = Some(Secret::new("secret-of-a-test"));
    let database = PostgresDatabase::open(options).unwrap();
    assert_eq!(status(&database, "1").await.as_deref(), Some("a"));
    let words = ["books", &database.describe(), "SELECT and UPDATE"];
    let error = database.item_row(&books(), "1", &["secret".to_owned()]).await.unwrap_err();
    check(&error, ErrorKind::Denied, &words);
    let error = database.set_item_status(&books(), "1", Some("a"), "b").await.unwrap_err();
    check(&error, ErrorKind::Denied, &words);
    let client = scratch.client().await;
    let narrow = format!("GRANT UPDATE (status) ON books TO {}", quoted(&role));
    client.batch_execute(&narrow).await.unwrap();
    let change = database.set_item_status(&books(), "1", Some("a"), "b").await.unwrap();
    assert_eq!(change, StatusChange::Done);
    // Rows that a policy hides would be folders that nobody sees.
    client.batch_execute("ALTER TABLE books ENABLE ROW LEVEL SECURITY").await.unwrap();
    let (template, folder) = ("{id}/".parse().unwrap(), Prefix::new("1/").unwrap());
    let error = database.items_around(&books(), &template, &folder, None, 1).await.unwrap_err();
    check(&error, ErrorKind::Denied, &["row-level security", "BYPASSRLS"]);
    let admin = scratch.admin().await;
    scratch.remove().await;
    admin.batch_execute(&format!("DROP ROLE {}", quoted(&role))).await.unwrap();
}

#[tokio::test]
async fn a_row_that_stays_locked_is_refused_with_who_may_hold_it() {
    let Some(scratch) = scratch("dcs-item-lock").await else { return };
    let holder = scratch.client().await;
    let setup = "CREATE TABLE books (id int PRIMARY KEY, status text); INSERT INTO books VALUES (1, 'a'), (2, 'a')";
    holder.batch_execute(setup).await.unwrap();
    holder
        .batch_execute("SET application_name = 'a migration'; BEGIN; UPDATE books SET id = id WHERE id = 1")
        .await
        .unwrap();
    let process: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let mut options = scratch.options();
    options.limits.lock_timeout = Duration::from_millis(50);
    let database = PostgresDatabase::open(options).unwrap();
    let error = database.set_item_status(&books(), "1", Some("a"), "b").await.unwrap_err();
    check(
        &error,
        ErrorKind::Refused,
        &["\"books\"", &format!("process {process} "), "a migration", &database.describe()],
    );
    let change = database.set_item_status(&books(), "2", Some("a"), "b").await.unwrap();
    assert_eq!(change, StatusChange::Done);
    assert_eq!(status(&database, "1").await.as_deref(), Some("a"));
    holder.batch_execute("ROLLBACK; BEGIN; LOCK TABLE books").await.unwrap();
    let error = database.item_row(&books(), "1", &[]).await.unwrap_err();
    check(&error, ErrorKind::Refused, &["\"books\"", &format!("process {process} ")]);
    holder.batch_execute("ROLLBACK").await.unwrap();
    scratch.remove().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable() {
    let database = PostgresDatabase::open(PostgresOptions::new("postgres://dcs@127.0.0.1:1/dream")).unwrap();
    let error = database.item_row(&books(), "1", &[]).await.unwrap_err();
    check(&error, ErrorKind::Unreachable, &["127.0.0.1:1/dream"]);
}
