//! `dcs verify --level restore`: a backup restores somewhere disposable and is compared, the evidence stays, and nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cli::{Dcs, Output};
use dcs::archive::sha256;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use postgres::{Scratch, quoted};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

#[path = "support/cli.rs"]
mod cli;
#[path = "proof/embedded.rs"]
mod embedded;
#[path = "proof/evidence.rs"]
mod evidence;
#[path = "proof/interrupted.rs"]
mod interrupted;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "proof/served.rs"]
mod served;
mod support;

/// A live system of folders with a database, and backups in a folder.
struct Machine {
    home: TempDir,
    url: String,
    password: Option<String>,
    /// Where the database is on a server.
    scratch: Option<Scratch>,
}

impl Machine {
    fn embedded() -> Self {
        let home = support::folder();
        let path = home.path().join("dream.db");
        let live = Connection::open(&path).unwrap();
        live.execute_batch("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)").unwrap();
        live.execute_batch("INSERT INTO books VALUES (1, 'one'), (2, 'two'), (42, 'forty-two')").unwrap();
        let url = format!("sqlite:{}", path.display());
        Self { home, url, password: None, scratch: None }.begin()
    }

    /// On a PostgreSQL server; needs [`Self::remove`] in the end.
    async fn served(sql: &str) -> Option<Self> {
        let server = support::postgres()?;
        let config: tokio_postgres::Config = server.parse().unwrap();
        let password = String::from_utf8(config.get_password().unwrap().to_vec()).unwrap();
        let scratch = Scratch::create(&server, "proof").await;
        let fill = "CREATE TABLE books (id serial PRIMARY KEY, title text); \
             INSERT INTO books (title) SELECT 'book ' || i FROM generate_series(1, 500) AS i";
        scratch.client().await.batch_execute(&format!("{fill}; {sql}")).await.unwrap();
        let url = scratch.url_as(None, &scratch.name);
        Some(Self { home: support::folder(), url, password: Some(password), scratch: Some(scratch) }.begin())
    }

    fn begin(self) -> Self {
        // The private server of a run as root is somebody else's, who must be let through.
        fs::set_permissions(self.home.path(), fs::Permissions::from_mode(0o711)).unwrap();
        for folder in ["live/books/42", "live/books/empty folder", "live/apps", "vault", "etc/closed"] {
            fs::create_dir_all(self.path(folder)).unwrap();
        }
        fs::write(self.path("live/books/42/ä page.txt"), "a page\n".repeat(1000)).unwrap();
        fs::write(self.path("live/books/nothing"), "").unwrap();
        fs::write(self.path("live/apps/large.bin"), support::noise(9 << 20)).unwrap();
        for number in 0..20 {
            fs::write(self.path(&format!("live/books/{number}.txt")), format!("book {number}")).unwrap();
        }
        std::os::unix::fs::symlink("/nowhere", self.path("live/books/link")).unwrap();
        fs::write(self.path("etc/app.conf"), "port = 1\n").unwrap();
        fs::write(self.path("etc/closed/key"), "k").unwrap();
        fs::set_permissions(self.path("etc/closed"), fs::Permissions::from_mode(0o500)).unwrap();
        self.configure("");
        self.dcs().run(&["init"]).ok();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the configuration with `verify` at its end.
    fn configure(&self, verify: &str) {
        let (home, url) = (self.home.path().display(), &self.url);
        let config = format!(
            "state_dir = \"{home}/state\"\n[stores.live]\npath = \"{home}/live\"\n[stores.vault]\npath = \"{home}/vault\"\n\
             [databases.dream]\nurl = {url:?}\n[backup]\nstore = \"vault\"\nbucket = \"dcs\"\ndatabases = [\"dream\"]\n\
             files = [\"live/*\"]\nconfig = [\"{home}/etc\"]\n{verify}\n"
        );
        fs::write(self.path("dcs.toml"), config).unwrap();
    }

    fn dcs(&self) -> Dcs {
        let dcs = Dcs::new(self.home.path());
        self.password.iter().fold(dcs, |dcs, password| dcs.with("PGPASSWORD", password))
    }

    fn back_up(&self) -> String {
        let made = self.dcs().run(&["backup", "complete", "--json"]).ok().json();
        made["id"].as_str().unwrap().to_owned()
    }

    fn prove(&self, more: &[&str]) -> Output {
        self.dcs().run(&[&["verify", "--level", "restore"], more].concat())
    }

    /// The column `proven` and the field `proof` of the one backup.
    fn listed(&self) -> (String, Value) {
        let table = self.dcs().run(&["backup", "list"]).ok().stdout;
        let proven = table.lines().nth(1).unwrap().split_whitespace().last().unwrap().to_owned();
        let rows = self.dcs().run(&["backup", "list", "--json"]).ok().json();
        (proven, rows[0]["proof"].clone())
    }

    /// What is below `evidence/`, by name.
    fn evidence(&self) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        for folder in fs::read_dir(self.path("vault/dcs/evidence")).into_iter().flatten() {
            for entry in fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                found.push((name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    /// Fails where a proof left something: a folder, a process, a database.
    async fn assert_nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.path("state/verify")).into_iter().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        // The shell that watches over a private server ends after it.
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.servers().is_empty() {
            assert!(Instant::now() < deadline, "{:?}", self.servers());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if let Some(scratch) = &self.scratch {
            assert_eq!(scratch.family().await.join("\n"), scratch.name);
        }
    }

    /// The command lines of PostgreSQL servers at work below our state.
    fn servers(&self) -> Vec<String> {
        let ours = self.path("state/verify").display().to_string();
        let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.filter(|line| line.contains(&ours) && line.contains("postgres -D")).collect()
    }

    fn in_backup(&self, id: &str, name: &str) -> PathBuf {
        self.path("vault/dcs/backups").join(id).join(name)
    }

    /// Changes the manifest of a backup, and its digest with it: as if the backup had been made so.
    fn forge(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let path = self.in_backup(id, "manifest.json");
        let before = fs::read(&path).unwrap();
        let mut manifest: Value = serde_json::from_slice(&before).unwrap();
        change(&mut manifest);
        let after = serde_json::to_vec_pretty(&manifest).unwrap();
        fs::write(&path, &after).unwrap();
        self.resum(id, &before, &after);
    }

    fn resum(&self, id: &str, before: &[u8], after: &[u8]) {
        let sums = self.in_backup(id, "SHA256SUMS");
        let (old, new) = (sha256(before).to_string(), sha256(after).to_string());
        let text = fs::read_to_string(&sums).unwrap();
        assert!(text.contains(&old), "{text}");
        fs::write(&sums, text.replace(&old, &new)).unwrap();
    }

    /// Puts another dump in place of that of a backup, whole and with all its digests.
    fn forge_dump(&self, id: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let path = self.in_backup(id, "db/dream.dump.gz");
        let before = fs::read(&path).unwrap();
        let mut raw = Vec::new();
        MultiGzDecoder::new(&before[..]).read_to_end(&mut raw).unwrap();
        let raw = change(raw);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&raw).unwrap();
        let after = encoder.finish().unwrap();
        fs::write(&path, &after).unwrap();
        self.resum(id, &before, &after);
        self.forge(id, |manifest| {
            let dump = &mut manifest["databases"][0]["dump"];
            dump["raw_size"] = raw.len().into();
            dump["raw_sha256"] = sha256(&raw).to_string().into();
            dump["parts"][0]["size"] = after.len().into();
            dump["parts"][0]["sha256"] = sha256(&after).to_string().into();
        });
    }

    async fn remove(self) {
        if let Some(scratch) = self.scratch {
            scratch.remove().await;
        }
    }
}

/// A `[[verify.sql]]` section.
fn asks(statement: &str, expect: &str) -> String {
    format!("[[verify.sql]]\ndatabase = \"dream\"\nstatement = {statement:?}\nexpect = {expect:?}\n")
}

fn holds(log: &Path, text: &str) -> bool {
    fs::read_to_string(log).is_ok_and(|log| log.contains(text))
}
