//! A text file for Prometheus, as node_exporter's textfile collector reads it: what the last runs on this machine were.
//!
//! Each run changes what is about itself and keeps the rest; the file is replaced whole, never written to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::model::{BackupKind, RunRecord};

mod families;

pub use families::{Families, Family};

/// A file that dcs wrote is far smaller; nobody else's is read whole.
const LARGEST: u64 = 4 << 20;
/// How long other runs that end at the same time may take.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// The families that runs write: name and help. All are gauges.
pub const FAMILIES: &[(&str, &str)] = &[
    ("dcs_last_attempt_timestamp_seconds", "When the last run of the command ended, whatever came of it."),
    ("dcs_last_success_timestamp_seconds", "When the last run of the command that ended with 0 ended."),
    ("dcs_last_duration_seconds", "How long the last run of the command took."),
    ("dcs_last_exit_code", "The exit code of the last run of the command."),
    ("dcs_last_problems", "What went wrong in the last run of the command while the rest went on."),
    ("dcs_last_objects", "Objects that the last run of the command stored, read, moved or removed."),
    ("dcs_last_bytes", "Bytes of these, with those of databases and configuration."),
    ("dcs_last_stored_bytes", "Bytes that the last run of the command added to the backup bucket."),
    ("dcs_backup_timestamp_seconds", "When the last good backup that holds a part was made; a complete one holds all."),
    ("dcs_info", "Always 1; the version of dcs that wrote this file last."),
];

/// Takes a run in.
pub fn take(families: &mut Families, record: &RunRecord) {
    let command = [("command", record.command.as_str())];
    let ended = record.finished_at.as_duration().as_secs_f64();
    let mut set = |name: &str, value: f64| families.set(name, &command, value);
    set("dcs_last_attempt_timestamp_seconds", ended);
    if record.is_success() {
        set("dcs_last_success_timestamp_seconds", ended);
    }
    set("dcs_last_duration_seconds", record.seconds());
    set("dcs_last_exit_code", f64::from(record.exit_code));
    set("dcs_last_problems", record.facts.problems as f64);
    // What a run did not come to count is not what an earlier one counted.
    for (name, count) in [
        ("dcs_last_objects", record.facts.objects),
        ("dcs_last_bytes", record.facts.bytes),
        ("dcs_last_stored_bytes", record.facts.stored_bytes),
    ] {
        match count {
            Some(count) => families.set(name, &command, count as f64),
            None => families.remove(name, &command),
        }
    }
    for part in parts(record) {
        families.set("dcs_backup_timestamp_seconds", &[("kind", part.as_str())], ended);
    }
    families.clear("dcs_info");
    families.set("dcs_info", &[("version", &record.dcs_version)], 1.0);
    for (name, help) in FAMILIES {
        families.describe(name, help);
    }
}

/// Which parts a run backed up well.
fn parts(record: &RunRecord) -> Vec<BackupKind> {
    let kind = record.command.strip_prefix("backup ");
    let kind = kind.and_then(|kind| BackupKind::ALL.into_iter().find(|known| known.as_str() == kind));
    match kind.filter(|_| record.is_success()) {
        None => Vec::new(),
        Some(BackupKind::Complete) => BackupKind::ALL.to_vec(),
        Some(kind) => vec![kind],
    }
}

/// Writes a run into the file at `path`, beside what it holds of others. Blocks.
pub fn write(path: &Path, record: &RunRecord) -> io::Result<()> {
    update(path, |families| take(families, record))
}

/// Changes the file at `path`: reads it, lets `change` at it, and puts a new one in its place. Blocks.
pub fn update(path: &Path, change: impl FnOnce(&mut Families)) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    // The folder itself is the lock: two runs that end together must not forget each other.
    let _lock = lock(folder)?;
    let mut families = read(path)?;
    change(&mut families);
    let mut file = tempfile::Builder::new().prefix(".dcs-metrics-").tempfile_in(folder)?;
    file.write_all(families.to_string().as_bytes())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(folder),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the file holds; nothing where there is none. Lines that are no metric of dcs are not kept.
fn read(path: &Path) -> io::Result<Families> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(LARGEST).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Families::default()),
        Err(error) => return Err(error),
    };
    Ok(Families::parse(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClockSource, RunFacts, RunId};

    fn record(command: &str, exit_code: u8, second: i64) -> RunRecord {
        let started_at = jiff::Timestamp::from_second(1_700_000_000 + second).unwrap();
        RunRecord {
            format: 1,
            run: RunId::create(),
            command: command.to_owned(),
            arguments: String::new(),
            host: "vps1".to_owned(),
            user: "root".to_owned(),
            dcs_version: "1.0.0".to_owned(),
            started_at,
            finished_at: started_at + jiff::SignedDuration::from_secs(2),
            clock: ClockSource::Store,
            exit_code,
            message: None,
            causes: Vec::new(),
            hints: Vec::new(),
            backup: None,
            facts: RunFacts { objects: (exit_code == 0).then_some(7), ..RunFacts::default() },
            destroyed: None,
        }
    }

    #[test]
    fn attempts_and_successes_are_told_apart_and_other_commands_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dcs.prom");
        write(&path, &record("backup complete", 0, 0)).unwrap();
        write(&path, &record("verify", 0, 10)).unwrap();
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "dcs_locked 0\nnode_load1 3\ngarbage {\n")
            .unwrap();
        write(&path, &record("backup complete", 20, 100)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for line in [
            "dcs_last_attempt_timestamp_seconds{command=\"backup complete\"} 1700000102",
            "dcs_last_success_timestamp_seconds{command=\"backup complete\"} 1700000002",
            "dcs_last_exit_code{command=\"backup complete\"} 20",
            "dcs_last_exit_code{command=\"verify\"} 0",
            "dcs_last_objects{command=\"verify\"} 7",
            "dcs_backup_timestamp_seconds{kind=\"files\"} 1700000002",
            "dcs_locked 0",
            "# TYPE dcs_last_exit_code gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for gone in ["dcs_last_objects{command=\"backup complete\"}", "node_load1", "garbage"] {
            assert!(!text.contains(gone), "{gone}\n{text}");
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, std::fs::read_dir(folder.path()).unwrap().count()), (0o644, 1));
    }

    #[test]
    fn runs_that_end_together_do_not_forget_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dcs.prom");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || write(path, &record(&format!("command {number}"), 0, 0)).unwrap());
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("dcs_last_exit_code{").count(), 16, "{text}");
    }
}
