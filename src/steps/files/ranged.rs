//! Large objects, read in ranges of which a few are on their way at once.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::spawned::spawned;
use crate::store::transfer::collect;
use crate::store::{Address, GetOptions, Object, ObjectStore, Result};

/// Bytes of one range, and ranges that wait or come while another is taken.
const RANGE_BYTES: u64 = 8 << 20;
const AHEAD: usize = 2;

/// Opens an object of `size` bytes in the state that `etag` names. Memory: three ranges.
pub(super) async fn open(store: &Arc<dyn ObjectStore>, at: &Address, size: u64, etag: &str) -> Result<Object> {
    let options = |range| GetOptions { range, if_match: Some(etag.to_owned()) };
    if size <= 2 * RANGE_BYTES {
        return store.get(at, options(None)).await;
    }
    let first = store.get(at, options(Some(0..RANGE_BYTES))).await?;
    if first.head.size != size {
        // Another object by now, on a store that asks for no match.
        return store.get(at, options(None)).await;
    }
    let begins = (1..size.div_ceil(RANGE_BYTES)).map(|number| number * RANGE_BYTES);
    let (store, at, etag) = (store.clone(), at.clone(), etag.to_owned());
    let rest = stream::iter(begins).map(move |begin| {
        let range = Some(begin..(begin + RANGE_BYTES).min(size));
        let (store, at, get) = (store.clone(), at.clone(), GetOptions { range, if_match: Some(etag.clone()) });
        spawned(async move { collect(store.get(&at, get).await?.body, RANGE_BYTES).await })
    });
    let body = first.body.chain(rest.buffered(AHEAD)).boxed();
    Ok(Object { head: first.head, range: 0..size, body })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::TryStreamExt;

    use super::*;
    use crate::model::{Attributes, BucketName, Key};
    use crate::store::faulty::{Fault, FaultyStore};
    use crate::store::memory::MemoryStore;
    use crate::store::{ErrorKind, Precondition};

    #[tokio::test]
    async fn the_ranges_are_the_whole_and_of_one_state() {
        let store = FaultyStore::recording(Arc::new(MemoryStore::new()));
        let bucket = BucketName::new("books").unwrap();
        store.inner.create_bucket(&bucket).await.unwrap();
        let at = Address::new(bucket, Key::new("large").unwrap());
        let content: Vec<u8> = (0_u32..(5 << 20) + 7).flat_map(u32::to_le_bytes).collect();
        let attributes = Attributes::default();
        let put = |body: Vec<u8>| store.inner.put(&at, body.into(), &attributes, Precondition::Overwrite);
        let etag = put(content.clone()).await.unwrap().etag;
        let shared: Arc<dyn ObjectStore> = store.clone();
        let size = content.len() as u64;
        let read = async |object: Object| object.body.try_collect::<Vec<Bytes>>().await.map(|all| all.concat());
        let whole = read(open(&shared, &at, size, &etag).await.unwrap()).await.unwrap();
        assert!(whole == content);
        assert_eq!(store.calls("get"), 3);

        let opened = open(&shared, &at, size, &etag).await.unwrap();
        put(vec![1; content.len()]).await.unwrap();
        assert_eq!(read(opened).await.unwrap_err().kind, ErrorKind::Precondition, "never half of each");
        assert_eq!(open(&shared, &at, size, &etag).await.unwrap_err().kind, ErrorKind::Precondition);

        let etag = put(content).await.unwrap().etag;
        let opened = open(&shared, &at, size, &etag).await.unwrap();
        store.fail("get", Fault::Before(ErrorKind::Denied));
        assert_eq!(read(opened).await.unwrap_err().kind, ErrorKind::Denied);
    }
}
