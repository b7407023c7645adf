//! A restore of an SQLite file: spooled, checked and counted before [`super::swap`] touches the live one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use rustix::fs::Access;

use super::spool::PrivateFolder;
use super::{blocking, describe, file, swap};
use crate::database::{
    Affected, DatabaseError, DumpStream, ErrorKind, Extent, RestoreOptions, RestorePlan, RestoreSession, Result,
    compare,
};
use crate::model::RunId;
use crate::model::database::{Difference, Fingerprint};

const ATTEMPTED: &str = "restore";

pub(super) fn plan(live: &Path, options: &RestoreOptions) -> Result<RestorePlan> {
    if options.choices.extent != Extent::Everything {
        return Err(DatabaseError::new(ErrorKind::Refused, "restore a part of", describe(live))
            .with_detail("an SQLite database comes back whole")
            .with_hint("Leave out `--table`, `--schema` and `--schema-only`."));
    }
    let live = swap::resolve(live);
    let target = look_at_target(&live, options.server.size_bytes, &options.spool, &options.run)?;
    let affected = |bytes| Affected { size_bytes: Some(bytes), connections: Vec::new() };
    Ok(RestorePlan {
        displaces_live: target.live_bytes.is_some(),
        live: target.live_bytes.map(affected),
        kept_as: target.kept_as,
        warnings: target.warnings,
    })
}

/// What a swap would find where it is to put its contents.
pub(super) struct Target {
    /// The size of what is there; `None` for nothing.
    pub(super) live_bytes: Option<u64>,
    pub(super) kept_as: Option<String>,
    pub(super) warnings: Vec<String>,
}

/// Checks that contents of `size` bytes can be put there.
pub(super) fn look_at_target(live: &Path, size: u64, spool: &Path, run: &RunId) -> Result<Target> {
    let attempted = "plan a restore of";
    let parent = swap::parent(live);
    if !parent.is_dir() {
        return Err(DatabaseError::new(ErrorKind::NotFound, attempted, describe(live))
            .with_detail(format!("the folder {} does not exist", parent.display()))
            .with_hint("Make the folder, owned by the user whose application uses the database."));
    }
    let may_write = |path: &Path| {
        rustix::fs::access(path, Access::WRITE_OK).map_err(|error| file::io_failed(attempted, path, error.into()))
    };
    may_write(parent)?;
    let mut target = Target { live_bytes: None, kept_as: None, warnings: Vec::new() };
    if let Ok(metadata) = fs::metadata(live) {
        if !metadata.is_file() {
            return Err(DatabaseError::new(ErrorKind::Refused, attempted, describe(live)).with_detail("it is no file"));
        }
        may_write(live)?;
        let kept = swap::kept(live, run);
        if kept.exists() {
            return Err(DatabaseError::new(ErrorKind::Refused, attempted, describe(live))
                .with_detail(format!("{} exists", kept.display()))
                .with_hint("Run the same command again: it will take another name."));
        }
        target.kept_as = Some(kept.display().to_string());
        target.live_bytes = Some(metadata.len());
        if let Err(error) = file::open_live(live) {
            target.warnings.push(format!("the live file is no sound database and is kept as it is: {error}"));
        }
    }
    file::check_space(attempted, parent, size + target.live_bytes.unwrap_or_default())?;
    file::check_space(attempted, spool, size)?;
    Ok(target)
}

pub(super) struct SqliteRestore {
    live: PathBuf,
    run: RunId,
    folder: PrivateFolder,
    copy: PathBuf,
}

impl SqliteRestore {
    pub(super) fn begin(live: &Path, options: &RestoreOptions) -> Result<Self> {
        let folder = PrivateFolder::make(&options.spool, &options.run)?;
        let copy = folder.path().join("copy");
        Ok(Self { live: live.to_owned(), run: options.run.clone(), folder, copy })
    }
}

#[async_trait]
impl RestoreSession for SqliteRestore {
    async fn load(&mut self, mut dump: DumpStream) -> Result<()> {
        let path = self.copy.clone();
        let created = move || File::create(&path).map_err(|error| file::io_failed(ATTEMPTED, &path, error));
        let mut copy = blocking(ATTEMPTED, created).await?;
        while let Some(chunk) = dump.try_next().await? {
            let path = self.copy.clone();
            copy = blocking(ATTEMPTED, move || {
                copy.write_all(&chunk).map_err(|error| file::io_failed(ATTEMPTED, &path, error))?;
                Ok(copy)
            })
            .await?;
        }
        let (path, live) = (self.copy.clone(), self.live.clone());
        blocking(ATTEMPTED, move || {
            let length = copy
                .sync_all()
                .and_then(|()| copy.metadata())
                .map_err(|error| file::io_failed(ATTEMPTED, &path, error))?;
            // SQLite takes an empty file for an empty database; a dump of one is a page long.
            if length.len() == 0 {
                let empty = DatabaseError::new(ErrorKind::Damaged, ATTEMPTED, describe(&live));
                return Err(empty.with_detail("the dump is empty"));
            }
            file::check(ATTEMPTED, &path, &live)
        })
        .await
    }

    async fn compare(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>> {
        let (path, live) = (self.copy.clone(), self.live.clone());
        let found = blocking("compare", move || file::count("compare", &path, &live)).await?;
        Ok(compare::differences(expected, &found, |_, _| false))
    }

    async fn ask(&mut self, statement: &str) -> Result<Option<String>> {
        let (path, live, statement) = (self.copy.clone(), self.live.clone(), statement.to_owned());
        blocking("ask", move || file::first_text(&path, &live, &statement)).await
    }

    async fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    async fn swap(self: Box<Self>) -> Result<Option<String>> {
        blocking("swap in", move || swap::swap(&self.live, &self.copy, self.folder.path(), &self.run)).await
    }

    async fn discard(self: Box<Self>) {
        let removed = tokio::task::spawn_blocking(move || self.folder.close());
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(%error, "a spooled copy could not be removed");
        }
    }
}
