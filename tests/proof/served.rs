//! PostgreSQL: on a private server, and beside the live database.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::{Machine, asks, quoted, support};

const RICH: &str = "CREATE SCHEMA s; CREATE TYPE s.state AS ENUM ('a', 'b'); CREATE TABLE s.t (id int, state s.state); \
     INSERT INTO s.t VALUES (1, 'a'), (2, 'b'); CREATE EXTENSION hstore; SELECT lo_from_bytea(0, 'large'); \
     CREATE MATERIALIZED VIEW s.m AS SELECT count(*) FROM s.t; CREATE SEQUENCE s.q; SELECT nextval('s.q');";
const BESIDE: &str = "[verify]\nserver = \"dream\"\n";

#[tokio::test]
async fn a_good_backup_is_proven_on_a_private_server_with_roles_and_settings_of_its_own() {
    let Some(machine) = Machine::served(RICH).await else { return };
    let scratch = machine.scratch.as_ref().unwrap();
    let (role, name) = (support::unique("proof owner"), quoted(&scratch.name));
    let admin = scratch.admin().await;
    let made = format!(
        "CREATE ROLE {0} LOGIN PASSWORD 'x'; ALTER DATABASE {name} OWNER TO {0}; ALTER DATABASE {name} SET search_path TO s, public; \
         ALTER DATABASE {name} CONNECTION LIMIT 3; REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        quoted(&role)
    );
    for statement in made.split("; ") {
        admin.batch_execute(statement).await.unwrap();
    }
    scratch.client().await.batch_execute(&format!("ALTER TABLE s.t OWNER TO {}", quoted(&role))).await.unwrap();
    machine.back_up();
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 't'";
    // The database's own search path is in force, and its roles are there.
    machine.configure(
        &(asks("SELECT count(*) FROM t", "2") + &asks(owner, &role) + &asks("SELECT count(*) > 100 FROM books", "t")),
    );
    let proven = machine.prove(&[]).ok().answers("restored 3 tables, 503 rows");
    assert!(proven.stderr.is_empty(), "{proven}");
    machine.assert_nothing_is_left().await;
    assert_eq!(machine.listed().1["state"], "proven");
    machine.remove().await;
    admin.batch_execute(&format!("DROP ROLE {}", quoted(&role))).await.unwrap();
}

#[tokio::test]
async fn a_good_backup_is_proven_beside_the_live_one_on_a_server_that_is_named() {
    let Some(machine) = Machine::served(RICH).await else { return };
    machine.back_up();
    machine.configure(&format!("{BESIDE}{}", asks("SELECT current_database() ~ '__verify_[a-z0-9]{4}$'", "t")));
    machine.prove(&[]).ok().answers("restored 3 tables, 503 rows");
    machine.assert_nothing_is_left().await;
    // What can be proven here needs no PostgreSQL on this machine, and no room.
    let id = machine.back_up();
    machine.forge(&id, |manifest| manifest["databases"][0]["server"]["size_bytes"] = (1_u64 << 60).into());
    machine.prove(&[]).ok();
    machine.assert_nothing_is_left().await;
    machine.remove().await;
}

#[tokio::test]
async fn what_does_not_load_or_counts_otherwise_is_4_on_either_server() {
    let Some(machine) = Machine::served("").await else { return };
    for place in ["", BESIDE] {
        machine.configure(place);
        let id = machine.back_up();
        machine.forge_dump(&id, |raw| raw[..raw.len() / 2].to_owned());
        machine.dcs().run(&["verify", "--level", "checksum"]).ok();
        machine.prove(&[]).fails(4, "database dream").answers("does not restore");
        machine.assert_nothing_is_left().await;

        let id = machine.back_up();
        machine.forge(&id, |manifest| manifest["databases"][0]["fingerprint"]["tables"][0]["rows"] = 501.into());
        machine.prove(&[]).fails(4, "table public.books").answers("500 rows instead of 501 rows");
        machine.assert_nothing_is_left().await;

        // A row that is another one.
        let id = machine.back_up();
        machine.forge_dump(&id, |mut raw| {
            let row = b"book 499";
            let at = raw.windows(row.len()).position(|found| found == row).expect("the dump is not compressed");
            raw[at] = b'l';
            raw
        });
        machine.prove(&[]).fails(4, "table public.books").answers("restored, it has 500 rows that sum up to");
        machine.assert_nothing_is_left().await;

        // Rows that PostgreSQL does not take: a number that is none, in data whose length is right.
        let id = machine.back_up();
        machine.forge_dump(&id, |mut raw| {
            let row = b"499\tbook 499";
            let at = raw.windows(row.len()).position(|found| found == row).expect("the dump is not compressed");
            raw[at] = b'x';
            raw
        });
        machine.prove(&[]).fails(4, "database dream").answers("does not restore").answers("x99");
        machine.assert_nothing_is_left().await;

        machine.back_up();
        machine.configure(&format!("{place}{}", asks("SELECT max(id) FROM books", "501")));
        machine.prove(&[]).fails(4, "SELECT max(id) FROM books").answers("it answers \"500\" instead of \"501\"");
        machine.assert_nothing_is_left().await;
    }
    machine.remove().await;
}

#[tokio::test]
async fn what_cannot_be_restored_here_is_21_or_5_and_never_damage() {
    let Some(machine) = Machine::served("").await else { return };
    for place in ["", BESIDE] {
        machine.configure(place);
        let id = machine.back_up();
        machine.forge(&id, |manifest| {
            manifest["databases"][0]["server"]["extensions"] = serde_json::json!(["no_such_one 1.0"]);
        });
        machine.prove(&[]).fails(21, "no_such_one").answers("UNKNOWN");
        machine.assert_nothing_is_left().await;
    }
    machine.configure("");
    let id = machine.back_up();
    machine.forge(&id, |manifest| manifest["databases"][0]["server"]["major"] = 99.into());
    machine.prove(&[]).fails(21, "initdb").says("postgresql-99");
    machine.forge(&id, |manifest| {
        manifest["databases"][0]["server"]["major"] = 10.into();
        manifest["databases"][0]["server"]["size_bytes"] = (1_u64 << 60).into();
    });
    machine.prove(&[]).fails(5, "database dream").says("free");
    machine.assert_nothing_is_left().await;
    assert!(machine.evidence().iter().all(|(name, _)| name.ends_with("-unfinished.json")), "{:?}", machine.evidence());

    // The private server of a run as root is somebody else's, who is not let through here.
    if rustix::process::geteuid().is_root() {
        let home = machine.path("");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        machine.forge(&id, |manifest| manifest["databases"][0]["server"]["size_bytes"] = 1.into());
        machine.prove(&[]).fails(21, "pass through").says("chmod o+x");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o711)).unwrap();
        machine.assert_nothing_is_left().await;
    }

    // A part of a database proves nothing of the whole.
    machine.dcs().run(&["backup", "db", "--table", "books"]).ok();
    machine.prove(&[]).fails(5, "only a part of it was dumped");
    machine.assert_nothing_is_left().await;

    // A server that does not answer.
    let url = machine.url.clone();
    let machine = Machine { url: "postgres://me@127.0.0.1:1/dream".to_owned(), ..machine };
    machine.configure(BESIDE);
    machine.prove(&[&id]).fails(21, "127.0.0.1:1");
    let machine = Machine { url, ..machine };
    machine.assert_nothing_is_left().await;
    machine.remove().await;
}

/// A name gives nobody the right to drop a database.
#[tokio::test]
async fn a_database_that_is_only_called_like_a_scratch_one_is_not_dropped() {
    let Some(machine) = Machine::served("").await else { return };
    machine.configure(BESIDE);
    let name = format!("{}__verify_ab23", machine.scratch.as_ref().unwrap().name);
    let admin = machine.scratch.as_ref().unwrap().admin().await;
    admin.batch_execute(&format!("CREATE DATABASE {}", crate::postgres::quoted(&name))).await.unwrap();
    machine.back_up();
    machine.prove(&[]).ok();
    let left = admin.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.unwrap();
    assert_eq!(left.len(), 1, "somebody's own database was dropped");
    admin.batch_execute(&format!("DROP DATABASE {}", crate::postgres::quoted(&name))).await.unwrap();
    machine.assert_nothing_is_left().await;
    machine.remove().await;
}

#[tokio::test]
async fn a_private_server_starts_where_no_socket_can_lie() {
    let Some(machine) = Machine::served("").await else { return };
    machine.back_up();
    let config = fs::read_to_string(machine.path("dcs.toml")).unwrap();
    for folder in ["long".repeat(25), "it's a 'state', ü".to_owned()] {
        let state = format!("/state/{folder}\"\n[stores.live]");
        fs::write(machine.path("dcs.toml"), config.replacen("/state\"\n[stores.live]", &state, 1)).unwrap();
        machine.prove(&[]).ok().answers("restored 1 table, 500 rows");
        assert_eq!(fs::read_dir(machine.path("state").join(&folder).join("verify")).unwrap().count(), 0);
    }
    machine.assert_nothing_is_left().await;
    machine.remove().await;
}

#[tokio::test]
async fn a_proof_needs_no_root() {
    let Some(machine) = Machine::served("").await else { return };
    if !rustix::process::geteuid().is_root() {
        return machine.remove().await;
    }
    machine.back_up();
    let binary = machine.path("dcs");
    fs::copy(env!("CARGO_BIN_EXE_dcs"), &binary).unwrap();
    let mut waiting = vec![machine.path("")];
    while let Some(path) = waiting.pop() {
        if !path.is_symlink() {
            chown(&path, Some(65534), Some(65534)).unwrap();
            waiting.extend(fs::read_dir(&path).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
    }
    let before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let dcs = machine.dcs().through(&before).binary(binary.to_str().unwrap());
    dcs.run(&["verify", "--level", "restore"]).ok().answers("restored 1 table, 500 rows");
    machine.assert_nothing_is_left().await;
    machine.remove().await;
}
