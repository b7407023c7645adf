//! The shared database layer: one contract, [`Database`], kept by PostgreSQL (with the server's own tools) and SQLite.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::model::database::{Difference, Engine, Fingerprint, ServerInfo};
use crate::model::manifest::DumpSelection;
use crate::model::{ItemFolder, ItemRow, ItemTable, Prefix, PrefixTemplate, RunId, StatusChange};

mod choices;
mod compare;
mod displaced;
pub mod error;
mod items;
mod postgres;
mod rows;
pub mod scratch;
mod sqlite;
mod tools;

pub use choices::{Extent, RestoreChoices, SelectedTables};
pub use displaced::{Affected, Connections, Displaced, UndoOptions, UndoPlan};
pub use error::{DatabaseError, ErrorKind, Result};
pub use postgres::{DumpWatcher, PostgresDatabase, PostgresOptions};
pub use rows::{RowsOptions, RowsPlan, RowsSession};
pub use sqlite::SqliteDatabase;

/// A dump's bytes, uncompressed. The stream ends cleanly only after the tool ended with success.
pub type DumpStream = BoxStream<'static, Result<Bytes>>;

/// The rows of a table, with their folders.
pub type FolderStream = BoxStream<'static, Result<ItemFolder>>;

/// How to dump.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// Where an SQLite copy is spooled.
    pub spool: PathBuf,
    pub run: RunId,
    /// What to dump, where that is not all.
    pub selection: Option<DumpSelection>,
}

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    pub spool: PathBuf,
    pub run: RunId,
    /// SQL that sets the database's properties, as [`DumpSession::properties`] gave it.
    pub properties: Option<String>,
    /// SQL that makes the roles; only missing ones are made.
    pub globals: Option<String>,
    pub server: ServerInfo,
    /// Bytes of the dump, uncompressed.
    pub dump_bytes: u64,
    pub choices: RestoreChoices,
}

/// What a restore would do, known before anything is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestorePlan {
    /// Whether there is a live database that will be displaced.
    pub displaces_live: bool,
    /// What is live now, where there is something.
    pub live: Option<Affected>,
    /// What the displaced one will be called.
    pub kept_as: Option<String>,
    /// Things the operator should know: rows newer than the backup, slots, subscriptions, missing role passwords.
    pub warnings: Vec<String>,
}

/// A database that dcs was told of.
#[async_trait]
pub trait Database: Send + Sync + fmt::Debug {
    /// How a person names it, without password: `postgres://dcs@127.0.0.1/dream`, `sqlite:/srv/dream.db`.
    fn describe(&self) -> String;

    /// The name on the server; the file's name in SQLite.
    fn database(&self) -> &str;

    fn engine(&self) -> Engine;

    /// Connects, and checks everything a dump needs: rights, the tool. Changes nothing.
    async fn preflight_dump(&self) -> Result<ServerInfo>;

    /// Takes the snapshot, and holds it until the session ends.
    async fn begin_dump(&self, options: &DumpOptions) -> Result<Box<dyn DumpSession>>;

    /// Checks everything a restore needs (reachable, rights, tool, extensions, name free and short enough) and tells what
    /// would happen. Changes nothing.
    async fn plan_restore(&self, options: &RestoreOptions) -> Result<RestorePlan>;

    /// Makes an empty side database with the properties; the live one is not touched.
    async fn begin_restore(&self, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>>;

    /// Checks everything that rows for live tables need, and tells what would happen. Changes nothing.
    async fn plan_rows(&self, _options: &RowsOptions) -> Result<RowsPlan> {
        Err(rows::refused(&self.describe(), self.engine()))
    }

    /// Takes the tables that rows are for, so that nobody else writes to them from here on.
    async fn begin_rows(&self, _options: &RowsOptions) -> Result<Box<dyn RowsSession>> {
        Err(rows::refused(&self.describe(), self.engine()))
    }

    /// Makes an empty database for a proof: it is in nobody's way, is told apart by `name` and the run, and is only ever to
    /// be discarded. Checks what that needs first; what the server lacks is `Lacking`.
    async fn begin_scratch(&self, name: &str, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>>;

    /// Drops what [`Self::begin_scratch`] made of these names in this run, once what is at work in it has ended, and what
    /// runs left that were killed. Never fails: what cannot be dropped is logged with its name.
    async fn sweep_scratch(&self, own: &[String], run: &RunId);

    /// What restores and undos displaced of this database, the last first. Changes nothing.
    async fn displaced(&self, run: &RunId) -> Result<Vec<Displaced>>;

    /// The databases of the server beside this one, by name, but for the server's own and those that dcs made. A file has
    /// none.
    async fn neighbours(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Checks everything that putting it back needs, and tells what would happen. Changes nothing.
    async fn plan_undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<UndoPlan>;

    /// Lets what was displaced take the live one's place; answers what that is called now, if there was one.
    /// After a crash either of the two answers by the live name.
    async fn undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<Option<String>>;

    /// What tells the database that answers by the live name from any other that ever did, as far as that can be told;
    /// `None` where none answers. One that is equal is the same; one that is not may still be. Changes nothing.
    async fn identity(&self, run: &RunId) -> Result<Option<String>>;

    /// What a restore of this run is loaded into beside the live one, where that has a name.
    fn side(&self, run: &RunId) -> Option<String>;

    /// Drops what a restore of the dead run `of` left beside the live one. Absence is no error.
    async fn drop_side(&self, of: &RunId, run: &RunId) -> Result<()>;

    /// The row of an item, with `columns` as text; `None` where no row has this id, in exactly these characters: an id of
    /// `042` is not the number 42. A table or column that does not exist is `NotFound`, naming it.
    async fn item_row(&self, table: &ItemTable, id: &str, columns: &[String]) -> Result<Option<ItemRow>>;

    /// Sets the status of one row, in one transaction, where it is `expected` (`None` is NULL). After an unknown outcome a
    /// repeat answers `Differs` with the new status.
    async fn set_item_status(
        &self,
        table: &ItemTable,
        id: &str,
        expected: Option<&str>,
        status: &str,
    ) -> Result<StatusChange>;

    /// Ids of rows other than `id` whose folder, as `template` makes it, is `folder`, holds it or lies in it; `limit` of them
    /// at most. Their values count as they are, slashes and all.
    async fn items_around(
        &self,
        table: &ItemTable,
        template: &PrefixTemplate,
        folder: &Prefix,
        id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>>;

    /// Every row of a table with its folder, sorted by the bytes of that, those without one first; all of one snapshot. Rows
    /// are read as they are asked for.
    async fn item_folders(&self, table: &ItemTable, template: &PrefixTemplate) -> Result<FolderStream>;
}

/// A snapshot being dumped.
#[async_trait]
pub trait DumpSession: Send {
    /// SQL of the database's properties; `None` in SQLite.
    fn properties(&self) -> Option<&str>;

    /// SQL of the roles, and whether it holds their passwords; `None` in SQLite, or where they may not be read.
    fn globals(&self) -> Option<(&str, bool)>;

    /// Every row of a table with its folder, as [`Database::item_folders`] gives them, as they are in the dump. A failure
    /// does not harm that.
    async fn item_folders<'a>(
        &'a mut self,
        table: &ItemTable,
        template: &PrefixTemplate,
    ) -> Result<BoxStream<'a, Result<ItemFolder>>>;

    /// Opens the dump: `pg_dump -Fc` uncompressed, or the SQLite file. Once a session, and after everything else that is
    /// asked of it: rows are counted meanwhile.
    async fn open(&mut self) -> Result<DumpStream>;

    /// Ends the session after the stream ended cleanly, and answers what the snapshot counted; fails where the dump does not
    /// hold it.
    async fn finish(self: Box<Self>) -> Result<Fingerprint>;

    /// Ends the session and whatever it left running. Never fails: what cannot be ended is logged.
    async fn abort(self: Box<Self>);
}

/// A side database being filled.
#[async_trait]
pub trait RestoreSession: Send {
    /// Loads a dump. An error leaves the side database for [`Self::discard`].
    async fn load(&mut self, dump: DumpStream) -> Result<()>;

    /// Compares the loaded side database with the fingerprint. Empty: proven.
    async fn compare(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>>;

    /// Reads every row back and compares it with what the dump carried when it was made: the proof that what was loaded is
    /// what was there. In SQLite the bytes are those of the dump, and there is nothing to read back.
    async fn compare_contents(&mut self, _expected: &Fingerprint) -> Result<Vec<Difference>> {
        Ok(Vec::new())
    }

    /// Runs a statement in the loaded side database, and answers the first column of the first row as text; `None` where
    /// that is NULL, or there is no row.
    async fn ask(&mut self, statement: &str) -> Result<Option<String>>;

    /// Applies what comes last, because it might lock out whoever loads and compares: rights and limits.
    async fn settle(&mut self) -> Result<()>;

    /// What [`Database::identity`] will answer once this was swapped in, where that is known before.
    async fn identity(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Puts the side database in the live one's place; answers what the old one is called now, if there was one.
    /// After a crash either the old or the new one answers by the live name.
    async fn swap(self: Box<Self>) -> Result<Option<String>>;

    /// Drops the side database. Never fails: what cannot be dropped is logged with its name.
    async fn discard(self: Box<Self>);
}
