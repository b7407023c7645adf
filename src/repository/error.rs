//! Why a repository operation failed: what was attempted, on what, and the kind that callers branch on.

use std::error::Error;
use std::fmt;

use super::locks::Held;
use crate::store::StoreError;

/// What callers branch on; never on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No such backup, or no such object of one.
    NotFound,
    /// The bucket is there and holds no `repository.json`, or there is no bucket.
    NotARepository,
    /// A newer dcs wrote it.
    Unsupported,
    /// Something is not what its manifest or its digest says.
    Damaged,
    /// Another run holds the lock; the detail says who, where and since when.
    Locked,
    /// Our own lock was taken away: this run was suspended, or cut off, for too long.
    LockLost,
    /// A precondition is missing. Nothing was changed.
    Refused,
    /// The host's clock and the store's are too far apart.
    Clock,
    /// What was to be stored could not be read; the cause says why.
    Source,
    /// What was to be stored is no longer what its listing said.
    Changed,
    /// Rows came in another order than that of their source and key.
    Unordered,
    /// A temporary file could not be written or read: the disk is full, perhaps.
    Spool,
    /// The store failed; see [`RepositoryError::store_error`].
    Store,
}

/// A failed operation.
#[derive(Debug)]
pub struct RepositoryError {
    pub kind: ErrorKind,
    /// A verb phrase: `read`, `publish backup`, `lock`.
    pub attempted: &'static str,
    /// Repository, backup or key, as a person writes them.
    pub subject: String,
    /// What is wrong with it, where the kind does not say it all.
    pub detail: Option<String>,
    /// Who has the lock, where the kind is `Locked`.
    pub held: Option<Box<Held>>,
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

pub type Result<T> = std::result::Result<T, RepositoryError>;

impl RepositoryError {
    pub fn new(kind: ErrorKind, attempted: &'static str, subject: impl Into<String>) -> Self {
        Self { kind, attempted, subject: subject.into(), detail: None, held: None, source: None }
    }

    /// Keeps a store's error as the cause.
    pub fn from_store(error: StoreError, attempted: &'static str, subject: impl Into<String>) -> Self {
        Self::new(ErrorKind::Store, attempted, subject).with_source(error)
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The store's error behind this one, wherever it lies in the chain of causes.
    pub fn store_error(&self) -> Option<&StoreError> {
        let mut cause = self.source();
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

impl fmt::Display for RepositoryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.kind {
            ErrorKind::NotFound => "there is none",
            ErrorKind::NotARepository => "it is no dcs repository",
            ErrorKind::Unsupported => "a newer dcs wrote it",
            ErrorKind::Damaged => "it is damaged",
            ErrorKind::Locked => "another run holds the lock",
            ErrorKind::LockLost => "the lock was lost",
            ErrorKind::Refused => "a precondition is missing",
            ErrorKind::Clock => "the clocks of this host and of the store are too far apart",
            ErrorKind::Source => "the data to store could not be read",
            ErrorKind::Changed => "it changed while it was read",
            ErrorKind::Unordered => "it came out of order",
            ErrorKind::Spool => "the spool failed",
            ErrorKind::Store => "the store failed",
        };
        write!(formatter, "cannot {} {}: {reason}", self.attempted, self.subject)?;
        if let Some(detail) = &self.detail {
            write!(formatter, " ({detail})")?;
        }
        Ok(())
    }
}

impl Error for RepositoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[test]
    fn the_text_is_one_line_that_names_what_was_attempted_on_what_and_why() {
        let error = RepositoryError::new(ErrorKind::Damaged, "read", "backups/x/manifest.json").with_detail("3 bytes");
        assert_eq!(error.to_string(), "cannot read backups/x/manifest.json: it is damaged (3 bytes)");
    }

    #[test]
    fn the_store_error_is_found_behind_another() {
        let cause = StoreError::new(store::ErrorKind::Denied, "get", "vault/x");
        let inner = RepositoryError::from_store(cause, "read", "x");
        let outer = RepositoryError::new(ErrorKind::Store, "list", "y").with_source(inner);
        assert_eq!(outer.store_error().map(|error| error.kind), Some(store::ErrorKind::Denied));
    }
}
