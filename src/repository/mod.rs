//! The backup bucket: layout, manifest, index, packs, locks.
//!
//! Everything here is about one repository: a bucket, or a prefix of one, that holds `repository.json`.

pub mod artefact;
pub mod damage;
pub mod error;
pub mod evidence;
pub mod index;
pub mod journals;
pub mod layout;
pub mod lines;
pub mod locks;
pub mod manifests;
pub mod open;
pub mod pack;
pub mod parents;
pub mod partial;
pub mod prune;
mod publish;
pub mod recovery;
pub mod remove;
pub mod runs;
pub mod select;
pub mod spool;
pub mod standing;
pub mod state;
pub mod sums;

pub use error::{ErrorKind, RepositoryError, Result};
pub use open::{Clock, Initialised, Repository};
pub use select::{InvalidSelector, Selected, Selector, Skipped};
