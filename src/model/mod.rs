//! The nouns of dcs: values with rules, and no I/O.

pub mod attributes;
pub mod compression;
pub mod database;
pub mod digest;
pub mod evidence;
pub mod format;
pub mod glob;
pub mod id;
pub mod index;
pub mod item;
pub mod journal;
pub mod key;
pub mod manifest;
pub mod percent;
pub mod progress;
pub mod report;
pub mod retention;
pub mod run_record;
pub mod secret;
pub mod source;

pub use attributes::{Attributes, FileKind, Posix};
pub use compression::{Compression, InvalidCompression};
pub use digest::Digest;
pub use evidence::{Evidence, Sample, SqlCheck, Verdict};
pub use glob::Glob;
pub use id::{BackupId, BackupKind, RunId, TrashId};
pub use index::{IndexRow, Piece, SourceName};
pub use item::{ItemFolder, ItemName, ItemRow, ItemTable, PrefixTemplate, StatusChange};
pub use journal::RestoreJournal;
pub use key::{BucketName, InvalidKey, Key, Prefix};
pub use manifest::Manifest;
pub use progress::{Progress, Silent};
pub use report::{Problem, Report};
pub use run_record::{ClockSource, Destroyed, RunFacts, RunRecord};
pub use secret::Secret;
pub use source::{FileSource, Patterns};
