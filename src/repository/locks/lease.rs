//! A lock while it is held: refreshed in the background, checked before each destructive batch, given back explicitly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::claims::Claims;
use crate::repository::error::{ErrorKind, RepositoryError, Result};

/// A held lock. Dropped without [`Lock::release`] it is no longer refreshed, but its claim stays: dropping does no I/O.
#[derive(Debug)]
pub struct Lock {
    claims: Claims,
    name: String,
    ticket: u64,
    is_lost: Arc<AtomicBool>,
    /// Dropping it ends the refreshing.
    stop: oneshot::Sender<()>,
    refreshing: JoinHandle<()>,
}

impl Lock {
    pub(super) fn begin(claims: Claims, name: String, ticket: u64, every: Duration) -> Self {
        let is_lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = oneshot::channel();
        let refreshing = tokio::spawn(refresh(claims.clone(), name.clone(), every, stopped, is_lost.clone()));
        Self { claims, name, ticket, is_lost, stop, refreshing }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// What asks for this lock on behalf of whoever works under it.
    pub fn lease(&self) -> Lease {
        Lease { claims: self.claims.clone(), name: self.name.clone(), is_lost: self.is_lost.clone() }
    }

    /// See [`Lease::ensure_held`].
    pub async fn ensure_held(&self) -> Result<()> {
        self.lease().ensure_held().await
    }

    /// Gives the lock back. A lock that was lost is no error.
    pub async fn release(self) -> Result<()> {
        drop(self.stop);
        // A beat under way must not arrive after the claim is removed.
        if let Err(error) = self.refreshing.await {
            tracing::warn!("refreshing the lock failed: {error}");
        }
        self.claims.remove(&self.name).await
    }
}

/// Asks for a lock that another holds and gives back.
#[derive(Debug, Clone)]
pub struct Lease {
    claims: Claims,
    name: String,
    is_lost: Arc<AtomicBool>,
}

impl Lease {
    /// Asks the store whether the lock is still ours, before something is destroyed under it. Fails with `LockLost`
    /// where another took it away, this run having been suspended or cut off for too long, and where it was given back.
    pub async fn ensure_held(&self) -> Result<()> {
        if !self.is_lost.load(Ordering::Relaxed) && self.claims.written(&self.name).await?.is_some() {
            return Ok(());
        }
        let error = RepositoryError::new(ErrorKind::LockLost, "go on under", format!("the lock {}", self.name));
        Err(error.with_detail("another run took it away, for this one had not refreshed it for too long"))
    }
}

/// Writes a beat now and then, until it is told to stop, or finds that the claim is gone.
async fn refresh(
    claims: Claims,
    name: String,
    every: Duration,
    mut stopped: oneshot::Receiver<()>,
    is_lost: Arc<AtomicBool>,
) {
    // The receiver fails when the sender is dropped: either way it is time to stop.
    while tokio::time::timeout(every, &mut stopped).await.is_err() {
        let result = match claims.written(&name).await {
            Ok(Some(_)) => claims.beat(&name).await,
            Ok(None) => {
                is_lost.store(true, Ordering::Relaxed);
                tracing::warn!("the lock {name} was taken away");
                return;
            }
            Err(error) => Err(error),
        };
        // Failing once is nothing: there are many beats before the claim is stale.
        if let Err(error) = result {
            tracing::warn!("cannot refresh the lock {name} for now: {error}");
        }
    }
}
