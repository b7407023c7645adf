use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;
use crate::model::{FileKind, Posix};

/// A store that dcs did not make, with one bucket, as a user's folder is.
struct Fixture {
    _folder: TempDir,
    root: PathBuf,
    bucket: BucketName,
    store: DirectoryStore,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("bucket")).unwrap();
        let store = DirectoryStore::open(root.clone()).unwrap();
        Self { _folder: folder, root, bucket: BucketName::new("bucket").unwrap(), store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join("bucket").join(name)
    }

    fn at(&self, key: &str) -> Address {
        Address::new(self.bucket.clone(), Key::new(key).unwrap())
    }

    async fn put(&self, key: &str, body: &str, attributes: &Attributes) -> Result<Stored> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.store.put(&self.at(key), body, attributes, Precondition::Overwrite).await
    }

    async fn read(&self, key: &str) -> Result<String> {
        let object = self.store.get(&self.at(key), GetOptions::default()).await?;
        let chunks: Vec<Bytes> = object.body.try_collect().await?;
        Ok(String::from_utf8(chunks.concat()).unwrap())
    }

    async fn list(&self) -> Vec<Result<String>> {
        let lines = self.store.list(&self.bucket, ListOptions::default());
        let key = |line| match line {
            Listed::Object(info) => info.key.to_string(),
            Listed::Prefix(prefix) => prefix.to_string(),
        };
        lines.map(|line| line.map(key)).collect().await
    }

    async fn keys(&self) -> Vec<String> {
        self.list().await.into_iter().map(Result::unwrap).collect()
    }
}

fn posix(kind: FileKind, target: Option<&str>) -> Posix {
    let target = target.map(str::to_owned);
    Posix { kind, mode: 0o640, uid: 1234, gid: 2345, mtime_nanoseconds: 1_234_567_890_123_456_789, target }
}

fn with_posix(posix: Posix) -> Attributes {
    Attributes { posix: Some(posix), ..Attributes::default() }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[tokio::test]
async fn plain_files_are_objects_with_their_mode_owner_and_time() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("folder")).unwrap();
    fs::write(fixture.path("folder/file"), "text").unwrap();
    fs::set_permissions(fixture.path("folder/file"), Permissions::from_mode(0o4751)).unwrap();
    assert_eq!(fixture.keys().await, ["folder/file"]);
    let head = fixture.store.head(&fixture.at("folder/file")).await.unwrap();
    let metadata = fs::metadata(fixture.path("folder/file")).unwrap();
    let posix = head.attributes.posix.unwrap();
    assert_eq!(
        (posix.kind, posix.mode, posix.uid, posix.gid),
        (FileKind::File, 0o4751, metadata.uid(), metadata.gid())
    );
    assert_eq!(posix.mtime_nanoseconds, metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec());
    assert!(!fixture.root.join(".dcs").exists(), "reading must write nothing");
}

#[tokio::test]
async fn mode_owner_and_time_come_back_as_they_were_put() {
    let fixture = Fixture::new();
    let wanted = posix(FileKind::File, None);
    let stored = fixture.put("file", "text", &with_posix(wanted.clone())).await.unwrap();
    let head = fixture.store.head(&fixture.at("file")).await.unwrap();
    assert_eq!(head.etag, stored.etag);
    let posix = head.attributes.posix.unwrap();
    assert_eq!((posix.mode, posix.mtime_nanoseconds), (wanted.mode, wanted.mtime_nanoseconds));
    if is_root() {
        assert_eq!(posix, wanted);
    }
    fixture.store.copy(&fixture.at("file"), &fixture.at("copy"), None).await.unwrap();
    assert_eq!(fixture.store.head(&fixture.at("copy")).await.unwrap().attributes.posix.unwrap(), posix);
}

#[tokio::test]
async fn links_and_empty_folders_come_back_as_they_were_put() {
    let fixture = Fixture::new();
    let link = posix(FileKind::Symlink, Some("../elsewhere"));
    fixture.put("folder/link", "", &with_posix(link.clone())).await.unwrap();
    let folder = posix(FileKind::Folder, None);
    fixture.put("empty/", "", &with_posix(folder.clone())).await.unwrap();
    assert_eq!(fixture.keys().await, ["empty/", "folder/link"]);
    assert_eq!(fs::read_link(fixture.path("folder/link")).unwrap(), Path::new("../elsewhere"));
    assert!(fixture.path("empty").is_dir());
    fixture.store.copy(&fixture.at("folder/link"), &fixture.at("other"), None).await.unwrap();
    fixture.store.copy(&fixture.at("empty/"), &fixture.at("other folder/"), None).await.unwrap();
    for (key, wanted) in [("folder/link", &link), ("other", &link), ("empty/", &folder), ("other folder/", &folder)] {
        let head = fixture.store.head(&fixture.at(key)).await.unwrap();
        let posix = head.attributes.posix.unwrap();
        assert_eq!((posix.kind, &posix.target), (wanted.kind, &wanted.target), "{key}");
        assert_eq!(posix.mtime_nanoseconds, wanted.mtime_nanoseconds, "{key}");
        assert_eq!((head.size, fixture.read(key).await.unwrap()), (0, String::new()), "{key}");
    }
    for key in fixture.keys().await {
        fixture.store.delete(&fixture.at(&key)).await.unwrap();
    }
    assert!(fs::read_dir(fixture.path("")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_link_is_never_followed_out_of_the_bucket() {
    let fixture = Fixture::new();
    let outside = fixture.root.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, fixture.path("link")).unwrap();
    symlink(outside.join("secret"), fixture.path("file")).unwrap();
    assert_eq!(fixture.keys().await, ["file", "link"]);
    assert_eq!(fixture.read("link/secret").await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(fixture.read("file").await.unwrap(), "");
    fixture.put("link/new", "new", &Attributes::default()).await.unwrap();
    fixture.put("file", "new", &Attributes::default()).await.unwrap();
    fixture.store.delete(&fixture.at("link/secret")).await.unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(fixture.keys().await, ["file", "link", "link/new"]);
    let link = fixture.store.head(&fixture.at("link")).await.unwrap();
    assert_eq!(link.attributes.posix.unwrap().target.as_deref(), outside.to_str());
}

#[tokio::test]
async fn pipes_are_left_out_and_never_waited_for() {
    let fixture = Fixture::new();
    mknodat(CWD, fixture.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::write(fixture.path("file"), "text").unwrap();
    assert_eq!(fixture.keys().await, ["file"]);
    assert_eq!(fixture.read("pipe").await.unwrap_err().kind, ErrorKind::NotFound);
    let put = fixture.put("pipe/below", "text", &Attributes::default()).await;
    assert_eq!(put.unwrap_err().kind, ErrorKind::Unaddressable);
    assert!(fixture.path("pipe").exists());
}

#[tokio::test]
async fn a_name_without_a_key_is_an_error_and_the_listing_goes_on() {
    let fixture = Fixture::new();
    fs::write(fixture.path("").join(OsStr::from_bytes(b"b\xff")), "text").unwrap();
    let mut deep = fixture.path("");
    for _ in 0..5 {
        deep.push("d".repeat(250));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), "text").unwrap();
    fs::write(fixture.path("a"), "text").unwrap();
    fs::write(fixture.path("z"), "text").unwrap();
    let (keys, errors): (Vec<_>, Vec<_>) = fixture.list().await.into_iter().partition(Result::is_ok);
    assert_eq!(keys.into_iter().map(Result::unwrap).collect::<Vec<_>>(), ["a", "z"]);
    let errors: Vec<StoreError> = errors.into_iter().map(Result::unwrap_err).collect();
    assert!(errors.iter().all(|error| error.kind == ErrorKind::Unaddressable));
    assert!(errors[0].to_string().contains("b\u{fffd}") && errors[1].to_string().contains("dddd"), "{errors:?}");
}

#[tokio::test]
async fn a_key_with_a_zero_byte_is_stored() {
    let fixture = Fixture::new();
    fixture.put("a\0b/c\0", "text", &Attributes::default()).await.unwrap();
    assert_eq!(fixture.keys().await, ["a\0b/c\0"]);
    assert_eq!(fixture.read("a\0b/c\0").await.unwrap(), "text");
}

#[tokio::test]
async fn a_file_rewritten_in_place_while_it_is_read_ends_in_an_error() {
    let fixture = Fixture::new();
    fs::write(fixture.path("file"), vec![b'a'; 5_000_000]).unwrap();
    let replaced = fixture.store.get(&fixture.at("file"), GetOptions::default()).await.unwrap();
    fixture.put("file", &"b".repeat(5_000_000), &Attributes::default()).await.unwrap();
    let chunks: Vec<Bytes> = replaced.body.try_collect().await.unwrap();
    assert!(chunks.concat() == vec![b'a'; 5_000_000], "the file that was opened is still whole");
    for (length, kind) in [(5_000_001, ErrorKind::Precondition), (4_000_000, ErrorKind::Truncated)] {
        let object = fixture.store.get(&fixture.at("file"), GetOptions::default()).await.unwrap();
        let file = fs::OpenOptions::new().write(true).open(fixture.path("file")).unwrap();
        file.set_len(length).unwrap();
        let read: Result<Vec<Bytes>> = object.body.try_collect().await;
        assert_eq!(read.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn attributes_too_long_for_the_file_system_lie_beside_in_a_store_of_our_own() {
    let fixture = Fixture::new();
    let user = [("long".to_owned(), "x".repeat(100_000))].into();
    let long = Attributes { user, ..Attributes::default() };
    let refused = fixture.put("key", "text", &long).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    assert!(fixture.keys().await.is_empty());

    let own = Fixture { store: DirectoryStore::create(fixture.root.clone()).unwrap(), ..fixture };
    let held = async |key: &str| own.store.head(&own.at(key)).await.unwrap().attributes.user;
    own.put("key", "text", &long).await.unwrap();
    own.store.copy(&own.at("key"), &own.at("copy"), None).await.unwrap();
    // The name of the object changes, and its attributes stay.
    own.put("key/below", "text", &Attributes::default()).await.unwrap();
    assert_eq!(held("key").await, long.user);
    assert_eq!(held("copy").await, long.user);
    own.put("copy", "other text", &Attributes::default()).await.unwrap();
    assert!(held("copy").await.is_empty());
    for key in own.keys().await {
        own.store.delete(&own.at(&key)).await.unwrap();
    }
    assert!(fs::read_dir(own.root.join(".dcs/attributes")).unwrap().next().is_none(), "nothing is left behind");
    assert!(fs::read_dir(own.root.join(".dcs/tmp")).unwrap().next().is_none(), "nothing is left behind");
}

#[tokio::test]
async fn deleting_the_last_object_removes_its_folders_but_never_the_bucket() {
    let fixture = Fixture::new();
    fixture.put("a/b/c/d", "text", &Attributes::default()).await.unwrap();
    fixture.put("a/e", "text", &Attributes::default()).await.unwrap();
    fixture.store.delete(&fixture.at("a/b/c/d")).await.unwrap();
    assert!(fixture.path("a").is_dir() && !fixture.path("a/b").exists());
    fixture.store.delete(&fixture.at("a/e")).await.unwrap();
    assert!(fixture.path("").is_dir() && !fixture.path("a").exists());
}

#[tokio::test]
async fn a_failed_write_leaves_neither_files_nor_folders() {
    let fixture = Fixture::new();
    mknodat(CWD, fixture.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert!(fixture.put("pipe", "text", &Attributes::default()).await.is_err());
    let broken = Posix { target: None, ..posix(FileKind::Symlink, None) };
    assert!(fixture.put("folder/link", "", &with_posix(broken)).await.is_err());
    assert!(!fixture.path("folder").exists());
    assert!(fs::read_dir(fixture.root.join(".dcs/tmp")).unwrap().next().is_none());
}

#[tokio::test]
async fn what_a_dead_writer_left_is_swept_a_day_later() {
    let fixture = Fixture::new();
    let store = DirectoryStore::create(fixture.root.clone()).unwrap();
    let leftovers = fixture.root.join(".dcs/tmp");
    fs::create_dir_all(leftovers.join("folder")).unwrap();
    fs::write(leftovers.join("folder/bytes"), "half").unwrap();
    fs::write(leftovers.join("file"), "half").unwrap();
    // The time that a writer gave its file says nothing of when it wrote.
    fs::File::open(leftovers.join("file")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    fixture.put("key", "text", &Attributes::default()).await.unwrap();
    assert_eq!(fs::read_dir(&leftovers).unwrap().count(), 2, "these may still be written to");
    let tomorrow = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(25)).unwrap();
    workspace::sweep(&store.files.root().unwrap(), tomorrow).unwrap();
    assert_eq!(fs::read_dir(&leftovers).unwrap().count(), 0);
    assert_eq!(fixture.read("key").await.unwrap(), "text");
}

#[tokio::test]
async fn an_unmounted_or_missing_root_is_named() {
    let fixture = Fixture::new();
    let missing = fixture.root.join("missing");
    assert!(DirectoryStore::is_empty_mount_point(&missing).unwrap());
    assert_eq!(DirectoryStore::open(missing.clone()).unwrap_err().kind, ErrorKind::NoBucket);
    fs::create_dir(&missing).unwrap();
    assert!(DirectoryStore::is_empty_mount_point(&missing).unwrap());
    assert!(!DirectoryStore::is_empty_mount_point(&fixture.root).unwrap());
    fs::remove_dir_all(&fixture.root).unwrap();
    let error = fixture.put("key", "text", &Attributes::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoBucket);
    assert!(error.to_string().contains(fixture.root.to_str().unwrap()));
    assert!(!fixture.root.exists());
}

#[tokio::test]
async fn buckets_are_the_folders_with_a_name_for_one() {
    let fixture = Fixture::new();
    fixture.put("key", "text", &Attributes::default()).await.unwrap();
    fs::create_dir(fixture.root.join("not a bucket")).unwrap();
    fs::write(fixture.root.join("file"), "").unwrap();
    symlink(fixture.path(""), fixture.root.join("link")).unwrap();
    let second = BucketName::new("another").unwrap();
    fixture.store.create_bucket(&second).await.unwrap();
    assert_eq!(fixture.store.buckets().await.unwrap(), [second, fixture.bucket.clone()]);
}

#[tokio::test]
async fn an_upload_id_is_no_way_out_of_the_folder_of_uploads() {
    let fixture = Fixture::new();
    fixture.store.create_upload(&fixture.at("key"), &Attributes::default()).await.unwrap();
    fs::write(fixture.path("precious"), "text").unwrap();
    let upload = Upload { at: fixture.at("key"), id: "../../bucket".to_owned() };
    fixture.store.abort_upload(&upload).await.unwrap();
    let completed = fixture.store.complete_upload(&upload, &[]).await;
    assert_eq!(completed.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(fixture.read("precious").await.unwrap(), "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_come_and_go_under_many_writers_lose_nothing() {
    let fixture = Fixture::new();
    let writers = (0..8_usize).map(|writer| {
        let fixture = &fixture;
        async move {
            let shared = ["a", "a/b", "a/b/c"];
            for round in 0..60 {
                let mine = format!("{}/mine-{writer}", shared[(writer + round) % 3]);
                fixture.put(&mine, &mine, &Attributes::default()).await.unwrap();
                fixture.put(shared[round % 3], "shared", &Attributes::default()).await.unwrap();
                assert_eq!(fixture.read(&mine).await.unwrap(), mine);
                fixture.store.delete(&fixture.at(shared[(round + 1) % 3])).await.unwrap();
                assert_eq!(fixture.read(&mine).await.unwrap(), mine);
                fixture.store.delete(&fixture.at(&mine)).await.unwrap();
                assert_eq!(fixture.read(&mine).await.unwrap_err().kind, ErrorKind::NotFound);
            }
        }
    });
    futures_util::future::join_all(writers).await;
    for key in ["a", "a/b", "a/b/c"] {
        fixture.store.delete(&fixture.at(key)).await.unwrap();
    }
    assert_eq!(fixture.keys().await, Vec::<String>::new());
    assert!(fs::read_dir(fixture.path("")).unwrap().next().is_none());
}
