//! Why a step failed: a layer's own error, or a precondition of the step.

use crate::database::{self, DatabaseError};
use crate::repository::error::RepositoryError;
use crate::store::StoreError;
use crate::trash::TrashError;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Trash(#[from] TrashError),
    /// A precondition is missing; nothing was changed.
    #[error("cannot {attempted} {subject}: {reason}")]
    Refused { attempted: &'static str, subject: String, reason: String, hint: Option<String> },
    /// A backup is not what its manifest says.
    #[error("cannot {attempted} {subject}: it is damaged ({reason})")]
    Damaged { attempted: &'static str, subject: String, reason: String },
    /// Files of a backup are damaged, which was found before anything was touched.
    #[error("cannot restore all files: {subject} is damaged ({reason})")]
    DamagedFiles { subject: String, reason: String },
    #[error("there is no {what} {subject}")]
    NotFound { what: &'static str, subject: String, hint: String },
    #[error("there is no trash bucket {subject}")]
    NoTrash { subject: String, hint: String },
    /// What was asked for is not the whole of what there is to choose from.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// The configuration names what is not there.
    #[error("{0}")]
    Configuration(String),
    /// A restore that failed when a part of it was in place already.
    #[error("the restore stopped half way, with {} restored", done.join(", "))]
    Halfway { done: Vec<String>, source: Box<Self> },
    /// A command of the operator around a restore.
    #[error("the hook `{which}` of the restore failed: {reason} (`{command}`)")]
    Hook { which: &'static str, command: String, reason: String },
    #[error("cannot {attempted} {subject}: {source}")]
    Io { attempted: &'static str, subject: String, source: std::io::Error },
}

pub type Result<T> = std::result::Result<T, StepError>;

impl StepError {
    /// Whether a database is to blame, however far down the chain of causes.
    pub fn is_of_the_database(&self) -> bool {
        if let Self::Database(error) = self {
            return error.kind != database::ErrorKind::Source;
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<DatabaseError>() {
                return error.kind != database::ErrorKind::Source;
            }
            cause = error.source();
        }
        false
    }

    /// Whether another backup may do better: what failed is a database, or a precondition of one.
    pub fn is_of_one_backup(&self) -> bool {
        matches!(self, Self::Refused { .. }) || self.is_of_the_database()
    }

    pub fn refused(attempted: &'static str, subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { attempted, subject: subject.into(), reason: reason.into(), hint: None }
    }

    /// Adds what to do about a refusal.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Refused { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// The same failure, with what was in place already before it.
    #[must_use]
    pub fn after(self, done: Vec<String>) -> Self {
        if done.is_empty() { self } else { Self::Halfway { done, source: Box::new(self) } }
    }

    pub fn io(attempted: &'static str, subject: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { attempted, subject: subject.into(), source }
    }
}

/// An error and its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("; because {error}"));
        cause = error.source();
    }
    text
}
