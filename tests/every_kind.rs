//! A database that holds one of every kind of object goes through a backup and a restore, and is the same to pg_dump.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::Dcs;
use postgres::{Scratch, quoted};

#[path = "support/cli.rs"]
mod cli;
#[path = "support/postgres.rs"]
mod postgres;
mod support;

const EVERY_KIND: &str = include_str!("fixtures/every-kind.sql");

/// The newest installed tool of this name.
fn tool(name: &str) -> PathBuf {
    let majors = fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    let mut tools: Vec<PathBuf> =
        majors.map(|major| major.join("bin").join(name)).filter(|tool| tool.exists()).collect();
    tools.sort();
    tools.pop().unwrap()
}

/// Everything of a database as a script: contents, settings, owner, comment. Two of the same are the same.
fn script(url: &str) -> String {
    let output = Command::new(tool("pg_dump")).args(["--create", "--dbname", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // A word by chance, which psql is to restrict itself by.
    let is_chance = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    text.lines().filter(|line| !is_chance(line)).collect::<Vec<_>>().join("\n")
}

fn configure(folder: &Path, url: &str) -> Dcs {
    for bucket in ["backups", "trash"] {
        fs::create_dir_all(folder.join("vault").join(bucket)).unwrap();
    }
    let root = folder.display();
    let text = format!(
        "state_dir = \"{root}/state\"\n[stores.vault]\npath = \"{root}/vault\"\n[databases.dream]\nurl = {url:?}\n\
         [trash]\nstore = \"vault\"\nbucket = \"trash\"\n\
         [backup]\nstore = \"vault\"\nbucket = \"backups\"\ndatabases = [\"dream\"]\n"
    );
    fs::write(folder.join("dcs.toml"), text).unwrap();
    Dcs::new(folder)
}

struct World {
    scratch: Scratch,
    role: String,
    home: tempfile::TempDir,
    dcs: Dcs,
}

impl World {
    async fn with_every_kind() -> Option<Self> {
        let url = support::postgres()?;
        let scratch = Scratch::create(&url, "dcs every \"kind\" Ü").await;
        let role = support::unique("dcs rôle");
        let (name, quoted_role) = (quoted(&scratch.name), quoted(&role));
        let admin = scratch.admin().await;
        admin.batch_execute(&format!("CREATE ROLE {quoted_role} LOGIN PASSWORD 'x'")).await.unwrap();
        scratch.client().await.batch_execute(&EVERY_KIND.replace(":\"role\"", &quoted_role)).await.unwrap();
        // It fails half way and leaves an index that is not valid, as is meant.
        scratch
            .client()
            .await
            .execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON doubles (x)", &[])
            .await
            .unwrap_err();
        assert_eq!(scratch.count("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 1);
        for statement in [
            format!("COMMENT ON DATABASE {name} IS 'a \"database\", it''s \\ mine'"),
            format!("ALTER DATABASE {name} SET search_path TO \"My \"\"Schéma\"\" x\", public"),
            format!("ALTER DATABASE {name} SET \"app.tenant\" TO 'it''s'"),
            format!("ALTER ROLE {quoted_role} IN DATABASE {name} SET work_mem TO '3MB'"),
            format!("ALTER DATABASE {name} CONNECTION LIMIT 50"),
            format!("GRANT TEMPORARY ON DATABASE {name} TO {quoted_role} WITH GRANT OPTION"),
            format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"),
            format!("ALTER DATABASE {name} OWNER TO {quoted_role}"),
        ] {
            admin.batch_execute(&statement).await.unwrap();
        }
        let home = support::folder();
        let dcs = configure(home.path(), &scratch.url_as(None, &scratch.name));
        dcs.run(&["init"]).ok();
        Some(Self { scratch, role, home, dcs })
    }

    fn script(&self) -> String {
        script(&self.scratch.url_as(None, &self.scratch.name))
    }

    async fn remove(self) {
        let admin = self.scratch.admin().await;
        self.scratch.remove().await;
        admin.batch_execute(&format!("DROP ROLE {}", quoted(&self.role))).await.unwrap();
        drop(self.home);
    }
}

/// Says where two scripts part.
fn assert_same(before: &str, after: &str) {
    let differing = before.lines().zip(after.lines()).enumerate().find(|(_, (one, other))| one != other);
    if let Some((number, (one, other))) = differing {
        panic!("line {number}:\n  before: {one}\n  after:  {other}");
    }
    assert_eq!(before.lines().count(), after.lines().count());
}

#[tokio::test]
async fn one_of_every_kind_comes_back_as_it_was() {
    let Some(world) = World::with_every_kind().await else { return };
    let before = world.script();
    world.dcs.run(&["backup", "db"]).ok();
    world.dcs.run(&["verify", "--level", "contents"]).ok();
    world.dcs.run(&["verify", "--level", "restore"]).ok();
    // What changes afterwards is not in it.
    let change =
        "DELETE FROM events; DROP VIEW public.counting; SELECT lo_unlink(4242); COMMENT ON SCHEMA owned IS 'changed'";
    for jobs in ["1", "3"] {
        world.scratch.client().await.batch_execute(change).await.unwrap();
        world.dcs.run(&["restore-db", "--yes", "--jobs", jobs]).ok();
        assert_same(&before, &world.script());
    }
    world.remove().await;
}
