//! The merge of a bucket's objects with the rows whose folders lie in it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use futures_util::stream::{BoxStream, StreamExt};

use super::super::items::{ARCHIVED, Items};
use super::super::{Result, StepError, sorted_listing, sources};
use super::findings::{Finding, Findings, Suspect};
use crate::model::item::{ItemFolder, ItemKind};
use crate::model::{BucketName, ItemName, TrashId};
use crate::store::{ErrorKind, ListOptions, ObjectInfo};

/// What a bucket was compared with.
pub(in crate::steps) struct Compared {
    pub(in crate::steps) rows: u64,
    pub(in crate::steps) objects: u64,
    pub(super) findings: Findings,
}

impl Compared {
    /// What was found, the first of it in words, and how much more there is.
    pub(in crate::steps) fn findings(self) -> (Vec<Finding>, u64) {
        let (listed, unlisted) = self.findings.end();
        (listed.into_iter().map(Suspect::into_finding).collect(), unlisted)
    }
}

/// Compares one bucket. Where its store lists in no order, it is listed again, and sorted.
pub(super) async fn bucket(
    items: &Items,
    bucket: &BucketName,
    kinds: &[&ItemKind],
    trashed: &BTreeMap<ItemName, TrashId>,
) -> Result<Compared> {
    match merged(items, bucket, kinds, trashed, false).await {
        Err(StepError::Store(error)) if error.kind == ErrorKind::Unsupported => {
            tracing::info!(%error, "the listing is sorted first");
            merged(items, bucket, kinds, trashed, true).await
        }
        other => other,
    }
}

async fn merged(
    items: &Items,
    bucket: &BucketName,
    kinds: &[&ItemKind],
    trashed: &BTreeMap<ItemName, TrashId>,
    sorted: bool,
) -> Result<Compared> {
    let mut rows = Vec::new();
    for kind in kinds {
        let Some((database, table)) = &kind.table else { continue };
        let found = items.database(database)?.item_folders(table, &kind.template).await?;
        rows.push(found.map_err(StepError::from).boxed());
    }
    merge(kinds, rows, objects(items, bucket, sorted), trashed).await
}

/// The objects of a bucket in the order of their keys.
fn objects(items: &Items, bucket: &BucketName, sorted: bool) -> BoxStream<'static, Result<ObjectInfo>> {
    let listing = items.trash.store.list(bucket, ListOptions::default());
    if !sorted {
        return sources::ordered(listing, bucket.clone());
    }
    let spool = items.spool.clone();
    let sorted = async move { sorted_listing::sorted(listing, &spool).await };
    futures_util::stream::once(sorted).try_flatten().boxed()
}

/// Merges the rows of each kind with the objects of their bucket, all sorted by bytes.
pub(in crate::steps) async fn merge(
    kinds: &[&ItemKind],
    rows: Vec<BoxStream<'_, Result<ItemFolder>>>,
    objects: BoxStream<'_, Result<ObjectInfo>>,
    trashed: &BTreeMap<ItemName, TrashId>,
) -> Result<Compared> {
    let mut rows = Rows::begin(kinds, rows).await?;
    let mut objects = Objects(objects);
    let compared = Compared { rows: 0, objects: 0, findings: Findings::default() };
    let mut merge = Merge { kinds, trashed, strangers: None, last: None, compared };
    let (mut row, mut object) = (merge.next_row(&mut rows).await?, objects.next().await?);
    loop {
        match (&mut row, &object) {
            (None, None) => break,
            (Some(found), Some(info)) if info.key.as_str().starts_with(&found.folder) => {
                found.has_objects = true;
                merge.compared.objects += 1;
                object = objects.next().await?;
            }
            (Some(found), next) if next.as_ref().is_none_or(|info| found.folder.as_str() < info.key.as_str()) => {
                merge.close(row.take());
                row = merge.next_row(&mut rows).await?;
            }
            (_, Some(info)) => {
                merge.stranger(info);
                merge.compared.objects += 1;
                object = objects.next().await?;
            }
            (Some(_), None) => unreachable!("a row without objects behind it was closed above"),
        }
    }
    merge.end_strangers();
    Ok(merge.compared)
}

/// A row under way.
struct Row {
    kind: usize,
    item: ItemName,
    status: Option<String>,
    folder: String,
    has_objects: bool,
}

struct Merge<'a> {
    kinds: &'a [&'a ItemKind],
    trashed: &'a BTreeMap<ItemName, TrashId>,
    /// A folder without a row, its objects and bytes.
    strangers: Option<(String, u64, u64)>,
    /// The folder that was closed last, and whether it had objects: another row may name it too.
    last: Option<(String, bool)>,
    compared: Compared,
}

impl Merge<'_> {
    /// The next row that names a folder; those that name none are findings.
    async fn next_row(&mut self, rows: &mut Rows<'_>) -> Result<Option<Row>> {
        while let Some((kind, found)) = rows.next().await? {
            self.compared.rows += 1;
            let name = &self.kinds[kind].name;
            let item = found.id.as_ref().and_then(|id| format!("{name}/{id}").parse().ok());
            let folder = found.folder.filter(|folder| !folder.trim_matches('/').is_empty());
            match (item, folder) {
                (Some(item), Some(folder)) => {
                    let has_objects = self.last.as_ref().is_some_and(|(last, had)| *had && *last == folder);
                    return Ok(Some(Row { kind, item, status: found.status, folder, has_objects }));
                }
                _ => self.compared.findings.add(Suspect::no_folder(name, found.id.as_deref())),
            }
        }
        Ok(None)
    }

    fn close(&mut self, row: Option<Row>) {
        let Some(Row { kind, item, status, folder, has_objects }) = row else { return };
        self.last = Some((folder.clone(), has_objects));
        let is_archived = status.as_deref() == Some(ARCHIVED);
        let kind = self.kinds[kind];
        match (is_archived, has_objects, self.trashed.get(&item)) {
            (true, true, _) => self.compared.findings.add(Suspect::archived(kind, item, folder)),
            (false, false, Some(entry)) => {
                self.compared.findings.add(Suspect::in_trash(item, folder, entry, status.as_deref()));
            }
            (false, false, None) => self.compared.findings.add(Suspect::no_objects(kind, item, folder)),
            // An archived item may have been purged.
            (true, false, _) | (false, true, _) => {}
        }
    }

    /// Counts an object that no row's folder holds.
    fn stranger(&mut self, info: &ObjectInfo) {
        let depth = self.kinds.iter().map(|kind| kind.template.as_str().matches('/').count()).min().unwrap_or(1);
        let key = info.key.as_str();
        let end = key.match_indices('/').nth(depth - 1).or_else(|| key.rmatch_indices('/').next());
        let folder = end.map_or("", |(at, _)| &key[..=at]);
        match &mut self.strangers {
            Some((same, objects, bytes)) if same == folder => {
                *objects += 1;
                *bytes += info.size;
            }
            _ => {
                self.end_strangers();
                self.strangers = Some((folder.to_owned(), 1, info.size));
            }
        }
    }

    fn end_strangers(&mut self) {
        let Some((folder, objects, bytes)) = self.strangers.take() else { return };
        let kind = self.kinds[0];
        // A folder that is an id alone can be named as an item.
        let simple = format!("{{{}}}/", kind.id);
        let id = folder.strip_suffix('/').filter(|id| self.kinds.len() == 1 && !id.contains('/'));
        let id = id.filter(|_| kind.template.as_str() == simple);
        let item: Option<ItemName> = id.and_then(|id| format!("{}/{id}", kind.name).parse().ok());
        self.compared.findings.add(Suspect::no_row(kind, folder, (objects, bytes), item.as_ref()));
    }
}

/// The rows of several tables, by the bytes of their folders.
struct Rows<'a> {
    streams: Vec<BoxStream<'a, Result<ItemFolder>>>,
    heads: Vec<Option<ItemFolder>>,
    last: Option<String>,
    subject: String,
}

impl<'a> Rows<'a> {
    async fn begin(kinds: &[&ItemKind], mut streams: Vec<BoxStream<'a, Result<ItemFolder>>>) -> Result<Self> {
        let mut heads = Vec::new();
        for stream in &mut streams {
            heads.push(stream.try_next().await?);
        }
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        Ok(Self { streams, heads, last: None, subject: format!("the items {}", names.join(", ")) })
    }

    /// The next row, and which kind it is of.
    async fn next(&mut self) -> Result<Option<(usize, ItemFolder)>> {
        let folder = |index: usize| self.heads[index].as_ref().map(|row| &row.folder);
        let first = (0..self.heads.len())
            .filter(|index| self.heads[*index].is_some())
            .min_by(|one, other| folder(*one).cmp(&folder(*other)).then(one.cmp(other)));
        let Some(first) = first else { return Ok(None) };
        let next = self.streams[first].try_next().await?;
        let Some(row) = std::mem::replace(&mut self.heads[first], next) else { return Ok(None) };
        if self.last.cmp(&row.folder) == Ordering::Greater {
            let reason = "its rows do not come in the order of their bytes: its encoding is not UTF-8";
            return Err(StepError::refused("check", self.subject.as_str(), reason));
        }
        self.last.clone_from(&row.folder);
        Ok(Some((first, row)))
    }
}

/// Objects sorted by their keys; what has none is passed by.
struct Objects<'a>(BoxStream<'a, Result<ObjectInfo>>);

impl Objects<'_> {
    async fn next(&mut self) -> Result<Option<ObjectInfo>> {
        loop {
            match self.0.next().await {
                Some(Err(StepError::Store(error))) if error.kind == ErrorKind::Unaddressable => {
                    tracing::warn!(%error, "an object that cannot be named is not compared");
                }
                other => return other.transpose(),
            }
        }
    }
}
