//! Why an operation on the trash failed.

use std::error::Error;

use crate::store::StoreError;

/// A failed operation on the trash.
#[derive(Debug, thiserror::Error)]
pub enum TrashError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry is not what dcs wrote.
    #[error("cannot {attempted} {subject}: it is damaged ({detail})")]
    Damaged { attempted: &'static str, subject: String, detail: String },
    /// A newer dcs wrote it.
    #[error("cannot read {subject}: a newer dcs wrote it")]
    Unsupported { subject: String },
    /// A copy is not what was to be copied; originals are where they were.
    #[error("cannot prove the copy of {subject}: {detail}")]
    Unproven { subject: String, detail: String },
    /// Others write so fast that the move does not come to an end.
    #[error("cannot come to an end with {subject}: {detail}")]
    Restless { subject: String, detail: String },
    /// The lock under which this was done is no longer ours.
    #[error("cannot go on with {subject}")]
    Lease { subject: String, source: Box<dyn Error + Send + Sync> },
    #[error("cannot spool in {folder}: {source}")]
    Spool { folder: String, source: std::io::Error },
}

pub type Result<T> = std::result::Result<T, TrashError>;

impl TrashError {
    pub(super) fn damaged(attempted: &'static str, subject: impl Into<String>, detail: impl ToString) -> Self {
        Self::Damaged { attempted, subject: subject.into(), detail: detail.to_string() }
    }
}
