//! Why the catalogue could not be used. None of it loses anything: the catalogue is a cache.

use std::fmt;

/// What callers branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is no catalogue, or damaged.
    Damaged,
    /// A newer dcs made it.
    Newer,
    /// Another process holds it.
    Locked,
    /// It, or its folder, may not be written to, or has no room.
    Unwritable,
    Other,
}

/// A failed operation on the catalogue.
#[derive(Debug)]
pub struct CatalogError {
    pub kind: ErrorKind,
    pub(super) detail: String,
}

pub type Result<T> = std::result::Result<T, CatalogError>;

impl CatalogError {
    pub(super) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for CatalogError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.kind {
            ErrorKind::Damaged => "it is damaged",
            ErrorKind::Newer => "a newer dcs made it",
            ErrorKind::Locked => "another process holds it",
            ErrorKind::Unwritable => "it cannot be written to",
            ErrorKind::Other => "it cannot be used",
        };
        write!(formatter, "{reason}: {}", self.detail)
    }
}

impl std::error::Error for CatalogError {}

impl From<rusqlite::Error> for CatalogError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let kind = match error.sqlite_error_code() {
            // Unknown: a table or a column that should be there is not.
            Some(Code::NotADatabase | Code::DatabaseCorrupt | Code::Unknown) => ErrorKind::Damaged,
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => ErrorKind::Locked,
            Some(
                Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied | Code::DiskFull | Code::SystemIoFailure,
            ) => ErrorKind::Unwritable,
            _ => ErrorKind::Other,
        };
        Self::new(kind, error.to_string())
    }
}
