//! Items: into the trash, out of it, and out of the world.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Result, StepError};
use crate::database::Database;
use crate::model::item::ItemKind;
use crate::model::{BucketName, ItemName, Problem, Progress, RunId, TrashId};
use crate::repository::locks::{Lock, Locks, Want};
use crate::trash::{Entry, Lease, Maker, Mover, TrashBucket};

mod adopt;
mod delete;
mod list;
mod purge;
mod restore;
mod row;

pub use adopt::adopt;
pub use delete::{DeleteOptions, DeletePlan, Deleted, delete, plan_delete};
pub use list::{Broken, Filter, Listing, list};
pub use purge::{PurgeOptions, PurgePlan, Purged, plan_purge, purge};
pub use restore::{RestoreOptions, RestorePlan, Restored, Selection, choose_entry, plan_restore, restore};

pub const ARCHIVED: &str = "archived";
pub const PUBLISHED: &str = "published";

/// What every step on items works with.
pub struct Items {
    pub run: RunId,
    pub host: String,
    pub user: String,
    pub trash: TrashBucket,
    pub kinds: BTreeMap<String, ItemKind>,
    pub databases: BTreeMap<String, Arc<dyn Database>>,
    /// Those of the trash bucket.
    pub locks: Locks,
    pub lock_wait: Duration,
    /// Where lists of objects lie for a while.
    pub spool: PathBuf,
    pub progress: Arc<dyn Progress>,
}

impl Items {
    pub fn kind(&self, item: &ItemName) -> Result<&ItemKind> {
        self.kinds.get(item.kind()).ok_or_else(|| {
            let known: Vec<&str> = self.kinds.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            StepError::Usage {
                message: format!("{item}: there is no kind {:?} in the configuration", item.kind()),
                hint: format!("Kinds are the sections [items.KIND]; there are: {known}."),
            }
        })
    }

    pub(super) fn database(&self, name: &str) -> Result<&Arc<dyn Database>> {
        let missing = || StepError::Configuration(format!("there is no database {name:?} in the configuration"));
        self.databases.get(name).ok_or_else(missing)
    }

    fn maker(&self, reason: &str) -> Maker {
        let (host, user, run) = (self.host.clone(), self.user.clone(), self.run.clone());
        Maker { host, user, run, reason: reason.to_owned() }
    }

    fn mover<'a>(&'a self, lease: &'a ItemLock) -> Mover<'a> {
        Mover { trash: self.trash.clone(), spool: &self.spool, progress: self.progress.as_ref(), lease }
    }

    /// Takes a folder for this run alone: whatever moves it, from any host, waits or gives up.
    async fn lock(&self, bucket: &BucketName, prefix: &str) -> Result<ItemLock> {
        let want = Want::exclusive(format!("item:{bucket}/{prefix}"));
        Ok(ItemLock(self.locks.acquire(&[want], self.lock_wait).await?))
    }

    /// Fails where the trash bucket is missing: what is not there cannot be filled, and may be a disk that is not mounted.
    pub async fn require_trash(&self) -> Result<()> {
        if self.trash.store.bucket_exists(&self.trash.bucket).await? {
            return Ok(());
        }
        let hint = format!("Make the bucket {:?} in that store, or check [trash].", self.trash.bucket.as_str());
        let subject = self.trash.to_string();
        Err(StepError::NoTrash { subject, hint })
    }

    /// Takes the mark of a folder away. One that stays points to an entry that is not under way, and means nothing.
    async fn clear_open(&self, entry: &Entry) {
        if let Err(error) = self.trash.clear_open(&entry.bucket, &entry.prefix).await {
            tracing::warn!(%error, "a mark in the trash could not be removed");
        }
    }

    /// The journal of an entry that must be there.
    pub async fn entry(&self, id: &TrashId) -> Result<Entry> {
        self.trash.load(id).await?.ok_or_else(|| no_entry(id.as_str()))
    }
}

/// What could not be done with one of several.
fn problem(subject: &str, error: &dyn Error) -> Problem {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    Problem::new(subject, causes.join(": "))
}

fn no_entry(subject: &str) -> StepError {
    let hint = "List what there is: `dcs trash list`.".to_owned();
    StepError::NotFound { what: "trash entry", subject: subject.to_owned(), hint }
}

/// A folder's lock.
struct ItemLock(Lock);

impl ItemLock {
    /// Gives the lock back. Where that fails it expires by itself: what was done stays done.
    async fn release(self) {
        if let Err(error) = self.0.release().await {
            tracing::warn!(%error, "a lock could not be released and will expire");
        }
    }
}

#[async_trait]
impl Lease for ItemLock {
    async fn ensure_held(&self) -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.ensure_held().await?)
    }
}
