//! A store with books, apps and a trash, a table of books, and what is where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dcs::database::{Database, SqliteDatabase};
use dcs::model::item::ItemKind;
use dcs::model::progress::Silent;
use dcs::model::{Attributes, BucketName, ItemName, ItemTable, Key, Prefix, RunId, Secret};
use dcs::repository::locks::{Holder, Locks, Timing};
use dcs::steps::items::{self, DeleteOptions, Deleted, Filter, Items, RestoreOptions, Restored, Selection};
use dcs::steps::{StepError, items::choose_entry};
use dcs::store::dir::DirectoryStore;
use dcs::store::memory::MemoryStore;
use dcs::store::retry::{RetryPolicy, RetryStore};
use dcs::store::s3::{S3Options, S3Store};
use dcs::store::{Address, GetOptions, ListOptions, Listed, ObjectStore, Precondition, transfer};
use dcs::trash::{Entry, LOCKS, TrashBucket};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::postgres::Scratch;
use crate::support;

/// Content and attributes by key.
pub type Objects = BTreeMap<String, (Bytes, Attributes)>;

/// All that a delete or a restore may change.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub books: Objects,
    pub apps: Objects,
    pub statuses: BTreeMap<String, Option<String>>,
}

pub enum Rows {
    Sqlite,
    Postgres(Scratch),
}

pub struct World {
    pub folder: PathBuf,
    /// Removed with the world; a reopened one belongs to another process.
    _temporary: Option<TempDir>,
    pub store: Arc<dyn ObjectStore>,
    pub memory: Option<MemoryStore>,
    pub books: BucketName,
    pub apps: BucketName,
    pub trash: BucketName,
    pub rows: Rows,
}

pub fn item(text: &str) -> ItemName {
    text.parse().unwrap()
}

fn attributes(number: usize) -> Attributes {
    let mut attributes = Attributes { content_type: Some(format!("text/x-{number}")), ..Attributes::default() };
    attributes.cache_control = Some("no-cache".to_owned());
    attributes.user.insert("page".to_owned(), number.to_string());
    attributes
}

impl World {
    /// In memory, with versions or without.
    pub async fn in_memory(versioned: bool) -> Self {
        let memory = MemoryStore::new();
        let mut world = Self::on(Arc::new(memory.clone()), Rows::Sqlite).await;
        memory.set_versioned(&world.books, versioned);
        memory.set_versioned(&world.trash, versioned);
        world.memory = Some(memory);
        world.fill().await;
        world
    }

    pub async fn in_folders() -> Self {
        let temporary = support::folder();
        let folder = temporary.path().to_owned();
        let store = DirectoryStore::create(folder.join("live")).unwrap();
        let world = Self { folder, _temporary: Some(temporary), ..Self::on(Arc::new(store), Rows::Sqlite).await };
        world.fill().await;
        world
    }

    /// The world that another process made in folders.
    pub fn reopen(folder: &Path, [books, apps, trash]: [BucketName; 3]) -> Self {
        let store = Arc::new(DirectoryStore::open(folder.join("live")).unwrap());
        Self {
            folder: folder.to_owned(),
            _temporary: None,
            store,
            memory: None,
            books,
            apps,
            trash,
            rows: Rows::Sqlite,
        }
    }

    /// `None` where the environment names no servers.
    pub async fn on_servers() -> Option<Self> {
        let (env, url) = (support::s3()?, support::postgres()?);
        let mut options = S3Options::new(env.endpoint.clone(), env.region.clone());
        options.access_key = Some(env.access_key.clone());
        options.secret_key = Secret::new(env.secret_key.clone());
        let store: Arc<dyn ObjectStore> =
            Arc::new(RetryStore::new(S3Store::open(options).unwrap(), RetryPolicy::default()));
        let world = Self::on(store, Rows::Postgres(Scratch::create(&url, "dcs-items").await)).await;
        world.fill().await;
        Some(world)
    }

    async fn on(store: Arc<dyn ObjectStore>, rows: Rows) -> Self {
        let [books, apps, trash] = ["books", "apps", "trash"].map(support::unique_bucket);
        for bucket in [&books, &apps, &trash] {
            store.create_bucket(bucket).await.unwrap();
        }
        let temporary = support::folder();
        let folder = temporary.path().to_owned();
        Self { folder, _temporary: Some(temporary), store, memory: None, books, apps, trash, rows }
    }

    async fn fill(&self) {
        let rows =
            "(1, 'one', 'published'), (2, 'two', 'draft'), (42, 'forty-two', 'published'), (420, 'x', 'published')";
        self.sql(&format!(
            "CREATE TABLE books (id integer primary key, slug text, status text); INSERT INTO books VALUES {rows}"
        ))
        .await;
        for (number, key) in
            ["1/a.txt", "2/a.txt", "42/a.txt", "42/b c%.txt", "42/deep/entry.json", "42/é.txt", "420/a.txt"]
                .into_iter()
                .enumerate()
        {
            self.put(&self.books, key, &format!("{key} as it was"), &attributes(number)).await;
        }
        for key in ["reader/app.js", "reader/empty", "readers/app.js"] {
            let text = if key.ends_with("empty") { "" } else { key };
            self.put(&self.apps, key, text, &attributes(9)).await;
        }
    }

    pub async fn put(&self, bucket: &BucketName, key: &str, text: &str, attributes: &Attributes) {
        let at = Address::new(bucket.clone(), Key::new(key).unwrap());
        self.store.put(&at, text.to_owned().into(), attributes, Precondition::Overwrite).await.unwrap();
    }

    pub async fn write(&self, key: &str, text: &str) {
        self.put(&self.books, key, text, &Attributes::default()).await;
    }

    fn sqlite(&self) -> Connection {
        Connection::open(self.folder.join("dream.db")).unwrap()
    }

    pub async fn sql(&self, sql: &str) {
        match &self.rows {
            Rows::Sqlite => self.sqlite().execute_batch(sql).unwrap(),
            Rows::Postgres(scratch) => scratch.client().await.batch_execute(sql).await.unwrap(),
        }
    }

    async fn statuses(&self) -> BTreeMap<String, Option<String>> {
        let sql = "SELECT CAST(id AS text), status FROM books";
        match &self.rows {
            Rows::Sqlite => {
                let connection = self.sqlite();
                let mut statement = connection.prepare(sql).unwrap();
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
            }
            Rows::Postgres(scratch) => {
                let rows = scratch.client().await.query(sql, &[]).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        }
    }

    pub async fn status(&self, id: &str) -> Option<String> {
        self.statuses().await.remove(id).flatten()
    }

    pub async fn objects(&self, bucket: &BucketName) -> Objects {
        let listed: Vec<Listed> = self.store.list(bucket, ListOptions::default()).try_collect().await.unwrap();
        let mut objects = Objects::new();
        for listed in listed {
            let Listed::Object(info) = listed else { continue };
            let object =
                self.store.get(&Address::new(bucket.clone(), info.key.clone()), GetOptions::default()).await.unwrap();
            let attributes = object.head.attributes;
            let content = transfer::collect(object.body, u64::MAX).await.unwrap();
            objects.insert(info.key.as_str().to_owned(), (content, attributes));
        }
        objects
    }

    pub async fn state(&self) -> State {
        let (books, apps) = (self.objects(&self.books).await, self.objects(&self.apps).await);
        State { books, apps, statuses: self.statuses().await }
    }

    /// What lies in the trash but for locks: nothing, when all is done and emptied.
    pub async fn in_trash(&self) -> Vec<String> {
        self.objects(&self.trash).await.into_keys().filter(|key| !key.starts_with(LOCKS)).collect()
    }

    pub fn database(&self) -> Arc<dyn Database> {
        match &self.rows {
            Rows::Sqlite => Arc::new(SqliteDatabase::open(self.folder.join("dream.db"))),
            Rows::Postgres(scratch) => Arc::new(scratch.open()),
        }
    }

    pub fn kind(&self, name: &str, template: &str, has_table: bool) -> ItemKind {
        let text = |text: &str| text.to_owned();
        let table = ItemTable { table: text("books"), id: text("id"), status: text("status") };
        ItemKind {
            name: name.to_owned(),
            store: "live".to_owned(),
            bucket: if name == "apps" { self.apps.clone() } else { self.books.clone() },
            template: template.parse().unwrap(),
            id: "id".to_owned(),
            table: has_table.then(|| ("dream".to_owned(), table)),
        }
    }

    pub fn items_on(&self, store: Arc<dyn ObjectStore>, database: Arc<dyn Database>) -> Items {
        let kinds = [self.kind("books", "{id}/", true), self.kind("apps", "{id}/", false)];
        let run = RunId::create();
        let holder = Holder::this_process(run.clone(), "a test");
        // A run that is gone in the midst of choosing is not waited for.
        let timing = Timing { choosing: Duration::from_millis(50), ..Timing::default() };
        Items {
            run,
            host: "atlas".to_owned(),
            user: "tester".to_owned(),
            trash: TrashBucket { store: store.clone(), bucket: self.trash.clone() },
            kinds: kinds.into_iter().map(|kind| (kind.name.clone(), kind)).collect(),
            databases: BTreeMap::from([("dream".to_owned(), database)]),
            locks: Locks::new(store, self.trash.clone(), Prefix::new(LOCKS).unwrap(), holder).with_timing(timing),
            lock_wait: Duration::ZERO,
            spool: self.folder.clone(),
            progress: Arc::new(Silent),
        }
    }

    /// Nothing goes wrong with these.
    pub fn items(&self) -> Items {
        self.items_on(self.store.clone(), self.database())
    }

    /// Lets the locks of runs that are gone expire.
    pub fn wait_for_locks(&self) {
        self.memory.as_ref().unwrap().advance_clock(SignedDuration::from_hours(1));
    }

    pub async fn delete(&self, name: &str) -> Result<Deleted, StepError> {
        items::delete(&self.items(), &item(name), &DeleteOptions::default()).await
    }

    pub async fn restore(&self, what: &str) -> Result<Restored, StepError> {
        restore(&self.items(), what, &RestoreOptions::default()).await
    }

    pub async fn entries(&self) -> Vec<Entry> {
        items::list(&self.items(), &Filter::default()).await.unwrap().entries
    }

    pub async fn remove(self) {
        if let Rows::Postgres(scratch) = self.rows {
            scratch.remove().await;
        }
    }
}

pub async fn restore(items: &Items, what: &str, options: &RestoreOptions) -> Result<Restored, StepError> {
    let selection: Selection = what.parse().unwrap();
    let entry = choose_entry(items, &selection, options).await?;
    items::restore(items, &entry, options).await
}
