//! How long restoring a database will take, by what was measured when a backup of it was proven.

use std::time::Duration;

use serde::Serialize;

use super::{Context, Result};
use crate::model::BackupId;
use crate::model::manifest::DatabaseComponent;

/// Proofs that are looked at.
const PROOFS: usize = 5;

/// How long it will take, about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedTime {
    pub seconds: f64,
    /// The backup whose proof was measured.
    pub by: BackupId,
}

impl ExpectedTime {
    pub fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or_default()
    }
}

/// Looks for the newest proof of a backup that holds this database. A larger dump takes longer in proportion. It is an aid
/// only: where it cannot be told, it is not.
pub(super) async fn of(context: &Context, component: &DatabaseComponent) -> Option<ExpectedTime> {
    match find(context, component).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "how long the restore will take is not known");
            None
        }
    }
}

async fn find(context: &Context, component: &DatabaseComponent) -> Result<Option<ExpectedTime>> {
    let name = format!("database {}", component.name);
    for proof in context.repository.newest_proofs(PROOFS).await? {
        let Some(measured) = proof.components.iter().find(|component| component.name == name) else { continue };
        // It may be deleted; what was measured says nothing without its size.
        let Ok(manifest) = context.repository.manifest(&proof.id).await else { continue };
        let then = manifest.databases.iter().find(|database| database.name == component.name);
        if let Some(then) = then.filter(|then| then.dump.raw_size > 0 && then.selection.is_none()) {
            let ratio = component.dump.raw_size as f64 / then.dump.raw_size as f64;
            return Ok(Some(ExpectedTime { seconds: measured.seconds * ratio, by: proof.id }));
        }
    }
    Ok(None)
}
