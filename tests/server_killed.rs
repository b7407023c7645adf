//! Restores, undos and dumps of PostgreSQL during which the server, the tool, the connection or dcs itself is killed: the
//! live database answers with its old or its new content, the exit code is that of what happened, and the way on is open.

use cli::Output;
use one_database::Machine;
use proxy::{At, Moment};

#[path = "support/cli.rs"]
mod cli;
#[path = "server_killed/dcs.rs"]
mod dcs_itself;
#[path = "server_killed/dumps.rs"]
mod dumps;
#[path = "support/one_database.rs"]
mod one_database;
#[path = "support/private_server.rs"]
mod private_server;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "server_killed/restores.rs"]
mod restores;
mod support;
#[path = "server_killed/tools.rs"]
mod tools;

const FILL: &str = "CREATE TABLE books (id int PRIMARY KEY, title text NOT NULL); \
     INSERT INTO books SELECT i, md5(i::text) FROM generate_series(1, 3000) i; \
     CREATE TABLE pages (book int REFERENCES books, number int, text text); \
     INSERT INTO pages SELECT i % 3000 + 1, i, repeat('page ', 10) FROM generate_series(1, 3000) i; \
     CREATE INDEX ON pages (book); CREATE SEQUENCE tickets; SELECT nextval('tickets'); \
     CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM pages;";
/// What is live after the backup, and is not in it.
const CHANGE: &str = "UPDATE books SET title = title || '!'; DELETE FROM pages WHERE number > 2000; \
     REFRESH MATERIALIZED VIEW counted; CREATE TABLE later AS SELECT 1 AS one; SELECT nextval('tickets')";
/// All there is, in one line; fails where a table is missing.
const CONTENT: &str = "SELECT concat_ws(' ', \
     (SELECT md5(string_agg(b::text, ',' ORDER BY id)) FROM books b), \
     (SELECT md5(string_agg(p::text, ',' ORDER BY number)) FROM pages p), (SELECT count FROM counted), \
     to_regclass('tickets'), (SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'f')), \
     (SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid IN ('books'::regclass, 'pages'::regclass)), \
     to_regclass('later'))";

/// A machine with a backup, on which much has changed since.
struct Changed {
    machine: Machine,
    /// What is live, and what the backup holds.
    old: String,
    new: String,
}

impl Changed {
    async fn since_a_backup() -> Option<Self> {
        let machine = Machine::with_database("dream", FILL).await?;
        machine.back_up();
        let new = machine.ask(CONTENT).await;
        machine.server.run("dream", CHANGE).await;
        let old = machine.ask(CONTENT).await;
        assert_ne!(old, new);
        Some(Self { machine, old, new })
    }

    /// What holds after any restore that did not come to its end in peace; leaves all as it was before. The messages that
    /// name what is left beside the live database are the run's own or the next one's.
    async fn assert_old_or_new_and_a_way_on(&self, ended: &Output) {
        self.machine.wait_for_its_sessions().await;
        let live = self.machine.ask(CONTENT).await;
        assert!(live == self.old || live == self.new, "neither the old nor the new\n{ended}");
        let is_new = live == self.new;
        assert!(ended.code != Some(0) || is_new, "it says that it is done, and is not\n{ended}");
        let mut told = ended.stderr.clone();
        if !is_new {
            let before = self.machine.beside().await;
            assert!(before.iter().all(|name| name.starts_with("dream__new_")), "{before:?}\n{ended}");
            let again = self.machine.restore().ok();
            assert_eq!(self.machine.ask(CONTENT).await, self.new, "{again}");
            told.push_str(&again.stderr);
        }
        let (kept, left): (Vec<_>, Vec<_>) =
            self.machine.beside().await.into_iter().partition(|name| name.starts_with("dream__before_"));
        assert_eq!(kept.len(), 1, "{kept:?}\n{ended}");
        for name in left {
            assert!(told.contains(&name), "{name} is left, and nobody said so\n{ended}");
        }
        let undone = self.machine.undo().ok();
        assert_eq!(self.machine.ask(CONTENT).await, self.old, "{undone}");
        self.machine.drop_beside().await;
    }

    /// Lets the server be killed at a message of a command; it is started again at once, or when the command has ended.
    fn kill_server(&self, arguments: &[&str], at: At, moment: Moment, is_back_at_once: bool) -> Output {
        let server = self.machine.server.clone();
        self.machine.proxy.set(at, moment, 1, move || {
            server.kill();
            if is_back_at_once {
                server.start();
            }
        });
        let ended = self.machine.dcs().run(arguments);
        assert!(self.machine.proxy.clear(), "it never came to {at:?}\n{ended}");
        self.machine.server.start();
        ended
    }
}
