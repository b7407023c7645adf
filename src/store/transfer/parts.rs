//! An upload in parts under way: the parts on their way, and the abort that follows unless it is finished.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::{
    Address, ErrorKind, ObjectStore, Result, StoreError, Stored, TransferOptions, Upload, UploadedPart, prove,
};
use crate::model::Attributes;

/// Aborts the upload when dropped, unless it was completed or aborted before: a task that is cancelled says no more.
#[derive(Debug)]
pub(super) struct Guard {
    store: Arc<dyn ObjectStore>,
    upload: Option<Upload>,
}

impl Guard {
    pub(super) async fn begin(store: &Arc<dyn ObjectStore>, at: &Address, attributes: &Attributes) -> Result<Self> {
        let upload = store.create_upload(at, attributes).await?;
        Ok(Self { store: Arc::clone(store), upload: Some(upload) })
    }

    pub(super) fn upload(&self) -> &Upload {
        self.upload.as_ref().expect("the upload is taken only by the end of the guard")
    }

    /// Makes the object of the parts and proves it, or aborts and answers why.
    pub(super) async fn finish(mut self, parts: Result<Vec<UploadedPart>>) -> Result<Stored> {
        let stored = match parts {
            Ok(parts) => self.complete(parts).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok((stored, size)) => {
                let at = self.upload().at.clone();
                // From here on the upload is used up: a failed proof leaves an object, not parts.
                self.upload = None;
                prove(&self.store, &at, size, stored).await
            }
            Err(error) => {
                if let Some(upload) = self.upload.take()
                    && let Err(abort) = self.store.abort_upload(&upload).await
                {
                    tracing::warn!(error = %abort, "an upload could not be aborted; its parts take up space");
                }
                Err(error)
            }
        }
    }

    async fn complete(&self, mut parts: Vec<UploadedPart>) -> Result<(Stored, u64)> {
        parts.sort_unstable_by_key(|part| part.number);
        let size = parts.iter().map(|part| part.size).sum();
        Ok((self.store.complete_upload(self.upload(), &parts).await?, size))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), Handle::try_current()) {
            let store = Arc::clone(&self.store);
            let pending = Pending::begin();
            // Only the end of the run waits for it; should that be sooner, the sweep finds the upload.
            drop(runtime.spawn(async move {
                let _pending = pending;
                if let Err(error) = store.abort_upload(&upload).await {
                    tracing::warn!(%error, "an upload could not be aborted; its parts take up space");
                }
            }));
        }
    }
}

/// Aborts on their way that nobody waits for.
static PENDING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// One such abort; over when dropped.
struct Pending;

impl Pending {
    fn begin() -> Self {
        PENDING.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        PENDING.send_modify(|count| *count -= 1);
    }
}

/// Waits, for so long at most, until the aborts of cancelled uploads have gone out: to be called before a run ends.
pub async fn finish_aborts(at_most: Duration) {
    let mut pending = PENDING.subscribe();
    let all = pending.wait_for(|count| *count == 0);
    if tokio::time::timeout(at_most, all).await.is_err() {
        tracing::warn!("uploads were left behind; their parts take up space until they are swept");
    }
}

/// Parts sent one after the other, several on their way at once.
pub(super) struct Parts {
    // Tasks end before the abort goes out: a part that arrives after it would stay.
    running: JoinSet<Result<UploadedPart>>,
    guard: Guard,
    done: Vec<UploadedPart>,
    in_flight: usize,
    begun: u32,
    offset: u64,
}

impl Parts {
    pub(super) async fn begin(
        store: &Arc<dyn ObjectStore>,
        at: &Address,
        attributes: &Attributes,
        options: &TransferOptions,
    ) -> Result<Self> {
        let guard = Guard::begin(store, at, attributes).await?;
        let in_flight = options.parts_in_flight.max(1);
        Ok(Self { running: JoinSet::new(), guard, done: Vec::new(), in_flight, begun: 0, offset: 0 })
    }

    /// Sends the next part; waits while as many as may be are on their way.
    pub(super) async fn send(&mut self, body: Bytes) -> Result<()> {
        while self.running.len() >= self.in_flight {
            self.settle_one().await?;
        }
        if self.begun == self.guard.store.features().most_parts {
            let detail = format!("it is longer than {} parts", self.begun);
            let error = StoreError::new(ErrorKind::Unsupported, "put", self.guard.upload().at.to_string());
            return Err(error.with_detail(detail));
        }
        self.begun += 1;
        let (store, upload) = (Arc::clone(&self.guard.store), self.guard.upload().clone());
        let (number, offset) = (self.begun, self.offset);
        self.offset += body.len() as u64;
        self.running.spawn(async move { store.upload_part(&upload, number, offset, body).await });
        Ok(())
    }

    /// Waits for the next bytes, and meanwhile for parts: one that fails ends the wait.
    pub(super) async fn unless_failed<T>(&mut self, next: impl Future<Output = Result<T>>) -> Result<T> {
        let mut next = std::pin::pin!(next);
        loop {
            tokio::select! {
                next = &mut next => return next,
                Some(part) = self.running.join_next() => self.done.push(outcome(part)?),
            }
        }
    }

    async fn settle_one(&mut self) -> Result<()> {
        if let Some(part) = self.running.join_next().await {
            self.done.push(outcome(part)?);
        }
        Ok(())
    }

    /// Ends the upload: with the object where all went well, with an abort where it did not.
    pub(super) async fn finish(mut self, sent: Result<()>) -> Result<Stored> {
        let parts = match sent {
            Ok(()) => self.settle_all().await,
            Err(error) => Err(error),
        };
        self.running.shutdown().await;
        self.guard.finish(parts).await
    }

    async fn settle_all(&mut self) -> Result<Vec<UploadedPart>> {
        while !self.running.is_empty() {
            self.settle_one().await?;
        }
        Ok(std::mem::take(&mut self.done))
    }
}

fn outcome(part: std::result::Result<Result<UploadedPart>, JoinError>) -> Result<UploadedPart> {
    part.unwrap_or_else(
        |error| Err(StoreError::new(ErrorKind::Other, "upload part of", "an object").with_source(error)),
    )
}
