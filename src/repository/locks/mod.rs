//! Locks as objects, safe on any store that lists an object right after it was written.
//!
//! Lamport's bakery, with an object for each customer. A run writes a claim without a ticket (it is *choosing*), reads
//! all other claims, writes its claim again with a ticket higher than any it saw, and reads all claims again. It has the
//! lock when no conflicting claim is choosing and none has a lower ticket (equal ones are ordered by name). Of two that
//! conflict, whoever writes its first claim later sees the other's: either with its ticket, and takes a higher one, or
//! choosing, and is seen so itself by the other, who waits for its ticket. So never both have the lock, without a
//! conditional put and without any wait that would have to be long enough; and the lower ticket never gives up because
//! of the higher one, so never both give up. Uncontended it costs two writes and two listings.
//!
//! A claim is never written again after its ticket: a suspended run that wakes cannot bring back a claim that was taken
//! from it. What is refreshed is an object beside it, the *beat*; the younger of the two tells the claim's age, by the
//! store's clock alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::claims::{Claims, Other};
use super::error::{ErrorKind, RepositoryError, Result};
use super::{Repository, layout};
use crate::model::{BucketName, Key, Prefix};
use crate::store::ObjectStore;

mod claims;
mod holder;
mod lease;

pub use holder::Holder;
pub use lease::{Lease, Lock};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Shared,
    Exclusive,
}

/// One thing to lock, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    pub resource: String,
    pub mode: Mode,
}

impl Want {
    /// The backups of a repository: shared by whatever adds or reads them, exclusive for what removes them.
    pub const REPOSITORY: &'static str = "repository";

    pub fn shared(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), mode: Mode::Shared }
    }

    pub fn exclusive(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), mode: Mode::Exclusive }
    }

    /// The right to remove what no manifest names; of one run alone. Backups go on beside it: see `repository::prune`.
    pub const PRUNE: &'static str = "prune";

    fn conflicts(&self, other: &Self) -> bool {
        self.resource == other.resource && (self.mode == Mode::Exclusive || other.mode == Mode::Exclusive)
    }
}

impl fmt::Display for Want {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Shared => "shared",
            Mode::Exclusive => "exclusive",
        };
        write!(formatter, "{} ({mode})", self.resource)
    }
}

/// The resource that stands for a database: `described` is how the database describes itself, without its password.
pub fn database(described: &str) -> String {
    format!("db:{described}")
}

/// The resource that stands for a bucket: `described` is how its store describes itself.
pub fn bucket(described: &str, bucket: &BucketName) -> String {
    format!("bucket:{}/{bucket}", described.trim_end_matches('/'))
}

/// A lock, or a claim that waits for one, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The object that is the lock. Removing it takes the lock from its holder.
    pub key: Key,
    /// `None` where the claim cannot be read.
    pub holder: Option<Holder>,
    pub wants: Vec<Want>,
    /// By the store's clock.
    pub since: Timestamp,
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some(holder) => write!(formatter, "{holder}")?,
            None => write!(formatter, "an unreadable claim, {}", self.key)?,
        }
        write!(formatter, ", since {:.0}", self.since)
    }
}

/// How long things take. The defaults are for real use.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two beats of a held lock.
    pub refresh: Duration,
    /// A claim without a beat for so long is taken away. Far more than `refresh`: a slow store must not cost a lock.
    pub stale: Duration,
    /// The first wait between two looks at the others; it grows from there.
    pub poll: Duration,
    pub longest_poll: Duration,
    /// How long a claim may be choosing, which takes its run two requests, before it counts as holding.
    pub choosing: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(60),
            stale: Duration::from_secs(30 * 60),
            poll: Duration::from_millis(100),
            longest_poll: Duration::from_secs(5),
            choosing: Duration::from_secs(30),
        }
    }
}

/// How often a claim is made anew before the store itself is doubted.
const MOST_CLAIMS: u32 = 5;

/// The locks that lie in one folder of a bucket.
#[derive(Debug, Clone)]
pub struct Locks {
    claims: Claims,
    timing: Timing,
}

impl Locks {
    /// Locks as objects below `folder`, taken by `holder`.
    pub fn new(store: Arc<dyn ObjectStore>, bucket: BucketName, folder: Prefix, holder: Holder) -> Self {
        let timing = Timing::default();
        Self { claims: Claims { store, bucket, folder, holder, stale: timing.stale }, timing }
    }

    /// The locks of a repository.
    pub fn of(repository: &Repository, holder: Holder) -> Self {
        let folder = format!("{}{}", repository.prefix, layout::LOCKS);
        let folder = Prefix::new(folder).expect("a repository's prefix leaves room, and the name ends in a slash");
        Self::new(repository.store.clone(), repository.bucket.clone(), folder, holder)
    }

    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.claims.stale = timing.stale;
        self.timing = timing;
        self
    }

    /// Takes all of `wants` at once, or none. Fails with `Locked` where another run has one of them, and still has it
    /// after `wait`. While it waits, what comes later and conflicts stands behind it, so that nobody waits for ever.
    ///
    /// Interrupted, it leaves a claim that is removed when the process is seen dead, or at the latest when it is stale.
    pub async fn acquire(&self, wants: &[Want], wait: Duration) -> Result<Lock> {
        let deadline = Instant::now() + wait;
        for _ in 0..MOST_CLAIMS {
            let (lock, chosen_at) = self.claim(wants).await?;
            match self.wait_turn(&lock, chosen_at, wants, deadline).await {
                Ok(Turn::Ours) => return Ok(lock),
                Ok(Turn::Overslept) => lock.release().await?,
                Ok(Turn::Behind(held)) => {
                    lock.release().await?;
                    return Err(self.locked(wants, *held));
                }
                Err(error) => {
                    // The claim may stay behind where the store fails: it is found dead, or gets stale.
                    lock.release().await.unwrap_or_else(|error| tracing::warn!("{error}"));
                    return Err(error);
                }
            }
        }
        let error = RepositoryError::new(ErrorKind::LockLost, "lock", self.place(wants));
        Err(error.with_detail("our own claim vanished again and again: does the store list what was just written?"))
    }

    /// Everything that is held or waited for now. Dead and stale claims are removed on the way.
    pub async fn held(&self) -> Result<Vec<Held>> {
        let seen = self.claims.look("").await?;
        Ok(seen.others.into_iter().map(Other::into_held).collect())
    }

    /// Like [`Self::held`], and removes nothing.
    pub async fn seen(&self) -> Result<Vec<Held>> {
        let living = self.claims.living().await?;
        Ok(living.into_iter().map(Other::into_held).collect())
    }

    /// Writes a claim and gives it its ticket. Answers also when the claim was first seen, if it was.
    async fn claim(&self, wants: &[Want]) -> Result<(Lock, Option<Timestamp>)> {
        let name = self.claims.new_name();
        self.claims.write(&name, wants, None).await?;
        let seen = self.claims.look(&name).await?;
        let ticket = seen.others.iter().filter_map(Other::ticket).max().unwrap_or(0) + 1;
        self.claims.write(&name, wants, Some(ticket)).await?;
        let lock = Lock::begin(self.claims.clone(), name, ticket, self.timing.refresh);
        Ok((lock, seen.own_written))
    }

    async fn wait_turn(
        &self,
        lock: &Lock,
        chosen_at: Option<Timestamp>,
        wants: &[Want],
        deadline: Instant,
    ) -> Result<Turn> {
        let begun = Instant::now();
        let mut poll = self.timing.poll;
        loop {
            let seen = self.claims.look(lock.name()).await?;
            // Between the first and the second write the claim may have been taken away and written anew by the second:
            // then others began in between, and our ticket may be lower than theirs. Where that is possible, start again.
            let elapsed = seen.own_written.zip(chosen_at).map(|(ticket, choosing)| ticket.duration_since(choosing));
            if elapsed.is_none_or(|elapsed| elapsed.unsigned_abs() > self.timing.stale / 2) {
                return Ok(Turn::Overslept);
            }
            let mut ahead: Vec<Other> = seen.others;
            ahead.retain(|other| other.conflicts(wants) && other.is_ahead_of(lock.ticket(), lock.name()));
            ahead.sort_by_key(Other::ticket);
            let Some(last) = ahead.last() else { return Ok(Turn::Ours) };
            // Who is choosing will be behind us or ahead of us in a moment: to give up now could mean that both do.
            let only_choosing = last.ticket().is_none();
            let until = if only_choosing { deadline.max(begun + self.timing.choosing) } else { deadline };
            let now = Instant::now();
            if now >= until {
                let first = ahead.iter().position(|other| other.ticket().is_some()).unwrap_or(0);
                return Ok(Turn::Behind(Box::new(ahead.swap_remove(first).into_held())));
            }
            tokio::time::sleep(poll.min(until - now)).await;
            poll = (poll * 2).min(self.timing.longest_poll);
        }
    }

    fn place(&self, wants: &[Want]) -> String {
        let wanted: Vec<String> = wants.iter().map(Want::to_string).collect();
        format!("{} in {}/{}", wanted.join(", "), self.claims.store.describe(), self.claims.bucket)
    }

    fn locked(&self, wants: &[Want], held: Held) -> RepositoryError {
        let error = RepositoryError::new(ErrorKind::Locked, "lock", self.place(wants)).with_detail(held.to_string());
        RepositoryError { held: Some(Box::new(held)), ..error }
    }
}

/// What waiting came to.
enum Turn {
    Ours,
    /// Our claim is gone, or may have been: this run was suspended for so long that others took it for dead.
    Overslept,
    Behind(Box<Held>),
}
