//! Why a store operation failed: what was attempted, on what, and the kind that callers branch on.

use std::error::Error;
use std::fmt;

/// What callers branch on; never on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No such object, upload or version.
    NotFound,
    /// No such bucket, or no such root folder.
    NoBucket,
    /// A precondition failed: the object exists, or is no longer the one named.
    Precondition,
    /// Credentials are missing or wrong, or the right is.
    Denied,
    /// The store cannot hold this key.
    Unaddressable,
    /// The store cannot do this at all.
    Unsupported,
    /// The disk or quota is full.
    Full,
    /// A body was shorter or longer, or of another digest, than announced.
    Truncated,
    /// Passing: timeout, reset, 429, 5xx. Trying again may help.
    Transient,
    /// Not reachable: refused, no route, no such host, TLS. Trying again may help, briefly.
    Unreachable,
    /// The store was opened for reading only.
    ReadOnly,
    /// The source of an upload failed, not the store.
    Source,
    /// Anything else.
    Other,
}

/// A failed operation.
#[derive(Debug)]
pub struct StoreError {
    pub kind: ErrorKind,
    /// A verb phrase: `put`, `list`, `complete upload of`.
    pub attempted: &'static str,
    /// Store, bucket and key, as a person writes them.
    pub subject: String,
    /// The server's own code, request id and message where it gave them.
    pub detail: Option<String>,
    /// How long the server asked to wait, in milliseconds; 0 where a first repeat has nothing to wait for.
    pub retry_after: Option<u64>,
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

pub type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    pub fn new(kind: ErrorKind, attempted: &'static str, subject: impl Into<String>) -> Self {
        Self { kind, attempted, subject: subject.into(), detail: None, retry_after: None, source: None }
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

    /// Maps an I/O error of a local file to its kind.
    pub fn from_io(error: std::io::Error, attempted: &'static str, subject: impl Into<String>) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::AlreadyExists => ErrorKind::Precondition,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::Full,
            Io::InvalidFilename => ErrorKind::Unaddressable,
            Io::TimedOut | Io::Interrupted | Io::StaleNetworkFileHandle => ErrorKind::Transient,
            _ => ErrorKind::Other,
        };
        Self::new(kind, attempted, subject).with_source(error)
    }

    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Transient | ErrorKind::Unreachable | ErrorKind::Truncated)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.kind {
            ErrorKind::NotFound => "no such object",
            ErrorKind::NoBucket => "no such bucket",
            ErrorKind::Precondition => "it exists or has changed",
            ErrorKind::Denied => "access denied",
            ErrorKind::Unaddressable => "this store cannot hold the key",
            ErrorKind::Unsupported => "the store cannot do this",
            ErrorKind::Full => "no space left",
            ErrorKind::Truncated => "the body is not what was announced",
            ErrorKind::Transient => "the store failed for now",
            ErrorKind::Unreachable => "the store is not reachable",
            ErrorKind::ReadOnly => "the store is open for reading only",
            ErrorKind::Source => "the data to store could not be read",
            ErrorKind::Other => "the store failed",
        };
        write!(formatter, "cannot {} {}: {reason}", self.attempted, self.subject)?;
        if let Some(detail) = &self.detail {
            write!(formatter, " ({detail})")?;
        }
        Ok(())
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
