//! `state_dir/catalog.sqlite`: what the records of runs in the backup bucket say, kept for quick questions.
//!
//! A cache, and never the only place of anything: wiped or damaged, it is made again from the bucket. One file may serve
//! several repositories. Everything of SQLite runs on blocking threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};

mod error;
mod runs;

pub use error::{CatalogError, ErrorKind, Result};
pub use runs::{Query, Totals};

/// How long another process may hold it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What each version added; the number of them is `user_version`. Only ever appended to.
const MIGRATIONS: &[&str] = &["CREATE TABLE runs (
        repository TEXT NOT NULL,
        path TEXT NOT NULL,
        started INTEGER NOT NULL,
        seconds REAL NOT NULL,
        command TEXT NOT NULL,
        code INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        stored_bytes INTEGER NOT NULL,
        record TEXT NOT NULL,
        seen INTEGER NOT NULL,
        PRIMARY KEY (repository, path)
     ) WITHOUT ROWID;
     CREATE INDEX runs_started ON runs (repository, started);"];

/// An open catalogue.
#[derive(Clone)]
pub struct Catalog {
    connection: Arc<Mutex<Connection>>,
}

impl Catalog {
    /// Opens the one at `path`, or makes it.
    pub async fn open(path: PathBuf) -> Result<Self> {
        blocking(move || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(PATIENCE)?;
            Self::prepare(connection)
        })
        .await
    }

    /// One that nobody else sees, and that is gone when it is dropped: SQLite puts it on disk where it grows.
    pub async fn temporary() -> Result<Self> {
        blocking(|| Self::prepare(Connection::open("")?)).await
    }

    fn prepare(mut connection: Connection) -> Result<Self> {
        connection.pragma_update(None, "journal_mode", "wal")?;
        // It can be made again: a power cut need not be waited for.
        connection.pragma_update(None, "synchronous", "normal")?;
        // Whoever else opens it for the first time waits here, and then finds it made.
        let made = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let (version, newest): (u32, usize) =
            (made.query_row("PRAGMA user_version", [], |row| row.get(0))?, MIGRATIONS.len());
        let Some(missing) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)) else {
            let detail = format!("its version is {version}, this dcs knows up to {newest}");
            return Err(CatalogError::new(ErrorKind::Newer, detail));
        };
        for migration in missing {
            made.execute_batch(migration)?;
        }
        made.pragma_update(None, "user_version", u32::try_from(newest).unwrap_or(u32::MAX))?;
        made.commit()?;
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(CatalogError::new(ErrorKind::Damaged, sound));
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Does `work` with the connection, on a thread that may wait.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = Arc::clone(&self.connection);
        blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// Forgets everything of a repository.
    pub async fn forget(&self, repository: &str) -> Result<()> {
        let repository = repository.to_owned();
        self.with(move |connection| {
            connection.execute("DELETE FROM runs WHERE repository = ?1", params![repository])?;
            Ok(())
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let failed = |error: tokio::task::JoinError| CatalogError::new(ErrorKind::Other, error.to_string());
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Gives a damaged catalogue another name, and answers it; what belongs to it goes along.
pub fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let named = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let free = (1..1000).map(|number| named(&format!(".damaged-{number}"))).find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| named(".damaged"));
    std::fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        match std::fs::remove_file(named(end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_one_is_left_alone_and_a_spoilt_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        drop(Catalog::open(path.clone()).await.unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let newer = Catalog::open(path.clone()).await.err().unwrap();
        assert_eq!(newer.kind, ErrorKind::Newer);
        std::fs::write(&path, "no database ".repeat(1000)).unwrap();
        let damaged = Catalog::open(path.clone()).await.err().unwrap();
        assert_eq!(damaged.kind, ErrorKind::Damaged);
        let aside = set_aside(&path).unwrap();
        assert!(aside.exists() && !path.exists());
        Catalog::open(path).await.unwrap();
    }
}
