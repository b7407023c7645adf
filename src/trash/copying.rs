//! Copies of many objects at once, each from a known state of its source, and their proof.

use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

use super::bucket::objects;
use super::error::{Result, TrashError};
use super::objects::{ObjectRow, RowReader};
use crate::store::{Address, ErrorKind, ObjectInfo, ObjectStore, transfer};

/// Copies at once. They are the server's work: what they cost here is a connection.
pub(super) const COPIES: usize = 128;
/// How often an object is copied again because it changed meanwhile.
const ATTEMPTS: u32 = 5;

/// Copies an object that a listing showed as `info`. Answers the state that was copied and the copy's ETag; `None` where
/// the object vanished.
pub(super) async fn copy_state(
    store: &Arc<dyn ObjectStore>,
    from: &Address,
    to: &Address,
    mut info: ObjectInfo,
) -> Result<Option<(ObjectInfo, String)>> {
    for _ in 0..ATTEMPTS {
        match transfer::copy(store, from, to, info.size, None).await {
            Ok(stored) if proves(store, &info.etag) && stored.etag == info.etag => {
                return Ok(Some((info, stored.etag)));
            }
            Ok(stored) => match state(store, from).await? {
                // The same state before and after: the copy is of it.
                Some(now) if (now.size, &now.etag, now.modified) == (info.size, &info.etag, info.modified) => {
                    return Ok(Some((info, stored.etag)));
                }
                Some(now) => info = ObjectInfo { key: info.key, ..now },
                None => return Ok(None),
            },
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind == ErrorKind::Precondition => match state(store, from).await? {
                Some(now) => info = ObjectInfo { key: info.key, ..now },
                None => return Ok(None),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Err(TrashError::Restless { subject: from.to_string(), detail: "it changed each time it was copied".to_owned() })
}

/// Whether an ETag is the digest of the bytes, so that equal ones mean equal bytes.
pub(super) fn proves(store: &Arc<dyn ObjectStore>, etag: &str) -> bool {
    store.features().md5_etags && etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a listing shows of one object: with the same precision as the listing of its folder.
pub(super) async fn state(store: &Arc<dyn ObjectStore>, at: &Address) -> Result<Option<ObjectInfo>> {
    let found = objects(store, &at.bucket, at.key.as_str()).try_next().await?;
    Ok(found.filter(|info| info.key == at.key))
}

/// Holds rows against what their copies' listing shows. All are there, of their size and with the ETag that their copy
/// answered, or it fails.
pub(super) async fn prove(
    store: &Arc<dyn ObjectStore>,
    mut rows: RowReader,
    copies: BoxStream<'static, Result<ObjectInfo>>,
    target: impl Fn(&ObjectRow) -> Result<Target>,
) -> Result<()> {
    let mut copies = Join::new(copies);
    while let Some(row) = rows.next()? {
        let found = match target(&row)? {
            Target::Listed(at) => copies.find(at.key.as_str()).await?,
            Target::Apart(at) => state(store, &at).await?,
        };
        let detail = match found {
            Some(info) if info.size == row.size && info.etag == row.copy_etag => continue,
            Some(info) => format!(
                "{} bytes with ETag {} are there, not {} with {}",
                info.size, info.etag, row.size, row.copy_etag
            ),
            None => "it is not there".to_owned(),
        };
        return Err(TrashError::Unproven { subject: row.key.to_string(), detail });
    }
    Ok(())
}

/// Where a copy is to be found.
pub(super) enum Target {
    /// In the listing, which is in the order of the rows.
    Listed(Address),
    /// Under a name that does not sort as its key does.
    Apart(Address),
}

/// A sorted listing, read as far as the keys that were asked for.
pub(super) struct Join {
    listing: BoxStream<'static, Result<ObjectInfo>>,
    next: Option<ObjectInfo>,
}

impl Join {
    pub(super) fn new(listing: BoxStream<'static, Result<ObjectInfo>>) -> Self {
        Self { listing: listing.fuse().boxed(), next: None }
    }

    /// The object of this key. Keys must be asked for in order.
    pub(super) async fn find(&mut self, key: &str) -> Result<Option<ObjectInfo>> {
        while let Some(info) = self.peek().await? {
            match info.key.as_str().cmp(key) {
                std::cmp::Ordering::Less => self.next = None,
                std::cmp::Ordering::Equal => return Ok(self.next.take()),
                std::cmp::Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    pub(super) async fn peek(&mut self) -> Result<Option<&ObjectInfo>> {
        if self.next.is_none() {
            self.next = self.listing.next().await.transpose()?;
        }
        Ok(self.next.as_ref())
    }

    pub(super) async fn take(&mut self) -> Result<Option<ObjectInfo>> {
        self.peek().await?;
        Ok(self.next.take())
    }
}
