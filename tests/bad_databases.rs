//! Backups that a server does not take, servers that have no room, databases that cannot be renamed, and odd ones that must
//! go through: the right exit code, the tool's own words, the live database as it was, and nothing left beside it.

use cli::Output;
use one_database::Machine;

#[path = "bad_databases/archives.rs"]
mod archives;
#[path = "support/cli.rs"]
mod cli;
#[path = "support/forged.rs"]
mod forged;
#[path = "bad_databases/odd.rs"]
mod odd;
#[path = "support/one_database.rs"]
mod one_database;
#[path = "support/private_server.rs"]
mod private_server;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "bad_databases/servers.rs"]
mod servers;
mod support;

const FILL: &str = "CREATE TABLE books (id int PRIMARY KEY, title text); \
     INSERT INTO books SELECT i, 'book ' || i FROM generate_series(1, 500) i;";
const TITLE: &str = "SELECT max(title) || count(*) FROM books";

/// What holds after a restore that was refused or failed: the live database has what was changed since the backup.
async fn assert_untouched(machine: &Machine, ended: &Output) {
    assert_eq!(machine.ask(TITLE).await, "changed500", "{ended}");
    assert!(machine.beside().await.is_empty(), "{ended}");
    let prepared = "SELECT count(*)::text FROM pg_roles WHERE rolname LIKE 'left%'";
    assert_eq!(machine.ask(prepared).await, "0", "{ended}");
}

/// A machine with a backup, on which the titles have changed since.
async fn changed(sql: &str) -> Option<Machine> {
    let machine = Machine::with_database("dream", &format!("{FILL} {sql}")).await?;
    machine.back_up();
    machine.server.run("dream", "UPDATE books SET title = 'changed'").await;
    Some(machine)
}
