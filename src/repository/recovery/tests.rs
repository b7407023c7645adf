//! Restores from a published repository with `sh` alone, following RECOVERY.txt as it is written.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use tempfile::TempDir;

use super::*;
use crate::archive::gzip::{self, Level};
use crate::archive::{Codec, sha256, tar};
use crate::model::database::{Fingerprint, ServerInfo};
use crate::model::index::{IndexRow, Piece, SourceName};
use crate::model::manifest::{ConfigComponent, FORMAT, FilesComponent, Origins, Part, Segment, SourceSummary};
use crate::model::{Attributes, BackupId, BucketName, FileKind, Key, Posix, Prefix, Report};
use crate::repository::layout;
use crate::store::memory::MemoryStore;
use crate::store::{GetOptions, ListOptions, Listed, Precondition};

/// A repository being filled by hand, and the backup in it.
struct Fixture {
    repository: Repository,
    rows: Vec<IndexRow>,
    packs: Vec<(String, Vec<u8>)>,
    manifest: Manifest,
}

fn id() -> BackupId {
    "20261120T020000Z-complete-k3x9".parse().unwrap()
}

impl Fixture {
    async fn new() -> Self {
        let (bucket, prefix) = (BucketName::new("vault").unwrap(), Prefix::new("dcs/").unwrap());
        let (repository, _) = Repository::init(Arc::new(MemoryStore::new()), bucket, prefix).await.unwrap();
        let at = "2026-11-20T02:00:00Z".parse().unwrap();
        let manifest = Manifest {
            format: FORMAT,
            id: id(),
            kind: id().kind(),
            host: "atlas".to_owned(),
            dcs_version: "0.1.0".to_owned(),
            started_at: at,
            finished_at: at,
            note: Some("before the\nmove".to_owned()),
            tags: Vec::new(),
            incomplete: false,
            databases: vec![],
            files: None,
            config: None,
            captured: vec![],
            consistency: None,
            report: Report::default(),
            origins: Origins::default(),
        };
        let packs = ["bcdf2345bcdf2345", "ghjk2345ghjk2345"].map(|name| (name.to_owned(), Vec::new()));
        Self { repository, rows: vec![], packs: packs.to_vec(), manifest }
    }

    /// Packs an object in pieces, that lie in the packs in turn.
    fn object(&mut self, key: &str, pieces: &[&[u8]], posix: Option<Posix>) {
        let source = SourceName::new("live", &BucketName::new("books").unwrap());
        let content = pieces.concat();
        let placed = pieces.iter().enumerate().map(|(index, piece)| {
            let entry =
                tar::Entry { name: tar::entry_name("live/books", key), mode: 0o644, uid: 0, gid: 0, mtime_seconds: 1 };
            let size = piece.len() as u64;
            let raw = [&tar::header(&entry, size), *piece, tar::padding(size)].concat();
            let member = gzip::compress_member(&raw, Level::FASTEST);
            let (name, pack) = &mut self.packs[(self.rows.len() + index) % 2];
            let piece = Piece { pack: name.clone(), offset: pack.len() as u64, length: member.len() as u64 };
            pack.extend(member);
            piece
        });
        let pieces = placed.collect();
        self.rows.push(IndexRow {
            source,
            key: Key::new(key).unwrap(),
            size: content.len() as u64,
            etag: "e".to_owned(),
            modified: "2026-11-20T01:00:00Z".parse().unwrap(),
            sha256: sha256(&content),
            attributes: Attributes { content_type: Some("text/plain".to_owned()), posix, ..Attributes::default() },
            pieces,
        });
    }

    async fn put(&self, path: &Key, bytes: Vec<u8>) -> Part {
        let part = Part { path: path.clone(), size: bytes.len() as u64, sha256: sha256(&bytes) };
        self.repository.put(path, bytes.into(), Precondition::Overwrite).await.unwrap();
        part
    }

    async fn artefact(&self, path: &Key, raw: &[u8]) -> Artefact {
        let raw = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(raw))]);
        self.repository.store_artefact(path, raw, Codec::default(), 1).await.unwrap()
    }

    /// Writes packs, index (in two segments) and manifest.
    async fn publish_files(&mut self) {
        self.rows.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut list = String::new();
        for (name, pack) in self.packs.clone() {
            let pack = [pack, gzip::compress_member(&tar::END, Level::FASTEST)].concat();
            let part = self.put(&layout::pack(&name), pack).await;
            let _ = writeln!(list, "{name}\t{}\t{}", part.size, part.sha256);
        }
        let mut segments = Vec::new();
        for rows in self.rows.chunks(self.rows.len().div_ceil(2)) {
            let lines: String = rows.iter().fold(String::new(), |lines, row| lines + &row.to_string() + "\n");
            let member = gzip::compress_member(lines.as_bytes(), Level::default());
            let part = self.put(&layout::index_segment(&sha256(&member)), member).await;
            segments.push(Segment { part, rows: rows.len() as u64, first: None });
        }
        let at = self.manifest.started_at;
        let bytes = self.rows.iter().map(|row| row.size).sum();
        let source = SourceSummary {
            source: self.rows[0].source.clone(),
            prefixes: vec![],
            objects: 1,
            bytes,
            settings: serde_json::Map::new(),
            patterns: crate::model::Patterns::default(),
        };
        self.manifest.files = Some(FilesComponent {
            started_at: at,
            finished_at: at,
            sources: vec![source],
            objects: self.rows.len() as u64,
            bytes,
            vanished: 0,
            segments,
            packs: 2,
            pack_bytes: 0,
            pack_list: self.artefact(&layout::pack_list(&id()), list.as_bytes()).await,
            parent: None,
            effort: crate::model::manifest::Effort::default(),
        });
        self.repository.publish(&self.manifest).await.unwrap();
    }

    /// Fetches the repository as any S3 client does.
    async fn fetch(&self) -> TempDir {
        let folder = TempDir::new().unwrap();
        let Repository { store, bucket, prefix, .. } = &self.repository;
        let listed: Vec<Listed> = store.list(bucket, ListOptions::prefix(prefix)).try_collect().await.unwrap();
        for listed in listed {
            let Listed::Object(info) = listed else { unreachable!("the listing is not delimited") };
            let path = folder.path().join(self.repository.path(&info.key).unwrap().as_str());
            let at = crate::store::Address::new(bucket.clone(), info.key);
            let body = store.get(&at, GetOptions::default()).await.unwrap().body;
            let bytes = body.try_fold(Vec::new(), |all, bytes| async move { Ok([&all[..], &bytes].concat()) });
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes.await.unwrap()).unwrap();
        }
        folder
    }
}

/// Runs the commands of the section whose title begins so.
fn follow(folder: &Path, title: &str) -> Output {
    let text = fs::read_to_string(folder.join(layout::recovery(&id()).as_str())).unwrap();
    let is_title = |line: &str| line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    let lines = text.lines().skip_while(|line| !(is_title(line) && line.contains(title))).skip(1);
    let commands: Vec<&str> =
        lines.take_while(|line| !is_title(line)).filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(!commands.is_empty(), "no section {title:?} in:\n{text}");
    Command::new("sh").arg("-c").arg(commands.join("\n")).current_dir(folder).output().unwrap()
}

fn assert_done(output: &Output) {
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

const HOSTILE: &[&str] = &[
    "plain.txt",
    "with space/and\ttab",
    "new\nline\n",
    "ünï/😀",
    "100%",
    "%41",
    "a+b&c;d|e",
    "quote'\"back\\slash\\n",
    "$HOME`id`",
    "-rf",
    "dots...",
    "*?[x]",
    "\r\u{1}",
];

#[tokio::test]
async fn files_of_every_name_come_back_byte_for_byte() {
    let mut fixture = Fixture::new().await;
    for key in HOSTILE {
        fixture.object(key, &[key.as_bytes()], None);
    }
    let long = vec![7; 100_000];
    fixture.object("large", &[b"begin", &long, b"end"], None);
    fixture.object("empty", &[], None);
    fixture.object("folder/", &[], None);
    fixture.publish_files().await;
    let folder = fixture.fetch().await;

    assert_done(&follow(folder.path(), "Check it"));
    let output = follow(folder.path(), "Restore files");
    assert_done(&output);
    let objects = HOSTILE.len() + 3;
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{objects} objects restored, 0 errors\n"));
    let root = folder.path().join("restored/files/live/books");
    for key in HOSTILE {
        assert_eq!(fs::read(root.join(key)).unwrap(), key.as_bytes(), "{key:?}");
    }
    assert_eq!(fs::read(root.join("large")).unwrap(), [&b"begin"[..], &long, b"end"].concat());
    assert_eq!(fs::read(root.join("empty")).unwrap(), b"");
    assert!(root.join("folder").is_dir());
    assert_eq!(fs::read_dir(folder.path().join("restored/other-keys")).unwrap().count(), 0);
}

#[tokio::test]
async fn keys_that_are_no_paths_stay_below_the_output_under_their_encoded_names() {
    let mut fixture = Fixture::new().await;
    let long = "x".repeat(300) + "/y";
    let keys = ["/lead", "../../escape", "a//b", "a/./b", "..", "c", "c/d", "e//", &long];
    for key in keys {
        fixture.object(key, &[key.as_bytes()], None);
    }
    fixture.publish_files().await;
    let folder = fixture.fetch().await;
    assert_done(&follow(folder.path(), "Restore files"));

    let restored = folder.path().join("restored");
    assert_eq!(fs::read(restored.join("files/live/books/c")).unwrap(), b"c");
    let root = restored.join("other-keys/live/books");
    let other = ["%2Flead=", "..%2F..%2Fescape=", "a%2F%2Fb=", "a%2F.%2Fb=", "..=", "c%2Fd=", "e%2F%2F="];
    for (name, key) in other.iter().zip(keys.iter().filter(|key| **key != "c")) {
        assert_eq!(fs::read(root.join(name)).unwrap(), key.as_bytes(), "{key:?}");
    }
    let cut = root.join("x".repeat(200)).join("x".repeat(100) + "%2Fy=");
    assert_eq!(fs::read(cut).unwrap(), long.as_bytes());
    assert!(!folder.path().join("escape").exists() && !folder.path().parent().unwrap().join("escape").exists());
}

#[tokio::test]
async fn files_of_a_directory_get_their_mode_and_links_and_nothing_is_written_through_a_link() {
    let mut fixture = Fixture::new().await;
    let posix = |kind, mode, target: Option<&str>| {
        let target = target.map(str::to_owned);
        Some(Posix { kind, mode, uid: 1, gid: 1, mtime_nanoseconds: 0, target })
    };
    let outside = TempDir::new().unwrap();
    let outside_path = outside.path().to_str().unwrap();
    fixture.object("run.sh", &[b"#!"], posix(FileKind::File, 0o750, None));
    fixture.object("link to", &[], posix(FileKind::Symlink, 0o777, Some("run.sh")));
    fixture.object("away", &[], posix(FileKind::Symlink, 0o777, Some(outside_path)));
    fixture.object("away/evil", &[b"evil"], None);
    fixture.publish_files().await;
    let folder = fixture.fetch().await;
    assert_done(&follow(folder.path(), "Restore files"));

    let root = folder.path().join("restored/files/live/books");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(root.join("run.sh")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o750);
    assert_eq!(fs::read_link(root.join("link to")).unwrap().to_str(), Some("run.sh"));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_damaged_pack_costs_its_objects_and_is_told() {
    let mut fixture = Fixture::new().await;
    fixture.object("bad", &[&[1; 5000]], None);
    fixture.object("good", &[b"good"], None);
    fixture.publish_files().await;
    let folder = fixture.fetch().await;
    let pack = folder.path().join(layout::pack(&fixture.packs[0].0).as_str());
    let mut bytes = fs::read(&pack).unwrap();
    bytes[40] ^= 1;
    fs::write(&pack, bytes).unwrap();

    assert!(!follow(folder.path(), "Check it").status.success());
    let output = follow(folder.path(), "Restore files");
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("is not what was backed up: ./restored/files/live/books/bad")
    );
    assert_eq!(fs::read(folder.path().join("restored/files/live/books/good")).unwrap(), b"good");
}

#[tokio::test]
async fn a_missing_index_segment_is_told_although_all_that_is_left_is_whole() {
    let mut fixture = Fixture::new().await;
    fixture.object("a", &[b"a"], None);
    fixture.object("b", &[b"b"], None);
    fixture.publish_files().await;
    let folder = fixture.fetch().await;
    let segment = &fixture.manifest.files.as_ref().unwrap().segments[1].part.path;
    fs::remove_file(folder.path().join(segment.as_str())).unwrap();
    let output = follow(folder.path(), "Restore files");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("the backup has 2 objects"));
}

#[tokio::test]
async fn an_sqlite_file_and_the_configuration_come_back() {
    let mut fixture = Fixture::new().await;
    let content = b"SQLite format 3\0 and so on".repeat(10_000);
    let dump = fixture.artefact(&layout::dump(&id(), "dream", Format::Gzip), &content).await;
    // As if it had been cut: any cut of the gzip stream will do.
    let whole = fixture.repository.get(&dump.parts[0].path).await.unwrap().unwrap();
    let cut = whole.len() / 2;
    let first = fixture.put(&layout::dump(&id(), "dream", Format::Gzip), whole[..cut].to_vec()).await;
    let second = Key::new(format!("{}.0001", first.path)).unwrap();
    let second = fixture.put(&second, whole[cut..].to_vec()).await;
    let at = fixture.manifest.started_at;
    fixture.manifest.databases.push(DatabaseComponent {
        name: "dream".to_owned(),
        database: "/srv/dream's own.db".to_owned(),
        server: ServerInfo {
            engine: Engine::Sqlite,
            version: "3.46.0".to_owned(),
            major: 3,
            encoding: "UTF-8".to_owned(),
            size_bytes: 1,
            extensions: vec![],
        },
        started_at: at,
        finished_at: at,
        dump: Artefact { parts: vec![first, second], ..dump },
        properties: None,
        globals: None,
        globals_hold_passwords: false,
        fingerprint: Fingerprint::default(),
        selection: None,
    });
    let entry = tar::Entry { name: "etc/dcs/dcs.toml".to_owned(), mode: 0o600, uid: 0, gid: 0, mtime_seconds: 1 };
    let archive = [&tar::header(&entry, 4), &b"x=1\n"[..], tar::padding(4), &tar::END].concat();
    let archive = fixture.artefact(&layout::config(&id(), Format::Gzip), &archive).await;
    fixture.manifest.config = Some(ConfigComponent { archive, paths: vec!["/etc/dcs".to_owned()], files: 1 });
    fixture.repository.publish(&fixture.manifest).await.unwrap();
    let read: Vec<Bytes> =
        fixture.repository.open_artefact(&fixture.manifest.databases[0].dump).try_collect().await.unwrap();
    assert_eq!(read.concat(), content);

    let folder = fixture.fetch().await;
    for title in ["Check it", "Restore database dream", "Restore configuration"] {
        assert_done(&follow(folder.path(), title));
    }
    assert_eq!(fs::read(folder.path().join("restored/db/dream_s_own.db")).unwrap(), content);
    assert_eq!(fs::read(folder.path().join("restored/config/etc/dcs/dcs.toml")).unwrap(), b"x=1\n");
}

#[tokio::test]
async fn no_name_in_the_text_can_add_a_command() {
    let mut fixture = Fixture::new().await;
    fixture.manifest.host = "atlas\n    rm -rf x".to_owned();
    fixture.manifest.note = Some("\n    touch owned\r\u{1b}[2J".to_owned());
    let text = text(&fixture.repository, &fixture.manifest);
    assert!(!text.lines().any(|line| line.starts_with("    ") && (line.contains("rm -rf") || line.contains("owned"))));
    assert!(!text.contains('\u{1b}') && !text.contains('\r'));
}
