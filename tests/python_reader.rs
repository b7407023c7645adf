//! The page of the format is enough to write another reader: `reader.py` was written from it alone, and restores what dcs
//! backed up to the last byte.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;
use cli::Dcs;
use dcs::model::{Attributes, IndexRow, percent};
use dcs::store::dir::DirectoryStore;
use dcs::store::{ObjectStore, Precondition};
use tempfile::TempDir;

#[path = "support/cli.rs"]
mod cli;
mod support;

const KEYS: &[&str] = &[
    "plain.txt",
    "with space/and\ttab",
    "new\nline\n",
    "ünï/😀",
    "100%",
    "%41",
    "a+b&c",
    "-",
    "c",
    "c/d",
    "a//b",
    "x/../y",
];

/// Contents by source and key, as in `live/books/plain.txt`.
type Contents = BTreeMap<String, Vec<u8>>;

/// A live system of two buckets, backed up once.
struct Backup {
    folder: TempDir,
    live: Contents,
    /// The folder of the repository.
    repository: PathBuf,
    id: String,
}

impl Backup {
    async fn make(objects: &[(&str, Vec<u8>)]) -> Self {
        let folder = support::folder();
        let at = |name: &str| folder.path().join(name);
        for name in ["live/books", "live/covers", "vault"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        let store = DirectoryStore::open(at("live")).unwrap();
        let mut live = Contents::new();
        for (name, content) in objects {
            let (bucket, key) = name.strip_prefix("live/").unwrap().split_once('/').unwrap();
            let to = support::at(&support::bucket(bucket), key);
            let body = Bytes::from(content.clone());
            store.put(&to, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
            live.insert((*name).to_owned(), content.clone());
        }
        let script = at("live/covers/make.sh");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o751)).unwrap();
        live.insert("live/covers/make.sh".to_owned(), b"#!/bin/sh\n".to_vec());
        symlink("make.sh", at("live/covers/link")).unwrap();
        fs::create_dir(at("live/covers/empty")).unwrap();
        let settings = format!(
            "[stores.live]\npath = '{0}/live'\n[stores.vault]\npath = '{0}/vault'\n\
             [backup]\nstore = 'vault'\nbucket = 'backups'\nfiles = ['live/*']\n",
            folder.path().display()
        );
        fs::write(at("dcs.toml"), settings).unwrap();
        Dcs::new(folder.path()).run(&["init"]).ok();
        Dcs::new(folder.path()).run(&["backup", "files"]).ok();
        let repository = at("vault/backups");
        let id = fs::read_dir(repository.join("backups")).unwrap().next().unwrap().unwrap().file_name();
        Self { live, repository, id: id.into_string().unwrap(), folder }
    }

    fn read(&self, out: &str) -> (Output, PathBuf) {
        let out = self.folder.path().join(out);
        (read(&self.repository, &self.id, &out), out)
    }

    /// The row of an object in a backup of few objects.
    fn row(&self, source: &str, key: &str) -> IndexRow {
        let segments = files(&self.repository.join("indexes"));
        let text = Command::new("gzip").arg("-dc").args(&segments).output().unwrap().stdout;
        let rows = String::from_utf8(text).unwrap();
        let rows = rows.lines().map(|line| line.parse::<IndexRow>().unwrap());
        rows.into_iter().find(|row| (row.source.as_str(), row.key.as_str()) == (source, key)).unwrap()
    }
}

fn read(repository: &Path, id: &str, out: &Path) -> Output {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader.py");
    Command::new("python3").arg(reader).arg(repository).arg(id).arg(out).output().unwrap()
}

/// All plain files below a folder.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                found.push(path);
            }
        }
    }
    found
}

/// What the reader restored, by source and key.
fn restored(out: &Path) -> Contents {
    let stores =
        fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("artefacts"));
    let found = stores.flat_map(|store| files(&store)).map(|path| {
        let name = path.strip_prefix(out).unwrap().to_str().unwrap();
        let (store, rest) = name.split_once('/').unwrap();
        let (bucket, encoded) = rest.split_once('/').unwrap();
        let key = percent::decode(encoded.replace('/', "").strip_suffix('=').unwrap()).unwrap();
        (format!("{store}/{bucket}/{key}"), fs::read(&path).unwrap())
    });
    found.collect()
}

fn assert_same(found: &Contents, expected: &Contents) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, content) in expected {
        assert!(found[key] == *content, "{key:?} has other bytes");
    }
}

/// Every field of a JSON value, but for the names that people gave to stores and databases.
fn fields(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                found.insert(name.clone());
                let by_name = name == "stores" || (name == "databases" && value.is_object());
                let values = value.as_object().filter(|_| by_name).map(|named| named.values().collect::<Vec<_>>());
                values.unwrap_or_else(|| vec![value]).into_iter().for_each(|value| fields(value, found));
            }
        }
        _ => {}
    }
}

#[test]
fn the_page_names_every_field_of_a_manifest() {
    let folder = support::folder();
    for name in ["live/books", "vault", "etc"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("live/books/a"), "a").unwrap();
    let settings = format!(
        "[stores.live]\npath = '{0}/live'\n[stores.vault]\npath = '{0}/vault'\n[databases.dream]\nurl = 'sqlite:{0}/dream'\n\
         [backup]\nstore = 'vault'\nbucket = 'backups'\nfiles = ['live/*']\ndatabases = ['dream']\ninclude = ['**']\nexclude = ['**.tmp']\nconfig = ['{0}/etc']\n\
         capture = ['echo yes', 'false']\n",
        folder.path().display()
    );
    fs::write(folder.path().join("dcs.toml"), settings).unwrap();
    let database = rusqlite::Connection::open(folder.path().join("dream")).unwrap();
    database.execute_batch("CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT)").unwrap();
    let dcs = Dcs::new(folder.path());
    dcs.run(&["init"]).ok();
    // What a command of `capture` fails with is a problem, which has fields of its own; the second has a parent.
    for _ in 0..2 {
        assert_eq!(dcs.run(&["backup", "complete", "--note", "x"]).code, Some(3));
    }
    let mut found = BTreeSet::new();
    for path in files(&folder.path().join("vault/backups")).iter().filter(|path| path.ends_with("manifest.json")) {
        fields(&serde_json::from_slice(&fs::read(path).unwrap()).unwrap(), &mut found);
    }
    for name in ["parent", "include", "exclude", "first", "problems", "reason", "output", "raw_sha256", "sequences"] {
        assert!(found.contains(name), "{name}: {found:?}");
    }
    let page = include_str!("../man/dcs-repository.7").replace("\\-", "-");
    let words: BTreeSet<&str> =
        page.split(|character: char| !(character.is_alphanumeric() || character == '_')).collect();
    let missing: Vec<_> = found.iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Objects of every size that is packed in a way of its own, and of every name.
fn objects() -> Vec<(String, Vec<u8>)> {
    let numbers = |count: u32| (0..count).flat_map(|number| (number / 5).to_le_bytes()).collect::<Vec<u8>>();
    let mut objects: Vec<(String, Vec<u8>)> =
        KEYS.iter().map(|key| (format!("live/books/{key}"), format!("{key} has contents").repeat(9).into())).collect();
    objects.push(("live/books/empty".to_owned(), Vec::new()));
    objects.push((format!("live/books/{}", "long/".repeat(150)), b"a name too long for a header of tar".to_vec()));
    objects.push(("live/books/five-mebibytes".to_owned(), numbers(5 << 18)));
    objects.push(("live/covers/noise.jpg".to_owned(), support::noise(70_001)));
    objects.push(("live/covers/two-pieces".to_owned(), numbers((16 << 20) + 1234)));
    objects
}

#[tokio::test]
async fn objects_of_every_size_and_name_come_back_byte_for_byte() {
    if !support::has_tool("python3") {
        return;
    }
    let objects = objects();
    let objects: Vec<(&str, Vec<u8>)> = objects.iter().map(|(key, content)| (key.as_str(), content.clone())).collect();
    let backup = Backup::make(&objects).await;
    assert!(backup.row("live/covers", "two-pieces").pieces.len() == 2);
    let (output, out) = backup.read("out");
    assert_done(&output);
    assert_same(&restored(&out), &backup.live);

    let covers = out.join("live/covers");
    let (found, live) = (covers.join("make.sh="), backup.folder.path().join("live/covers/make.sh"));
    let facts =
        |path: &Path| fs::metadata(path).map(|facts| (facts.mode(), facts.mtime(), facts.mtime_nsec())).unwrap();
    assert_eq!(facts(&found), facts(&live));
    assert_eq!(fs::read_link(covers.join("link=")).unwrap(), Path::new("make.sh"));
    assert!(covers.join("empty%2F=").is_dir());
}

#[test]
fn a_backup_of_the_first_version_comes_back_byte_for_byte() {
    if !support::has_tool("python3") {
        return;
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1");
    let folder = support::folder();
    let out = folder.path().join("out");
    assert_done(&read(&fixture.join("dcs-backups"), "20261121T130830Z-complete-pvbv", &out));
    let found = restored(&out);
    let sums = fs::read_to_string(fixture.join("SHA256SUMS")).unwrap();
    for line in sums.lines() {
        let (sum, path) = line.split_once("  ").unwrap();
        assert_eq!(dcs::archive::sha256(&found[&format!("live/{path}")]).to_string(), sum, "{path}");
    }
    assert_eq!(found.len(), sums.lines().count());
    let database = rusqlite::Connection::open(out.join("artefacts/dream.dump.gz")).unwrap();
    let count: i64 = database.query_row("SELECT count(*) FROM books", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 30);
}

#[tokio::test]
async fn damage_is_named_and_what_replaces_it_is_read() {
    if !support::has_tool("python3") {
        return;
    }
    let text = |text: &str| text.repeat(500).into_bytes();
    let backup = Backup::make(&[("live/books/bad", text("this one")), ("live/books/good", text("another"))]).await;
    let row = backup.row("live/books", "bad");
    let pack = files(&backup.repository.join("packs")).pop().unwrap();
    let whole = fs::read(&pack).unwrap();
    let mut damaged = whole.clone();
    damaged[usize::try_from(row.pieces[0].offset + row.pieces[0].length / 2).unwrap()] ^= 4;
    fs::write(&pack, damaged).unwrap();

    let (output, out) = backup.read("damaged");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("live/books/'bad': ") && told.lines().count() == 1, "{told}");
    assert_eq!(restored(&out)["live/books/good"], backup.live["live/books/good"]);

    // The same bytes again, in another pack; a mark without a replacement, and one of other content, say nothing of it.
    let name = &row.pieces[0].pack;
    let other = "bcdf2345bcdf2345bcdf2345";
    let to = backup.repository.join("packs/bc").join(pack.file_name().unwrap().to_str().unwrap().replace(name, other));
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(to, whole).unwrap();
    let folder = backup.repository.join("damaged").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mark.tsv"), "").unwrap();
    let good = backup.row("live/books", "good");
    let line = |row: &IndexRow| {
        let piece = &row.pieces[0];
        format!("{}\t{}\t{other}:{}:{}\n", row.sha256, row.size, piece.offset, piece.length)
    };
    fs::write(folder.join("k3x9k3x9.tsv"), line(&good)).unwrap();
    assert_eq!(backup.read("not-replaced").0.status.code(), Some(1));
    // Stored again in a pack that is gone, and then once more.
    let lost = "zzzz2345zzzz2345zzzz2345";
    fs::write(folder.join("m4w8m4w8.tsv"), line(&good) + &line(&row).replace(other, lost)).unwrap();
    let folder = backup.repository.join("damaged").join(lost);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("n2r5n2r5.tsv"), line(&row)).unwrap();
    let (output, out) = backup.read("replaced");
    assert_done(&output);
    assert_same(&restored(&out), &backup.live);
}
