//! Holds the rows of items, as a dump has them, against the objects that the same backup has.
//!
//! The rows are read in the dump's snapshot, before the files are; they wait in the spool, sorted by their folders, and are
//! merged with the index, which is sorted too.

use std::collections::BTreeMap;

use futures_util::future;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

use super::check::compare::merge;
use super::{Context, Result, StepError, with_causes};
use crate::database::DumpSession;
use crate::model::item::{ItemFolder, ItemKind};
use crate::model::manifest::{Consistency, ConsistencyState, FilesComponent};
use crate::model::{Problem, SourceName};
use crate::repository::index::read_index;
use crate::repository::spool::{Record, Sorter};
use crate::repository::{ErrorKind, RepositoryError};
use crate::store::ObjectInfo;

/// Rows in memory; more go through the spool.
const MEMORY_BYTES: usize = 8 << 20;
/// Differences that a manifest names.
const MOST_LISTED: usize = 100;

/// The rows of one kind, waiting for the files.
pub(super) struct SpooledRows {
    kind: ItemKind,
    rows: std::result::Result<Sorter, String>,
}

/// Reads the rows of every kind that has its table in this database. What fails is kept for the manifest to tell: the dump
/// is worth no less.
pub(super) async fn spool(
    context: &Context,
    session: &mut dyn DumpSession,
    database: &str,
    kinds: &[ItemKind],
) -> Vec<SpooledRows> {
    let mut spooled = Vec::new();
    for kind in kinds {
        let Some((_, table)) = kind.table.as_ref().filter(|(of, _)| of == database) else { continue };
        let rows = async {
            let mut rows = session.item_folders(table, &kind.template).await?;
            let mut sorter = Sorter::new(&context.spool, MEMORY_BYTES);
            while let Some(row) = rows.try_next().await? {
                let (key, value) = encode(&row);
                sorter.push(key, value).await?;
            }
            Ok(sorter)
        };
        let rows = rows.await.map_err(|error: StepError| with_causes(&error));
        spooled.push(SpooledRows { kind: kind.clone(), rows });
    }
    spooled
}

/// A folder sorts by its bytes, and none before all.
fn encode(row: &ItemFolder) -> (Vec<u8>, Vec<u8>) {
    let key = row.folder.as_ref().map_or_else(Vec::new, |folder| [b"/", folder.as_bytes()].concat());
    let value = serde_json::json!([row.id, row.status]).to_string();
    (key, value.into_bytes())
}

fn decode(Record { key, value }: &Record) -> Option<ItemFolder> {
    let folder = match key.split_first() {
        Some((_, folder)) => Some(String::from_utf8(folder.to_vec()).ok()?),
        None => None,
    };
    let (id, status) = serde_json::from_slice(value).ok()?;
    Some(ItemFolder { id, status, folder })
}

/// Compares them with the index. What fails makes the answer `unknown`.
pub(super) async fn compare(
    context: &Context,
    spooled: Vec<SpooledRows>,
    files: &FilesComponent,
) -> Option<Consistency> {
    let mut buckets: BTreeMap<SourceName, Vec<SpooledRows>> = BTreeMap::new();
    for rows in spooled {
        let source = SourceName::new(&rows.kind.store, &rows.kind.bucket);
        // What is not backed up whole cannot be compared.
        let is_whole = files.sources.iter().any(|summary| {
            summary.source == source
                && summary.prefixes.is_empty()
                && summary.patterns == crate::model::Patterns::default()
        });
        if is_whole {
            buckets.entry(source).or_default().push(rows);
        }
    }
    if buckets.is_empty() {
        return None;
    }
    let mut consistency =
        Consistency { state: ConsistencyState::Verified, rows: 0, objects: 0, differences: 0, list: Vec::new() };
    for (source, rows) in buckets {
        if let Err(error) = one(context, &source, rows, files, &mut consistency).await {
            let problem = Problem::new(source.as_str(), with_causes(&error));
            return Some(Consistency { state: ConsistencyState::Unknown, list: vec![problem], ..consistency });
        }
    }
    Some(consistency)
}

async fn one(
    context: &Context,
    source: &SourceName,
    spooled: Vec<SpooledRows>,
    files: &FilesComponent,
    consistency: &mut Consistency,
) -> Result<()> {
    let (mut kinds, mut rows): (Vec<ItemKind>, Vec<BoxStream<'_, Result<ItemFolder>>>) = (Vec::new(), Vec::new());
    for SpooledRows { kind, rows: found } in spooled {
        let found = found.map_err(|reason| StepError::refused("read", format!("the rows of {}", kind.name), reason))?;
        let found = found.finish().await?.map_err(StepError::from);
        rows.push(found.and_then(|record| future::ready(decode(&record).ok_or_else(unreadable))).boxed());
        kinds.push(kind);
    }
    let wanted = source.clone();
    let objects = read_index(&context.repository, files.segments.clone())
        .try_filter(move |row| future::ready(row.source == wanted))
        .map_ok(|row| ObjectInfo { key: row.key, size: row.size, etag: row.etag, modified: row.modified });
    let kinds: Vec<&ItemKind> = kinds.iter().collect();
    let compared = merge(&kinds, rows, objects.map_err(StepError::from).boxed(), &BTreeMap::new()).await?;
    consistency.rows += compared.rows;
    consistency.objects += compared.objects;
    let (findings, unlisted) = compared.findings();
    consistency.differences += findings.len() as u64 + unlisted;
    let room = MOST_LISTED - consistency.list.len();
    consistency.list.extend(findings.into_iter().take(room).map(|found| Problem::new(found.subject, found.what)));
    if consistency.differences > 0 {
        consistency.state = ConsistencyState::Drifted;
    }
    Ok(())
}

fn unreadable() -> StepError {
    RepositoryError::new(ErrorKind::Spool, "read", "sorted rows").with_detail("it holds what was not written").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_sort_by_their_folders() {
        let row = |folder: Option<&str>| ItemFolder {
            id: Some("4\t2".to_owned()),
            status: None,
            folder: folder.map(str::to_owned),
        };
        let mut last = Vec::new();
        for folder in [None, Some(""), Some("\0"), Some("a-b/"), Some("a/"), Some("é/")] {
            let (key, value) = encode(&row(folder));
            assert!(last < key || folder.is_none(), "{folder:?}");
            last.clone_from(&key);
            assert_eq!(decode(&Record { key, value }), Some(row(folder)));
        }
    }
}
