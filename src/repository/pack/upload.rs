//! One pack on its way into the store, straight from the stream: no copy of it lies in memory or on disk.

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::list::PackInfo;
use crate::archive::{Hasher, blocking};
use crate::model::{Attributes, Digest};
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::open::content_type;
use crate::repository::{Repository, layout};
use crate::store::Precondition;
use crate::store::transfer::{self, TransferOptions};

enum Message {
    Bytes(Bytes),
    /// The pack is whole. A channel that closes without this means that its run gave up.
    End,
}

/// A pack that takes bytes.
pub(super) struct PackUpload {
    sender: mpsc::Sender<Message>,
    task: JoinHandle<Result<PackInfo>>,
    /// Small members, to go together.
    gathered: BytesMut,
}

/// Members are gathered until they are so many bytes: each message is a hop to another thread or two.
const GATHERED_BYTES: usize = 512 << 10;
/// A member of so many bytes goes as it is.
const LARGE_MEMBER: usize = 128 << 10;

/// A pack that has all its bytes and may not be in the store yet.
pub(super) struct SealedUpload(JoinHandle<Result<PackInfo>>);

impl PackUpload {
    pub(super) fn begin(repository: &Repository, name: String, parts_in_flight: usize) -> Self {
        // A member or two may wait; what is in flight is bounded by the parts.
        let (sender, receiver) = mpsc::channel(1);
        let task = tokio::spawn(upload(repository.clone(), name, receiver, parts_in_flight));
        Self { sender, task, gathered: BytesMut::new() }
    }

    /// Gives bytes; on failure the pack is lost.
    pub(super) async fn send(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.len() >= LARGE_MEMBER {
            self.flush().await?;
            return self.pass_on(bytes).await;
        }
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= GATHERED_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let gathered = self.gathered.split().freeze();
        if gathered.is_empty() { Ok(()) } else { self.pass_on(gathered).await }
    }

    async fn pass_on(&mut self, bytes: Bytes) -> Result<()> {
        if self.sender.send(Message::Bytes(bytes)).await.is_ok() { Ok(()) } else { Err(self.failure().await) }
    }

    /// Ends the pack. Whether it arrives is known from [`SealedUpload::confirm`].
    pub(super) async fn seal(mut self) -> Result<SealedUpload> {
        self.flush().await?;
        if self.sender.send(Message::End).await.is_ok() {
            Ok(SealedUpload(self.task))
        } else {
            Err(self.failure().await)
        }
    }

    async fn failure(&mut self) -> RepositoryError {
        match joined((&mut self.task).await) {
            Err(error) => error,
            Ok(pack) => RepositoryError::new(ErrorKind::Store, "store", pack.name).with_detail("it ended early"),
        }
    }
}

impl SealedUpload {
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits until the store has confirmed the whole pack.
    pub(super) async fn confirm(self) -> Result<PackInfo> {
        joined(self.0.await)
    }
}

fn joined(result: std::result::Result<Result<PackInfo>, tokio::task::JoinError>) -> Result<PackInfo> {
    result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn upload(
    repository: Repository,
    name: String,
    receiver: mpsc::Receiver<Message>,
    parts_in_flight: usize,
) -> Result<PackInfo> {
    let path = layout::pack(&name);
    let at = repository.address(&path)?;
    let attributes = Attributes { content_type: Some(content_type(&path).to_owned()), ..Attributes::default() };
    let options = TransferOptions { parts_in_flight, ..TransferOptions::default() };
    let (sums, whole) = oneshot::channel();
    let bytes = Box::pin(hashed(receiver, sums));
    // It looks at what the store has before it answers: then, and not before, a row may name the pack.
    transfer::upload(&repository.store, &at, bytes, &attributes, Precondition::Overwrite, &options)
        .await
        .map_err(|error| RepositoryError::from_store(error, "store", path.as_str()))?;
    let (size, sha256) = whole.await.expect("an upload succeeds only after the end of its stream");
    Ok(PackInfo { name, size, sha256 })
}

/// Says that the run ended before the pack did.
#[derive(Debug, thiserror::Error)]
#[error("the run gave up on the pack")]
struct GaveUp;

/// The bytes as they come; size and digest go to `sums` at the end.
fn hashed(
    receiver: mpsc::Receiver<Message>,
    sums: oneshot::Sender<(u64, Digest)>,
) -> impl Stream<Item = std::result::Result<Bytes, GaveUp>> + Send {
    let state = (receiver, sums, Hasher::new(), 0);
    stream::try_unfold(state, |(mut receiver, sums, mut hasher, size)| async move {
        match receiver.recv().await {
            Some(Message::Bytes(bytes)) => {
                let size = size + bytes.len() as u64;
                let (bytes, hasher) = blocking(move || {
                    hasher.update(&bytes);
                    (bytes, hasher)
                })
                .await;
                Ok(Some((bytes, (receiver, sums, hasher, size))))
            }
            Some(Message::End) => {
                // Nobody listens where the upload failed meanwhile.
                let _unheard = sums.send((size, hasher.finish()));
                Ok(None)
            }
            None => Err(GaveUp),
        }
    })
}
