//! Looking into backups through the binary: one object, the names, the difference of two, and all in one archive.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use dcs::archive::Format;
use dcs::model::{Attributes, Prefix};
use dcs::repository::index::read_index;
use dcs::repository::{Repository, layout};
use dcs::store::Precondition;
use futures_util::TryStreamExt;
use small_system::{COVER, COVER_CHANGED, GONE, LARGE, System, read};
use support::scripted_server::{Answer, ScriptedServer, Seen};

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/small_system.rs"]
mod small_system;
mod support;

/// What a run printed, byte for byte.
fn bytes_of(system: &System, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcs"));
    command.args(arguments).current_dir(&system.root).env_clear().stdin(Stdio::null()).env("HOME", &system.root);
    command.env("AWS_ACCESS_KEY_ID", "ACCESS").env("AWS_SECRET_ACCESS_KEY", "hunter2");
    let output = command.output().unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Flips a bit of an object in its pack.
async fn flip(system: &System, id: &dcs::model::BackupId, key: &str) {
    let repository =
        Repository::open(system.vault.clone(), system.buckets.backups.clone(), Prefix::root()).await.unwrap();
    let segments = repository.manifest(id).await.unwrap().files.unwrap().segments;
    let rows: Vec<_> = read_index(&repository, segments).try_collect().await.unwrap();
    let piece = rows.into_iter().find(|row| row.key.as_str() == key).unwrap().pieces.remove(0);
    let path = layout::pack(&piece.pack);
    let mut bytes = read(&system.vault, &system.buckets.backups, path.as_str()).await;
    bytes[usize::try_from(piece.offset + piece.length / 2).unwrap()] ^= 1;
    let at = support::at(&system.buckets.backups, path.as_str());
    system.vault.put(&at, bytes.into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
}

#[tokio::test]
async fn one_object_is_printed_as_it_was_and_a_damaged_one_is_told() {
    let system = System::embedded().await;
    system.add_large().await;
    let id = system.make_backup();
    let live = system.everything().await;
    system.change().await;
    for key in [COVER, GONE, LARGE, "42/book one.epub"] {
        let (code, printed, told) = bytes_of(&system, &["backup", "cat", id.as_str(), &format!("live/books/{key}")]);
        assert_eq!(code, 0, "{told}");
        assert!(printed == live[&format!("books/{key}")], "{key}: {} bytes", printed.len());
    }
    for object in ["live/books/42/cover", "live/books/", "live/other/42/cover.jpg"] {
        let ran = system.run(&["backup", "cat", id.as_str(), object]);
        assert_eq!(ran.code, 10, "{object}: {}", ran.text());
        assert!(
            ran.stderr.contains(object.trim_end_matches('/')) && ran.stderr.contains("dcs backup ls"),
            "{}",
            ran.text()
        );
    }
    for key in [COVER, LARGE] {
        flip(&system, &id, key).await;
        let (code, printed, told) = bytes_of(&system, &["backup", "cat", id.as_str(), &format!("live/books/{key}")]);
        assert_eq!(code, 4, "{told}");
        assert_eq!(printed.is_empty(), key == COVER, "a small one is proven before a byte is printed");
        assert_eq!(told.contains("throw it away"), key == LARGE, "{told}");
    }
}

/// A bucket served over HTTP, to be read and nothing else.
async fn served(system: &System) -> ScriptedServer {
    let mut objects = BTreeMap::new();
    for key in support::keys(&*system.vault, &system.buckets.backups).await {
        let content = read(&system.vault, &system.buckets.backups, &key).await;
        objects.insert(format!("/vault/{key}"), content);
    }
    ScriptedServer::start(move |_, seen: &Seen| {
        let path = seen.target.split('?').next().unwrap_or_default();
        let Some(content) = objects.get(path) else { return Answer::error(404, "NoSuchKey") };
        let range = seen.header("range");
        let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Answer::object(content.clone());
        };
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        let to = to.min(content.len() - 1);
        let told = format!("bytes {from}-{to}/{}", content.len());
        Answer::object(content[from..=to].to_vec()).with_status(206).header("content-range", told)
    })
    .await
}

#[tokio::test]
async fn one_object_takes_four_requests() {
    let system = System::embedded().await;
    let id = system.make_backup();
    let server = served(&system).await;
    let repo = format!("{}/vault", server.endpoint);
    let object = format!("live/books/{COVER}");
    let arguments = ["--repo", &repo, "backup", "cat", id.as_str(), &object].map(str::to_owned);
    let root = system.root.clone();
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcs"));
        command.args(arguments).current_dir(&root).env_clear().stdin(Stdio::null()).env("HOME", &root);
        command.env("AWS_ACCESS_KEY_ID", "ACCESS").env("AWS_SECRET_ACCESS_KEY", "hunter2");
        command.output().unwrap()
    });
    let output = run.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"the cover");
    let targets = server.targets();
    assert_eq!(targets.len(), 4, "{targets:#?}");
    assert!(targets.iter().all(|target| target.starts_with("GET ")), "{targets:#?}");
}

#[tokio::test]
async fn what_is_no_repository_is_said_to_be_none() {
    let system = System::embedded().await;
    let id = system.make_backup();
    for arguments in [["backup", "cat", id.as_str(), "live/books/a"].as_slice(), &["backup", "ls", id.as_str()]] {
        std::fs::rename(system.root.join("vault/backups"), system.root.join("away")).unwrap();
        std::fs::create_dir(system.root.join("vault/backups")).unwrap();
        let ran = system.run(arguments);
        assert_eq!(ran.code, 5, "{}", ran.text());
        assert!(ran.stderr.contains("no dcs repository"), "{}", ran.text());
        std::fs::remove_dir(system.root.join("vault/backups")).unwrap();
        std::fs::rename(system.root.join("away"), system.root.join("vault/backups")).unwrap();
    }
    let ran = system.run(&["backup", "cat", "20200101T000000Z-complete-k3x9", "live/books/a"]);
    assert_eq!(ran.code, 10, "{}", ran.text());
}

#[tokio::test]
async fn names_are_listed_in_order_and_below_a_prefix() {
    let system = System::embedded().await;
    let id = system.make_backup();
    let all = system.succeed(&["backup", "ls", id.as_str()]).stdout;
    let expected =
        format!("live/apps/reader/app.apk\nlive/books/42/book one.epub\nlive/books/{COVER}\nlive/books/{GONE}\n");
    assert_eq!(all, expected);
    let some = system.succeed(&["backup", "ls", "latest", "live/books/42/", "-l"]).stdout;
    assert_eq!(some.lines().count(), 2, "{some}");
    assert!(some.lines().any(|line| line.trim_start().starts_with("9 20") && line.ends_with(COVER)), "{some}");
    let json = system.succeed(&["--json", "backup", "ls", id.as_str(), "live/books"]).stdout;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3, "{json}");
    assert_eq!(rows[1]["key"], COVER);
    assert_eq!(rows[1]["size"], 9);
    for nothing in ["live/books/9", "live/other"] {
        let ran = system.run(&["backup", "ls", id.as_str(), nothing]);
        assert_eq!(ran.code, 10, "{}", ran.text());
        assert!(ran.stderr.contains("live/books"), "{}", ran.text());
    }
}

#[tokio::test]
async fn two_backups_are_compared() {
    let system = System::embedded().await;
    let first = system.make_backup();
    system.change().await;
    let at = support::at(&system.buckets.books, "42/new");
    system.live.put(&at, "new".into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
    let second = system.make_backup();
    let told = system.succeed(&["backup", "diff", first.as_str(), second.as_str()]).stdout;
    let (was, now) = ("the cover".len(), COVER_CHANGED.len());
    assert_eq!(told, format!("~ live/books/{COVER} {was} -> {now}\n+ live/books/42/new 3\n- live/books/{GONE} 35\n"));
    let back = system.succeed(&["--json", "backup", "diff", second.as_str(), first.as_str()]).stdout;
    let rows: serde_json::Value = serde_json::from_str(&back).unwrap();
    let changes: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["changed", "removed", "added"]);
    assert_eq!(rows[0]["size_before"], now);
    assert_eq!(system.succeed(&["backup", "diff", first.as_str(), first.as_str()]).stdout, "");
}

/// The entries of an archive, with their sizes.
fn names(system: &System, archive: &str) -> Vec<String> {
    let ran = Command::new("tar").args(["-tvzf", archive]).current_dir(&system.root).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut lines: Vec<String> = String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    assert!(lines.len() > 6, "{lines:?}");
    lines
}

#[tokio::test]
async fn an_archive_holds_everything_and_is_there_when_it_is_whole() {
    let system = System::embedded().await;
    system.add_large().await;
    std::os::unix::fs::symlink("cover.jpg", system.root.join("live/books/42/link")).unwrap();
    std::fs::create_dir(system.root.join("live/books/empty")).unwrap();
    let id = system.make_backup();
    let live = system.everything().await;
    system.succeed(&["backup", "export", id.as_str(), "all.tar.gz"]);
    let folder = system.root.join("unpacked");
    std::fs::create_dir(&folder).unwrap();
    let untar = |archive: &str| {
        let ran = Command::new("tar").args(["-xzf", archive, "-C"]).arg(&folder).current_dir(&system.root).output();
        let ran = ran.unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    untar("all.tar.gz");
    for key in ["books/42/book one.epub", &format!("books/{COVER}"), &format!("books/{LARGE}"), "apps/reader/app.apk"] {
        assert!(std::fs::read(folder.join("live").join(key)).unwrap() == live[key], "{key}");
    }
    assert_eq!(std::fs::read_link(folder.join("live/books/42/link")).unwrap().to_str(), Some("cover.jpg"));
    assert!(folder.join("live/books/empty").is_dir());
    let own = folder.join(id.as_str());
    assert!(std::fs::read(own.join("db/dream.dump")).unwrap().starts_with(b"SQLite format 3"));
    assert!(own.join("config/config.tar").metadata().unwrap().len() > 0);
    assert!(own.join("manifest.json").exists());

    // Never over what is there, and never half.
    let refused = system.run(&["backup", "export", id.as_str(), "all.tar.gz"]);
    assert_eq!(refused.code, 5, "{}", refused.text());
    let (code, printed, told) = bytes_of(&system, &["backup", "export", id.as_str(), "-"]);
    assert_eq!(code, 0, "{told}");
    std::fs::write(system.root.join("printed.tar.gz"), printed).unwrap();
    // Objects come as they are read, in no order.
    assert_eq!(names(&system, "printed.tar.gz"), names(&system, "all.tar.gz"));
    flip(&system, &id, LARGE).await;
    flip(&system, &id, COVER).await;
    let damaged = system.run(&["backup", "export", id.as_str(), "rest.tar.gz"]);
    assert_eq!(damaged.code, 4, "{}", damaged.text());
    assert!(damaged.stderr.contains(COVER) && damaged.stderr.contains(LARGE), "{}", damaged.text());
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    untar("rest.tar.gz");
    assert!(folder.join("live/books/42/book one.epub").exists() && !folder.join("live/books").join(COVER).exists());

    let dump = layout::dump(&id, "dream", Format::Gzip);
    system.vault.delete(&support::at(&system.buckets.backups, dump.as_str())).await.unwrap();
    let failed = system.run(&["backup", "export", id.as_str(), "none.tar.gz"]);
    assert_eq!(failed.code, 4, "{}", failed.text());
    let left = small_system::names_in(&system.root);
    assert!(!left.iter().any(|name| name.starts_with("none") || name.starts_with(".dcs-export")), "{left:?}");
}
