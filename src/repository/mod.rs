//! The backup bucket: layout, manifest, index, packs, locks.
//!
//! Everything here is about one repository: a bucket, or a prefix of one, that holds `repository.json`.

pub mod error;
pub mod layout;
pub mod locks;
pub mod open;
pub mod recovery;

pub use error::{ErrorKind, RepositoryError, Result};
pub use open::{Clock, Repository};
