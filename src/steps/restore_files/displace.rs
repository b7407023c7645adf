//! What a restore puts others in the place of, kept in the trash: an entry a bucket, begun with the first object it takes.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use tokio::sync::{Mutex, OnceCell};

use crate::model::SourceName;
use crate::repository::spool::Sorter;
use crate::steps::journal::Recorder;
use crate::steps::place::Place;
use crate::steps::{Context, Result, StepError};
use crate::store::ObjectInfo;
use crate::trash::{Displacement, Maker, ObjectRow, TrashBucket};

/// Where what a restore displaces goes.
#[derive(Clone)]
pub struct Trash {
    pub place: TrashBucket,
    /// Who runs dcs.
    pub user: String,
}

/// Rows in memory; more go through the spool.
const MEMORY_BYTES: usize = 4 << 20;

/// Nothing is replaced or removed that cannot be kept.
pub(super) fn check_trash(trash: Option<&Trash>, place: &Place) -> Result<()> {
    let reason = match trash {
        Some(trash) if trash.place.store.describe() == place.store.describe() && trash.place.bucket != place.bucket => {
            return Ok(());
        }
        Some(_) => "objects differ, and the trash is not another bucket of the same store",
        None => "objects differ, and there is no trash to keep them in",
    };
    let hint = "Set [trash] to a bucket of the same store, or restore elsewhere with `--store NAME=URL`.".to_owned();
    let (subject, reason) = (place.name.to_string(), reason.to_owned());
    Err(StepError::Refused { attempted: "restore files to", subject, reason, hint: Some(hint) })
}

/// Takes objects from many tasks at once and in any order; their lists are sorted when all are taken.
pub(in crate::steps) struct Displacer<'a> {
    context: &'a Context,
    trash: Option<Trash>,
    reason: String,
    slots: BTreeMap<SourceName, Slot>,
    recorder: Recorder,
}

/// What was taken of one bucket.
struct Slot {
    entry: OnceCell<Displacement>,
    rows: Mutex<(u64, Sorter)>,
}

/// What the trash has of a restore.
#[derive(Debug, Default)]
pub(in crate::steps) struct Kept {
    pub(super) objects: u64,
    pub(in crate::steps) entries: Vec<String>,
}

impl<'a> Displacer<'a> {
    pub(in crate::steps) fn new<'p>(
        context: &'a Context,
        trash: Option<Trash>,
        reason: String,
        places: impl IntoIterator<Item = &'p Place>,
    ) -> Self {
        let slot = |place: &Place| {
            let rows = Mutex::new((0, Sorter::new(&context.spool, MEMORY_BYTES)));
            (place.name.clone(), Slot { entry: OnceCell::new(), rows })
        };
        let slots = places.into_iter().map(slot).collect();
        Self { context, trash, reason, slots, recorder: Recorder::default() }
    }

    /// Lets a journal name the entries, before anything is put in them.
    pub(in crate::steps) fn recorded_by(self, recorder: &Recorder) -> Self {
        Self { recorder: recorder.clone(), ..self }
    }

    /// Copies an object to the trash. Only once this has answered may it be overwritten or removed. Answers the state that
    /// was copied, `None` where it was gone.
    pub(in crate::steps) async fn take(&self, place: &Place, info: &ObjectInfo) -> Result<Option<ObjectRow>> {
        check_trash(self.trash.as_ref(), place)?;
        let (Some(trash), Some(slot)) = (&self.trash, self.slots.get(&place.name)) else {
            return Err(StepError::refused("displace", place.name.to_string(), "it is no target of this restore"));
        };
        let entry = slot.entry.get_or_try_init(|| self.begin(trash, place)).await?;
        let Some(row) = entry.copy(info).await? else { return Ok(None) };
        let mut rows = slot.rows.lock().await;
        rows.0 += 1;
        rows.1.push(row.key.as_str(), row.line()).await?;
        Ok(Some(row))
    }

    async fn begin(&self, trash: &Trash, place: &Place) -> Result<Displacement> {
        let Context { spool, host, run, .. } = self.context;
        let (host, user, run) = (host.clone(), trash.user.clone(), run.clone());
        let maker = Maker { host, user, run, reason: self.reason.clone() };
        let entry = Displacement::prepare(trash.place.clone(), place.bucket.clone(), spool, maker).await?;
        // Named first: an entry that nobody knows of would stay half filled for ever.
        self.recorder.note_entry(&place.name, entry.entry().id.clone()).await?;
        entry.open().await?;
        Ok(entry)
    }

    /// Writes the lists and completes the entries; also after a restore that failed half way, so that what it took is
    /// found.
    pub(in crate::steps) async fn finish(self) -> Result<Kept> {
        let mut kept = Kept::default();
        for slot in self.slots.into_values() {
            let Some(mut entry) = slot.entry.into_inner() else { continue };
            let (_, rows) = slot.rows.into_inner();
            let mut rows = std::pin::pin!(rows.finish().await?);
            let mut last = None;
            while let Some(record) = rows.try_next().await? {
                let line = String::from_utf8_lossy(&record.value);
                let row = ObjectRow::parse(line.trim_end_matches('\n'));
                // Taken twice, where writing what takes its place was tried twice: the copies are one.
                if let Some(row) = row.filter(|row| last.as_ref() != Some(&row.key)) {
                    entry.list(&row)?;
                    last = Some(row.key);
                }
            }
            let entry = entry.finish().await?;
            kept.objects += entry.objects;
            kept.entries.push(entry.id.to_string());
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Attributes, BucketName, Key, Prefix, RunId, Silent};
    use crate::repository::Repository;
    use crate::store::memory::MemoryStore;
    use crate::store::{Address, ObjectStore, Precondition};

    fn bucket(name: &str) -> BucketName {
        BucketName::new(name).unwrap()
    }

    async fn context(live: &Arc<dyn ObjectStore>) -> Context {
        live.create_bucket(&bucket("books")).await.unwrap();
        Context {
            run: RunId::create(),
            host: String::new(),
            repository: Repository::init(live.clone(), bucket("vault"), Prefix::root()).await.unwrap().0,
            stores: BTreeMap::from([("live".to_owned(), live.clone())]),
            databases: BTreeMap::new(),
            spool: std::env::temp_dir(),
            progress: Arc::new(Silent),
            transfers: 1,
        }
    }

    fn trash(live: &Arc<dyn ObjectStore>) -> Trash {
        Trash { place: TrashBucket { store: live.clone(), bucket: bucket("trash") }, user: "tester".to_owned() }
    }

    fn books(context: &Context) -> Place {
        Place::of(context, &SourceName::new("live", &bucket("books")), None).unwrap()
    }

    #[tokio::test]
    async fn what_goes_before_it_could_be_kept_does_not_end_a_restore() {
        let live: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        let context = context(&live).await;
        let place = books(&context);
        let displacer = Displacer::new(&context, Some(trash(&live)), String::new(), [&place]);
        let (key, etag, modified) = (Key::new("a").unwrap(), "e".to_owned(), jiff::Timestamp::UNIX_EPOCH);
        assert!(displacer.take(&place, &ObjectInfo { key, size: 1, etag, modified }).await.unwrap().is_none());
        assert_eq!(displacer.finish().await.unwrap().objects, 0);
    }

    #[tokio::test]
    async fn what_is_taken_in_any_order_and_twice_is_listed_once_and_in_order() {
        let live: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        let context = context(&live).await;
        let place = books(&context);
        let displacer = Displacer::new(&context, Some(trash(&live)), String::new(), [&place]);
        for text in ["c", "a", "b", "a"] {
            let key = Key::new(text).unwrap();
            let at = Address::new(bucket("books"), key.clone());
            live.put(&at, "x".into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
            let head = live.head(&at).await.unwrap();
            let info = ObjectInfo { key, size: head.size, etag: head.etag, modified: head.modified };
            assert!(displacer.take(&place, &info).await.unwrap().is_some());
        }
        let kept = displacer.finish().await.unwrap();
        assert_eq!((kept.objects, kept.entries.len()), (3, 1));
        let rows = trash(&live).place.rows(&kept.entries[0].parse().unwrap()).await.unwrap();
        let keys: Vec<String> = rows.map_ok(|row| row.key.to_string()).try_collect().await.unwrap();
        assert_eq!(keys, ["a", "b", "c"]);
    }
}
