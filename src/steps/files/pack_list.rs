//! The list of the packs that a backup needs: of all packs that are known, those that a row names, sorted outside memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::super::Context;
use super::super::store_text::StoreOptions;
use crate::model::manifest::Artefact;
use crate::model::{BackupId, IndexRow};
use crate::repository::pack::PackInfo;
use crate::repository::spool::{Record, Sorter};
use crate::repository::standing::Unusable;
use crate::repository::{RepositoryError, Result, layout};

/// Lines in memory, a hundred bytes each; more go through the spool.
const MEMORY_BYTES: usize = 4 << 20;
/// Packs that were named just now and need not be noted again: rows that are neighbours mostly lie in one pack.
const RECENT: usize = 32;

/// Collects packs that are there, and names that are used.
pub(super) struct PackList {
    known: Sorter,
    used: Sorter,
    recent: VecDeque<String>,
}

/// What [`PackList::store`] answers.
pub(super) struct StoredList {
    pub(super) artefact: Artefact,
    pub(super) packs: u64,
    pub(super) bytes: u64,
    /// Packs that rows name and nobody knows.
    pub(super) unknown: Unusable,
}

impl PackList {
    pub(super) fn new(context: &Context) -> Self {
        let sorter = || Sorter::new(&context.spool, MEMORY_BYTES);
        Self { known: sorter(), used: sorter(), recent: VecDeque::new() }
    }

    /// Says that a pack is there.
    pub(super) async fn know(&mut self, pack: &PackInfo) -> Result<()> {
        self.known.push(pack.name.as_str(), pack.to_string()).await
    }

    /// Says that a row is in the index.
    pub(super) async fn uses(&mut self, row: &IndexRow) -> Result<()> {
        for piece in &row.pieces {
            self.uses_pack(&piece.pack).await?;
        }
        Ok(())
    }

    pub(super) async fn uses_pack(&mut self, name: &str) -> Result<()> {
        if self.recent.iter().any(|recent| recent == name) {
            return Ok(());
        }
        self.recent.push_front(name.to_owned());
        self.recent.truncate(RECENT);
        self.used.push(name, Vec::new()).await
    }

    /// Stores the list of the packs that are known and used.
    pub(super) async fn store(self, context: &Context, id: &BackupId, options: &StoreOptions) -> Result<StoredList> {
        let tally = Arc::new(Mutex::new((0, 0, Unusable::default())));
        let tallied = tally.clone();
        let lines = matched(self.known, self.used).await?.try_filter_map(move |(name, info)| {
            let mut tally = tallied.lock().expect("never poisoned");
            let line = info.map(|info| {
                tally.0 += 1;
                tally.1 += info.size;
                format!("{info}\n").into()
            });
            if line.is_none() {
                tally.2.insert(&name);
            }
            std::future::ready(Ok(line))
        });
        let (path, repository) = (layout::pack_list(id), &context.repository);
        let artefact = repository.store_artefact(&path, lines, options.codec, options.workers).await?;
        let (packs, bytes, unknown) = std::mem::take(&mut *tally.lock().expect("never poisoned"));
        Ok(StoredList { artefact, packs, bytes, unknown })
    }
}

/// The names that are used, each once, with what is known of each.
async fn matched(
    known: Sorter,
    used: Sorter,
) -> Result<impl Stream<Item = Result<(String, Option<PackInfo>)>> + Send + 'static> {
    let known = known.finish().await?.boxed().peekable();
    let used = used.finish().await?.boxed().peekable();
    Ok(stream::try_unfold((known, used), |(mut known, mut used)| async move {
        let Some(first) = used.try_next().await? else { return Ok::<_, RepositoryError>(None) };
        while Pin::new(&mut used).next_if(|next| next.as_ref().is_ok_and(|next| next.key == first.key)).await.is_some()
        {
        }
        let mut info = None;
        let is_behind = |next: &Result<Record>| next.as_ref().map_or(true, |next| next.key <= first.key);
        while let Some(next) = Pin::new(&mut known).next_if(is_behind).await {
            let next = next?;
            if next.key == first.key {
                info = std::str::from_utf8(&next.value).ok().and_then(|line| line.parse().ok());
            }
        }
        let name = String::from_utf8_lossy(&first.key).into_owned();
        Ok(Some(((name, info), (known, used))))
    }))
}
