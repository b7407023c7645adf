//! Finding backups: a folder below `backups/` is a backup once it holds a manifest.
//!
//! One damaged manifest never hides the others: each is read, and fails, for itself.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::error::{ErrorKind, RepositoryError, Result};
use super::open::{Repository, check_format};
use super::{layout, sums};
use crate::archive;
use crate::model::{BackupId, Key, Manifest};
use crate::store::{ListOptions, Listed};

/// How many manifests are read at once, and how many more than asked for may be read in vain.
const READS: usize = 8;

/// All that lies below `backups/`.
#[derive(Debug, Default)]
pub struct Backups {
    /// Newest first.
    pub found: Vec<Backup>,
    /// Folders without a manifest: of runs that go on, or were interrupted. Newest first.
    pub unfinished: Vec<BackupId>,
}

/// A backup, or why its manifest cannot be read.
#[derive(Debug)]
pub struct Backup {
    pub id: BackupId,
    pub manifest: Result<Manifest>,
}

impl Repository {
    /// The ids of all folders below `backups/`, oldest first, from one listing. Some may hold no manifest.
    pub async fn backup_ids(&self) -> Result<Vec<BackupId>> {
        let folder = format!("{}{}", self.prefix, layout::BACKUPS);
        let options = ListOptions { prefix: folder.clone(), delimited: true, ..ListOptions::default() };
        let listing = self.store.list(&self.bucket, options);
        let ids = listing.try_filter_map(|listed| {
            let id = match &listed {
                Listed::Prefix(prefix) => prefix.as_str().strip_prefix(&folder).and_then(|name| name.strip_suffix('/')),
                Listed::Object(_) => None,
            };
            std::future::ready(Ok(id.and_then(|id| id.parse().ok())))
        });
        let ids: std::result::Result<Vec<BackupId>, _> = ids.try_collect().await;
        let mut ids = ids.map_err(|error| RepositoryError::from_store(error, "list backups in", self.describe()))?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Reads many manifests, some at once, in the order of `ids`. `NotFound` is a folder without one.
    pub fn manifests<'a>(&'a self, ids: &'a [BackupId]) -> impl Stream<Item = Backup> + Send + 'a {
        stream::iter(ids)
            .map(move |id| async move { Backup { id: id.clone(), manifest: self.manifest(id).await } })
            .buffered(READS)
    }

    /// All backups, newest first. Fails only where they cannot be listed.
    pub async fn backups(&self) -> Result<Backups> {
        let mut ids = self.backup_ids().await?;
        ids.reverse();
        let mut backups = Backups::default();
        let mut manifests = std::pin::pin!(self.manifests(&ids));
        while let Some(backup) = manifests.next().await {
            match backup.manifest {
                Err(error) if error.kind == ErrorKind::NotFound => backups.unfinished.push(backup.id),
                manifest => backups.found.push(Backup { id: backup.id, manifest }),
            }
        }
        Ok(backups)
    }

    /// Reads one manifest and compares it with its digest. Absence is `NotFound`; what is not as it was written is
    /// `Damaged`.
    pub async fn manifest(&self, id: &BackupId) -> Result<Manifest> {
        let (path, sums_path) = (layout::manifest(id), layout::sums(id));
        let (bytes, list) = tokio::try_join!(self.get(&path), self.get(&sums_path))?;
        let bytes = bytes.ok_or_else(|| RepositoryError::new(ErrorKind::NotFound, "find backup", id.as_str()))?;
        let Some(list) = list else {
            // A backup that is being deleted loses its manifest first, maybe between the two reads.
            return Err(match self.get(&path).await? {
                Some(_) => damaged(&sums_path, "it is missing"),
                None => RepositoryError::new(ErrorKind::NotFound, "find backup", id.as_str()),
            });
        };
        parse(id, &path, &bytes, &list)
    }
}

fn parse(id: &BackupId, path: &Key, bytes: &Bytes, list: &Bytes) -> Result<Manifest> {
    check_format(bytes, path)?;
    let expected = std::str::from_utf8(list).ok().and_then(|list| sums::find(list, path));
    let expected = expected.ok_or_else(|| damaged(path, "SHA256SUMS does not name it"))?;
    if archive::sha256(bytes) != expected {
        return Err(damaged(path, "its digest is not the one in SHA256SUMS"));
    }
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|error| damaged(path, "it is no manifest").with_source(error))?;
    if manifest.id != *id {
        return Err(damaged(path, &format!("it is the manifest of {}", manifest.id)));
    }
    Ok(manifest)
}

fn damaged(path: &Key, detail: &str) -> RepositoryError {
    RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_detail(detail)
}
