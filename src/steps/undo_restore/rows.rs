//! What a restore wrote, held against what is there now: one pass, in the order of the keys.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use crate::model::journal::{Change, WrittenRow};
use crate::model::{IndexRow, SourceName, TrashId};
use crate::repository::spool::{Record, Sorter};
use crate::steps::continued::Chain;
use crate::steps::place::Place;
use crate::steps::target::{Compared, State, compare};
use crate::steps::{Context, Result};
use crate::store::ObjectInfo;
use crate::trash::{Copies, Copy, TrashBucket};

/// Rows in memory; more go through the spool.
const MEMORY_BYTES: usize = 4 << 20;

/// All that the runs of a restore were about to write, sorted, each object once.
pub(super) async fn written(context: &Context, chain: &Chain) -> Result<BoxStream<'static, Result<WrittenRow>>> {
    let mut sorter = Sorter::new(&context.spool, MEMORY_BYTES);
    for journal in &chain.0 {
        let mut rows = context.repository.written(&journal.run);
        while let Some(WrittenRow { change, row }) = rows.try_next().await? {
            let key = format!("{}\0{}", row.source, row.key);
            sorter.push(key, WrittenRow::line(change, &row)).await?;
        }
    }
    let records = Box::pin(sorter.finish().await?.peekable());
    let rows = stream::try_unfold(records, |mut records| async move {
        let Some(record) = records.try_next().await? else { return Ok(None) };
        let mut row = parse(&record);
        let is_same = |next: &crate::repository::Result<Record>| next.as_ref().is_ok_and(|next| next.key == record.key);
        while let Some(again) = Pin::as_mut(&mut records).next_if(is_same).await.transpose()? {
            // What gave way to any of the runs lies in the trash.
            if let (Some(row), Some(Change::Replace)) = (&mut row, parse(&again).map(|again| again.change)) {
                row.change = Change::Replace;
            }
        }
        Ok(Some((row, records)))
    });
    Ok(rows.try_filter_map(|row| std::future::ready(Ok(row))).boxed())
}

/// What was sorted was parsed before.
fn parse(record: &Record) -> Option<WrittenRow> {
    WrittenRow::parse(&String::from_utf8_lossy(&record.value))
}

/// What is to become of the place of one object.
#[derive(Debug)]
pub(super) enum Action {
    /// It is as it was, or as others have made it where nothing was.
    Nothing,
    /// What the restore added goes to the trash.
    Remove(ObjectInfo),
    /// What gave way comes back, and what the restore put there goes to the trash.
    PutBack { copy: Copy, over: Option<ObjectInfo> },
    /// It stays as it is: why.
    Stay(&'static str),
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) row: IndexRow,
    pub(super) action: Action,
}

/// The entries that hold what gave way, the first one first, by bucket.
pub(super) fn entries(chain: &Chain) -> BTreeMap<SourceName, Vec<TrashId>> {
    let mut entries: BTreeMap<SourceName, Vec<TrashId>> = BTreeMap::new();
    for files in chain.0.iter().flat_map(|journal| &journal.files) {
        entries.entry(files.source.clone()).or_default().extend(files.displaced.iter().cloned());
    }
    entries
}

/// Says of every object that was to be written what is to become of it.
pub(super) async fn jobs<'a>(
    context: &'a Context,
    chain: &'a Chain,
    trash: Option<&'a TrashBucket>,
) -> Result<impl Stream<Item = Result<Job>> + Send + 'a> {
    // The comparison gives rows back in their order, and knows nothing of what was to become of them.
    let changes = Arc::new(Mutex::new(VecDeque::new()));
    let noted = changes.clone();
    let rows = written(context, chain).await?.map_ok(move |written| {
        noted.lock().expect("never poisoned").push_back(written.change);
        written.row
    });
    let compared = compare(context, None, rows).boxed();
    let state = (compared, Kept::new(trash, entries(chain)), changes);
    Ok(stream::try_unfold(state, move |(mut compared, mut kept, changes)| async move {
        let Some(found) = compared.try_next().await? else { return Ok(None) };
        let change = changes.lock().expect("never poisoned").pop_front().unwrap_or(Change::Add);
        let copy = kept.find(&found.row).await?;
        let action = decide(context, trash, change, &found, copy).await?;
        Ok(Some((Job { row: found.row, action }, (compared, kept, changes))))
    }))
}

async fn decide(
    context: &Context,
    trash: Option<&TrashBucket>,
    change: Change,
    found: &Compared,
    copy: Option<Copy>,
) -> Result<Action> {
    Ok(match (&found.state, &found.found, copy) {
        (State::Missing, _, Some(copy)) => Action::PutBack { copy, over: None },
        (State::Missing, _, None) | (State::Same, None, _) => Action::Nothing,
        (State::Same, Some(info), Some(copy)) => Action::PutBack { copy, over: Some(info.clone()) },
        (State::Same, Some(info), None) if change == Change::Add => Action::Remove(info.clone()),
        (State::Same, Some(_), None) => Action::Stay("what it replaced is not in the trash any more"),
        (State::Differs(info), _, Some(copy)) => {
            let at = Place::of(context, &found.row.source, None)?.address(&found.row.key)?;
            let is_as_it_was = match trash {
                Some(trash) => trash.is_copied(&at, info, &copy).await?,
                None => false,
            };
            if is_as_it_was { Action::Nothing } else { Action::Stay("it was changed since") }
        }
        // It was to be replaced, and was not: without a copy in the trash nothing is.
        (State::Differs(_), _, None) if change == Change::Replace => Action::Nothing,
        (State::Differs(_), _, None) => Action::Stay("it was changed since"),
    })
}

/// The copies of all entries of the bucket that the rows have come to.
struct Kept<'a> {
    trash: Option<&'a TrashBucket>,
    entries: BTreeMap<SourceName, Vec<TrashId>>,
    open: Option<(SourceName, Vec<Copies>)>,
}

impl<'a> Kept<'a> {
    fn new(trash: Option<&'a TrashBucket>, entries: BTreeMap<SourceName, Vec<TrashId>>) -> Self {
        Self { trash, entries, open: None }
    }

    /// The earliest copy: what was there before the first of the runs.
    async fn find(&mut self, row: &IndexRow) -> Result<Option<Copy>> {
        let Some(trash) = self.trash else { return Ok(None) };
        if self.open.as_ref().is_none_or(|(source, _)| *source != row.source) {
            let ids = self.entries.get(&row.source).into_iter().flatten();
            let copies = ids.map(|id| trash.copies(id, &row.source.bucket())).collect();
            self.open = Some((row.source.clone(), copies));
        }
        let mut first = None;
        for copies in self.open.iter_mut().flat_map(|(_, copies)| copies) {
            // All are asked, so that all keep up with the rows.
            let found = copies.find(&row.key).await?;
            first = first.or(found);
        }
        Ok(first)
    }
}
