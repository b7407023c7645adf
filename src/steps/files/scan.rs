//! Holds the live listings against what earlier runs stored: one pass over both, which are sorted alike.
//!
//! An object whose ETag, size and time are those of a row is the same, and costs no request; but not where its row lies in
//! a pack that cannot be relied upon, and not where a file was so young when it was listed that another write within the
//! same tick of the clock would not show.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use super::super::sorted_listing;
use super::super::sources::Source;
use super::super::{Context, Result, StepError};
use super::ahead;
use super::ancestry::{Candidates, is_usable};
use super::changes::{Change, Listed};
use crate::model::manifest::Segment;
use crate::model::{IndexRow, Patterns, Problem};
use crate::repository::prune::Marked;
use crate::repository::standing::Unusable;
use crate::store::{ErrorKind, ListOptions, ObjectInfo, StoreError, dir};

/// A file younger than this when it was listed may have been written again without a trace.
const TICK: SignedDuration = SignedDuration::from_secs(2);

/// What a pass says of one object.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "almost all are the large variant")]
pub(super) enum Found {
    /// It is as the parent's row says.
    Same(IndexRow),
    Changed(Change),
    /// It has no key that could be backed up.
    Unlistable(Problem),
}

/// What rows are judged by.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// Packs that are missing, short, damaged or about to be removed: what lies there is read again.
    pub(super) unusable: Unusable,
    /// What prune means to remove.
    pub(super) marked: Arc<Marked>,
    /// Packs that are mostly dead: what lives there is moved.
    pub(super) sparse: BTreeSet<String>,
    /// When the parent's listing began, by the store's clock.
    pub(super) parent_began: Option<Timestamp>,
}

/// The live objects of all sources, in order, listed from now on. An error of kind `Unsupported` says that a listing is out
/// of order. `segments` are the parent's; `patterns` say which objects are wanted.
pub(super) fn live(
    context: &Context,
    sources: &[Source],
    (segments, patterns): (&[Segment], &Patterns),
    sorted: bool,
) -> Result<BoxStream<'static, Result<Listed>>> {
    let mut listings = Vec::new();
    for source in sources {
        let store = context.store(source.name.store())?;
        for prefix in &source.prefixes {
            let (name, bucket) = (source.name.clone(), source.name.bucket());
            let listing = if sorted {
                let listing = store.list(&bucket, ListOptions::prefix(prefix));
                let spool = context.spool.clone();
                stream::once(async move { sorted_listing::sorted(listing, &spool).await }).try_flatten().boxed()
            } else {
                // The first listing begins at once, the others when it is their turn: sources are few.
                ahead::listing(store, &bucket, prefix, ahead::cuts(segments, source, prefix), listings.is_empty())
            };
            let patterns = patterns.clone();
            listings.push(listing.try_filter_map(move |info| {
                let is_wanted = patterns.take(name.as_str(), info.key.as_str());
                std::future::ready(Ok(is_wanted.then(|| Listed { source: name.clone(), info })))
            }));
        }
    }
    Ok(stream::iter(listings).flatten().boxed())
}

/// Compares. What is not live any more is forgotten.
pub(super) fn compare(
    live: BoxStream<'static, Result<Listed>>,
    candidates: BoxStream<'static, Result<Candidates>>,
    standing: Arc<Standing>,
) -> BoxStream<'static, Result<Found>> {
    let pass = Pass { live: live.peekable(), candidates: candidates.peekable(), standing };
    stream::try_unfold(Box::new(pass), |mut pass| async move { Ok(pass.next().await?.map(|found| (found, pass))) })
        .boxed()
}

struct Pass {
    live: stream::Peekable<BoxStream<'static, Result<Listed>>>,
    candidates: stream::Peekable<BoxStream<'static, Result<Candidates>>>,
    standing: Arc<Standing>,
}

impl Pass {
    async fn next(&mut self) -> Result<Option<Found>> {
        let mut live = std::pin::Pin::new(&mut self.live);
        let mut rows = std::pin::Pin::new(&mut self.candidates);
        let order = match (live.as_mut().peek().await, rows.as_mut().peek().await) {
            (None, None) => return Ok(None),
            // Whichever failed comes out below.
            (Some(Err(_)), _) | (Some(Ok(_)), None) => std::cmp::Ordering::Less,
            (_, Some(Err(_))) | (None, Some(Ok(_))) => std::cmp::Ordering::Greater,
            (Some(Ok(listed)), Some(Ok(known))) => order(listed).cmp(&known.order()),
        };
        if order.is_gt() {
            let Some(known) = rows.try_next().await? else { return Ok(None) };
            let row = known.kept.into_iter().chain(known.others).next();
            return Ok(row.map(|row| Found::Changed(Change::Forget(row.source, row.key))));
        }
        let listed = match live.next().await {
            Some(Ok(listed)) => listed,
            Some(Err(error)) => return unlistable(error).map(|problem| Some(Found::Unlistable(problem))),
            None => return Ok(None),
        };
        if order.is_lt() {
            return Ok(Some(Found::Changed(Change::Read(listed))));
        }
        let Some(known) = rows.try_next().await? else { return Ok(None) };
        Ok(Some(self.judge(listed, known)))
    }

    fn judge(&self, listed: Listed, known: Candidates) -> Found {
        let standing = &self.standing;
        let is_same = |row: &IndexRow| is_unchanged(&listed.info, row) && is_usable(row, &standing.unusable);
        if let Some(row) = known.kept.filter(&is_same)
            && standing.parent_began.is_none_or(|began| !is_young(&listed.info, began))
        {
            let is_sparse = row.pieces.iter().any(|piece| standing.sparse.contains(&piece.pack));
            return if is_sparse { Found::Changed(Change::Move(row.source, row.key)) } else { Found::Same(row) };
        }
        match known.others.into_iter().find(is_same) {
            // When that run listed it is not known; what no clock tells apart is read again.
            Some(row) if dir::changed_at(&listed.info.etag).is_none() => Found::Changed(Change::Take(Box::new(row))),
            _ => Found::Changed(Change::Read(listed)),
        }
    }
}

fn order(listed: &Listed) -> (&str, &str) {
    (listed.source.as_str(), listed.info.key.as_str())
}

fn is_unchanged(info: &ObjectInfo, row: &IndexRow) -> bool {
    // Listings tell fractions of a second that heads do not.
    info.etag == row.etag && info.size == row.size && info.modified.as_second() == row.modified.as_second()
}

/// Whether a file had changed so shortly before `began` that it may have changed again without a trace.
fn is_young(info: &ObjectInfo, began: Timestamp) -> bool {
    dir::changed_at(&info.etag).is_some_and(|changed| changed.max(info.modified) > began - TICK)
}

/// What cannot be listed by its name is a problem of one object; any other failure ends the run: an incomplete listing
/// must never look like a small bucket.
fn unlistable(error: StepError) -> Result<Problem> {
    match error {
        StepError::Store(StoreError { kind: ErrorKind::Unaddressable, ref subject, .. }) => {
            Ok(Problem::new(subject.clone(), &error))
        }
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::sha256;
    use crate::model::{Attributes, Key, Piece, SourceName};

    const ETAG: &str = "3-18a0000000000000-18a0000000000000-5f";

    fn row(key: &str, etag: &str, pack: &str) -> IndexRow {
        IndexRow {
            source: SourceName::try_from("live/books".to_owned()).unwrap(),
            key: Key::new(key).unwrap(),
            size: 3,
            etag: etag.to_owned(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            sha256: sha256(b"abc"),
            attributes: Attributes::default(),
            pieces: vec![Piece { pack: pack.to_owned(), offset: 0, length: 9 }],
        }
    }

    fn listed(key: &str, etag: &str) -> Listed {
        let row = row(key, etag, "bcdf2345");
        let info = ObjectInfo { key: row.key, size: 3, etag: row.etag, modified: row.modified };
        Listed { source: row.source, info }
    }

    fn candidates(kept: Option<IndexRow>, others: Vec<IndexRow>) -> Candidates {
        Candidates { kept, others }
    }

    async fn told(live: Vec<Listed>, known: Vec<Candidates>, standing: Standing) -> Vec<String> {
        let live = stream::iter(live.into_iter().map(Ok).collect::<Vec<_>>()).boxed();
        let known = stream::iter(known.into_iter().map(Ok).collect::<Vec<_>>()).boxed();
        let found: Vec<Found> = compare(live, known, Arc::new(standing)).try_collect().await.unwrap();
        let tell = |found: &Found| match found {
            Found::Same(row) => format!("same {}", row.key),
            Found::Changed(Change::Read(listed)) => format!("read {}", listed.info.key),
            Found::Changed(Change::Take(row)) => format!("take {}", row.key),
            Found::Changed(Change::Move(_, key)) => format!("move {key}"),
            Found::Changed(Change::Forget(_, key)) => format!("forget {key}"),
            Found::Unlistable(problem) => problem.subject.clone(),
        };
        found.iter().map(tell).collect()
    }

    #[tokio::test]
    async fn what_is_the_same_in_etag_size_and_time_is_not_read() {
        let live = ["a", "c", "d", "f", "g"].map(|key| listed(key, "e")).to_vec();
        let known = vec![
            candidates(Some(row("a", "e", "good")), vec![]),
            candidates(Some(row("b", "e", "good")), vec![]),
            candidates(Some(row("c", "older", "good")), vec![]),
            candidates(Some(row("d", "e", "lost")), vec![row("d", "e", "good")]),
            candidates(None, vec![row("e", "e", "good")]),
            candidates(Some(row("f", "e", "sparse")), vec![]),
        ];
        let mut standing = Standing { sparse: BTreeSet::from(["sparse".to_owned()]), ..Standing::default() };
        standing.unusable.insert("lost");
        let expected = ["same a", "forget b", "read c", "take d", "forget e", "move f", "read g"];
        assert_eq!(told(live, known, standing).await, expected);
    }

    #[tokio::test]
    async fn a_file_that_was_young_when_it_was_listed_is_read_again() {
        let changed = dir::changed_at(ETAG).unwrap();
        for (after, expected) in [(1, "read a"), (3, "same a")] {
            let parent_began = Some(changed + SignedDuration::from_secs(after));
            let standing = Standing { parent_began, ..Standing::default() };
            let known = vec![candidates(Some(row("a", ETAG, "good")), vec![])];
            assert_eq!(told(vec![listed("a", ETAG)], known, standing).await, [expected]);
        }
        let known = vec![candidates(None, vec![row("a", ETAG, "good")])];
        assert_eq!(told(vec![listed("a", ETAG)], known, Standing::default()).await, ["read a"], "nobody knows when");
    }
}
