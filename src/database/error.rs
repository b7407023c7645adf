//! Why a database operation failed.

use std::error::Error;
use std::fmt;

/// What callers branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not reachable, or the connection broke.
    Unreachable,
    /// Password, role or right.
    Denied,
    /// No such database, file or table.
    NotFound,
    /// No `pg_dump`/`pg_restore` that is not older than the server.
    NoTool,
    /// A tool ended with an error, or its output broke off.
    ToolFailed,
    /// A precondition of a restore is missing: name taken, name too long, lock timeout, extension not available.
    Refused,
    /// The archive is not one, or what it restores is not what its fingerprint says.
    Damaged,
    /// The server cannot hold what the backup holds: an extension or a library is not installed.
    Lacking,
    /// The server takes the statements of the archive for wrong.
    Rejected,
    /// No space left.
    Full,
    /// The bytes to load could not be read; the cause is a store's error.
    Source,
    Other,
}

/// A failed operation.
#[derive(Debug)]
pub struct DatabaseError {
    pub kind: ErrorKind,
    /// A verb phrase: `connect to`, `dump`, `restore`.
    pub attempted: &'static str,
    /// The database as a person names it, without password.
    pub subject: String,
    /// The tool's stderr (its end), the server's message, or what to know.
    pub detail: Option<String>,
    /// What to do next, as a full sentence, where only this layer knows it.
    pub hint: Option<String>,
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

pub type Result<T> = std::result::Result<T, DatabaseError>;

impl DatabaseError {
    pub fn new(kind: ErrorKind, attempted: &'static str, subject: impl Into<String>) -> Self {
        Self { kind, attempted, subject: subject.into(), detail: None, hint: None, source: None }
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.kind {
            ErrorKind::Unreachable => "the database is not reachable",
            ErrorKind::Denied => "access denied",
            ErrorKind::NotFound => "it does not exist",
            ErrorKind::NoTool => "no PostgreSQL client tool fits the server",
            ErrorKind::ToolFailed => "the database's tool failed",
            ErrorKind::Refused => "a precondition is missing",
            ErrorKind::Damaged => "it is not what was backed up",
            ErrorKind::Lacking => "the server lacks what the backup needs",
            ErrorKind::Rejected => "the server does not take what the backup holds",
            ErrorKind::Full => "no space left",
            ErrorKind::Source => "the backup could not be read",
            ErrorKind::Other => "the database failed",
        };
        write!(formatter, "cannot {} {}: {reason}", self.attempted, self.subject)?;
        if let Some(detail) = &self.detail {
            write!(formatter, " ({detail})")?;
        }
        Ok(())
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
