//! Servers that fall silent, and statements that take too long: each ends by the limit that is there for it.

use std::time::Duration;

use dcs::database::{Database, DatabaseError, ErrorKind, PostgresDatabase, PostgresOptions};
use dcs::model::ItemTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::postgres::Scratch;
use crate::{scratch, support};

/// Passes on what a client and the server say, until the client asks for something with `word` in it: of that on, and of
/// everything after it, the server hears nothing. Answers where it listens.
async fn deaf_to(word: &'static str, server: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, TcpStream::connect(server.clone()).await.unwrap(), word));
        }
    });
    port
}

async fn pass_on(client: TcpStream, server: TcpStream, word: &str) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answering = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let (mut buffer, mut is_deaf) = (vec![0; 64 << 10], false);
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        let said = &buffer[..count];
        is_deaf = is_deaf || said.windows(word.len()).any(|part| part == word.as_bytes());
        if !is_deaf {
            to_server.write_all(said).await.unwrap();
        }
    }
    answering.abort();
}

fn through(scratch: &Scratch, port: u16) -> PostgresOptions {
    let url = scratch.url_as(None, &scratch.name);
    let (from, to) = (url.rfind(':').unwrap(), url.rfind('/').unwrap());
    PostgresOptions::new(url.replace(&url[from..to], &format!(":{port}")))
}

fn address(scratch: &Scratch) -> String {
    let url = scratch.url_as(None, "x");
    url[url.rfind('@').unwrap() + 1..url.rfind('/').unwrap()].to_owned()
}

fn is_silent(error: &DatabaseError) {
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error:?}");
    assert!(error.to_string().contains("no answer within"), "{error}");
}

#[tokio::test]
async fn a_server_that_lets_in_and_then_says_nothing_ends_by_the_connect_timeout() {
    let Some(scratch) = scratch("dcs-mute").await else { return };
    let port = deaf_to("set_config", address(&scratch)).await;
    let mut options = through(&scratch, port);
    options.limits.connect_timeout = Duration::from_millis(300);
    is_silent(&PostgresDatabase::open(options).unwrap().preflight_dump().await.unwrap_err());
    scratch.remove().await;
}

#[tokio::test]
async fn a_server_that_no_longer_answers_ends_by_the_statement_timeout() {
    let Some(scratch) = scratch("dcs-stalled").await else { return };
    let port = deaf_to("pg_database_size", address(&scratch)).await;
    let mut options = through(&scratch, port);
    options.limits.statement_timeout = Duration::from_millis(300);
    is_silent(&PostgresDatabase::open(options).unwrap().preflight_dump().await.unwrap_err());
    scratch.remove().await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server_and_what_the_operator_asks_is_not() {
    let Some(scratch) = scratch("dcs-slow").await else { return };
    let setup = "CREATE TABLE books (id int PRIMARY KEY, status text); INSERT INTO books VALUES (1, 'a');
        CREATE VIEW slow AS SELECT id, status FROM books, pg_sleep(2)";
    let client = scratch.client().await;
    client.batch_execute(setup).await.unwrap();
    let mut options = scratch.options();
    options.limits.statement_timeout = Duration::from_secs(1);
    let database = PostgresDatabase::open(options).unwrap();
    let slow = ItemTable { table: "slow".to_owned(), id: "id".to_owned(), status: "status".to_owned() };
    let error = database.item_row(&slow, "1", &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other, "{error:?}");
    assert!(error.hint.unwrap().contains("`statement_timeout`"));

    let spool = support::folder();
    let dump = crate::postgres::Dump::take(&database, spool.path()).await.unwrap();
    let mut session = dump.load(&database, &dump.restore_options(spool.path())).await;
    let answer = session.ask("SELECT 'slept' FROM pg_sleep(2)").await.unwrap();
    assert_eq!(answer.as_deref(), Some("slept"));
    session.discard().await;
    scratch.remove().await;
}
