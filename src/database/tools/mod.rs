//! The server's own tools: finding the ones that fit, and running them.
//!
//! A tool older than the server refuses to dump it, one much newer writes what an older server does not understand: so the
//! lowest major that is not older. A password never stands on a command line.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::database::{DatabaseError, ErrorKind, Result};

mod child;

pub(super) use child::{Feed, Tool};

/// Everything libpq would read from the environment, and what colours its messages.
const VARIABLES: [&str; 35] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGREQUIREAUTH",
    "PGCHANNELBINDING",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGOPTIONS",
    "PGAPPNAME",
    "PGSSLMODE",
    "PGREQUIRESSL",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLROOTCERT",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLSNI",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLNEGOTIATION",
    "PGREQUIREPEER",
    "PGGSSENCMODE",
    "PGKRBSRVNAME",
    "PGCONNECT_TIMEOUT",
    "PGCLIENTENCODING",
    "PGTARGETSESSIONATTRS",
    "PGLOADBALANCEHOSTS",
    "PGDATESTYLE",
    "PGTZ",
    "PGGEQO",
    "PG_COLOR",
];

/// Where to look for tools.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// A command that runs others where the tools are: `docker exec -i pg`.
    pub(super) prefix: Option<Vec<String>>,
    pub(super) search_path: Vec<PathBuf>,
    /// The folder with one folder a major version: `MAJOR/bin/pg_dump`.
    pub(super) installed: PathBuf,
}

/// Tools of one version.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    prefix: Option<Vec<String>>,
    folder: Option<PathBuf>,
    pub(super) major: u32,
}

impl Tools {
    /// Finds the lowest version of `program` that is not older than `server`.
    pub(super) async fn find(places: &Places, program: &str, server: u32, subject: &str) -> Result<Self> {
        let mut candidates = Vec::new();
        if places.prefix.is_some() {
            candidates.push(Self { prefix: places.prefix.clone(), folder: None, major: 0 });
        } else {
            for folder in folders(places, program) {
                candidates.push(Self { prefix: None, folder: Some(folder), major: 0 });
            }
        }
        let (mut best, mut seen): (Option<Self>, Vec<u32>) = (None, Vec::new());
        for mut candidate in candidates {
            let Some(major) = candidate.version(program).await else { continue };
            seen.push(major);
            if major >= server && best.as_ref().is_none_or(|best| major < best.major) {
                candidate.major = major;
                best = Some(candidate);
            }
        }
        best.ok_or_else(|| nothing_fits(places, program, server, &seen, subject))
    }

    /// Where a program of these lies.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.as_ref().map_or_else(|| PathBuf::from(program), |folder| folder.join(program))
    }

    /// The command that runs `program`, with an environment in which only its arguments count.
    fn command(&self, program: &str, reads_password: bool) -> Command {
        let mut command = match (&self.prefix, &self.folder) {
            (Some(prefix), _) => {
                let mut command = Command::new(prefix.first().map_or("", String::as_str));
                let unset = VARIABLES.join(" ");
                let password = if reads_password { "IFS= read -r PGPASSWORD; export PGPASSWORD; " } else { "" };
                command.args(&prefix[1..]);
                command.args(["sh", "-c"]);
                command.arg(format!("unset {unset}; LC_ALL=C; export LC_ALL; {password}exec \"$@\""));
                command.args(["sh", program]);
                command
            }
            (None, _) => Command::new(self.path(program)),
        };
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        // A group of its own: Ctrl-C reaches dcs, which ends its tools in order.
        command.env("LC_ALL", "C").kill_on_drop(true).process_group(0);
        command
    }

    async fn version(&self, program: &str) -> Option<u32> {
        let mut command = self.command(program, false);
        command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().await.ok()?;
        if !output.status.success() {
            return None;
        }
        parse_version(&String::from_utf8_lossy(&output.stdout))
    }
}

/// The major version in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `... 18beta1`.
fn parse_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL)")?;
    let digits: String = version.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn folders(places: &Places, program: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(entries) = std::fs::read_dir(&places.installed) {
        found.extend(entries.flatten().map(|entry| entry.path().join("bin")));
    }
    found.extend(places.search_path.iter().cloned());
    found.retain(|folder| Path::is_file(&folder.join(program)));
    found
}

fn nothing_fits(places: &Places, program: &str, server: u32, seen: &[u32], subject: &str) -> DatabaseError {
    let newest = seen.iter().max();
    let detail = match (newest, &places.prefix) {
        (Some(newest), _) => format!("the server is version {server}, the newest {program} found is {newest}"),
        (None, Some(prefix)) => format!("`{} {program} --version` does not answer", prefix.join(" ")),
        (None, None) => format!("no {program} was found"),
    };
    let hint = if places.prefix.is_some() {
        format!("Let `tools` name a container whose {program} is version {server} or newer.")
    } else {
        format!("Install the package postgresql-client-{server} (or newer), or name a container with `tools`.")
    };
    DatabaseError::new(ErrorKind::NoTool, "use", subject).with_detail(detail).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_print_them() {
        assert_eq!(parse_version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_version("pg_dump (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("something else 9\n"), None);
    }
}
