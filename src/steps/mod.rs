//! The composable steps: pure planning, then ordered execution. They know nothing of the command that called them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use crate::database::Database;
use crate::model::{Progress, RunId};
use crate::repository::{Repository, RepositoryError};
use crate::store::ObjectStore;

pub mod backup;
pub mod backup_state;
pub mod capture;
pub mod check;
pub mod choose_tables;
mod consistency;
pub mod continued;
pub mod delete_backups;
pub mod doctor;
pub mod dump_database;
mod error;
pub mod expected_time;
pub mod export;
pub mod files;
pub mod history;
pub mod hooks;
pub mod items;
pub mod journal;
pub mod look;
mod ordered_object;
pub mod place;
mod presence;
pub mod prune;
pub mod restore;
pub mod restore_database;
pub mod restore_files;
pub mod restore_rows;
pub mod retention;
mod shrunken;
mod sorted_listing;
pub mod sources;
pub mod status;
pub mod step_hooks;
pub mod store_text;
pub mod target;
pub mod undo_database;
pub mod undo_restore;
pub mod verify;

pub use error::{Result, StepError, with_causes};

/// Reads an object to its end, for its verification alone.
async fn drain(
    content: impl Stream<Item = std::result::Result<Bytes, RepositoryError>> + Send,
) -> std::result::Result<(), RepositoryError> {
    content.try_for_each(|_| std::future::ready(Ok(()))).await
}

/// What every step works with.
#[derive(Clone)]
pub struct Context {
    pub run: RunId,
    pub host: String,
    pub repository: Repository,
    /// The live stores and databases, by their names in the configuration.
    pub stores: BTreeMap<String, Arc<dyn ObjectStore>>,
    pub databases: BTreeMap<String, Arc<dyn Database>>,
    /// Where what needs a file for a while is put.
    pub spool: PathBuf,
    pub progress: Arc<dyn Progress>,
    /// Requests at once.
    pub transfers: usize,
}

impl Context {
    /// A live store by its name.
    pub fn store(&self, name: &str) -> Result<&Arc<dyn ObjectStore>> {
        let missing = || StepError::Configuration(format!("there is no store {name:?} in the configuration"));
        self.stores.get(name).ok_or_else(missing)
    }

    /// A live database by its name.
    pub fn database(&self, name: &str) -> Result<&Arc<dyn Database>> {
        let missing = || StepError::Configuration(format!("there is no database {name:?} in the configuration"));
        self.databases.get(name).ok_or_else(missing)
    }
}
