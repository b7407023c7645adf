//! The move of a folder into its entry. Nothing goes before its copy is proven, and nothing goes that is not the very
//! state that was copied.

use std::error::Error;
use std::path::Path;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::bucket::{LIST, LONG, TrashBucket, objects};
use super::copying::{COPIES, Join, Target, copy_state, prove, proves};
use super::entry::{Entry, EntryState, Maker, Origin};
use super::error::{Result, TrashError};
use super::objects::{ObjectRow, RowSpool};
use super::source::Source;
use crate::model::{Attributes, BucketName, Key, Progress, TrashId};
use crate::store::{Address, ErrorKind, ListOptions, Listed, ObjectInfo, Precondition, transfer};

/// Rows whose originals are looked at, and deleted, at once: the window in which a write to an unversioned bucket cannot
/// be saved.
const PAGE: usize = 1000;
/// Keys of one request, and requests at once: some servers delete what one request names one after the other.
const BATCH: usize = 100;
const BATCHES: usize = 10;
/// How often a page is looked at where single removals fail.
const LOOKS: u32 = 5;
/// How often what others write meanwhile is moved too, before it is left to a later run.
const ROUNDS: usize = 10;

/// The right to destroy, asked for before each batch.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Fails where another run took over.
    async fn ensure_held(&self) -> std::result::Result<(), Box<dyn Error + Send + Sync>>;
}

/// What every move needs.
pub struct Mover<'a> {
    pub trash: TrashBucket,
    pub spool: &'a Path,
    pub progress: &'a dyn Progress,
    pub lease: &'a dyn Lease,
}

impl Mover<'_> {
    pub(super) async fn ensure_held(&self, entry: &Entry) -> Result<()> {
        let lost = |source| TrashError::Lease { subject: self.trash.subject(&entry.id), source };
        self.lease.ensure_held().await.map_err(lost)
    }

    /// Copies the whole folder into an entry in state `moving`, proves every copy, and stores their list. Done again after
    /// a crash it takes over the copies that are of what is there. Counts what was copied in `entry`.
    pub async fn copy_in(&self, entry: &mut Entry, is_resumed: bool) -> Result<()> {
        let (store, source) = (&self.trash.store, Source::of(entry, &self.trash));
        let known = if is_resumed { self.copies(entry) } else { stream::empty().boxed() };
        let listing = objects(store, &source.bucket, &source.prefix);
        let jobs = stream::try_unfold((listing, Join::new(known), String::new()), |(mut listing, mut known, last)| {
            let (source, entry) = (&source, &*entry);
            async move {
                let Some(info) = listing.try_next().await? else { return Ok(None) };
                if !last.is_empty() && info.key.as_str() <= last.as_str() {
                    return Err(unordered(&info));
                }
                let last = info.key.as_str().to_owned();
                let info = source.info(info)?;
                let name = TrashBucket::name(&entry.id, &entry.bucket, &info.key);
                let to = self.trash.address(&entry.id, &name)?;
                let there = known.find(to.key.as_str()).await?.filter(|copy| is_copy(store, copy, &info));
                Ok::<_, TrashError>(Some(((info, name, to, there), (listing, known, last))))
            }
        });
        let rows = jobs.map_ok(|(info, name, to, there)| {
            let source = &source;
            async move {
                if let Some(copy) = there {
                    return Ok(Some(row(info, copy.etag, name)));
                }
                let from = source.address(&info.key)?;
                Ok(copy_state(store, &from, &to, info).await?.map(|(info, etag)| row(info, etag, name)))
            }
        });
        let mut spool = RowSpool::new(self.spool)?;
        {
            let mut rows = std::pin::pin!(rows.try_buffered(COPIES));
            while let Some(row) = rows.try_next().await? {
                if let Some(row) = row {
                    spool.push(&row)?;
                    self.progress.advance(1, row.size);
                }
            }
        }
        tracing::debug!(entry = %entry.id, objects = spool.objects, "copied");
        prove(store, spool.rows()?, self.copies(entry), |row| {
            let at = self.trash.address(&entry.id, &row.name)?;
            Ok(if row.name.starts_with(LONG) { Target::Apart(at) } else { Target::Listed(at) })
        })
        .await?;
        write_list(&self.trash, &entry.id, &mut spool).await?;
        (entry.objects, entry.bytes) = (spool.objects, spool.bytes);
        tracing::debug!(entry = %entry.id, "proven and listed");
        Ok(())
    }

    fn copies(&self, entry: &Entry) -> stream::BoxStream<'static, Result<ObjectInfo>> {
        let folder = format!("{}/{}/", entry.id, entry.bucket);
        objects(&self.trash.store, &self.trash.bucket, &folder)
    }

    /// Removes the originals of an entry in state `archived`, then moves what others wrote meanwhile into entries of its
    /// own, until the folder is empty; the entry is `complete` then. A crash anywhere leaves it `archived`: done again,
    /// this goes on.
    pub async fn remove_originals(&self, entry: &mut Entry) -> Result<()> {
        self.remove_copied(entry).await?;
        for id in entry.late.clone() {
            if let Some(mut late) = self.trash.load(&id).await?
                && late.is_unfinished()
            {
                self.move_late(&mut late).await?;
            }
        }
        let source = Source::of(entry, &self.trash);
        for _ in 0..ROUNDS {
            if objects(&self.trash.store, &source.bucket, &source.prefix).try_next().await?.is_none() {
                entry.state = EntryState::Complete;
                return self.trash.save(entry).await;
            }
            let mut late = self.begin_late(entry).await?;
            self.move_late(&mut late).await?;
        }
        let detail = "others go on writing to it; stop them, and run the same command again".to_owned();
        Err(TrashError::Restless { subject: entry.folder(), detail })
    }

    /// Begins the entry of what was written late. The first write names it in its parent: a crash before the second leaves
    /// a name of nothing.
    async fn begin_late(&self, entry: &mut Entry) -> Result<Entry> {
        let maker = Maker {
            host: entry.host.clone(),
            user: entry.user.clone(),
            run: entry.run.clone(),
            reason: format!("written while {} was made", entry.id),
        };
        let (now, origin) = (self.trash.store.now().await?, Origin::Late { of: entry.id.clone() });
        let mut late = Entry::new(now, origin, entry.bucket.clone(), &entry.prefix, maker);
        late.item.clone_from(&entry.item);
        late.adopted = entry.adopted;
        entry.late.push(late.id.clone());
        self.trash.save(entry).await?;
        self.trash.save(&late).await?;
        Ok(late)
    }

    async fn move_late(&self, late: &mut Entry) -> Result<()> {
        if late.state == EntryState::Moving {
            self.copy_in(late, true).await?;
            late.state = EntryState::Archived;
            self.trash.save(late).await?;
        }
        self.remove_copied(late).await?;
        late.state = EntryState::Complete;
        self.trash.save(late).await
    }

    /// Removes what is listed and still is what was copied. On a versioned bucket a delete marker that fell on something
    /// newer is taken away again, and what lay below is there as before.
    async fn remove_copied(&self, entry: &Entry) -> Result<()> {
        let source = Source::of(entry, &self.trash);
        let mut pages = self.trash.rows(&entry.id).await?.try_chunks(PAGE);
        let mut after = None;
        while let Some(page) = pages.next().await {
            let page: Vec<ObjectRow> = page.map_err(|error| error.1)?;
            let Some(last) = page.last().map(|row| row.key.clone()) else { break };
            self.remove_page(entry, &source, after.as_ref(), &page).await?;
            tracing::debug!(entry = %entry.id, up_to = %last, "originals removed");
            after = Some(last);
        }
        self.take_back_markers(entry, &source).await
    }

    /// Removes what is still there of a page. A server that refuses a key, which some do where it is written that very
    /// moment, is asked again only after another look.
    async fn remove_page(&self, entry: &Entry, source: &Source, after: Option<&Key>, page: &[ObjectRow]) -> Result<()> {
        let mut attempt = 1;
        loop {
            self.ensure_held(entry).await?;
            let keys = self.still_there(source, after, page).await?;
            match self.delete(&source.bucket, keys).await {
                Err(TrashError::Store(error)) if error.kind == ErrorKind::Other && attempt < LOOKS => {
                    tracing::debug!(%error, attempt, "looking again before a removal");
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Which of a page's originals are there now, as they were copied. The page before ended with `after`.
    async fn still_there(&self, source: &Source, after: Option<&Key>, page: &[ObjectRow]) -> Result<Vec<Key>> {
        let start_after = after.map(|key| source.address(key)).transpose()?.map(|at| at.key.as_str().to_owned());
        let options = ListOptions { prefix: source.prefix.clone(), start_after, delimited: false };
        let mut listing = self.trash.store.list(&source.bucket, options);
        let mut keys = Vec::new();
        while let Some(listed) = listing.try_next().await? {
            let Listed::Object(info) = listed else { continue };
            let key = info.key.clone();
            let info = source.info(info)?;
            if page.last().is_some_and(|last| info.key > last.key) {
                break;
            }
            let is_to_go = match page.binary_search_by(|row| row.key.cmp(&info.key)) {
                Ok(position) => page[position].is_of(&info),
                Err(position) => page.get(position).is_some_and(|row| is_folder_of(&self.trash, &info.key, row)),
            };
            keys.extend(is_to_go.then_some(key));
        }
        Ok(keys)
    }

    /// Whether every original of an entry is where it was, as it was copied.
    pub async fn all_in_place(&self, entry: &Entry) -> Result<bool> {
        let source = Source::of(entry, &self.trash);
        let mut originals = Join::new(objects(&self.trash.store, &source.bucket, &source.prefix));
        let mut rows = self.trash.rows(&entry.id).await?;
        while let Some(row) = rows.try_next().await? {
            let found = originals.find(source.address(&row.key)?.key.as_str()).await?;
            if !found
                .is_some_and(|info| info.size == row.size && info.etag == row.etag && info.modified == row.modified)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn delete(&self, bucket: &BucketName, keys: Vec<Key>) -> Result<()> {
        let batches: Vec<Vec<Key>> = keys.chunks(BATCH).map(<[Key]>::to_vec).collect();
        let mut deleted =
            stream::iter(batches).map(|keys| self.trash.store.delete_many(bucket, keys)).buffer_unordered(BATCHES);
        while let Some(results) = deleted.next().await {
            for (_, result) in results {
                result?;
            }
        }
        Ok(())
    }

    async fn take_back_markers(&self, entry: &Entry, source: &Source) -> Result<()> {
        if !self.trash.store.features().versions {
            return Ok(());
        }
        let mut rows = self.trash.rows(&entry.id).await?;
        let mut row = rows.try_next().await?;
        let mut versions = self.trash.store.versions(&source.bucket, source.prefix.clone());
        let mut newest: Option<(Key, Option<String>)> = None;
        while let Some(version) = versions.next().await {
            let version = match version {
                Err(error) if error.kind == ErrorKind::Unsupported => return Ok(()),
                other => other?,
            };
            let at = Address::new(source.bucket.clone(), version.info.key.clone());
            let Some(marker) = newest.as_mut().filter(|(key, _)| *key == at.key).map(|(_, marker)| marker) else {
                newest = Some((at.key, version.is_delete_marker.then_some(version.id)));
                continue;
            };
            let Some(marker) = marker.take().filter(|_| !version.is_delete_marker) else { continue };
            let below = source.info(version.info)?;
            while row.as_ref().is_some_and(|row| row.key < below.key) {
                row = rows.try_next().await?;
            }
            if row.as_ref().is_some_and(|row| row.key == below.key && !row.is_of(&below)) {
                self.trash.store.delete_version(&at, &marker).await?;
            }
        }
        Ok(())
    }
}

pub(super) async fn write_list(trash: &TrashBucket, id: &TrashId, spool: &mut RowSpool) -> Result<()> {
    let at = trash.address(id, LIST)?;
    let attributes = Attributes { content_type: Some("application/gzip".to_owned()), ..Attributes::default() };
    let (lines, options) = (spool.compressed()?, transfer::TransferOptions::default());
    transfer::upload(&trash.store, &at, lines, &attributes, Precondition::Overwrite, &options).await?;
    Ok(())
}

/// Whether a directory store shows a folder that is there for this object alone, the next in order, and is empty because a
/// run was killed between the two.
pub(super) fn is_folder_of(trash: &TrashBucket, key: &Key, next: &ObjectRow) -> bool {
    trash.store.features().posix && key.as_str().ends_with('/') && next.key.as_str().starts_with(key.as_str())
}

fn row(info: ObjectInfo, copy_etag: String, name: String) -> ObjectRow {
    let ObjectInfo { key, size, etag, modified } = info;
    ObjectRow { key, size, etag, modified, copy_etag, name }
}

/// Whether a copy of an interrupted run is of what the source shows now: of the same bytes, and younger.
fn is_copy(store: &std::sync::Arc<dyn crate::store::ObjectStore>, copy: &ObjectInfo, info: &ObjectInfo) -> bool {
    copy.size == info.size && proves(store, &info.etag) && copy.etag == info.etag && copy.modified > info.modified
}

fn unordered(info: &ObjectInfo) -> TrashError {
    let detail = "the store lists its keys out of order".to_owned();
    TrashError::Unproven { subject: info.key.to_string(), detail }
}
