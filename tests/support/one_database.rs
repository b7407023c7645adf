//! A machine whose one database lies on a private server, behind a proxy, and its backups in a folder.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cli::{Dcs, Output};
use crate::private_server::PrivateServer;
use crate::proxy::Proxy;
use crate::support;

pub struct Machine {
    pub home: TempDir,
    pub server: PrivateServer,
    pub proxy: Proxy,
    /// As it is called on the server.
    pub name: String,
    pub user: String,
}

impl Machine {
    /// With a database of this name that `sql` has filled, and a repository.
    pub async fn with_database(name: &str, sql: &str) -> Option<Self> {
        Some(Self::on(PrivateServer::start_new()?, name, sql).await)
    }

    pub async fn on(server: PrivateServer, name: &str, sql: &str) -> Self {
        server.run("postgres", &format!("CREATE DATABASE {}", quoted(name))).await;
        server.run(name, sql).await;
        let proxy = Proxy::before(server.socket());
        let machine = Self { home: support::folder(), server, proxy, name: name.to_owned(), user: "dcs".to_owned() };
        for bucket in ["backups", "trash"] {
            fs::create_dir_all(machine.path("vault").join(bucket)).unwrap();
        }
        machine.configure("", "");
        machine.dcs().run(&["init"]).ok();
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the configuration, with `database` at the end of the database's section and `more` at its own.
    pub fn configure(&self, database: &str, more: &str) {
        let name = percent_encoding::utf8_percent_encode(&self.name, percent_encoding::NON_ALPHANUMERIC);
        let url = format!("postgres://{}@127.0.0.1:{}/{name}", self.user, self.proxy.port);
        let home = self.home.path().display();
        let text = format!(
            "state_dir = \"{home}/state\"\n[stores.vault]\npath = \"{home}/vault\"\n\
             [databases.dream]\nurl = {url:?}\n{database}\n[trash]\nstore = \"vault\"\nbucket = \"trash\"\n\
             [backup]\nstore = \"vault\"\nbucket = \"backups\"\ndatabases = [\"dream\"]\n{more}\n"
        );
        fs::write(self.path("dcs.toml"), text).unwrap();
    }

    /// A program of the shell, which stands in for a tool or stands around it.
    pub fn program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        let found = "PATH=$(printf %s: /usr/lib/postgresql/*/bin)$PATH";
        fs::write(&path, format!("#!/bin/sh\n{found}\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The manifest of the one backup there is.
    pub fn manifest(&self) -> PathBuf {
        let mut backups = fs::read_dir(self.path("vault/backups/backups")).unwrap();
        backups.next().unwrap().unwrap().path().join("manifest.json")
    }

    pub fn dcs(&self) -> Dcs {
        Dcs::new(self.home.path())
    }

    pub fn back_up(&self) {
        self.dcs().run(&["backup", "db"]).ok();
    }

    pub fn restore(&self) -> Output {
        self.dcs().run(&["restore-db", "--yes"])
    }

    pub fn undo(&self) -> Output {
        self.dcs().run(&["restore-db", "--undo", "--yes"])
    }

    /// How many backups there are.
    pub fn backups(&self) -> usize {
        self.dcs().run(&["backup", "list", "--json"]).ok().json().as_array().unwrap().len()
    }

    /// The first value that a statement answers in the live database.
    pub async fn ask(&self, sql: &str) -> String {
        self.server.connect(&self.name).await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until the server has noticed that a run and its tools are gone.
    pub async fn wait_for_its_sessions(&self) {
        let client = self.server.connect("postgres").await;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dcs-%'";
        let deadline = Instant::now() + Duration::from_secs(60);
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(Instant::now() < deadline, "a session of a dead run stays");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The databases beside the live one, which must be there.
    pub async fn beside(&self) -> Vec<String> {
        let (live, beside): (Vec<_>, Vec<_>) =
            self.server.databases().await.into_iter().partition(|name| *name == self.name);
        assert_eq!(live.len(), 1, "there is no live database beside {beside:?}");
        beside
    }

    pub async fn drop_beside(&self) {
        for name in self.beside().await {
            self.server.run("postgres", &format!("DROP DATABASE {} WITH (FORCE)", quoted(&name))).await;
        }
    }
}

pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
