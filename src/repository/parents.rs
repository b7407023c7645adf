//! What an incremental backup is compared with: the newest backup of files, and what interrupted runs had stored since.

use futures_util::StreamExt;

use super::artefact::Depth;
use super::error::{ErrorKind, Result};
use super::open::Repository;
use super::partial::Partial;
use crate::model::manifest::{FilesComponent, Part};
use crate::model::{BackupId, BackupKind, Manifest};

/// Interrupted runs whose stored objects are looked for; of more the newest count.
const MOST_PARTIALS: usize = 8;
/// Backups with problems that are passed over in the search for one without.
const MOST_PASSED: usize = 32;

/// A backup of files that another can be compared with.
#[derive(Debug, Clone)]
pub struct Parent {
    pub id: BackupId,
    pub files: FilesComponent,
}

/// What there is to compare with.
#[derive(Debug, Default)]
pub struct Parents {
    /// The newest one that is whole.
    pub newest: Option<Parent>,
    /// The newest one that is good, or was accepted: what a source should look like.
    pub good: Option<Parent>,
    /// Of runs younger than `newest`, youngest first.
    pub partials: Vec<Partial>,
    /// Backups that should have been used and could not.
    pub remarks: Vec<String>,
}

impl Repository {
    /// Looks from the newest backup back, and reads no more manifests than it needs.
    pub async fn parents(&self) -> Result<Parents> {
        let mut ids = self.backup_ids().await?;
        ids.retain(|id| matches!(id.kind(), BackupKind::Files | BackupKind::Complete));
        let mut parents = Parents::default();
        let mut passed = 0;
        for id in ids.iter().rev() {
            match self.manifest(id).await {
                Ok(manifest) => self.consider(manifest, &mut parents).await?,
                Err(error) => match error.kind {
                    ErrorKind::NotFound if parents.newest.is_none() && parents.partials.len() < MOST_PARTIALS => {
                        parents.partials.extend(self.partial(id).await?);
                    }
                    ErrorKind::NotFound => {}
                    ErrorKind::Damaged | ErrorKind::Unsupported => parents.remarks.push(error.to_string()),
                    // A store that fails now would make a full backup of what needs none.
                    _ => return Err(error),
                },
            }
            passed += usize::from(parents.newest.is_some());
            if (parents.newest.is_some() && parents.good.is_some()) || passed > MOST_PASSED {
                break;
            }
        }
        Ok(parents)
    }

    async fn consider(&self, manifest: Manifest, parents: &mut Parents) -> Result<()> {
        let Some(files) = manifest.files.clone() else { return Ok(()) };
        let parent = Parent { id: manifest.id.clone(), files };
        if parents.newest.is_none() {
            match self.first_missing(&parent).await? {
                None => parents.newest = Some(parent.clone()),
                Some(reason) => parents.remarks.push(format!("backup {}: {reason}", parent.id)),
            }
        }
        if parents.good.is_none() && self.why_not_good(&manifest).await?.is_none() {
            parents.good = Some(parent);
        }
        Ok(())
    }

    /// What of its index is missing or short.
    async fn first_missing(&self, parent: &Parent) -> Result<Option<String>> {
        let index = parent.files.segments.iter().map(|segment| &segment.part);
        let parts: Vec<Part> = index.chain(&parent.files.pack_list.parts).cloned().collect();
        let mut checks = std::pin::pin!(self.check_parts(parts, Depth::Presence));
        while let Some((_, result)) = checks.next().await {
            match result {
                Err(error) if error.kind == ErrorKind::Damaged => return Ok(Some(error.to_string())),
                other => other?,
            }
        }
        Ok(None)
    }
}
