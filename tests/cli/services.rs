//! Servers that do not answer, do not let in, or lack what is asked for: told apart from damage, by their own codes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::postgres::{Scratch, fake_tools, quoted};
use crate::{Machine, support};

const CANARY: &str = "canary-1Qz8";

#[test]
fn an_s3_server_that_is_not_there_or_refuses_the_key_is_20_and_never_damage() {
    let machine = Machine::new();
    let live = format!("path = \"{}/live\"", machine.home.path().display());
    let dcs = machine.dcs().with("AWS_ACCESS_KEY_ID", "nobody").with("AWS_SECRET_ACCESS_KEY", CANARY);
    machine.spoil(&live, "endpoint = \"http://127.0.0.1:1\"");
    let output = machine.refuses(&dcs, &["backup", "files"], 20, "127.0.0.1:1");
    assert!(!output.stderr.contains(CANARY), "{output}");
    machine.refuses(&dcs, &["--repo", "http://127.0.0.1:1/bucket", "verify"], 20, "127.0.0.1:1");

    let Some(env) = support::s3() else { return };
    machine.spoil(&live, &format!("endpoint = \"{}\"\nregion = \"{}\"", env.endpoint, env.region));
    let output = machine.refuses(&dcs, &["-vv", "backup", "files"], 20, "access denied");
    assert!(!output.stderr.contains(CANARY), "{output}");
    let known = dcs.with("AWS_ACCESS_KEY_ID", &env.access_key);
    machine.refuses(&known, &["backup", "files"], 20, "access denied");
    let right = known.with("AWS_SECRET_ACCESS_KEY", &env.secret_key);
    machine.refuses(&right, &["backup", "files"], 20, "books");
    let repo = format!("{}/{}", env.endpoint, support::unique_bucket("not-there"));
    machine.refuses(&right.with("AWS_REGION", &env.region), &["--repo", &repo, "backup", "list"], 5, "no such bucket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_server_that_does_not_let_in_is_21_and_never_damage() {
    let machine = Machine::new();
    let sqlite = format!("sqlite:{}/dream.db", machine.home.path().display());
    let dcs = machine.dcs().with("PGPASSWORD", CANARY);
    machine.spoil(&sqlite, "postgres://me@127.0.0.1:1/dream");
    machine.refuses(&dcs, &["backup", "db"], 21, "127.0.0.1");

    let Some(url) = support::postgres() else { return };
    let scratch = Scratch::create(&url, "cli").await;
    let at = |name: &str| scratch.url_as(Some("dcs"), name);
    machine.spoil(&sqlite, &at(&scratch.name));
    let output = machine.refuses(&dcs, &["-vv", "backup", "db"], 21, &scratch.name);
    assert!(!output.stderr.contains(CANARY), "{output}");
    let with_password = at(&scratch.name).replacen('@', &format!(":{CANARY}@"), 1);
    machine.spoil(&sqlite, &with_password);
    let output = machine.refuses(&machine.dcs(), &["-vv", "backup", "db"], 21, &scratch.name);
    assert!(!output.stderr.contains(CANARY), "{output}");

    let config: tokio_postgres::Config = url.parse().unwrap();
    let password = String::from_utf8(config.get_password().unwrap().to_vec()).unwrap();
    let right = machine.dcs().with("PGPASSWORD", password);
    machine.spoil(&sqlite, &at("no such database"));
    machine.refuses(&right, &["backup", "db"], 21, "no such database");

    // An empty one is no error.
    machine.spoil(&sqlite, &at(&scratch.name));
    right.run(&["backup", "db"]).ok();
    right.run(&["verify", "--level", "contents"]).ok();
    scratch.admin().await.batch_execute(&format!("DROP DATABASE {}", quoted(&scratch.name))).await.unwrap();
    right.run(&["restore-db"]).ok();
    assert_eq!(scratch.count("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await, 0);

    // Tools that are older than the server, and a tool that fails.
    let tools = machine.path("tools");
    fs::create_dir(&tools).unwrap();
    fake_tools(
        &tools,
        &[("old", "echo 'pg_dump (PostgreSQL) 9.6.1'"), ("broken", "echo 'pg_dump (PostgreSQL) 99.1'; exit 3")],
    );
    for (tool, said) in [("old", "9"), ("broken", "broken")] {
        let program = tools.join(tool);
        machine.spoil(&sqlite, &at(&scratch.name));
        let config = fs::read_to_string(machine.path("dcs.toml")).unwrap();
        let config = config.replacen("[trash]", &format!("tools = [{:?}]\n[trash]", program.display().to_string()), 1);
        fs::write(machine.path("dcs.toml"), config).unwrap();
        machine.refuses(&right, &["backup", "db"], 21, said);
    }
    scratch.remove().await;
}

/// A server that takes every connection, says `words` to the first thing it hears, and nothing more.
fn silent_server(words: &'static [&'static [u8]]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut heard = [0; 4096];
                for answer in words {
                    stream.read(&mut heard).unwrap_or_default();
                    stream.write_all(answer).ok();
                }
                // Until the other side gives up.
                while stream.read(&mut heard).is_ok_and(|count| count > 0) {}
            });
        }
    });
    port
}

#[test]
fn a_postgresql_server_that_takes_the_connection_and_says_nothing_is_21() {
    let machine = Machine::new();
    let url = format!("url = \"sqlite:{}/dream.db\"", machine.home.path().display());
    let let_in: &[&[u8]] = &[b"N", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"];
    for words in [&[], let_in] {
        let port = silent_server(words);
        let silent = format!("url = \"postgres://me@127.0.0.1:{port}/dream\"\nconnect_timeout = \"1s\"");
        machine.spoil(&url, &silent);
        for arguments in [&["backup", "db"], &["config", "check"]] {
            machine.refuses(&machine.dcs(), arguments, 21, "no answer within");
        }
    }
    machine.spoil(&url, &format!("{url}\nlock_timeout = \"soon\""));
    machine.refuses(&machine.dcs(), &["backup", "db"], 2, "[databases.dream].lock_timeout");
}
