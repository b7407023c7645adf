//! The list of the packs of a run, sorted outside memory: packs are confirmed in the order of their writing, and are
//! listed by name.

use futures_util::TryStreamExt;

use super::Context;
use super::store_text::StoreOptions;
use crate::model::BackupId;
use crate::model::manifest::Artefact;
use crate::repository::pack::PackInfo;
use crate::repository::spool::Sorter;
use crate::repository::{Result, layout};

/// Packs listed in memory, a hundred bytes each; more go through the spool.
const MEMORY_BYTES: usize = 4 << 20;

/// Collects the packs of a run.
pub(super) struct PackList {
    sorter: Sorter,
    pub(super) packs: u64,
    pub(super) bytes: u64,
}

impl PackList {
    pub(super) fn new(context: &Context) -> Self {
        Self { sorter: Sorter::new(&context.spool, MEMORY_BYTES), packs: 0, bytes: 0 }
    }

    pub(super) async fn add(&mut self, pack: &PackInfo) -> Result<()> {
        self.packs += 1;
        self.bytes += pack.size;
        self.sorter.push(pack.name.as_str(), format!("{pack}\n")).await
    }

    pub(super) async fn store(self, context: &Context, id: &BackupId, options: &StoreOptions) -> Result<Artefact> {
        let lines = self.sorter.finish().await?.map_ok(|record| record.value.into());
        context.repository.store_artefact(&layout::pack_list(id), lines, options.level, options.workers).await
    }
}
