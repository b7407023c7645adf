//! A machine with folders for stores, an SQLite database and a configuration, and dcs on it as cron would run it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::cli::{Dcs, Output};
use crate::support;
use crate::system::{Objects, files};

/// A small system of folders with a configuration to spoil.
pub struct Machine {
    pub home: TempDir,
}

impl Machine {
    /// With a repository, and no backup yet.
    pub fn new() -> Self {
        let machine = Self { home: support::folder() };
        for folder in ["live/books/42", "live/trash", "vault", "etc"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        fs::write(machine.path("live/books/42/page"), "a page\n".repeat(1000)).unwrap();
        fs::write(machine.path("live/books/a b"), "").unwrap();
        fs::write(machine.path("etc/app.conf"), "port = 1\n").unwrap();
        let database = Connection::open(machine.path("dream.db")).unwrap();
        database.execute_batch("CREATE TABLE books (id INTEGER); INSERT INTO books VALUES (1), (2)").unwrap();
        fs::write(machine.path("dcs.toml"), machine.config()).unwrap();
        machine.dcs().run(&["init"]).ok();
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn config(&self) -> String {
        let home = self.home.path().display();
        format!(
            "state_dir = \"{home}/state\"\n\
             [stores.live]\npath = \"{home}/live\"\n\
             [stores.vault]\npath = \"{home}/vault\"\n\
             [databases.dream]\nurl = \"sqlite:{home}/dream.db\"\n\
             [trash]\nstore = \"live\"\nbucket = \"trash\"\n\
             [backup]\nstore = \"vault\"\nbucket = \"dcs\"\ndatabases = [\"dream\"]\nfiles = [\"live/books\"]\n\
             config = [\"{home}/etc\"]\n"
        )
    }

    /// Writes the configuration with one text in place of another.
    pub fn spoil(&self, from: &str, to: &str) {
        let config = self.config();
        assert!(config.contains(from), "{config}");
        fs::write(self.path("dcs.toml"), config.replacen(from, to, 1)).unwrap();
    }

    pub fn mend(&self) {
        fs::write(self.path("dcs.toml"), self.config()).unwrap();
    }

    pub fn dcs(&self) -> Dcs {
        Dcs::new(self.home.path())
    }

    /// Makes a backup and answers its id.
    pub fn back_up(&self) -> String {
        let made = self.dcs().run(&["backup", "complete", "--json"]).ok().json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// All files but the spool and the places of locks, which come and go, and what verifications and runs write down.
    pub fn everything(&self) -> Objects {
        let mut found = files(self.home.path());
        let passing = ["/locks", "/evidence/", "/runs/", ".dcs"];
        found.retain(|key, _| !key.starts_with("state") && !passing.iter().any(|part| key.contains(part)));
        found
    }

    /// Runs as nobody, whose everything here becomes: to root nothing is forbidden.
    pub fn unprivileged(&self) -> Dcs {
        if !rustix::process::geteuid().is_root() {
            return self.dcs();
        }
        let mut waiting = vec![self.path("")];
        while let Some(path) = waiting.pop() {
            std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
            waiting.extend(fs::read_dir(&path).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
        let binary = self.path("state/dcs");
        fs::copy(env!("CARGO_BIN_EXE_dcs"), &binary).unwrap();
        let before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        self.dcs().through(&before).binary(binary.to_str().unwrap())
    }

    /// Runs what must fail and change nothing.
    pub fn refuses(&self, dcs: &Dcs, arguments: &[&str], code: i32, subject: &str) -> Output {
        let before = self.everything();
        let output = dcs.run(arguments).fails(code, subject);
        let after = self.everything();
        let names = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{output}");
        assert_eq!(before, after, "{output}");
        output
    }
}
