//! What a pass over the sources cannot see, looked at after it: items that moved between two listings, and packs that went
//! away while their rows were kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::TryStreamExt;
use jiff::Timestamp;

use super::ancestry::{self, Candidates, Lost};
use super::apply::Apply;
use super::changes::{Change, Changes};
use super::healing::Healing;
use super::known::Known;
use super::pack_list::{PackList, StoredList};
use super::prepare::listed_as;
use super::scan::{self, Found, Standing};
use super::{Pass, Run, trash_watch, work};
use crate::model::{IndexRow, Report, TrashId};
use crate::repository::index::read_index;
use crate::repository::pack::{read_object, read_pack_list};
use crate::repository::standing::Unusable;
use crate::repository::{RepositoryError, layout};
use crate::steps::sources::Source;
use crate::steps::{Result, StepError};
use crate::trash::Entry;

/// How often: each round takes far less time than the one before.
pub(super) const MOST_ROUNDS: usize = 4;
/// No journal is longer.
const LONGEST_JOURNAL: u64 = 1 << 20;

impl Run<'_> {
    /// What is not as the pass found it, and the packs that its rows may not name.
    pub(super) async fn again(
        &self,
        pass: &Pass,
        stored: &StoredList,
        before: Option<trash_watch::Look>,
        began: Timestamp,
    ) -> Result<(Changes, Unusable)> {
        let mut changes = Changes::new(self.context);
        let unusable = self.gone(stored).await?;
        if !unusable.is_empty() {
            let mut rows = read_index(&self.context.repository, pass.segments.clone());
            while let Some(row) = rows.try_next().await? {
                if !ancestry::is_usable(&row, &unusable) {
                    changes.add(&Change::Read(listed_as(&row))).await?;
                }
            }
        }
        let folders = match (&self.files.trash, before) {
            (Some(trash), Some(before)) => {
                let moved = trash.moved_since(before).await?;
                let journals = self.journals(pass, &moved).await?;
                trash.folders(&moved, self.sources, async |id| self.journal(journals.get(id)).await).await?
            }
            _ => Vec::new(),
        };
        if !folders.is_empty() {
            self.list_again(pass, folders, began, &mut changes).await?;
        }
        Ok((changes, unusable))
    }

    /// The packs of the new index that are not there, or not known.
    async fn gone(&self, stored: &StoredList) -> Result<Unusable> {
        let raw = self.context.repository.open_artefact(&stored.artefact);
        let list = read_pack_list(raw, layout::pack_list(self.id).to_string());
        let mut gone = stored.unknown.clone();
        self.context.repository.add_missing(list, &mut gone).await?;
        Ok(gone)
    }

    /// Lists folders again and notes what differs from the new index.
    async fn list_again(
        &self,
        pass: &Pass,
        folders: Vec<Source>,
        began: Timestamp,
        changes: &mut Changes,
    ) -> Result<()> {
        let live = scan::live(self.context, &folders, (&[], &self.files.patterns), true)?;
        let rows = read_index(&self.context.repository, pass.segments.clone()).map_err(StepError::from);
        let rows = rows.try_filter(move |row| std::future::ready(is_in(&folders, row)));
        let rows = rows.map_ok(|row| Candidates { kept: Some(row), others: Vec::new() });
        let standing = Standing { parent_began: Some(began), ..Standing::default() };
        let mut found = scan::compare(live, Box::pin(rows), Arc::new(standing));
        while let Some(found) = found.try_next().await? {
            if let Found::Changed(change) = found {
                changes.add(&change).await?;
            }
        }
        Ok(())
    }

    /// The rows of the journals of these entries, in the new index or in the parent's.
    async fn journals(&self, pass: &Pass, moved: &BTreeSet<TrashId>) -> Result<BTreeMap<TrashId, IndexRow>> {
        let mut found = BTreeMap::new();
        let Some(trash) = self.files.trash.as_ref().filter(|_| !moved.is_empty()) else { return Ok(found) };
        let bucket = &trash.place.bucket;
        let mut note = |row: IndexRow| {
            let id = row.key.as_str().strip_suffix("/entry.json").and_then(|id| id.parse::<TrashId>().ok());
            let is_of_trash = row.source.store() == trash.store && row.source.bucket() == *bucket;
            if let Some(id) = id.filter(|id| is_of_trash && row.size <= LONGEST_JOURNAL && moved.contains(id)) {
                found.insert(id, row);
            }
        };
        if let Some(parent) = &self.parents.newest {
            let mut rows = ancestry::parent_rows(self.context, parent, &Lost::default());
            while let Some(row) = rows.try_next().await? {
                note(row);
            }
        }
        let mut rows = read_index(&self.context.repository, pass.segments.clone());
        while let Some(row) = rows.try_next().await? {
            note(row);
        }
        Ok(found)
    }

    async fn journal(&self, row: Option<&IndexRow>) -> Result<Option<Entry>> {
        let Some(row) = row else { return Ok(None) };
        let bytes: std::result::Result<Vec<_>, RepositoryError> =
            read_object(&self.context.repository, row).try_collect().await;
        // A journal that cannot be read, or is none, tells nothing.
        Ok(bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes.concat()).ok()))
    }

    /// Works changes into the index of the pass.
    pub(super) async fn round(
        &self,
        pass: &mut Pass,
        changes: Changes,
        standing: &Arc<Standing>,
        stored: &StoredList,
        report: &mut Report,
        healing: &mut Healing,
    ) -> Result<StoredList> {
        let mut packs = PackList::new(self.context);
        let raw = self.context.repository.open_artefact(&stored.artefact);
        let mut known = std::pin::pin!(read_pack_list(raw, layout::pack_list(self.id).to_string()));
        while let Some(pack) = known.try_next().await? {
            packs.know(&pack).await?;
        }
        let rows = read_index(&self.context.repository, pass.segments.clone()).map_err(StepError::from);
        let works = work::merged(Box::pin(rows), changes.finish().await?);
        let before = std::mem::take(&mut pass.done);
        let apply = Apply::new(
            self.context,
            self.id,
            self.options,
            standing.clone(),
            report,
            (&mut packs, healing, &mut pass.done),
        );
        pass.segments = apply.run(works, Known::default()).await?;
        pass.done.add(&before);
        Ok(packs.store(self.context, self.id, self.options).await?)
    }
}

fn is_in(folders: &[Source], row: &IndexRow) -> bool {
    let mut folders = folders.iter().filter(|folder| folder.name == row.source);
    folders.any(|folder| folder.prefixes.iter().any(|prefix| prefix.contains(&row.key)))
}
