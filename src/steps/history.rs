//! The history of runs: the records of the backup bucket, through the catalogue.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Result, StepError};
use crate::catalog::{Catalog, CatalogError};
use crate::model::{Key, RunRecord};
use crate::repository::{ErrorKind, Repository, RepositoryError};

/// Names that are held against the catalogue at once.
const PAGE: usize = 1000;
/// Records that are read at once.
const AT_ONCE: usize = 16;

/// What bringing the catalogue up to date came to.
#[derive(Debug, Default)]
pub struct Synced {
    /// Records that were read.
    pub new: u64,
    /// Records that cannot be read, each with why.
    pub unreadable: Vec<RepositoryError>,
}

/// Why it could not: the bucket, or the catalogue.
#[derive(Debug)]
pub enum SyncError {
    Step(StepError),
    Catalog(CatalogError),
}

impl From<CatalogError> for SyncError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

impl From<RepositoryError> for SyncError {
    fn from(error: RepositoryError) -> Self {
        Self::Step(error.into())
    }
}

/// Brings the catalogue to what the bucket holds: one listing, and a read for each record that is new.
pub async fn sync(repository: &Repository, catalog: &Catalog) -> std::result::Result<Synced, SyncError> {
    let (id, mut synced) = (repository.id.as_str(), Synced::default());
    catalog.begin(id).await?;
    let mut pages = std::pin::pin!(repository.runs(None).try_chunks(PAGE));
    while let Some(page) = pages.try_next().await.map_err(|error| error.1)? {
        let paths = page.into_iter().map(|name| name.path.as_str().to_owned()).collect();
        let unknown = catalog.unknown(id, paths).await?;
        let mut found = Vec::with_capacity(unknown.len());
        let mut reads = stream::iter(unknown).map(|path| read(repository, path)).buffer_unordered(AT_ONCE);
        while let Some((path, record)) = reads.next().await {
            match record {
                Ok(Some(record)) => found.push((path, record)),
                // It went meanwhile.
                Ok(None) => {}
                Err(error) if error.kind == ErrorKind::Store => return Err(error.into()),
                Err(error) => synced.unreadable.push(error),
            }
        }
        synced.new += found.len() as u64;
        catalog.add(id, found).await?;
    }
    catalog.end(id).await?;
    Ok(synced)
}

async fn read(
    repository: &Repository,
    path: String,
) -> (String, std::result::Result<Option<RunRecord>, RepositoryError>) {
    let record = match Key::new(path.clone()) {
        Ok(key) => repository.run(&key).await,
        Err(_) => Ok(None),
    };
    (path, record)
}

/// Of a failed look at the bucket, the step's error; of the catalogue's, `None`.
pub fn of_the_bucket(error: SyncError) -> Result<CatalogError> {
    match error {
        SyncError::Step(error) => Err(error),
        SyncError::Catalog(error) => Ok(error),
    }
}
