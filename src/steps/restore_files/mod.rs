//! Restores objects: adds what is missing, leaves what is the same, displaces what differs before it is replaced.
//!
//! One damaged object costs that object: its live counterpart stays as it is, and the rest is restored.

use std::fmt;

use futures_util::{Stream, TryStreamExt};

use super::journal::Recorder;
use super::place::{Elsewhere, Place};
use super::presence::Absent;
use super::sources::is_own;
use super::target::{Compared, State, compare};
use super::{Context, Result, StepError};
use crate::model::manifest::{FilesComponent, Segment, SourceSummary};
use crate::model::{BackupId, IndexRow, Problem, Report, SourceName, format};
use crate::repository::artefact::Depth;
use crate::repository::damage::Replacements;
use crate::repository::index::read_index;
use crate::repository::{ErrorKind, RepositoryError};

mod displace;
mod execute;
mod mirror;
mod rehearse;
mod report;
mod selection;
mod write;

pub(in crate::steps) use displace::Displacer;
pub use displace::Trash;
pub use execute::execute;
pub(in crate::steps) use mirror::{is_unchanged, remove_page};
pub(in crate::steps) use rehearse::{Rehearsal, Rehearsed};
pub use report::FilesRestored;
pub use selection::{InvalidOnly, Only, Selection};
pub(in crate::steps) use write::damage_behind;

/// What to restore, and how.
#[derive(Clone, Default)]
pub struct FilesRestoreOptions {
    pub selection: Selection,
    /// Another place than where the objects came from, for those of one bucket.
    pub to: Option<Elsewhere>,
    pub trash: Option<Trash>,
    /// Whether to restore the rest where it is known beforehand that something is damaged.
    pub skip_damaged: bool,
    /// Whether what is not in the backup is removed, as far as it is selected.
    pub mirror: bool,
}

/// What restoring the files will do, counted against what is there.
pub struct FilesRestorePlan {
    options: FilesRestoreOptions,
    recorder: Recorder,
    segments: Vec<Segment>,
    sources: Vec<SourceSummary>,
    missing: Count,
    same: Count,
    differing: Count,
    removed: Count,
    /// Objects that cannot be read.
    damaged: Count,
    /// Which of what was named is there.
    seen: Vec<bool>,
    /// The first damage that was found, and all damage of the index.
    damage: Option<Problem>,
    lost: Report,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    objects: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, size: u64) {
        self.objects += 1;
        self.bytes += size;
    }
}

impl FilesRestorePlan {
    /// Whether live objects will be replaced or removed.
    pub fn displaces(&self) -> bool {
        self.differing.objects + self.removed.objects > 0
    }

    /// Lets a journal say what is written, before it is.
    pub(super) fn recorded_by(self, recorder: &Recorder) -> Self {
        Self { recorder: recorder.clone(), ..self }
    }

    pub(super) fn trash(&self) -> Option<&Trash> {
        self.options.trash.as_ref()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &SourceName> {
        self.sources.iter().map(|summary| &summary.source)
    }

    fn finds_nothing_to_do(&self) -> bool {
        self.missing.objects + self.differing.objects + self.damaged.objects == 0
    }

    /// What to ask whoever is to agree.
    pub fn question(&self) -> &'static str {
        if self.removed.objects > 0 {
            "Restore over the objects that differ, and remove what is not in the backup?"
        } else {
            "Restore over the objects that differ?"
        }
    }

    /// Fails where something is damaged that was not to be passed over. To be asked before anything is touched.
    pub fn check(&self) -> Result<()> {
        match &self.damage {
            Some(Problem { subject, reason }) if !self.options.skip_damaged => {
                let reason = match self.damaged.objects {
                    0 => reason.clone(),
                    objects => format!("{reason}; it costs {}", format::count(objects, "object")),
                };
                Err(StepError::DamagedFiles { subject: subject.clone(), reason })
            }
            _ => Ok(()),
        }
    }

    fn place(&self, context: &Context, source: &SourceName) -> Result<Place> {
        Place::of(context, source, self.options.to.as_ref())
    }
}

impl fmt::Display for FilesRestorePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in &self.sources {
            write!(formatter, "  files {} ({})", source.source, format::count(source.objects, "object"))?;
            if let Some(to) = &self.options.to {
                write!(formatter, " to {}/{}/{}", to.store, to.bucket, to.prefix)?;
            }
            writeln!(formatter)?;
        }
        let mut line = |verb: &str, count: Count| {
            let (objects, bytes) = (format::count(count.objects, "object"), format::bytes(count.bytes));
            writeln!(formatter, "    {verb:<8} {objects}, {bytes}")
        };
        line("add", self.missing)?;
        line("same", self.same)?;
        line("replace", self.differing)?;
        if self.options.mirror {
            line("remove", self.removed)?;
        }
        if self.damaged.objects > 0 { line("damaged", self.damaged) } else { Ok(()) }
    }
}

/// Counts what is missing, the same and different, and looks whether all that is needed is there. Changes nothing;
/// refuses where something would be lost.
pub async fn plan(
    context: &Context,
    id: &BackupId,
    files: &FilesComponent,
    options: FilesRestoreOptions,
) -> Result<FilesRestorePlan> {
    let mut plan = FilesRestorePlan {
        segments: options.selection.segments(files),
        sources: options.selection.of(files).cloned().collect(),
        options,
        recorder: Recorder::default(),
        missing: Count::default(),
        same: Count::default(),
        differing: Count::default(),
        removed: Count::default(),
        damaged: Count::default(),
        seen: Vec::new(),
        damage: None,
        lost: Report::default(),
    };
    plan.check_place(context).await?;
    context.progress.begin("compare", files.objects, 0);
    let absent = plan.absent(context, id, files).await?;
    plan.sound_segments(context).await?;
    plan.count(context, &absent).await?;
    plan.check_selected(id)?;
    plan.count_removed(context).await?;
    context.progress.end();
    Ok(plan)
}

impl FilesRestorePlan {
    /// The packs that are missing or short. Where the list of packs is damaged itself, only reading shows which.
    async fn absent(&mut self, context: &Context, id: &BackupId, files: &FilesComponent) -> Result<Absent> {
        match Absent::find(context, id, files).await {
            Ok(absent) => Ok(absent),
            Err(StepError::Repository(error)) if error.kind == ErrorKind::Damaged => {
                self.found(Problem::new(error.subject.clone(), &error));
                Ok(Absent::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Leaves the segments out that cannot be read: which objects they named, nobody knows.
    async fn sound_segments(&mut self, context: &Context) -> Result<()> {
        if !self.options.skip_damaged {
            return Ok(());
        }
        let parts = self.segments.iter().map(|segment| segment.part.clone()).collect();
        let mut lost = Vec::new();
        {
            let mut checked = std::pin::pin!(context.repository.check_parts(parts, Depth::Checksum));
            while let Some((part, result)) = futures_util::StreamExt::next(&mut checked).await {
                match result {
                    Ok(()) => {}
                    Err(error) if error.kind == ErrorKind::Damaged => lost.push((part.path, error)),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for (path, error) in lost {
            let rows = self.segments.iter().find(|segment| segment.part.path == path).map_or(0, |segment| segment.rows);
            self.segments.retain(|segment| segment.part.path != path);
            let reason = format!("{error}; it names {}", format::count(rows, "object"));
            let problem = Problem::new(path.as_str(), reason);
            self.lost.add(problem.clone());
            self.found(problem);
        }
        Ok(())
    }

    /// Neither the backups nor the trash are a place to restore to.
    async fn check_place(&self, context: &Context) -> Result<()> {
        let Some(to) = &self.options.to else { return Ok(()) };
        let store = context.store(&to.store)?;
        let is_trash =
            |trash: &Trash| trash.place.store.describe() == store.describe() && trash.place.bucket == to.bucket;
        let reason = if is_own(&context.repository, store, &to.bucket).await? {
            "it is the backup bucket"
        } else if self.options.trash.as_ref().is_some_and(is_trash) {
            "it is the trash"
        } else {
            return Ok(());
        };
        let hint = Some("Name another bucket with `--to STORE/BUCKET`.".to_owned());
        let (subject, reason) = (format!("{}/{}", to.store, to.bucket), reason.to_owned());
        Err(StepError::Refused { attempted: "restore files to", subject, reason, hint })
    }

    /// Fails where something was named that the backup does not hold.
    fn check_selected(&self, id: &BackupId) -> Result<()> {
        let selection = &self.options.selection;
        let objects = self.missing.objects + self.same.objects + self.differing.objects + self.damaged.objects;
        let missing = selection.only.iter().zip(&self.seen).find(|(only, seen)| only.is_one() && !**seen);
        let subject = match missing {
            Some((only, _)) => format!("{only} in the backup {id}"),
            None if objects == 0 && !selection.is_whole() && !self.options.mirror => {
                format!("in the backup {id} that is selected")
            }
            None => return Ok(()),
        };
        // Where the index is damaged, nobody knows.
        if !self.lost.is_clean() {
            return Ok(());
        }
        let hint = format!("See what it holds: `dcs backup ls {id}`.");
        Err(StepError::NotFound { what: "object", subject, hint })
    }

    async fn count_removed(&mut self, context: &Context) -> Result<()> {
        if !self.options.mirror {
            return Ok(());
        }
        for summary in self.sources.clone() {
            let place = self.place(context, &summary.source)?;
            let mut extras = mirror::extras(context, self, &summary).await?;
            while let Some(info) = extras.try_next().await? {
                displace::check_trash(self.options.trash.as_ref(), &place)?;
                self.removed.add(info.size);
            }
        }
        Ok(())
    }

    async fn count(&mut self, context: &Context, absent: &Absent) -> Result<()> {
        self.seen = vec![false; self.options.selection.only.len()];
        let replacements = Replacements::new(&context.repository);
        let to = self.options.to.clone();
        let mut compared = std::pin::pin!(compare(context, to.as_ref(), self.rows(context)));
        while let Some(Compared { row, state, .. }) = compared.try_next().await.map_err(damaged_index)? {
            context.progress.advance(1, 0);
            self.seen.iter_mut().zip(&self.options.selection.only).for_each(|(seen, only)| *seen |= only.is(&row));
            let count = match state {
                State::Same => {
                    self.same.add(row.size);
                    continue;
                }
                State::Missing => &mut self.missing,
                State::Differs(_) => &mut self.differing,
            };
            if let Some((pack, wrong)) = absent.among(&row.pieces)
                && replacements.places(&row).await?.is_empty()
            {
                self.damaged.add(row.size);
                self.found(Problem::new(pack.as_str(), wrong));
                continue;
            }
            count.add(row.size);
            if let State::Differs(_) = state {
                displace::check_trash(self.options.trash.as_ref(), &self.place(context, &row.source)?)?;
            }
        }
        Ok(())
    }

    fn found(&mut self, problem: Problem) {
        self.damage.get_or_insert(problem);
    }

    /// The rows that are to be restored.
    fn rows(&self, context: &Context) -> impl Stream<Item = Result<IndexRow>> + Send + use<> {
        let selection = self.options.selection.clone();
        let sources: Vec<SourceName> = self.sources.iter().map(|summary| summary.source.clone()).collect();
        read_index(&context.repository, self.segments.clone()).map_err(StepError::from).try_filter(move |row| {
            std::future::ready(sources.contains(&row.source) && selection.takes(&row.source, row.key.as_str()))
        })
    }
}

/// Damage of the index is damage of the files.
fn damaged_index(error: StepError) -> StepError {
    match error {
        StepError::Repository(error) if error.kind == ErrorKind::Damaged => {
            let RepositoryError { subject, detail, .. } = error;
            StepError::DamagedFiles { subject, reason: detail.unwrap_or_else(|| "it is not what it was".to_owned()) }
        }
        error => error,
    }
}
