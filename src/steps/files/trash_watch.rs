//! Items that go to the trash, or come back, while the sources are listed.
//!
//! The listing of a bucket may have passed before an item came back to it, and that of the trash may come after the item
//! left there: it would be in neither. So the entries are listed before the pass and after it, and where one came, went
//! or was worked on, its folder on both sides is listed again.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt};

use super::super::sources::Source;
use super::super::{Context, Result};
use crate::model::{BucketName, Prefix, SourceName, TrashId};
use crate::repository::spool::Sorter;
use crate::trash::{Entry, TrashBucket};

/// Ids in memory; more go through the spool.
const MEMORY_BYTES: usize = 1 << 20;

/// The trash of the live store, and what that store is called.
#[derive(Debug, Clone)]
pub struct WatchedTrash {
    pub store: String,
    pub place: TrashBucket,
}

/// What was in the trash before the pass.
pub(super) struct Look {
    ids: Sorter,
    open: Vec<TrashId>,
}

impl WatchedTrash {
    /// Looks before the pass. A trash bucket that is not there holds nothing.
    pub(super) async fn look(&self, context: &Context) -> Result<Look> {
        let mut ids = Sorter::new(&context.spool, MEMORY_BYTES);
        if !self.place.store.bucket_exists(&self.place.bucket).await? {
            return Ok(Look { ids, open: Vec::new() });
        }
        let mut listed = self.place.ids();
        while let Some(id) = listed.try_next().await? {
            ids.push(id.as_str(), Vec::new()).await?;
        }
        Ok(Look { ids, open: self.place.open_entries().await? })
    }

    /// Looks after the pass: the entries that are not where they were.
    pub(super) async fn moved_since(&self, before: Look) -> Result<BTreeSet<TrashId>> {
        let mut moved: BTreeSet<TrashId> = before.open.into_iter().collect();
        if !self.place.store.bucket_exists(&self.place.bucket).await? {
            return Ok(moved);
        }
        moved.extend(self.place.open_entries().await?);
        let was = before.ids.finish().await?.map_err(super::super::StepError::from);
        let mut was = std::pin::pin!(was.map_ok(|record| String::from_utf8_lossy(&record.key).into_owned()).peekable());
        let mut now = self.place.ids();
        while let Some(id) = now.try_next().await? {
            while let Some(gone) =
                was.as_mut().next_if(|was| was.as_ref().map_or(true, |was| **was < *id.as_str())).await
            {
                moved.extend(gone?.parse());
            }
            let is_old = was.as_mut().next_if(|was| was.as_ref().is_ok_and(|was| *was == id.as_str())).await.is_some();
            if !is_old {
                moved.insert(id);
            }
        }
        while let Some(gone) = was.next().await {
            moved.extend(gone?.parse());
        }
        Ok(moved)
    }

    /// What of `sources` to list again for these entries. An entry that is gone is known by its journal in the backups
    /// `from`, if it is in one of them.
    pub(super) async fn folders(
        &self,
        moved: &BTreeSet<TrashId>,
        sources: &[Source],
        journals: impl AsyncFn(&TrashId) -> Result<Option<Entry>>,
    ) -> Result<Vec<Source>> {
        let mut wanted: BTreeSet<(SourceName, Prefix)> = BTreeSet::new();
        for id in moved {
            wanted.extend(Prefix::new(format!("{id}/")).map(|prefix| (self.source(&self.place.bucket), prefix)));
            let entry = match self.place.load(id).await {
                Ok(Some(entry)) => Some(entry),
                // Gone, or unreadable: what an earlier backup says of it will do.
                Ok(None) | Err(crate::trash::TrashError::Damaged { .. }) => journals(id).await?,
                Err(error) => return Err(error.into()),
            };
            let folder = entry.and_then(|entry| Some((entry.bucket.clone(), Prefix::new(entry.prefix.clone()).ok()?)));
            wanted.extend(
                folder.filter(|(_, prefix)| !prefix.is_root()).map(|(bucket, prefix)| (self.source(&bucket), prefix)),
            );
        }
        Ok(within(wanted, sources))
    }

    fn source(&self, bucket: &BucketName) -> SourceName {
        SourceName::new(&self.store, bucket)
    }
}

/// The folders that lie in the sources, none inside another.
fn within(wanted: BTreeSet<(SourceName, Prefix)>, sources: &[Source]) -> Vec<Source> {
    let mut again: Vec<Source> = Vec::new();
    for (name, prefix) in wanted {
        let Some(source) = sources.iter().find(|source| source.name == name) else { continue };
        if !source.prefixes.iter().any(|whole| prefix.as_str().starts_with(whole.as_str())) {
            continue;
        }
        match again.last_mut().filter(|last| last.name == name) {
            Some(last) if last.prefixes.iter().any(|other| prefix.as_str().starts_with(other.as_str())) => {}
            Some(last) => last.prefixes.push(prefix),
            None => again.push(Source { name, prefixes: vec![prefix] }),
        }
    }
    again
}
