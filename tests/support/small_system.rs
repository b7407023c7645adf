//! A small complete system: live buckets, a trash, a database, a configuration, and a repository; all of its own.
//!
//! It is in one of two states, [`System::seed`]'s or [`System::change`]'s, which differ in an object, a missing object and
//! a row: a restore that should not have begun shows, and so does one that stopped half way.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use dcs::model::{Attributes, BucketName, Prefix, Secret};
use dcs::repository::Repository;
use dcs::store::dir::DirectoryStore;
use dcs::store::retry::{RetryPolicy, RetryStore};
use dcs::store::s3::{S3Options, S3Store};
use dcs::store::{ErrorKind, GetOptions, ObjectStore, Precondition, StoreError};
use futures_util::TryStreamExt;
use tempfile::TempDir;

use crate::postgres::Scratch;
use crate::support::{self, S3Env};

#[path = "small_system/runs.rs"]
pub mod runs;

pub const COVER: &str = "42/cover.jpg";
pub const COVER_CHANGED: &[u8] = b"the cover that was drawn after the backup";
pub const GONE: &str = "43/n\u{e4}me + %.txt";
/// Large enough to be stored in parts, here and in a pack.
pub const LARGE: &str = "44/large.bin";

/// Everything live, by bucket and key; the rows by `rows`; what lies beside the database by `beside`.
pub type Live = BTreeMap<String, Vec<u8>>;

pub struct System {
    pub root: PathBuf,
    pub live: Arc<dyn ObjectStore>,
    pub vault: Arc<dyn ObjectStore>,
    pub buckets: Buckets,
    server: Option<Server>,
    folder: Option<TempDir>,
}

pub struct Buckets {
    pub books: BucketName,
    pub apps: BucketName,
    pub trash: BucketName,
    pub backups: BucketName,
}

struct Server {
    s3: S3Env,
    scratch: Scratch,
}

impl System {
    /// Directory stores and SQLite, seeded, with an empty repository.
    pub async fn embedded() -> Self {
        let folder = support::folder();
        for name in ["live", "vault", "db", "etc"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut system = Self::reopen(folder.path());
        system.folder = Some(folder);
        let stores = format!(
            "[stores.live]\npath = \"{0}/live\"\n[stores.vault]\npath = \"{0}/vault\"\n[databases.dream]\nurl = \"sqlite:{0}/db/dream.db\"\n",
            system.root.display()
        );
        system.begin(&stores).await;
        system
    }

    /// The embedded system at `root` that another process made.
    pub fn reopen(root: &Path) -> Self {
        let open = |name: &str| Arc::new(DirectoryStore::open(root.join(name)).unwrap());
        let name = support::bucket;
        Self {
            root: root.to_owned(),
            live: open("live"),
            vault: open("vault"),
            buckets: Buckets {
                books: name("books"),
                apps: name("apps"),
                trash: name("trash"),
                backups: name("backups"),
            },
            server: None,
            folder: None,
        }
    }

    /// S3 and PostgreSQL, seeded, with an empty repository. Needs [`Self::remove`] in the end.
    pub async fn served(s3: S3Env, postgres: &str) -> Self {
        let folder = support::folder();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let options = S3Options::new(s3.endpoint.clone(), s3.region.clone());
        let store = S3Store::open(options.keys(s3.access_key.clone(), Secret::new(s3.secret_key.clone()))).unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(RetryStore::new(store, RetryPolicy::default()));
        let scratch = Scratch::create(postgres, "dcs-damage").await;
        let name = support::unique_bucket;
        let stores = format!(
            "[stores.live]\nendpoint = \"{0}\"\nregion = \"{1}\"\n[stores.vault]\nendpoint = \"{0}\"\nregion = \"{1}\"\n[databases.dream]\nurl = \"{2}\"\n",
            s3.endpoint,
            s3.region,
            scratch.url_as(None, &scratch.name)
        );
        let system = Self {
            root: folder.path().to_owned(),
            live: store.clone(),
            vault: store,
            buckets: Buckets {
                books: name("books"),
                apps: name("apps"),
                trash: name("trash"),
                backups: name("backups"),
            },
            server: Some(Server { s3, scratch }),
            folder: Some(folder),
        };
        system.begin(&stores).await;
        system
    }

    async fn begin(&self, stores: &str) {
        let Buckets { books, apps, trash, backups } = &self.buckets;
        let root = self.root.display();
        let settings = format!(
            "state_dir = \"{root}/state\"\n{stores}[trash]\nstore = \"live\"\nbucket = \"{trash}\"\n[backup]\nstore = \"vault\"\n\
             bucket = \"{backups}\"\ndatabases = [\"dream\"]\nfiles = [\"live/{books}\", \"live/{apps}\"]\nconfig = [\"{root}/etc\"]\n"
        );
        std::fs::write(self.root.join("dcs.toml"), settings).unwrap();
        std::fs::write(self.root.join("etc/compose.yaml"), "services: {}\n").unwrap();
        for bucket in [books, apps, trash] {
            self.live.create_bucket(bucket).await.unwrap();
        }
        Repository::init(self.vault.clone(), backups.clone(), Prefix::root()).await.unwrap();
        let schema = "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)";
        self.sql(schema).await;
        self.seed().await;
    }

    /// The state that is backed up.
    pub async fn seed(&self) {
        let Buckets { books, apps, .. } = &self.buckets;
        self.put(books, "42/book one.epub", "a book of some length ".repeat(300).as_bytes()).await;
        self.put(books, COVER, b"the cover").await;
        self.put(books, GONE, b"a text under a name that is no word").await;
        self.put(apps, "reader/app.apk", b"an app").await;
        self.sql("DELETE FROM books").await;
        self.sql("INSERT INTO books VALUES (1, 'one'), (2, 'two'), (42, 'forty-two')").await;
    }

    /// Adds an object that is uploaded in parts.
    pub async fn add_large(&self) {
        self.put(&self.buckets.books, LARGE, noise()).await;
    }

    /// The state that a restore finds.
    pub async fn change(&self) {
        let books = &self.buckets.books;
        self.put(books, COVER, COVER_CHANGED).await;
        self.live.delete(&support::at(books, GONE)).await.unwrap();
        self.live.delete(&support::at(books, LARGE)).await.unwrap();
        self.sql("DELETE FROM books").await;
        self.sql("INSERT INTO books VALUES (1, 'one'), (3, 'written after the backup')").await;
    }

    async fn put(&self, bucket: &BucketName, key: &str, content: &[u8]) {
        let body = Bytes::copy_from_slice(content);
        let at = support::at(bucket, key);
        self.live.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    }

    pub fn database_path(&self) -> PathBuf {
        self.root.join("db/dream.db")
    }

    pub async fn sql(&self, statement: &str) {
        match &self.server {
            Some(server) => server.scratch.client().await.batch_execute(statement).await.unwrap(),
            None => rusqlite::Connection::open(self.database_path()).unwrap().execute_batch(statement).unwrap(),
        }
    }

    /// The rows of the live database, a line each.
    pub async fn rows(&self) -> String {
        let query = "SELECT id, title FROM books ORDER BY id";
        let rows: Vec<(i32, String)> = if let Some(server) = &self.server {
            let rows = server.scratch.client().await.query(query, &[]).await.unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        } else {
            let connection = rusqlite::Connection::open(self.database_path()).unwrap();
            let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(integrity, "ok");
            let mut statement = connection.prepare(query).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.map(std::result::Result::unwrap).collect()
        };
        rows.iter().fold(String::new(), |text, (id, title)| format!("{text}{id} {title}\n"))
    }

    /// Databases of the server, or files in the folder, that belong to the live one.
    async fn beside(&self) -> String {
        match &self.server {
            Some(server) => server.scratch.family().await.join("\n"),
            None => names_in(&self.root.join("db")).join("\n"),
        }
    }

    /// Everything that a restore could change.
    pub async fn everything(&self) -> Live {
        let Buckets { books, apps, trash, .. } = &self.buckets;
        let mut live = Live::new();
        for bucket in [books, apps, trash] {
            live.append(&mut self.contents(bucket).await);
        }
        live.insert("rows".to_owned(), self.rows().await.into_bytes());
        live.insert("beside".to_owned(), self.beside().await.into_bytes());
        live
    }

    /// The objects of a live bucket, by bucket and key.
    pub async fn contents(&self, bucket: &BucketName) -> Live {
        objects(&self.live, bucket).await
    }

    /// Removes what lies on servers.
    pub async fn remove(self) {
        let Some(Server { s3, scratch }) = self.server else { return };
        let Buckets { books, apps, trash, backups } = &self.buckets;
        for bucket in [books, apps, trash, backups] {
            for key in support::keys(&*self.live, bucket).await {
                self.live.delete(&support::at(bucket, &key)).await.unwrap();
            }
            s3.remove_bucket(bucket).await;
        }
        scratch.remove().await;
    }
}

/// Every object of a bucket, by bucket and key. A run that failed in this process may still be tidying up: what goes
/// between its listing and its reading means another look.
pub async fn objects(store: &Arc<dyn ObjectStore>, bucket: &BucketName) -> Live {
    loop {
        match listed_and_read(store, bucket).await {
            Err(error) if error.kind == ErrorKind::NotFound => tokio::time::sleep(Duration::from_millis(10)).await,
            objects => return objects.unwrap(),
        }
    }
}

async fn listed_and_read(store: &Arc<dyn ObjectStore>, bucket: &BucketName) -> Result<Live, StoreError> {
    let mut objects = Live::new();
    for key in support::keys(&**store, bucket).await {
        objects.insert(format!("{bucket}/{key}"), try_read(store, bucket, &key).await?);
    }
    Ok(objects)
}

pub async fn read(store: &Arc<dyn ObjectStore>, bucket: &BucketName, key: &str) -> Vec<u8> {
    try_read(store, bucket, key).await.unwrap()
}

async fn try_read(store: &Arc<dyn ObjectStore>, bucket: &BucketName, key: &str) -> Result<Vec<u8>, StoreError> {
    let object = store.get(&support::at(bucket, key), GetOptions::default()).await?;
    let chunks: Vec<Bytes> = object.body.try_collect().await?;
    Ok(chunks.concat())
}

pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Nine megabytes that do not compress.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| support::noise(9 << 20))
}
