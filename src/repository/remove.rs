//! Taking backups out of a repository, and whatever else lies in a folder of its own.

use futures_util::{StreamExt, TryStreamExt};

use super::error::{RepositoryError, Result};
use super::locks::Lease;
use super::{Repository, layout};
use crate::model::{BackupId, Key};
use crate::store::{ListOptions, Listed};

/// Keys that are removed between two looks at the lock.
pub const BATCH: usize = 1000;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    pub objects: u64,
    pub bytes: u64,
}

impl Removed {
    pub fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.add(other);
        self
    }
}

impl Repository {
    /// Removes a backup, but no pack and no index segment: others may name them, and `prune` knows which.
    ///
    /// The manifest goes first, and without it there is no backup: a crash at any later line leaves a folder that a repeat,
    /// or `prune`, removes, and never a backup that lacks something.
    pub async fn delete_backup(&self, id: &BackupId, lease: &Lease) -> Result<Removed> {
        lease.ensure_held().await?;
        self.remove(&layout::manifest(id)).await?;
        // Whoever reads the manifest reads this too; it must not be what is left of the two.
        self.remove(&layout::sums(id)).await?;
        self.remove_leftover(id, lease).await
    }

    /// Removes all that is of a backup without a manifest. Its folder goes last: a crash leaves something to find it by.
    pub(super) async fn remove_leftover(&self, id: &BackupId, lease: &Lease) -> Result<Removed> {
        let evidence = self.remove_folder(&layout::evidence_folder(id), lease).await?;
        Ok(evidence.and(self.remove_folder(&layout::backup_folder(id), lease).await?))
    }

    /// Counts what lies in a folder: a path that ends in a slash.
    pub async fn measure_folder(&self, folder: &str) -> Result<Removed> {
        let mut found = Removed::default();
        let mut listing = std::pin::pin!(self.list_folder(folder));
        while let Some((_, bytes)) = listing.try_next().await? {
            found.add(Removed { objects: 1, bytes });
        }
        Ok(found)
    }

    /// Removes everything in a folder.
    pub(super) async fn remove_folder(&self, folder: &str, lease: &Lease) -> Result<Removed> {
        let mut removed = Removed::default();
        let mut batches = std::pin::pin!(self.list_folder(folder).try_chunks(BATCH));
        while let Some(batch) = batches.try_next().await.map_err(|error| error.1)? {
            lease.ensure_held().await?;
            let bytes = batch.iter().map(|(_, bytes)| bytes).sum();
            removed.add(Removed { objects: batch.len() as u64, bytes });
            self.remove_all(batch.into_iter().map(|(path, _)| path).collect()).await?;
        }
        Ok(removed)
    }

    /// Removes an object. Absence is no error.
    pub async fn remove(&self, path: &Key) -> Result<()> {
        let removed = self.store.delete(&self.address(path)?).await;
        removed.map_err(|error| RepositoryError::from_store(error, "remove", path.as_str()))
    }

    /// Removes many. The first failure is the error, after all were tried.
    pub(super) async fn remove_all(&self, paths: Vec<Key>) -> Result<()> {
        let keys: Result<Vec<Key>> = paths.iter().map(|path| Ok(self.address(path)?.key)).collect();
        let results = self.store.delete_many(&self.bucket, keys?).await;
        results.into_iter().try_for_each(|(key, result)| {
            result.map_err(|error| RepositoryError::from_store(error, "remove", key.as_str()))
        })
    }

    /// The paths and sizes of what lies in a folder.
    pub(super) fn list_folder(
        &self,
        folder: &str,
    ) -> impl futures_util::Stream<Item = Result<(Key, u64)>> + Send + use<'_> {
        let options = ListOptions { prefix: format!("{}{folder}", self.prefix), ..ListOptions::default() };
        let subject = folder.to_owned();
        self.store.list(&self.bucket, options).filter_map(move |listed| {
            let found = match listed {
                Ok(Listed::Object(info)) => self.path(&info.key).map(|path| Ok((path, info.size))),
                Ok(Listed::Prefix(_)) => None,
                Err(error) => Some(Err(RepositoryError::from_store(error, "list", subject.clone()))),
            };
            std::future::ready(found)
        })
    }
}
