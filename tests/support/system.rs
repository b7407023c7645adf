//! A live system on data that it makes itself: two buckets and a database, a configuration, and a place for backups.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcs::model::{BucketName, Prefix};
use dcs::repository::Repository;
use dcs::store::dir::DirectoryStore;
use dcs::store::{GetOptions, ObjectStore, transfer};
use tempfile::TempDir;

use crate::cli::Dcs;
use crate::support;

#[path = "databases.rs"]
mod databases;
#[path = "objects.rs"]
mod objects;

pub use databases::{Contents, LiveDatabase};
use objects::read_all;
pub use objects::{Live, Objects, files};

/// Everything that a restore must bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub objects: Objects,
    pub database: Contents,
}

pub struct System {
    home: TempDir,
    pub live: Live,
    pub database: LiveDatabase,
    /// The backup bucket and the trash.
    pub vault: BucketName,
    pub trash: BucketName,
    /// As `--repo` takes it.
    pub repo: String,
    variables: Vec<(String, String)>,
}

/// How much a system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// With an object larger than a pack.
    Large,
    Small,
}

impl System {
    /// Folders and SQLite: no server at all.
    pub fn on_folders(size: Size) -> Self {
        let home = support::folder();
        let live = Live::directory(&home.path().join("live"), size == Size::Large);
        let database = LiveDatabase::sqlite(&home.path().join("dream.db"));
        let vault = support::bucket("dcs-backups");
        let repo = home.path().join("vault").join(vault.as_str()).display().to_string();
        fs::create_dir(home.path().join("vault")).unwrap();
        let system = Self { home, live, database, vault, trash: support::bucket("trash"), repo, variables: Vec::new() };
        system.write_config("");
        system
    }

    /// An S3 server and PostgreSQL; `None` where the environment names none.
    pub async fn on_servers(size: Size) -> Option<Self> {
        let (env, url) = (support::s3()?, support::postgres()?);
        let home = support::folder();
        let vault = support::unique_bucket("e2e-vault");
        let trash = support::unique_bucket("e2e-trash");
        let repo = format!("{}/{vault}", env.endpoint);
        let config: tokio_postgres::Config = url.parse().unwrap();
        let password = String::from_utf8(config.get_password().unwrap().to_vec()).unwrap();
        let variables = [
            ("AWS_ACCESS_KEY_ID", env.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", env.secret_key.clone()),
            ("AWS_REGION", env.region.clone()),
            ("PGPASSWORD", password),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let live = Live::s3(env, size == Size::Large).await;
        if let Live::S3 { store, .. } = &live {
            store.create_bucket(&trash).await.unwrap();
        }
        let database = LiveDatabase::postgres(&url).await;
        let system = Self { home, live, database, vault, trash, repo, variables };
        system.write_config("");
        Some(system)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes `dcs.toml` with `more` at the end of its `[backup]`, and the configuration that it backs up.
    pub fn write_config(&self, more: &str) {
        let machine = self.path("machine");
        fs::create_dir_all(machine.join("etc/ünder")).unwrap();
        fs::write(machine.join("etc/app.conf"), "secret = 1\n").unwrap();
        fs::write(machine.join("etc/ünder/b c.conf"), "x\n").unwrap();
        fs::write(machine.join("dcs.toml"), self.config(more)).unwrap();
    }

    pub fn config(&self, more: &str) -> String {
        let [books, apps] = self.live.buckets();
        let stores = match &self.live {
            Live::Directory { root, .. } => {
                let (root, vault) = (root.display(), self.path("vault"));
                format!("[stores.live]\npath = \"{root}\"\n[stores.vault]\npath = \"{}\"\n", vault.display())
            }
            Live::S3 { env, .. } => format!(
                "[stores.live]\nendpoint = \"{0}\"\nregion = \"{1}\"\n[stores.vault]\nendpoint = \"{0}\"\nregion = \"{1}\"\n",
                env.endpoint, env.region
            ),
        };
        format!(
            "state_dir = \"{}\"\n{stores}[databases.dream]\nurl = {:?}\n\
             [trash]\nstore = \"live\"\nbucket = \"{}\"\n\
             [backup]\nstore = \"vault\"\nbucket = \"{}\"\ndatabases = [\"dream\"]\n\
             files = [\"live/{books}\", \"live/{apps}\"]\nconfig = [\"{}\"]\n{more}\n",
            self.path("state").display(),
            self.database.url(),
            self.trash,
            self.vault,
            self.path("machine/etc").display(),
        )
    }

    /// dcs on the machine that has the configuration.
    pub fn dcs(&self) -> Dcs {
        self.on(Dcs::new(self.path("machine")))
    }

    /// dcs on a machine that has nothing but the credentials.
    pub fn dcs_elsewhere(&self) -> Dcs {
        let folder = self.path(&support::unique("elsewhere"));
        fs::create_dir(&folder).unwrap();
        self.on(Dcs::new(folder)).with("DCS_REPO", &self.repo)
    }

    fn on(&self, dcs: Dcs) -> Dcs {
        self.variables.iter().fold(dcs, |dcs, (name, value)| dcs.with(name, value))
    }

    pub async fn state(&self) -> State {
        State { objects: self.live.objects().await, database: self.database.contents().await }
    }

    /// Loses the live buckets and the database.
    pub async fn lose_everything(&mut self) {
        self.live.remove().await;
        self.database.lose().await;
    }

    /// The one backup there is, or the newest.
    pub fn newest(&self) -> String {
        let listed = self.dcs().run(&["backup", "list", "--json"]).ok().json();
        listed.as_array().unwrap().last().expect("a backup is listed")["id"].as_str().unwrap().to_owned()
    }

    /// What is in a bucket of the live store that is not one of the two.
    pub async fn bucket(&self, bucket: &BucketName) -> Objects {
        match &self.live {
            Live::Directory { root, .. } => files(&root.join(bucket.as_str())),
            Live::S3 { store, .. } => read_all(store.as_ref(), bucket).await,
        }
    }

    /// The backup bucket, opened.
    pub async fn repository(&self) -> Repository {
        let store: Arc<dyn ObjectStore> = match &self.live {
            Live::Directory { .. } => Arc::new(DirectoryStore::open(self.path("vault")).unwrap()),
            Live::S3 { store, .. } => store.clone(),
        };
        Repository::open(store, self.vault.clone(), Prefix::root()).await.unwrap()
    }

    /// What is in the backup bucket, but for the records of runs: each run leaves one, a refused one too.
    pub async fn backup_objects(&self) -> Objects {
        let mut objects = match &self.live {
            Live::Directory { .. } => files(&self.path("vault").join(self.vault.as_str())),
            Live::S3 { store, .. } => read_all(store.as_ref(), &self.vault).await,
        };
        objects.retain(|key, _| !key.starts_with("runs/"));
        objects
    }

    /// What people can read in the backup bucket: all but what is compressed.
    pub async fn backup_texts(&self) -> Vec<(String, String)> {
        let Live::S3 { store, .. } = &self.live else { return Vec::new() };
        let mut texts = Vec::new();
        for key in support::keys(store.as_ref(), &self.vault)
            .await
            .into_iter()
            .filter(|key| key.rsplit('.').next() != Some("gz"))
        {
            let object = store.get(&support::at(&self.vault, &key), GetOptions::default()).await.unwrap();
            let bytes = transfer::collect(object.body, 64 << 20).await.unwrap();
            texts.push((key, String::from_utf8_lossy(&bytes).into_owned()));
        }
        texts
    }

    pub fn secrets(&self) -> Vec<String> {
        let secret = |name: &str| matches!(name, "AWS_SECRET_ACCESS_KEY" | "PGPASSWORD");
        self.variables.iter().filter(|(name, _)| secret(name)).map(|(_, value)| value.clone()).collect()
    }

    /// The two buckets as a directory store at `root` has them: content and headers.
    pub async fn objects_in(&self, root: &Path) -> Objects {
        let store = DirectoryStore::open(root.to_owned()).unwrap();
        self.objects_through(&store).await
    }

    /// The live objects by content and headers alone, to compare a store with one of another kind.
    pub async fn objects_without_files(&self) -> Objects {
        match &self.live {
            Live::Directory { root, .. } => self.objects_in(root).await,
            Live::S3 { store, .. } => self.objects_through(store.as_ref()).await,
        }
    }

    async fn objects_through(&self, store: &dyn ObjectStore) -> Objects {
        let mut objects = Objects::new();
        for (number, bucket) in self.live.buckets().iter().enumerate() {
            let found = read_all(store, bucket).await;
            objects.extend(found.into_iter().map(|(key, found)| (format!("{number}/{key}"), found)));
        }
        objects
    }

    /// Leaves nothing on the servers.
    pub async fn remove(self) {
        if let Live::S3 { .. } = &self.live {
            self.live.remove().await;
            self.live.remove_bucket(&self.vault).await;
            self.live.remove_bucket(&self.trash).await;
        }
        self.database.remove().await;
    }
}

/// Compares in words: what is missing, what is too much, what differs.
pub fn assert_same(before: &State, after: &State) {
    let mut told = Vec::new();
    compare("object", &before.objects, &after.objects, &mut told);
    compare("database", &before.database, &after.database, &mut told);
    assert!(told.is_empty(), "{} differences:\n{}", told.len(), told[..told.len().min(20)].join("\n"));
}

fn compare<T: PartialEq + std::fmt::Debug>(
    what: &str,
    before: &std::collections::BTreeMap<String, T>,
    after: &std::collections::BTreeMap<String, T>,
    told: &mut Vec<String>,
) {
    for (name, value) in before {
        match after.get(name) {
            None => told.push(format!("{what} {name:?} is missing")),
            Some(other) if other != value => {
                let (was, is) = (format!("{value:?}"), format!("{other:?}"));
                let at = was.bytes().zip(is.bytes()).take_while(|(a, b)| a == b).count();
                let from = (0..=at.saturating_sub(60)).rev().find(|from| was.is_char_boundary(*from)).unwrap_or(0);
                let cut = |text: &str| text.chars().skip(text[..from].chars().count()).take(300).collect::<String>();
                told.push(format!("{what} {name:?} differs:\n  was ...{}\n  is  ...{}", cut(&was), cut(&is)));
            }
            Some(_) => {}
        }
    }
    told.extend(after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("{what} {name:?} is new")));
}
