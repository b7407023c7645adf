//! What replaces the rows of live tables, or fills empty ones: all of it visible at once, or nothing.

use async_trait::async_trait;

use super::{DatabaseError, DumpStream, ErrorKind, Result};
use crate::model::RunId;
use crate::model::database::{Difference, Engine, Fingerprint, SequenceRange, TableCount};

/// Which rows go where.
#[derive(Debug, Clone)]
pub struct RowsOptions {
    pub run: RunId,
    /// The tables, with what their rows were when they were dumped; and how the text of their values was written.
    pub expected: Fingerprint,
    /// The encoding of the dump.
    pub encoding: String,
    /// Whether sequences that belong to no table are brought along.
    pub with_loose_sequences: bool,
    /// Whether the rows that are there go; otherwise there must be none.
    pub replaces: bool,
}

/// What that would meet and do, known before anything is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowsPlan {
    /// The tables as they are now.
    pub live: Vec<TableCount>,
    /// Triggers that will not fire, and whatever else the operator should know.
    pub warnings: Vec<String>,
}

/// A transaction that has the tables for itself: nobody else writes to them from its begin on, and what is read of them
/// until [`Self::load`] is what will be replaced. Whatever ends before [`Self::commit`] has changed nothing.
#[async_trait]
pub trait RowsSession: Send {
    /// Puts the rows that a dump holds into the tables, in place of those that are there.
    async fn load(&mut self, dump: DumpStream) -> Result<()>;

    /// Brings the sequences up to where the backup saw them; one that has gone farther stays there.
    async fn raise_sequences(&mut self, sequences: &[SequenceRange]) -> Result<()>;

    /// Reads every row back, still unseen by others. Empty: proven.
    async fn compare(&mut self) -> Result<Vec<Difference>>;

    /// Makes it visible. An error means that nothing is, unless it says that nobody knows.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Undoes everything. Never fails: a transaction without its session ends by itself.
    async fn abort(self: Box<Self>);
}

/// Of an engine that restores databases whole.
pub(super) fn refused(subject: &str, engine: Engine) -> DatabaseError {
    DatabaseError::new(ErrorKind::Refused, "restore rows into", subject)
        .with_detail(format!("a database of {engine} is restored whole"))
        .with_hint("Restore it beside the live one with `--into NEWNAME`, and copy what is needed.")
}
