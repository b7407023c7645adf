//! Restores objects for proof: each is written as a restore writes it, read back, compared, and removed again.
//!
//! Disk and memory are taken by what is under way at once, not by what there is.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::displace::Displacer;
use super::execute::{GETS, Read, read};
use super::write::{Differing, Writer, Written, problem};
use crate::database::scratch::Scratch;
use crate::model::manifest::SourceSummary;
use crate::model::{BucketName, IndexRow, Prefix, Problem, SourceName, format};
use crate::repository::RepositoryError;
use crate::repository::damage::Replacements;
use crate::repository::pack::{Fetched, read_object, read_sound};
use crate::steps::place::Place;
use crate::steps::target::reads_alike;
use crate::steps::{Context, Result, StepError, drain};
use crate::store::dir::DirectoryStore;
use crate::store::{GetOptions, ObjectStore};

/// What became of one object.
pub(in crate::steps) enum Rehearsed {
    /// It came back with so many bytes.
    Same(u64),
    Damaged(Problem),
    /// A folder cannot hold it; what was read of it is what it was.
    Unwritten(Problem, u64),
}

/// A place to restore objects to, one after the other.
pub(in crate::steps) struct Rehearsal<'a> {
    context: &'a Context,
    scratch: &'a Scratch,
    places: HashMap<SourceName, Place>,
    replacements: &'a Arc<Replacements>,
}

impl<'a> Rehearsal<'a> {
    /// Makes the place below a folder that is there.
    pub(in crate::steps) async fn open(
        context: &'a Context,
        scratch: &'a Scratch,
        sources: &[SourceSummary],
        replacements: &'a Arc<Replacements>,
    ) -> Result<Self> {
        let store: Arc<dyn ObjectStore> = Arc::new(DirectoryStore::create(scratch.make_folder("files")?)?);
        let mut places = HashMap::new();
        for (number, SourceSummary { source, .. }) in sources.iter().enumerate() {
            let bucket = BucketName::new(format!("source-{number}")).expect("letters and a number are a name");
            store.create_bucket(&bucket).await?;
            let place = Place { store: store.clone(), bucket, prefix: Prefix::root(), name: source.clone() };
            places.insert(source.clone(), place);
        }
        Ok(Self { context, scratch, places, replacements })
    }

    /// Restores the objects of `rows`, and tells `done` of each. An error that it answers ends it, and so does one of the
    /// rows.
    pub(in crate::steps) async fn run(
        &self,
        rows: impl Stream<Item = std::result::Result<IndexRow, RepositoryError>> + Send,
        mut done: impl FnMut(Rehearsed) + Send,
    ) -> Result<()> {
        let displacer = Displacer::new(self.context, None, String::new(), self.places.values());
        let differing = Differing::default();
        let writer = Writer::new(self.context, &self.places, &displacer, &differing, self.replacements);
        let fetched = read_sound(&self.context.repository, self.replacements, rows, GETS);
        let at_once = self.context.transfers;
        let (sender, receiver) = mpsc::channel::<Read>(at_once);
        let incoming = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        let all = incoming.map(|(fetched, permit)| {
            let writer = &writer;
            async move {
                let rehearsed = self.one(writer, fetched).await;
                drop(permit);
                rehearsed
            }
        });
        let told = async {
            let mut all = std::pin::pin!(all.buffer_unordered(at_once));
            while let Some(rehearsed) = all.try_next().await? {
                done(rehearsed);
            }
            Ok::<(), StepError>(())
        };
        let ((), result) = tokio::join!(read(fetched, sender), told);
        result
    }

    async fn one(
        &self,
        writer: &Writer<'_>,
        fetched: std::result::Result<Fetched, RepositoryError>,
    ) -> Result<Rehearsed> {
        let fetched = fetched?;
        let (row, is_large) = match &fetched {
            Fetched::Whole(row, _) | Fetched::Failed(row, _) => (row.clone(), false),
            Fetched::Large(row) => (row.clone(), true),
        };
        if is_large {
            self.check_room(&row)?;
        }
        match writer.write(Ok(fetched)).await? {
            Written::Damaged(problem) => Ok(Rehearsed::Damaged(problem)),
            Written::Problem(problem) => {
                if is_large {
                    drain(read_object(&self.context.repository, &row)).await?;
                }
                Ok(Rehearsed::Unwritten(problem, row.size))
            }
            Written::Done { .. } => self.read_back(&row).await,
        }
    }

    async fn read_back(&self, row: &IndexRow) -> Result<Rehearsed> {
        let place = &self.places[&row.source];
        let at = place.address(&row.key)?;
        let object = place.store.get(&at, GetOptions::default()).await?;
        let is_same = reads_alike(object, row).await?;
        place.store.delete(&at).await?;
        if is_same {
            return Ok(Rehearsed::Same(row.size));
        }
        Ok(Rehearsed::Damaged(problem(row, "it was restored, and does not read back as it was")))
    }

    fn check_room(&self, row: &IndexRow) -> Result<()> {
        match self.scratch.free_bytes() {
            Some(free) if free < row.size => {
                let (needed, free) = (format::bytes(row.size), format::bytes(free));
                let subject = format!("{}/{}", row.source, row.key.as_str().escape_debug());
                let reason = format!("it has {needed}, and {} has {free} free", self.scratch.describe());
                Err(StepError::refused("restore for proof", subject, reason)
                    .with_hint("Make room, or set `state_dir` to a folder on a larger file system."))
            }
            _ => Ok(()),
        }
    }
}
