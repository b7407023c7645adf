//! Where backups are restored for proof: a place of one run that is in nobody's way, and of which nothing is left.
//!
//! A PostgreSQL database goes to a server that was named, as a database of its own, or else to a private server; an SQLite
//! database to a file. [`Scratch::close`] removes all of it, whatever was begun; of a run that was killed, the next one does.

use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::postgres::cluster::{Cluster, ClusterOptions};
use super::{Database, DatabaseError, DumpStream, ErrorKind, RestoreOptions, RestoreSession, Result, SqliteDatabase};
use crate::model::RunId;
use crate::model::database::{Difference, Engine, Fingerprint};

mod folder;
mod process;
pub(super) mod user;

use folder::RunFolder;
use user::ServerUser;

/// What a private server takes beside its data: its own catalogues, and its log of changes.
const SERVER_BYTES: u64 = 384 << 20;

/// Where to restore to.
#[derive(Debug, Clone)]
pub struct ScratchOptions {
    pub run: RunId,
    /// The folder in which each run has one of its own.
    pub root: PathBuf,
    /// A database on whose server scratch databases are made; without it, a private server is started.
    pub server: Option<Arc<dyn Database>>,
    /// Folders to look for PostgreSQL's programs in, besides those where it is installed.
    pub search_path: Vec<PathBuf>,
}

/// A place of one run.
pub struct Scratch {
    options: ScratchOptions,
    folder: Arc<RunFolder>,
    count: AtomicU32,
    /// What was begun on the server that was named.
    names: Mutex<Vec<String>>,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scratch({})", self.folder.path().display())
    }
}

impl Scratch {
    /// Makes the place, and removes what runs left that were killed.
    pub async fn open(options: ScratchOptions) -> Result<Self> {
        let (root, run) = (options.root.clone(), options.run.clone());
        let folder = blocking(move || RunFolder::make(&root, &run)).await?;
        if let Some(server) = &options.server {
            server.sweep_scratch(&[], &options.run).await;
        }
        Ok(Self { options, folder: Arc::new(folder), count: AtomicU32::new(0), names: Mutex::default() })
    }

    /// Makes a folder for ourselves alone, which goes with the rest.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(format!("{number}-{name}"));
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| folder::io_failed(&folder, error)).map(|()| folder)
    }

    /// Removes such a folder before its time, to have the room.
    pub async fn remove_folder(&self, folder: PathBuf) {
        let removed = blocking(move || Ok(folder::remove_all(&folder))).await;
        if let Ok(Err(error)) = removed {
            tracing::debug!(%error, "a folder of a proof is left to the end of the run");
        }
    }

    /// The bytes that restoring a database takes here; `None` where they are taken on a server that was named.
    pub fn needs(&self, options: &RestoreOptions) -> Option<u64> {
        match (options.server.engine, &self.options.server) {
            (Engine::Sqlite, _) => Some(options.server.size_bytes),
            (Engine::Postgresql, None) => Some(options.server.size_bytes.saturating_add(SERVER_BYTES)),
            (Engine::Postgresql, Some(_)) => None,
        }
    }

    /// The bytes that are free here; `None` where nobody says.
    pub fn free_bytes(&self) -> Option<u64> {
        let room = rustix::fs::statvfs(self.folder.path()).ok()?;
        Some(room.f_bavail.saturating_mul(room.f_frsize))
    }

    /// Where restores go, for people.
    pub fn describe(&self) -> String {
        self.options.root.display().to_string()
    }

    /// Makes an empty database for what `name` was a backup of. It is only ever to be discarded.
    pub async fn begin(&self, name: &str, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        let mut options = options.clone();
        match (options.server.engine, &self.options.server) {
            (Engine::Sqlite, _) => {
                options.spool = self.make_folder("sqlite")?;
                SqliteDatabase::open(options.spool.join(name)).begin_scratch(name, &options).await
            }
            (Engine::Postgresql, Some(server)) => {
                // Before anything is made: a run that is stopped right then must know.
                self.names.lock().expect("never poisoned").push(name.to_owned());
                server.begin_scratch(name, &options).await
            }
            (Engine::Postgresql, None) => self.begin_private(name, &options).await,
        }
    }

    async fn begin_private(&self, name: &str, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        let user = ServerUser::choose();
        let folder = self.make_folder("server")?;
        let cluster = Cluster::start(&ClusterOptions {
            folder: &folder,
            user: &user,
            major: options.server.major,
            search_path: &self.options.search_path,
            run: &self.options.run,
        })
        .await?;
        match cluster.database.begin_scratch(name, options).await {
            Ok(inner) => Ok(Box::new(Private { inner, cluster, folder })),
            Err(error) => {
                cluster.stop().await;
                Err(error)
            }
        }
    }

    /// Removes all that was made. May be called again.
    pub async fn close(&self) {
        let names = std::mem::take(&mut *self.names.lock().expect("never poisoned"));
        if let (Some(server), false) = (&self.options.server, names.is_empty()) {
            server.sweep_scratch(&names, &self.options.run).await;
        }
        let folder = self.folder.clone();
        blocking(move || {
            if folder.path().exists() {
                folder.remove();
            }
            Ok(())
        })
        .await
        .ok();
    }
}

/// A restore on a private server, which ends with it.
struct Private {
    inner: Box<dyn RestoreSession>,
    cluster: Cluster,
    folder: PathBuf,
}

#[async_trait]
impl RestoreSession for Private {
    async fn load(&mut self, dump: DumpStream) -> Result<()> {
        self.inner.load(dump).await
    }

    async fn compare(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>> {
        self.inner.compare(expected).await
    }

    async fn compare_contents(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>> {
        self.inner.compare_contents(expected).await
    }

    async fn ask(&mut self, statement: &str) -> Result<Option<String>> {
        self.inner.ask(statement).await
    }

    async fn settle(&mut self) -> Result<()> {
        self.inner.settle().await
    }

    async fn swap(self: Box<Self>) -> Result<Option<String>> {
        let subject = self.folder.display().to_string();
        self.discard().await;
        Err(DatabaseError::new(ErrorKind::Refused, "swap in", subject).with_detail("a private server has nothing live"))
    }

    async fn discard(self: Box<Self>) {
        let Self { inner, cluster, folder } = *self;
        // The server takes its databases with it.
        drop(inner);
        cluster.stop().await;
        let removed = blocking(move || Ok(folder::remove_all(&folder))).await;
        if let Ok(Err(error)) = removed {
            tracing::debug!(%error, "the folder of a private server is left to the end of the run");
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(DatabaseError::new(ErrorKind::Other, "restore for proof in", "a folder").with_source(error)),
    }
}
