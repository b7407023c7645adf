//! A private server for a proof: made from the installed programs, for one restore, and ended with the run.
//!
//! It listens on a socket in its own folder, or where that cannot be on 127.0.0.1; in either case with a random password.
//! What dcs writes for it lies beside the server's own folders, not in them: as root, dcs follows no path that the server's
//! user could have changed.
//! A shell stands between dcs and the server and reads a pipe that dcs holds: when dcs is gone, however it went, the pipe
//! ends and the shell ends the server.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use super::PostgresDatabase;
use crate::database::scratch::user::ServerUser;
use crate::database::tools::{Places, Tools};
use crate::database::{DatabaseError, ErrorKind, PostgresOptions, Result};
use crate::model::{RunId, Secret, id, percent};

const ATTEMPTED: &str = "start a private server in";
const SUPERUSER: &str = "postgres";
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// Linux cuts the paths of sockets at 108 bytes, of which `/.s.PGSQL.5432` and the end take some.
const LONGEST_SOCKET_FOLDER: usize = 90;
/// The server passes through the folder that holds its own.
const PASSABLE: u32 = 0o711;
const SHOWN_LINES: usize = 6;

/// Nothing of it outlives the run, so nothing is flushed.
const SETTINGS: [&str; 11] = [
    "logging_collector=off",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=256MB",
    "archive_mode=off",
    "autovacuum=off",
    "max_connections=20",
    "unix_socket_permissions=0700",
];

/// Starts the server, and ends it when nothing is to be read any more. A signal to the server alone ends the shell too.
const SHELL: &str = "exec 3<&0; \"$@\" </dev/null 3<&- & server=$!; \
     { read -r _ <&3; kill -QUIT $server; } 2>/dev/null & watch=$!; \
     exec 3<&-; wait $server; code=$?; kill $watch 2>/dev/null; exit $code";

/// A server that runs. Dropped, it ends by itself; [`Self::stop`] waits for that.
pub(in crate::database) struct Cluster {
    shell: Child,
    pub(in crate::database) database: PostgresDatabase,
}

/// What is needed to start one.
pub(in crate::database) struct ClusterOptions<'a> {
    /// A folder that is there, for this server alone.
    pub(in crate::database) folder: &'a Path,
    pub(in crate::database) user: &'a ServerUser,
    /// The oldest major version that will do.
    pub(in crate::database) major: u32,
    pub(in crate::database) search_path: &'a [PathBuf],
    pub(in crate::database) run: &'a RunId,
}

/// Where the server keeps its data, in the folder that was given to it.
pub(in crate::database) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

impl Cluster {
    pub(in crate::database) async fn start(options: &ClusterOptions<'_>) -> Result<Self> {
        let tools = find(options).await?;
        make_folders(options).map_err(|error| failed(options.folder, error))?;
        options.user.check_way_to(options.folder)?;
        let password = Secret::new(id::random_name());
        initialise(&tools, options, &password).await?;
        let (settings, address) = listen(options.folder)?;

        let mut open = PostgresOptions::new(format!("postgres://{SUPERUSER}@{address}"));
        open.password = Some(password);
        open.search_path = options.search_path.to_vec();
        let database = PostgresDatabase::open(open)?;
        let mut cluster = Self { shell: launch(&tools, options, &settings)?, database };
        if let Err(error) = cluster.wait_until_it_answers(options).await {
            cluster.stop().await;
            return Err(error);
        }
        Ok(cluster)
    }

    async fn wait_until_it_answers(&mut self, options: &ClusterOptions<'_>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(error) = self.database.server.connect("template1", options.run).await else { return Ok(()) };
            let has_ended = matches!(self.shell.try_wait(), Ok(Some(_)) | Err(_));
            if has_ended || Instant::now() > deadline {
                let log = fs::read_to_string(log(options.folder)).unwrap_or_default();
                let detail = if log.trim().is_empty() { error.to_string() } else { last_lines(&log) };
                return Err(tool_failed(options.folder, detail));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends the server and waits until it has.
    pub(in crate::database) async fn stop(mut self) {
        drop(self.shell.stdin.take());
        if tokio::time::timeout(PATIENCE, self.shell.wait()).await.is_err() {
            tracing::warn!("a private server did not end");
        }
    }
}

/// The server's own folders, in one that is ours.
fn make_folders(options: &ClusterOptions<'_>) -> io::Result<()> {
    fs::set_permissions(options.folder, Permissions::from_mode(PASSABLE))?;
    for folder in [data(options.folder), socket(options.folder)] {
        DirBuilder::new().mode(0o700).create(&folder)?;
        options.user.own(&folder)?;
    }
    Ok(())
}

async fn find(options: &ClusterOptions<'_>) -> Result<Tools> {
    let installed = PostgresOptions::new("").installed;
    let places = Places { prefix: None, search_path: options.search_path.to_vec(), installed };
    let found = Tools::find(&places, "initdb", options.major, &options.folder.display().to_string()).await;
    found.map_err(|error| {
        DatabaseError { attempted: ATTEMPTED, ..error }.with_hint(format!(
            "Install the package postgresql-{} (or newer) here, or name a server with `server` in [verify].",
            options.major
        ))
    })
}

async fn initialise(tools: &Tools, options: &ClusterOptions<'_>, password: &Secret) -> Result<()> {
    let file = options.folder.join("password");
    let io_failed = |error| failed(options.folder, error);
    let written = File::options().write(true).create_new(true).mode(0o600).open(&file).and_then(|mut opened| {
        writeln!(opened, "{}", password.expose())?;
        options.user.own(&file)
    });
    written.map_err(io_failed)?;
    let mut command = command(&tools.path("initdb"), options);
    command.arg("-D").arg(data(options.folder)).arg("--pwfile").arg(&file).kill_on_drop(true);
    command.args(["--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]);
    command.arg("--no-sync").stdin(Stdio::null());
    let output = command.output().await.map_err(io_failed)?;
    fs::remove_file(&file).map_err(io_failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Err(tool_failed(options.folder, format!("initdb: {}", last_lines(&said))))
}

fn launch(tools: &Tools, options: &ClusterOptions<'_>, settings: &[String]) -> Result<Child> {
    let io_failed = |error| failed(options.folder, error);
    let log = File::create(log(options.folder)).map_err(io_failed)?;
    let mut command = command(Path::new("/bin/sh"), options);
    command.args(["-c", SHELL, "sh"]).arg(tools.path("postgres")).arg("-D").arg(data(options.folder));
    for setting in SETTINGS.into_iter().chain(settings.iter().map(String::as_str)) {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::piped()).stdout(log.try_clone().map_err(io_failed)?).stderr(log);
    command.spawn().map_err(io_failed)
}

/// In an environment in which only its arguments count, and a group of its own: Ctrl-C reaches dcs, which ends it in order.
fn command(program: &Path, options: &ClusterOptions<'_>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/").process_group(0);
    options.user.apply_to(&mut command);
    command
}

/// Where to listen: as settings, and as the rest of a URL.
fn listen(folder: &Path) -> Result<(Vec<String>, String)> {
    let path = socket(folder).display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let settings = |addresses: &str, port: u16, sockets: &str| {
        vec![
            format!("listen_addresses={addresses}"),
            format!("port={port}"),
            format!("unix_socket_directories={sockets}"),
        ]
    };
    if path.len() <= LONGEST_SOCKET_FOLDER && path.bytes().all(is_plain) {
        return Ok((settings("", 5432, &path), format!("{}/postgres", percent::encode_name(&path))));
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let port = free.map_err(|error| failed(folder, error))?.port();
    Ok((settings("127.0.0.1", port, ""), format!("127.0.0.1:{port}/postgres")))
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

fn failed(folder: &Path, error: io::Error) -> DatabaseError {
    let kind = if error.kind() == io::ErrorKind::StorageFull { ErrorKind::Full } else { ErrorKind::ToolFailed };
    DatabaseError::new(kind, ATTEMPTED, folder.display().to_string()).with_detail(error.to_string()).with_source(error)
}

fn tool_failed(folder: &Path, detail: String) -> DatabaseError {
    DatabaseError::new(ErrorKind::ToolFailed, ATTEMPTED, folder.display().to_string())
        .with_detail(detail)
        .with_hint("Mend the cause, or name a server with `server` in [verify]; then run the same command again.")
}
