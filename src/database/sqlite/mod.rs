//! SQLite: one file, copied out and loaded back through SQLite's own backup interface, which respects its locks.
//!
//! A live file is never renamed over nor copied as a file: its `-wal` would belong to other contents, and corrupt them.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::Result;
use super::items::{COMPARE, LOOK_AROUND, READ, SET};
use super::{
    Database, DatabaseError, Displaced, DumpOptions, DumpSession, ErrorKind, FolderStream, RestoreOptions, RestorePlan,
    RestoreSession, UndoOptions, UndoPlan,
};
use crate::model::database::{Engine, ServerInfo};
use crate::model::{ItemRow, ItemTable, Prefix, PrefixTemplate, RunId, StatusChange};

mod dump;
mod exchange;
mod file;
mod items;
mod restore;
mod spool;
mod swap;
mod undo;

/// Rows that are read before they are asked for.
const ROWS_AHEAD: usize = 256;

/// A database in a file.
pub struct SqliteDatabase {
    path: PathBuf,
    name: String,
}

impl SqliteDatabase {
    /// Opens nothing yet.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { path, name }
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SqliteDatabase({})", self.path.display())
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    fn describe(&self) -> String {
        describe(&self.path)
    }

    fn database(&self) -> &str {
        &self.name
    }

    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    async fn preflight_dump(&self) -> Result<ServerInfo> {
        let path = self.path.clone();
        let looked = blocking("look at", move || file::info(&file::open_live(&path)?, &path));
        looked.await.map_err(file::of_the_live_file)
    }

    async fn begin_dump(&self, options: &DumpOptions) -> Result<Box<dyn DumpSession>> {
        let (path, options) = (self.path.clone(), options.clone());
        let begun = blocking("dump", move || dump::SqliteDump::begin(&path, &options));
        Ok(Box::new(begun.await.map_err(file::of_the_live_file)?))
    }

    async fn plan_restore(&self, options: &RestoreOptions) -> Result<RestorePlan> {
        let (path, options) = (self.path.clone(), options.clone());
        blocking("plan a restore of", move || restore::plan(&path, &options)).await
    }

    async fn begin_restore(&self, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        let (path, options) = (self.path.clone(), options.clone());
        Ok(Box::new(blocking("restore", move || restore::SqliteRestore::begin(&path, &options)).await?))
    }

    /// What is restored lies in the spool until it is swapped in: nothing else is ever made.
    async fn begin_scratch(&self, _name: &str, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        self.begin_restore(options).await
    }

    async fn sweep_scratch(&self, _own: &[String], _run: &RunId) {}

    async fn displaced(&self, _: &RunId) -> Result<Vec<Displaced>> {
        let path = self.path.clone();
        blocking("look beside", move || undo::displaced(&path)).await
    }

    async fn plan_undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<UndoPlan> {
        let (path, displaced, options) = (self.path.clone(), displaced.clone(), options.clone());
        blocking("look at", move || undo::plan(&path, &displaced, &options)).await
    }

    async fn undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<Option<String>> {
        let (path, displaced, options) = (self.path.clone(), displaced.clone(), options.clone());
        blocking("swap in", move || undo::undo(&path, &displaced, &options)).await
    }

    async fn identity(&self, _: &RunId) -> Result<Option<String>> {
        let path = self.path.clone();
        blocking("look at", move || undo::identity(&path)).await
    }

    /// It is loaded in the spool, and what a dead run left there goes with the next one.
    fn side(&self, _: &RunId) -> Option<String> {
        None
    }

    async fn drop_side(&self, _: &RunId, _: &RunId) -> Result<()> {
        Ok(())
    }

    async fn item_row(&self, table: &ItemTable, id: &str, columns: &[String]) -> Result<Option<ItemRow>> {
        let (path, table, id, columns) = (self.path.clone(), table.clone(), id.to_owned(), columns.to_vec());
        blocking(READ, move || items::row(&path, &table, &id, &columns)).await
    }

    async fn set_item_status(
        &self,
        table: &ItemTable,
        id: &str,
        expected: Option<&str>,
        status: &str,
    ) -> Result<StatusChange> {
        let (path, table, id) = (self.path.clone(), table.clone(), id.to_owned());
        let (expected, status) = (expected.map(str::to_owned), status.to_owned());
        blocking(SET, move || items::set_status(&path, &table, &id, expected.as_deref(), &status)).await
    }

    async fn items_around(
        &self,
        table: &ItemTable,
        template: &PrefixTemplate,
        folder: &Prefix,
        id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        let (path, table, template) = (self.path.clone(), table.clone(), template.clone());
        let (folder, id) = (folder.clone(), id.map(str::to_owned));
        let look = move || items::around(&path, &table, &template, &folder, id.as_deref(), limit);
        blocking(LOOK_AROUND, look).await
    }

    async fn item_folders(&self, table: &ItemTable, template: &PrefixTemplate) -> Result<FolderStream> {
        Ok(folders(self.path.clone(), table, template))
    }
}

/// Rows that a thread reads.
fn folders(path: PathBuf, table: &ItemTable, template: &PrefixTemplate) -> FolderStream {
    let (table, template) = (table.clone(), template.clone());
    let (sender, mut receiver) = mpsc::channel(ROWS_AHEAD);
    let read = blocking(COMPARE, move || items::folders(&path, &table, &template, &sender));
    let rows = stream::poll_fn(move |context| receiver.poll_recv(context)).map(Ok);
    let end = stream::once(read).filter_map(|read| std::future::ready(read.err().map(Err)));
    stream::select(rows, end).boxed()
}

fn describe(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// Runs work that waits for disks or locks where that does not hold up others.
async fn blocking<T: Send + 'static>(
    attempted: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(DatabaseError::new(ErrorKind::Other, attempted, "an SQLite database").with_source(error)),
    }
}
