//! Every backup restored twice: by the binary, and by what its RECOVERY.txt says.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dcs::model::{BackupId, Key, Manifest};

use crate::damage::rows;
use crate::history::{History, State};

impl History {
    /// Restores every listed backup from a copy of the repository in a folder.
    pub async fn restore_all(&mut self) {
        let copy = self.copy().await;
        let repository = self.world.sound().await.repository;
        for manifest in self.world.backups().await {
            // Places that may be missing, each for the damage of a pack that nobody could heal.
            let rows = rows(&repository, &manifest).await.into_iter().filter(|row| self.lost.may_lack(row));
            let excused: BTreeSet<String> = rows.map(|row| format!("{}/{}", row.source.bucket(), row.key)).collect();
            let expected = &self.expected[&manifest.id];
            self.by_dcs(&copy, &manifest, expected, &excused);
            self.by_hand(&copy, &manifest.id, expected, &excused);
        }
        fs::remove_dir_all(&copy).unwrap();
    }

    /// The repository as files.
    async fn copy(&self) -> PathBuf {
        let folder = self.folder.path().join("vault");
        let repository = self.world.sound().await.repository;
        for name in self.world.names("").await {
            let path = folder.join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, repository.get(&Key::new(name).unwrap()).await.unwrap().unwrap()).unwrap();
        }
        folder
    }

    fn by_dcs(&self, copy: &Path, manifest: &Manifest, expected: &State, excused: &BTreeSet<String>) {
        let target = self.folder.path().join("restored");
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcs"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.folder.path());
        command.env("TMPDIR", self.folder.path()).current_dir(self.folder.path());
        command.arg("--repo").arg(copy).args(["restore-files", manifest.id.as_str(), "--yes", "--skip-damaged"]);
        let output = command.arg("--store").arg(format!("live={}", target.display())).output().unwrap();
        let missing = self.compare(&read(&target), expected, excused, &manifest.id, &output);
        let code = output.status.code();
        if missing.is_empty() {
            // Damage that cost nothing may be told, where there is some.
            assert!(
                code == Some(0) || (code == Some(4) && !excused.is_empty()),
                "{}",
                self.told(&manifest.id, &output)
            );
        } else {
            assert_eq!(code, Some(4), "{}", self.told(&manifest.id, &output));
            let said = String::from_utf8_lossy(&output.stderr);
            let unnamed: Vec<_> = missing.iter().filter(|place| !said.contains(place.as_str())).collect();
            assert!(unnamed.is_empty(), "{unnamed:?} not named\n{}", self.told(&manifest.id, &output));
        }
        fs::remove_dir_all(&target).ok();
    }

    fn by_hand(&self, copy: &Path, id: &BackupId, expected: &State, excused: &BTreeSet<String>) {
        let text = fs::read_to_string(copy.join(format!("backups/{id}/RECOVERY.txt"))).unwrap();
        let section = text.split(". Restore files\n").nth(1).unwrap();
        let commands: Vec<&str> = section
            .lines()
            .take_while(|line| line.split_once(". ").is_none_or(|(number, _)| number.parse::<u32>().is_err()))
            .filter_map(|line| line.strip_prefix("    "))
            .collect();
        let mut command = Command::new("sh");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        let output = command.arg("-c").arg(commands.join("\n")).current_dir(copy).output().unwrap();
        let target = copy.join("restored");
        let mut found = read(&target.join("files/live"));
        // What is not right is said, and is as good as missing.
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            if let Some(place) = line.strip_prefix("is not what was backed up: ./restored/files/live/") {
                found.remove(place);
            }
        }
        let missing = self.compare(&found, expected, excused, id, &output);
        assert_eq!(output.status.success(), missing.is_empty(), "{}", self.told(id, &output));
        fs::remove_dir_all(target).ok();
    }

    /// Whatever is there is right; answers what is not there, and may be so.
    fn compare(
        &self,
        found: &State,
        expected: &State,
        excused: &BTreeSet<String>,
        id: &BackupId,
        output: &Output,
    ) -> Vec<String> {
        for (place, content) in found {
            let right = expected.get(place).is_some_and(|expected| expected == content);
            assert!(right, "{place} is not what it was\n{}", self.told(id, output));
        }
        let missing: Vec<String> = expected.keys().filter(|place| !found.contains_key(*place)).cloned().collect();
        for place in &missing {
            assert!(excused.contains(place), "{place} is missing\n{}", self.told(id, output));
        }
        missing
    }

    fn told(&self, id: &BackupId, output: &Output) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        format!("backup {id} of {}\n{:?}\n{stdout}\n{stderr}", self.story(), output.status)
    }
}

/// All files below a folder, by path.
fn read(root: &Path) -> State {
    let (mut folders, mut found) = (vec![root.to_owned()], State::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                // What the store keeps beside the buckets is none of their objects.
                if name.starts_with("books/") || name.starts_with("apps/") {
                    found.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}
