//! This machine: room for what is spooled, and the programs that a restore without dcs needs.

use std::path::{Path, PathBuf};

use super::{Area, Finding};
use crate::model::format;

/// What dcs uses of it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub state_dir: Option<PathBuf>,
    /// Where spooled files go, with or without a state directory.
    pub spool: PathBuf,
    pub search_path: Vec<PathBuf>,
    /// Whether backups are compressed by zstd.
    pub needs_zstd: bool,
}

/// Less than this is no room.
const LITTLE: u64 = 1 << 30;

pub fn examine(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![state_dir(machine)];
    let mut wanted = vec!["sh", "awk", "tail", "head", "tar", "gzip", "sha256sum"];
    wanted.extend(machine.needs_zstd.then_some("zstd"));
    let is_there = |name: &str| machine.search_path.iter().any(|folder| folder.join(name).is_file());
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !is_there(name)).collect();
    let subject = "restore without dcs";
    findings.push(if missing.is_empty() {
        Finding::ok(Area::Machine, subject, "the programs that RECOVERY.txt uses are here")
    } else {
        let next = "Install them, or restore with dcs.";
        Finding::warning(Area::Machine, subject, format!("not on this machine: {}", missing.join(", ")), next)
    });
    findings
}

fn state_dir(machine: &Machine) -> Finding {
    let folder = machine.state_dir.as_ref().unwrap_or(&machine.spool);
    let subject = format!("state_dir {}", folder.display());
    let next = "Set `state_dir` to a folder that dcs may write to, on a disk with room.";
    // What is made of it on the first run is not there before.
    let Some(there) = folder.ancestors().find(|path| path.is_dir()) else {
        return Finding::failed(Area::Machine, subject, "it is on no disk", next);
    };
    if let Err(error) = write(there) {
        return Finding::failed(Area::Machine, subject, format!("cannot be written to: {error}"), next);
    }
    let free = rustix::fs::statvfs(there).map(|room| room.f_bavail.saturating_mul(room.f_frsize));
    let free = free.unwrap_or_default();
    let found = format!("can be written to, {} are free", format::bytes(free));
    if free < LITTLE {
        return Finding::warning(Area::Machine, subject, found, "Make room, or choose another disk.");
    }
    if machine.state_dir.is_none() {
        let found = format!("not set: {found} where files are spooled");
        return Finding::warning(Area::Machine, subject, found, "Set `state_dir`: records of runs wait there too.");
    }
    Finding::ok(Area::Machine, subject, found)
}

/// A file without a name: nothing stays, however this ends.
fn write(folder: &Path) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(b"dcs doctor")
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_and_programs_that_are_missing_are_told() {
        let home = tempfile::tempdir().unwrap();
        let state_dir = home.path().join("not/yet");
        let machine = Machine {
            state_dir: Some(state_dir.clone()),
            spool: state_dir.join("spool"),
            search_path: Vec::new(),
            needs_zstd: true,
        };
        let findings = examine(&machine);
        assert_eq!(findings[1].health, Health::Warning);
        assert!(findings[1].found.contains("tar") && findings[1].found.contains("zstd"), "{findings:?}");
        assert!(!state_dir.exists(), "a look makes nothing");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
