//! Carries the work out: reads, packs and indexes what is new, keeps what is not.
//!
//! A row is in the index only when its pack is confirmed. What changes while it is read is read again; what vanishes is
//! counted; what cannot be read is a problem, and the rest goes on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

use super::super::store_text::StoreOptions;
use super::super::{Context, Result};
use super::changes::Listed;
use super::healing::Healing;
use super::known::Known;
use super::pack_list::PackList;
use super::prepare::{self, Preparer, Ready};
use super::read_object::{self, ATTEMPTS, Outcome};
use super::scan::Standing;
use super::work::Work;
use crate::model::manifest::{Effort, Segment};
use crate::model::{BackupId, IndexRow, Problem, Report, SourceName};
use crate::repository::index::IndexWriter;
use crate::repository::pack::{NewObject, PackInfo, PackOptions, PackWriter, Placed, Prepared};
use crate::repository::partial::PartialWriter;
use crate::repository::{ErrorKind as RepositoryKind, RepositoryError};
use crate::store::ErrorKind;

/// Objects that are read, compressed or ready, for each request that a store is asked at once: about half of them wait for
/// their turn.
const AHEAD: usize = 2;

/// Objects and their bytes, by source.
pub(super) type Tally = BTreeMap<SourceName, (u64, u64)>;

/// One pass of work.
pub(super) struct Apply<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a StoreOptions,
    pub(super) standing: Arc<Standing>,
    pub(super) report: &'a mut Report,
    pub(super) packs: &'a mut PackList,
    pub(super) healing: &'a mut Healing,
    pub(super) done: &'a mut Done,
    writer: PackWriter,
    index: IndexWriter,
    partial: PartialWriter,
    in_run: Known,
    /// Of each row that the writer still has, whether an interrupted run would have to read it again.
    is_new: VecDeque<bool>,
}

/// What a pass has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) effort: Effort,
    pub(super) vanished: u64,
    pub(super) tally: Tally,
    /// Whether partial lists were written.
    pub(super) has_partials: bool,
}

impl Done {
    /// Counts what an earlier pass over the same index did.
    pub(super) fn add(&mut self, earlier: &Self) {
        let (effort, before) = (&mut self.effort, &earlier.effort);
        // Rows that are kept of the earlier pass were not all unchanged.
        effort.unchanged = before.unchanged;
        effort.reused += before.reused;
        effort.read += before.read;
        effort.read_bytes += before.read_bytes;
        effort.repacked += before.repacked;
        effort.new_packs += before.new_packs;
        effort.new_pack_bytes += before.new_pack_bytes;
        self.vanished += earlier.vanished;
        self.has_partials |= earlier.has_partials;
    }
}

impl<'a> Apply<'a> {
    pub(super) fn new(
        context: &'a Context,
        id: &BackupId,
        options: &'a StoreOptions,
        standing: Arc<Standing>,
        report: &'a mut Report,
        (packs, healing, done): (&'a mut PackList, &'a mut Healing, &'a mut Done),
    ) -> Self {
        let pack_options = PackOptions { codec: options.codec, ..PackOptions::default() };
        let repository = &context.repository;
        done.tally = Tally::new();
        Self {
            index: IndexWriter::avoiding(repository.clone(), standing.marked.clone()),
            context,
            options,
            standing,
            report,
            packs,
            healing,
            done,
            writer: PackWriter::new(repository.clone(), pack_options),
            partial: PartialWriter::new(repository.clone(), id.clone()),
            in_run: Known::default(),
            is_new: VecDeque::new(),
        }
    }

    /// Does everything, and answers the segments of the new index. `known` is content that the parent has.
    pub(super) async fn run(mut self, works: BoxStream<'static, Result<Work>>, known: Known) -> Result<Vec<Segment>> {
        let preparer = Preparer::new(self.context, known, self.options.codec);
        let mut ready =
            works.map(|work| Arc::clone(&preparer).prepare(work)).buffered(AHEAD * self.context.transfers).boxed();
        while let Some(ready) = ready.try_next().await? {
            self.take(ready).await?;
            if self.pass_on().await? {
                self.partial.write().await?;
                self.done.has_partials = true;
            }
        }
        self.writer.flush().await?;
        // The index is written at once: there is nothing to go on with.
        self.pass_on().await?;
        Ok(self.index.finish().await?)
    }

    async fn take(&mut self, ready: Ready) -> Result<()> {
        match ready {
            Ready::Kept(row) => {
                self.done.effort.unchanged += 1;
                self.is_new.push_back(false);
                self.writer.keep(row).await?;
            }
            Ready::Reused { row, old } => {
                self.done.effort.reused += 1;
                self.heal(old.as_ref(), &row).await?;
                self.is_new.push_back(true);
                self.writer.keep(row).await?;
            }
            Ready::Small { prepared, old, moved, _permit } => self.take_small(prepared, old, moved).await?,
            Ready::Large { listed, old } => self.take_large(listed, old).await?,
            Ready::LargeMoved(row) => self.relocate(row).await?,
            Ready::Vanished => self.done.vanished += 1,
            Ready::Problem(problem) => self.problem(problem),
        }
        Ok(())
    }

    async fn take_small(&mut self, prepared: Prepared, old: Option<IndexRow>, moved: bool) -> Result<()> {
        let size = prepared.object.size;
        self.count_read(size, moved);
        self.is_new.push_back(true);
        // Touched, but not changed: its bytes are where they were.
        if let Some(old) = old.as_ref().filter(|old| (old.sha256, old.size) == (prepared.sha256, size))
            && super::ancestry::is_usable(old, &self.standing.unusable)
        {
            let placed = Placed { sha256: old.sha256, pieces: old.pieces.clone() };
            return Ok(self.writer.add_placed(prepared.object, placed).await?);
        }
        let object = old.is_some().then(|| prepared.object.clone());
        let placed = if let Some(placed) = self.in_run.in_run(&prepared.sha256).cloned() {
            self.writer.add_placed(prepared.object, placed.clone()).await?;
            placed
        } else {
            let placed = self.writer.add(prepared).await?;
            self.in_run.note(&placed, size);
            placed
        };
        match object {
            Some(object) => self.heal_placed(old.as_ref(), object, placed).await,
            None => Ok(()),
        }
    }

    fn count_read(&mut self, size: u64, moved: bool) {
        let effort = &mut self.done.effort;
        if moved {
            effort.repacked += 1;
        } else {
            effort.read += 1;
            effort.read_bytes += size;
        }
    }

    /// Streams a large object into the packs, again where it changes under the reading.
    async fn take_large(&mut self, mut listed: Listed, old: Option<IndexRow>) -> Result<()> {
        let store = Arc::clone(self.context.store(listed.source.store())?);
        let name = format!("{}/{}", listed.source, listed.info.key);
        let mut reason = "it changed each time it was read".to_owned();
        for _ in 0..ATTEMPTS {
            let (object, body) = match read_object::open(&store, &listed.source, &listed.info).await? {
                Ok(opened) => opened,
                Err(Outcome::Large(newer)) => {
                    listed.info = newer;
                    continue;
                }
                Err(Outcome::Problem(problem)) => {
                    self.problem(problem);
                    return Ok(());
                }
                Err(Outcome::Vanished | Outcome::Small(..)) => {
                    self.done.vanished += 1;
                    return Ok(());
                }
            };
            match self.writer.add_stream(object.clone(), body).await {
                Ok(placed) => {
                    self.is_new.push_back(true);
                    self.count_read(object.size, false);
                    return self.heal_placed(old.as_ref(), object, placed).await;
                }
                Err(error) if is_of_the_source(&error) && !is_gone(&error) => {
                    tracing::info!("{error}; it is read again");
                    if let Some(cause) = error.store_error().filter(|cause| cause.kind != ErrorKind::Precondition) {
                        reason = cause.to_string();
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.problem(Problem::new(name, reason));
        Ok(())
    }

    /// Copies a large object out of packs that are mostly dead. Where those are damaged, the live one is read.
    async fn relocate(&mut self, row: IndexRow) -> Result<()> {
        let body = crate::repository::pack::read_object(&self.context.repository, &row);
        let body = body.map_err(read_object::as_source).boxed();
        match self.writer.add_stream(prepare::packed_object(&row), body).await {
            Ok(_) => {
                self.is_new.push_back(true);
                self.count_read(row.size, true);
                Ok(())
            }
            Err(error) if prepare::is_damage(&error) => self.take_large(prepare::listed_as(&row), Some(row)).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn heal_placed(&mut self, old: Option<&IndexRow>, object: NewObject, placed: Placed) -> Result<()> {
        if old.is_none() {
            return Ok(());
        }
        self.heal(old, &object.into_row(placed.sha256, placed.pieces)).await
    }

    /// Notes where the content of a row that cannot be relied upon lies now.
    async fn heal(&mut self, old: Option<&IndexRow>, row: &IndexRow) -> Result<()> {
        let unusable = &self.standing.unusable;
        match old.filter(|old| !super::ancestry::is_usable(old, unusable)) {
            Some(old) => self.healing.note(old, row, unusable).await,
            None => Ok(()),
        }
    }

    /// Passes on what the store has confirmed: rows into the index, and new ones into a partial list. Answers whether packs
    /// were among it.
    async fn pass_on(&mut self) -> Result<bool> {
        let packs = self.writer.take_packs();
        for pack in &packs {
            self.note_pack(pack).await?;
        }
        for row in self.writer.take_confirmed() {
            if self.is_new.pop_front().unwrap_or_default() {
                self.partial.row(&row);
            }
            self.packs.uses(&row).await?;
            let tally = self.done.tally.entry(row.source.clone()).or_default();
            *tally = (tally.0 + 1, tally.1 + row.size);
            self.context.progress.advance(1, row.size);
            self.index.push(row).await?;
        }
        Ok(!packs.is_empty())
    }

    async fn note_pack(&mut self, pack: &PackInfo) -> Result<()> {
        let effort = &mut self.done.effort;
        effort.new_packs += 1;
        effort.new_pack_bytes += pack.size;
        self.partial.pack(pack);
        Ok(self.packs.know(pack).await?)
    }

    fn problem(&mut self, problem: Problem) {
        self.context.progress.problem(&problem);
        self.report.add(problem);
    }
}

fn is_of_the_source(error: &RepositoryError) -> bool {
    matches!(error.kind, RepositoryKind::Changed | RepositoryKind::Source)
}

/// Whether the source itself cannot be reached any more: then the whole run must end.
fn is_gone(error: &RepositoryError) -> bool {
    error.store_error().is_some_and(|error| matches!(error.kind, ErrorKind::Unreachable | ErrorKind::NoBucket))
}
