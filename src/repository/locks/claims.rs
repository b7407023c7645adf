//! Claims as objects: writing, reading and removing them, and telling the dead ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Held, Holder, Want};
use crate::model::{Attributes, BucketName, Prefix, id};
use crate::repository::error::{RepositoryError, Result};
use crate::store::{Address, ErrorKind, GetOptions, ListOptions, Listed, ObjectInfo, ObjectStore, Precondition};

const CLAIM: &str = ".json";
const BEAT: &str = ".beat";
/// How many claims are read at once.
const READS: usize = 8;

/// A claim's object.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claim {
    #[serde(flatten)]
    holder: Holder,
    wants: Vec<Want>,
    /// `None` while it is choosing.
    ticket: Option<u64>,
}

/// The folder of the claims.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) bucket: BucketName,
    pub(super) folder: Prefix,
    pub(super) holder: Holder,
    pub(super) stale: Duration,
}

/// What one look at the folder showed.
pub(super) struct Seen {
    /// When our own claim was last written; `None` where it is not there.
    pub(super) own_written: Option<Timestamp>,
    /// The living ones of the others.
    pub(super) others: Vec<Other>,
}

/// Another's claim.
pub(super) struct Other {
    name: String,
    info: ObjectInfo,
    beat: Option<Timestamp>,
    /// `None` where it cannot be read; then it stands for everything, until it is stale.
    claim: Option<Claim>,
}

impl Other {
    pub(super) fn ticket(&self) -> Option<u64> {
        self.claim.as_ref().and_then(|claim| claim.ticket)
    }

    pub(super) fn conflicts(&self, wants: &[Want]) -> bool {
        let Some(claim) = &self.claim else { return true };
        claim.wants.iter().any(|theirs| wants.iter().any(|ours| ours.conflicts(theirs)))
    }

    /// Whether it has the lock before `name` may, or may yet turn out to.
    pub(super) fn is_ahead_of(&self, ticket: u64, name: &str) -> bool {
        self.ticket().is_none_or(|theirs| (theirs, self.name.as_str()) < (ticket, name))
    }

    pub(super) fn into_held(self) -> Held {
        let (holder, wants) = self.claim.map_or((None, Vec::new()), |claim| (Some(claim.holder), claim.wants));
        Held { key: self.info.key, holder, wants, since: self.info.modified }
    }

    fn last_sign_of_life(&self) -> Timestamp {
        self.beat.map_or(self.info.modified, |beat| beat.max(self.info.modified))
    }
}

impl Claims {
    /// Each claim has a name of its own, also those of one run, so that a claim that is gone stays gone.
    pub(super) fn new_name(&self) -> String {
        format!("{}-{}", self.holder.run, &id::random_name()[..8])
    }

    fn address(&self, name: &str, kind: &str) -> Result<Address> {
        let key = self.folder.key(&format!("{name}{kind}")).map_err(|error| {
            let kind = crate::repository::ErrorKind::Refused;
            RepositoryError::new(kind, "lock", self.folder.to_string()).with_source(error)
        })?;
        Ok(Address::new(self.bucket.clone(), key))
    }

    fn failed(&self, attempted: &'static str) -> impl Fn(crate::store::StoreError) -> RepositoryError {
        let subject = format!("the locks of {}/{}/{}", self.store.describe(), self.bucket, self.folder);
        move |error| RepositoryError::from_store(error, attempted, subject.clone())
    }

    pub(super) async fn write(&self, name: &str, wants: &[Want], ticket: Option<u64>) -> Result<()> {
        let claim = Claim { holder: self.holder.clone(), wants: wants.to_vec(), ticket };
        let body = serde_json::to_vec_pretty(&claim).expect("a claim is plain data");
        self.put(name, CLAIM, body.into()).await
    }

    /// Tells the others that the claim's run is alive.
    pub(super) async fn beat(&self, name: &str) -> Result<()> {
        self.put(name, BEAT, Bytes::new()).await
    }

    async fn put(&self, name: &str, kind: &str, body: Bytes) -> Result<()> {
        let at = self.address(name, kind)?;
        let put = self.store.put(&at, body, &Attributes::default(), Precondition::Overwrite).await;
        put.map(drop).map_err(self.failed("write"))
    }

    /// When the claim was last written; `None` where it is gone.
    pub(super) async fn written(&self, name: &str) -> Result<Option<Timestamp>> {
        match self.store.head(&self.address(name, CLAIM)?).await {
            Ok(head) => Ok(Some(head.modified)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read")(error)),
        }
    }

    /// Removes a claim. The beat goes first: alone it would be a stray, while a claim without one is only older.
    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        for kind in [BEAT, CLAIM] {
            self.store.delete(&self.address(name, kind)?).await.map_err(self.failed("remove from"))?;
        }
        Ok(())
    }

    /// Reads all claims but `own`, and removes those whose runs are dead.
    pub(super) async fn look(&self, own: &str) -> Result<Seen> {
        let (own_written, others) = self.read_all(own).await?;
        Ok(Seen { own_written, others: self.remove_dead(others).await? })
    }

    /// The claims whose runs live; removes nothing.
    pub(super) async fn living(&self) -> Result<Vec<Other>> {
        let (_, others) = self.read_all("").await?;
        let told = self.tell_dead(others).await?;
        Ok(told.into_iter().filter(|(_, death)| death.is_none()).map(|(other, _)| other).collect())
    }

    async fn read_all(&self, own: &str) -> Result<(Option<Timestamp>, Vec<Other>)> {
        let (claims, beats) = self.list().await?;
        let own_written = claims.get(own).map(|info| info.modified);
        let others = claims.into_iter().filter(|(name, _)| name != own);
        let others: Vec<Other> = stream::iter(others)
            .map(|(name, info)| {
                let beat = beats.get(&name).copied();
                async move { self.read(name, info, beat).await }
            })
            .buffered(READS)
            .try_filter_map(|other| std::future::ready(Ok(other)))
            .try_collect()
            .await?;
        Ok((own_written, others))
    }

    async fn list(&self) -> Result<(BTreeMap<String, ObjectInfo>, BTreeMap<String, Timestamp>)> {
        let mut claims = BTreeMap::new();
        let mut beats = BTreeMap::new();
        let mut listing = self.store.list(&self.bucket, ListOptions::prefix(&self.folder));
        while let Some(listed) = listing.next().await {
            let Listed::Object(info) = listed.map_err(self.failed("list"))? else { continue };
            let name = info.key.as_str().strip_prefix(self.folder.as_str()).unwrap_or_default();
            if let Some(name) = name.strip_suffix(CLAIM) {
                claims.insert(name.to_owned(), info);
            } else if let Some(name) = name.strip_suffix(BEAT) {
                beats.insert(name.to_owned(), info.modified);
            }
        }
        Ok((claims, beats))
    }

    /// Reads a claim that was listed; one that is gone by now was given back.
    async fn read(&self, name: String, info: ObjectInfo, beat: Option<Timestamp>) -> Result<Option<Other>> {
        let at = Address::new(self.bucket.clone(), info.key.clone());
        let object = match self.store.get(&at, GetOptions::default()).await {
            Ok(object) => object,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read")(error)),
        };
        let body: BytesMut = object.body.try_collect().await.map_err(self.failed("read"))?;
        let claim = serde_json::from_slice(&body).ok();
        Ok(Some(Other { name, info, beat, claim }))
    }

    async fn remove_dead(&self, others: Vec<Other>) -> Result<Vec<Other>> {
        let mut living = Vec::new();
        for (other, death) in self.tell_dead(others).await? {
            match death {
                Some(why) => {
                    let name = other.name.clone();
                    tracing::warn!("removing the lock of {}: {why}", other.into_held());
                    self.remove(&name).await?;
                }
                None => living.push(other),
            }
        }
        Ok(living)
    }

    /// With each claim, why its run is dead, if it is.
    async fn tell_dead(&self, others: Vec<Other>) -> Result<Vec<(Other, Option<&'static str>)>> {
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.store.now().await.map_err(self.failed("tell the age of"))?;
        let tell = |other: &Other| {
            let age = now.duration_since(other.last_sign_of_life());
            let is_stale = !age.is_negative() && age.unsigned_abs() > self.stale;
            let is_dead = other.claim.as_ref().is_some_and(|claim| self.holder.sees_dead(&claim.holder));
            let why = if is_dead { "its process is gone" } else { "it was not refreshed for too long" };
            (is_stale || is_dead).then_some(why)
        };
        Ok(others.into_iter().map(|other| (tell(&other), other)).map(|(why, other)| (other, why)).collect())
    }
}
