//! A PostgreSQL server for one test alone, which may be killed, started again, and given less than it needs.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use crate::support;

const SETTINGS: [&str; 7] = [
    "fsync=off",
    "listen_addresses=",
    "max_prepared_transactions=2",
    "max_connections=40",
    "shared_buffers=16MB",
    "max_wal_size=64MB",
    "autovacuum=off",
];
const PATIENCE: Duration = Duration::from_secs(60);

/// The way to a server that may be down: cheap to copy, for what kills it from another thread.
#[derive(Clone)]
pub struct PrivateServer {
    home: Arc<TempDir>,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    process: Arc<Process>,
    /// A command of the shell that sets limits for it.
    limits: Arc<Mutex<String>>,
}

/// Ends with the last that knows it.
struct Process(Mutex<Option<Child>>);

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Kills the server with all that it has started, as no program can prepare for.
    fn kill(&self) {
        let child = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = child else { return };
        let main = Pid::from_child(&child);
        // It must not start others while they are looked for.
        kill_process(main, Signal::STOP).ok();
        let path = format!("/proc/{0}/task/{0}/children", child.id());
        let others = fs::read_to_string(path).unwrap_or_default();
        for other in others.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            kill_process(other, Signal::KILL).ok();
        }
        kill_process(main, Signal::KILL).ok();
        child.wait().unwrap();
    }
}

impl PrivateServer {
    /// A server that runs; none where the tests have no PostgreSQL.
    pub fn start_new() -> Option<Self> {
        support::postgres()?;
        let home = support::folder();
        // PostgreSQL refuses to run as root; whom it runs as must be let through.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let user = rustix::process::geteuid().is_root().then(|| user("postgres").unwrap_or((65534, 65534)));
        for name in ["data", "socket"] {
            let folder = home.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
            if let Some((user, group)) = user {
                chown(&folder, Some(user), Some(group)).unwrap();
            }
        }
        let process = Arc::new(Process(Mutex::new(None)));
        let server = Self { home: Arc::new(home), programs: programs(), user, process, limits: Arc::default() };
        let mut initdb = server.command(&server.programs.join("initdb"));
        initdb.arg("-D").arg(server.path("data")).args(["--username", "dcs", "--auth", "trust", "--no-sync"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C", "--wal-segsize", "1"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.start();
        Some(server)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The file through which it is spoken to.
    pub fn socket(&self) -> PathBuf {
        self.path("socket/.s.PGSQL.5432")
    }

    /// Its URL without a detour.
    pub fn url(&self, database: &str) -> String {
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let folder = self.path("socket");
        format!("postgres://dcs@{}/{}", encode(folder.to_str().unwrap()), encode(database))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/").stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn launch(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", &format!("{}\nexec \"$@\"", self.limits.lock().unwrap()), "sh"]);
        command.arg(self.programs.join("postgres")).arg("-D").arg(self.path("data"));
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.arg("-c").arg(format!("unix_socket_directories={}", self.path("socket").display()));
        command.process_group(0).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    }

    /// Starts it, where it does not run, and waits until it answers.
    pub fn start(&self) {
        let mut process = self.process.0.lock().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "it does not answer: {}", log());
            // What a killed one has left of shared memory goes a moment later: it is tried again.
            if process.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
                *process = Some(self.launch());
            }
            let mut ready = self.command(&self.programs.join("pg_isready"));
            ready.arg("-q").arg("-h").arg(self.path("socket"));
            if ready.status().unwrap().success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it with all that it has started.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Kills it and starts it again, with limits that a command of the shell sets.
    pub fn restart_limited(&self, limits: &str) {
        self.kill();
        limits.clone_into(&mut self.limits.lock().unwrap());
        self.start();
    }

    /// Waits until nobody is connected to a database.
    pub async fn wait_for_none_in(&self, database: &str) {
        let client = self.connect("postgres").await;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
        let deadline = Instant::now() + PATIENCE;
        while client.query_one(sql, &[&database]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(Instant::now() < deadline, "a session in {database} stays");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn connect(&self, database: &str) -> Client {
        self.connect_as("dcs", database).await
    }

    pub async fn connect_as(&self, user: &str, database: &str) -> Client {
        let mut config = Config::new();
        config.host_path(self.path("socket")).user(user).dbname(database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub async fn run(&self, database: &str, sql: &str) {
        self.connect(database).await.batch_execute(sql).await.unwrap();
    }

    /// The databases that are not the server's own.
    pub async fn databases(&self) -> Vec<String> {
        let sql = "SELECT datname::text FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1";
        let rows = self.connect("postgres").await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Where the newest server's programs are.
fn programs() -> PathBuf {
    let majors = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut installed: Vec<PathBuf> = majors.map(|major| major.join("bin")).collect();
    installed.sort();
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = installed.into_iter().rev().chain(std::env::split_paths(&searched));
    let has_all = |folder: &PathBuf| ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).exists());
    folders.find(has_all).expect("a PostgreSQL server is installed")
}

/// The numbers of a user and its group.
fn user(name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').collect();
    Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
}
