//! What is to be done, object by object in the order of the index: the parent's rows and the changes, merged.

use std::pin::Pin;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::super::Result;
use super::changes::{Change, Listed};
use super::scan::Found;
use crate::model::{IndexRow, Problem};

/// What becomes of one object.
#[derive(Debug)]
pub(super) enum Work {
    /// Its row stays.
    Keep(IndexRow),
    /// The row of an interrupted run becomes its row.
    Take(IndexRow),
    /// It is read, unless its content is known; `old` is what the parent says of it.
    Read {
        listed: Listed,
        old: Option<IndexRow>,
    },
    /// It is stored again out of its old place.
    Move(IndexRow),
    Unlistable(Problem),
}

/// The work of a run without a parent, as it is found.
pub(super) fn directly(found: BoxStream<'static, Result<Found>>) -> BoxStream<'static, Result<Work>> {
    let works = found.try_filter_map(|found| {
        std::future::ready(Ok(match found {
            Found::Same(row) => Some(Work::Keep(row)),
            Found::Changed(Change::Read(listed)) => Some(Work::Read { listed, old: None }),
            Found::Changed(Change::Take(row)) => Some(Work::Take(*row)),
            Found::Changed(Change::Move(..) | Change::Forget(..)) => None,
            Found::Unlistable(problem) => Some(Work::Unlistable(problem)),
        }))
    });
    works.boxed()
}

/// The parent's rows with the changes worked in. Of several changes to one object the first counts.
pub(super) fn merged(
    rows: BoxStream<'static, Result<IndexRow>>,
    changes: BoxStream<'static, Result<Change>>,
) -> BoxStream<'static, Result<Work>> {
    let merge = Merge { rows: rows.peekable(), changes: changes.peekable() };
    stream::try_unfold(Box::new(merge), |mut merge| async move { Ok(merge.next().await?.map(|work| (work, merge))) })
        .boxed()
}

struct Merge {
    rows: stream::Peekable<BoxStream<'static, Result<IndexRow>>>,
    changes: stream::Peekable<BoxStream<'static, Result<Change>>>,
}

impl Merge {
    async fn next(&mut self) -> Result<Option<Work>> {
        loop {
            let (mut rows, mut changes) = (Pin::new(&mut self.rows), Pin::new(&mut self.changes));
            let order = match (rows.as_mut().peek().await, changes.as_mut().peek().await) {
                (None, None) => return Ok(None),
                // Whichever failed comes out below.
                (Some(Err(_)), _) | (Some(Ok(_)), None) => std::cmp::Ordering::Less,
                (_, Some(Err(_))) | (None, Some(Ok(_))) => std::cmp::Ordering::Greater,
                (Some(Ok(row)), Some(Ok(change))) => row.order().cmp(&change.order()),
            };
            if order.is_lt() {
                return Ok(rows.try_next().await?.map(Work::Keep));
            }
            let old = if order.is_eq() { rows.try_next().await? } else { None };
            let Some(change) = changes.try_next().await? else { continue };
            let is_again = |next: &Result<Change>| next.as_ref().is_ok_and(|next| next.order() == change.order());
            while changes.as_mut().next_if(is_again).await.is_some() {}
            match (change, old) {
                (Change::Read(listed), old) => return Ok(Some(Work::Read { listed, old })),
                (Change::Take(row), _) => return Ok(Some(Work::Take(*row))),
                (Change::Move(..), Some(row)) => return Ok(Some(Work::Move(row))),
                (Change::Move(..), None) | (Change::Forget(..), _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::sha256;
    use crate::model::{Attributes, Key, SourceName};
    use crate::store::ObjectInfo;

    fn source() -> SourceName {
        SourceName::try_from("live/books".to_owned()).unwrap()
    }

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    fn row(text: &str) -> IndexRow {
        IndexRow {
            source: source(),
            key: key(text),
            size: 3,
            etag: "e".to_owned(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            sha256: sha256(b"abc"),
            attributes: Attributes::default(),
            pieces: Vec::new(),
        }
    }

    fn read(text: &str) -> Change {
        let info = ObjectInfo { key: key(text), size: 4, etag: String::new(), modified: jiff::Timestamp::UNIX_EPOCH };
        Change::Read(Listed { source: source(), info })
    }

    #[tokio::test]
    async fn rows_and_changes_become_work_in_the_order_of_the_keys() {
        let rows = ["a", "b", "c", "d", "e"].map(|text| Ok(row(text)));
        let changes = [
            read("0"),
            read("b"),
            Change::Forget(source(), key("c")),
            Change::Forget(source(), key("cc")),
            Change::Move(source(), key("d")),
            Change::Take(Box::new(row("f"))),
            read("f"),
        ];
        let changes = stream::iter(changes.map(Ok)).boxed();
        let works: Vec<Work> = merged(stream::iter(rows).boxed(), changes).try_collect().await.unwrap();
        let told: Vec<String> = works.iter().map(tell).collect();
        assert_eq!(told, ["read 0", "keep a", "read b again", "move d", "keep e", "take f"]);
    }

    fn tell(work: &Work) -> String {
        match work {
            Work::Keep(row) => format!("keep {}", row.key),
            Work::Take(row) => format!("take {}", row.key),
            Work::Read { listed, old } => {
                format!("read {}{}", listed.info.key, if old.is_some() { " again" } else { "" })
            }
            Work::Move(row) => format!("move {}", row.key),
            Work::Unlistable(problem) => problem.subject.clone(),
        }
    }
}
