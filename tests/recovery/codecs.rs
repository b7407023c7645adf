//! A repository whose backups are compressed in one way and another: every backup comes back, by dcs and without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

use crate::{Contents, assert_same, dcs, files, follow, restored, sections_of, support};

struct System {
    folder: tempfile::TempDir,
}

impl System {
    fn make() -> Self {
        let folder = support::folder();
        for name in ["live/books", "vault", "etc"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let settings = format!(
            "[stores.live]\npath = '{0}/live'\n[stores.vault]\npath = '{0}/vault'\n\
             [databases.dream]\nurl = 'sqlite:{0}/dream.db'\n[backup]\nstore = 'vault'\nbucket = 'backups'\n\
             databases = ['dream']\nfiles = ['live/*']\nconfig = ['{0}/etc']\ncompression = 'zstd:5'\n",
            folder.path().display()
        );
        fs::write(folder.path().join("dcs.toml"), settings).unwrap();
        fs::write(folder.path().join("etc/compose.yaml"), "services: {}\n").unwrap();
        let database = Connection::open(folder.path().join("dream.db")).unwrap();
        database.execute_batch("CREATE TABLE books (id INTEGER); INSERT INTO books VALUES (1)").unwrap();
        let system = Self { folder };
        system.dcs(&["init"]);
        system
    }

    fn dcs(&self, arguments: &[&str]) {
        dcs(self.folder.path(), &[], arguments);
    }

    fn put(&self, key: &str, content: &[u8]) {
        fs::write(self.folder.path().join("live/books").join(key), content).unwrap();
    }

    fn live(&self) -> Contents {
        files(&self.folder.path().join("live/books")).into_iter().collect()
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("vault/backups")
    }

    /// The folder of the newest backup.
    fn newest(&self) -> PathBuf {
        fs::read_dir(self.repository().join("backups")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap()
    }
}

/// The packs, by their paths, that the index of a backup needs.
fn packs(backup: &Path) -> Vec<String> {
    let list = fs::read_to_string(backup.join("PACKS.SHA256SUMS")).unwrap();
    list.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect()
}

fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn backups_of_every_codec_in_one_repository_come_back_by_dcs_and_with_sh_alone() {
    if !support::has_tool("zstd") {
        return;
    }
    let system = System::make();
    let large: Vec<u8> = (0..2_000_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
    system.put("large", &large);
    system.put("cover.jpg", &support::noise(50_000));
    system.put("small", &b"small ".repeat(100));
    system.put("empty", b"");

    // 1. By the configuration: zstd, which tar reads.
    system.dcs(&["backup", "complete"]);
    let first = (system.newest(), system.live());
    let names: Vec<_> = files(&first.0).into_iter().map(|(name, _)| name).collect();
    for name in ["db/dream.dump.zst", "config/config.tar.zst", "packs.tsv.gz", "PACKS.SHA256SUMS"] {
        assert!(names.iter().any(|found| found == name), "{name} of {names:?}");
    }
    let [pack] = &packs(&first.0)[..] else { panic!("one pack") };
    let mut listed: Vec<String> =
        sh(&system.repository(), &format!("tar --zstd -tf {pack}")).lines().map(str::to_owned).collect();
    listed.sort();
    assert_eq!(listed, ["live/books/cover.jpg", "live/books/large", "live/books/small"]);

    // 2. By the command line: gzip for what is new; what is not stays where it lies. 3. And back.
    system.put("second", &b"second ".repeat(100));
    system.dcs(&["backup", "complete", "--compression", "gzip:9"]);
    let second = (system.newest(), system.live());
    system.put("third", &b"third ".repeat(100));
    system.put("small", b"changed");
    system.dcs(&["backup", "complete", "--compression", "zstd"]);
    let third = (system.newest(), system.live());
    let count = |extension: &str| packs(&third.0).iter().filter(|pack| pack.ends_with(extension)).count();
    assert_eq!((count(".tar.zst"), count(".tar.gz")), (2, 1));

    system.dcs(&["verify", "all", "--level", "contents"]);
    for (number, (backup, expected)) in [first, second, third].into_iter().enumerate() {
        // By dcs, to an empty place.
        let id = backup.file_name().unwrap().to_str().unwrap();
        let to = system.folder.path().join(format!("to-{number}"));
        let (store, url) = (format!("live={}", to.display()), format!("dream=sqlite:{}/dream.db", to.display()));
        fs::create_dir(&to).unwrap();
        system.dcs(&["restore-complete", id, "--store", &store, "--database", &url, "--yes"]);
        assert_same(&files(&to.join("books")).into_iter().collect(), &expected);
        // By RECOVERY.txt.
        fs::remove_dir_all(system.repository().join("restored")).ok();
        follow(&system.repository(), sections_of(&backup), &[]);
        assert_same(&restored(&system.repository(), "live/books"), &expected);
        for database in [to.join("dream.db"), system.repository().join("restored/db/dream.db")] {
            let rows: i64 =
                Connection::open(database).unwrap().query_row("SELECT id FROM books", [], |row| row.get(0)).unwrap();
            assert_eq!(rows, 1);
        }
        let out = system.folder.path().join(format!("read-{number}"));
        let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader.py");
        if support::has_tool("python3") {
            sh(&system.repository(), &format!("python3 {reader} . {id} {}", out.display()));
        }
    }
}

#[test]
fn a_codec_that_there_is_not_is_a_usage_error() {
    let system = System::make();
    for (environment, arguments) in [(None, ["--compression", "zstd:20"]), (Some("lz4"), ["--note", "x"])] {
        let output = Command::new(env!("CARGO_BIN_EXE_dcs"))
            .args(["backup", "files"])
            .args(arguments)
            .envs(environment.map(|value| ("DCS_COMPRESSION", value)))
            .current_dir(system.folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("gzip:1 to gzip:9, zstd:1 to zstd:19, none"), "{told}");
    }
}

#[test]
fn what_lay_in_a_lost_pack_of_zstd_is_stored_again_and_found_by_every_reader() {
    if !support::has_tool("zstd") {
        return;
    }
    let system = System::make();
    let large: Vec<u8> = (0..2_000_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
    system.put("large", &large);
    system.put("small", &b"small ".repeat(100));
    system.dcs(&["backup", "files"]);
    let (backup, expected) = (system.newest(), system.live());
    let [pack] = &packs(&backup)[..] else { panic!("one pack") };
    fs::remove_file(system.repository().join(pack)).unwrap();

    // In the other codec, which is none of the business of what it replaces.
    system.dcs(&["backup", "files", "--compression", "gzip"]);
    let id = backup.file_name().unwrap().to_str().unwrap();
    let to = system.folder.path().join("to");
    fs::create_dir(&to).unwrap();
    system.dcs(&["restore-files", id, "--store", &format!("live={}", to.display()), "--yes"]);
    assert_same(&files(&to.join("books")).into_iter().collect(), &expected);
    let mut sections = sections_of(&backup);
    sections.retain(|(title, _)| title == "Restore files");
    follow(&system.repository(), sections, &[]);
    assert_same(&restored(&system.repository(), "live/books"), &expected);
    if support::has_tool("python3") {
        let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader.py");
        sh(&system.repository(), &format!("python3 {reader} . {id} ../read"));
    }
}
