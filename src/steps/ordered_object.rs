//! An object that is read range after range, and proven by the digest of all of them.
//!
//! For what is too long to be stored in parts that fit into memory: a part that fails is read again from its beginning,
//! and what is hashed is what the last, successful reading gave.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::archive::{Hasher, blocking};
use crate::model::IndexRow;
use crate::repository::pack::read_range;
use crate::repository::{ErrorKind as Kind, Repository, RepositoryError};
use crate::store::{ByteStream, ErrorKind, Result, StoreError};

/// Opens ranges of one object. To be asked for them in order, as [`crate::store::transfer::put_source_in_order`] does.
#[derive(Clone)]
pub(super) struct OrderedObject {
    repository: Repository,
    row: IndexRow,
    hashed: Arc<Mutex<Hashed>>,
}

/// The digest up to where the range under way begins, and up to what was read of it.
#[derive(Default)]
struct Hashed {
    begin: u64,
    before: Hasher,
    end: u64,
    so_far: Hasher,
}

impl OrderedObject {
    pub(super) fn new(repository: &Repository, row: &IndexRow) -> Self {
        Self { repository: repository.clone(), row: row.clone(), hashed: Arc::default() }
    }

    /// The bytes of a range; the last range ends in an error where the digest of all is not the object's.
    pub(super) fn open(&self, range: Range<u64>) -> Result<ByteStream> {
        self.begin(range.start)?;
        let this = self.clone();
        let content = read_range(&self.repository, &self.row, range.clone()).map_err(source);
        let hashed = content.and_then(move |bytes| this.clone().hash(bytes));
        let this = self.clone();
        let proof =
            stream::once(async move { this.prove(range.end) }).filter_map(|proven| std::future::ready(proven.err()));
        Ok(hashed.chain(proof.map(Err)).boxed())
    }

    fn begin(&self, start: u64) -> Result<()> {
        let mut hashed = self.hashed.lock().expect("never poisoned");
        if start == hashed.end {
            hashed.begin = start;
            hashed.before = hashed.so_far.clone();
        } else if start == hashed.begin {
            hashed.end = start;
            hashed.so_far = hashed.before.clone();
        } else {
            return Err(source(self.wrong(format!("it is read at {start}, out of order"))));
        }
        Ok(())
    }

    async fn hash(self, bytes: Bytes) -> Result<Bytes> {
        let mut sum = std::mem::take(&mut self.hashed.lock().expect("never poisoned").so_far);
        let (bytes, sum) = blocking(move || {
            sum.update(&bytes);
            (bytes, sum)
        })
        .await;
        let mut hashed = self.hashed.lock().expect("never poisoned");
        hashed.so_far = sum;
        hashed.end += bytes.len() as u64;
        Ok(bytes)
    }

    fn prove(&self, end: u64) -> Result<()> {
        let hashed = self.hashed.lock().expect("never poisoned");
        if end < self.row.size {
            return Ok(());
        }
        let found = hashed.so_far.clone().finish();
        if hashed.end == self.row.size && found == self.row.sha256 {
            return Ok(());
        }
        Err(source(self.wrong(format!("SHA-256 {found} instead of {}", self.row.sha256))))
    }

    fn wrong(&self, detail: String) -> RepositoryError {
        let subject = format!("{}/{}", self.row.source, self.row.key.as_str().escape_debug());
        RepositoryError::new(Kind::Damaged, "read", subject).with_detail(detail)
    }
}

fn source(error: RepositoryError) -> StoreError {
    StoreError::new(ErrorKind::Source, "read", "the backup").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Codec, sha256};
    use crate::model::{Attributes, BucketName, Key, Prefix, SourceName};
    use crate::repository::pack::{NewObject, PackOptions, PackWriter, prepare_small};
    use crate::store::memory::MemoryStore;
    use crate::store::transfer::collect;

    async fn stored() -> (Repository, IndexRow) {
        let bucket = BucketName::new("vault").unwrap();
        let repository = Repository::init(Arc::new(MemoryStore::new()), bucket, Prefix::root()).await.unwrap().0;
        let object = NewObject {
            source: SourceName::try_from("live/books".to_owned()).unwrap(),
            key: Key::new("k").unwrap(),
            size: 10,
            etag: String::new(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            attributes: Attributes::default(),
        };
        let body = stream::iter([Ok(Bytes::from_static(b"0123456789"))]).boxed();
        let mut writer = PackWriter::new(repository.clone(), PackOptions::default());
        writer.add(prepare_small(object, body, Codec::default()).await.unwrap()).await.unwrap();
        let row = writer.finish().await.unwrap().rows.remove(0);
        (repository, row)
    }

    async fn read(object: &OrderedObject, range: Range<u64>) -> Result<Bytes> {
        collect(object.open(range)?, 100).await
    }

    #[tokio::test]
    async fn a_range_may_be_read_again_and_the_digest_is_of_what_was_read_last() {
        let (repository, row) = stored().await;
        let object = OrderedObject::new(&repository, &row);
        assert_eq!(read(&object, 0..4).await.unwrap(), "0123");
        let mut given_up = object.open(4..10).unwrap();
        assert_eq!(given_up.try_next().await.unwrap().unwrap(), "456789");
        drop(given_up);
        assert_eq!(read(&object, 4..10).await.unwrap(), "456789");
        assert_eq!(read(&object, 2..4).await.unwrap_err().kind, ErrorKind::Source, "out of order");
    }

    #[tokio::test]
    async fn the_last_range_fails_where_the_whole_is_another() {
        let (repository, mut row) = stored().await;
        row.sha256 = sha256(b"another");
        let object = OrderedObject::new(&repository, &row);
        assert_eq!(read(&object, 0..4).await.unwrap(), "0123");
        let error = read(&object, 4..10).await.unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("SHA-256"));
    }
}
