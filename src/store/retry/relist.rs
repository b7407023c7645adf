//! Listings that break begin again after what was seen last, so that nothing is listed twice and nothing is left out.

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};

use super::{Attempts, RetryStore};
use crate::model::{BucketName, Key};
use crate::store::{ErrorKind, ListOptions, Listed, Result, Version};

/// Where a listing stands, and how it is opened again.
trait Cursor: Send + 'static {
    type Item: Send + 'static;

    fn open(&self, store: &RetryStore) -> BoxStream<'static, Result<Self::Item>>;

    /// Takes note of an item; false where it was seen before, which can be only in a listing opened again.
    fn advance(&mut self, item: &Self::Item, again: bool) -> bool;
}

pub(super) fn objects(
    store: RetryStore,
    bucket: BucketName,
    options: ListOptions,
) -> BoxStream<'static, Result<Listed>> {
    relisted(store, ObjectCursor { bucket, options }).boxed()
}

pub(super) fn versions(store: RetryStore, bucket: BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
    relisted(store, VersionCursor { bucket, prefix, last: None, ids: Vec::new() }).boxed()
}

struct Listing<C: Cursor> {
    store: RetryStore,
    cursor: C,
    open: BoxStream<'static, Result<C::Item>>,
    opened_again: bool,
    attempts: Attempts,
}

fn relisted<C: Cursor>(store: RetryStore, cursor: C) -> impl Stream<Item = Result<C::Item>> + Send + 'static {
    let open = cursor.open(&store);
    let attempts = store.attempts();
    stream::unfold(Some(Listing { store, cursor, open, opened_again: false, attempts }), |listing| async {
        let mut listing = listing?;
        match listing.next().await {
            Ok(item) => Some((Ok(item?), Some(listing))),
            // Such an error names one entry that has no key; the listing goes on after it.
            Err(error) if error.kind == ErrorKind::Unaddressable => Some((Err(error), Some(listing))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl<C: Cursor> Listing<C> {
    async fn next(&mut self) -> Result<Option<C::Item>> {
        loop {
            match self.open.next().await {
                None => return Ok(None),
                Some(Ok(item)) if self.cursor.advance(&item, self.opened_again) => {
                    self.attempts.reset();
                    return Ok(Some(item));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.attempts.again(error).await?;
                    self.open = self.cursor.open(&self.store);
                    self.opened_again = true;
                }
            }
        }
    }
}

struct ObjectCursor {
    bucket: BucketName,
    options: ListOptions,
}

impl Cursor for ObjectCursor {
    type Item = Listed;

    fn open(&self, store: &RetryStore) -> BoxStream<'static, Result<Listed>> {
        store.inner.list(&self.bucket, self.options.clone())
    }

    /// Keys after a folded prefix are those below it: it may be listed once more.
    fn advance(&mut self, item: &Listed, again: bool) -> bool {
        let name = match item {
            Listed::Object(info) => info.key.as_str(),
            Listed::Prefix(prefix) => prefix.as_str(),
        };
        if again && matches!(item, Listed::Prefix(_)) && self.options.start_after.as_deref() == Some(name) {
            return false;
        }
        self.options.start_after = Some(name.to_owned());
        true
    }
}

struct VersionCursor {
    bucket: BucketName,
    prefix: String,
    last: Option<Key>,
    /// The versions of the last key that were seen.
    ids: Vec<String>,
}

impl Cursor for VersionCursor {
    type Item = Version;

    fn open(&self, store: &RetryStore) -> BoxStream<'static, Result<Version>> {
        store.inner.versions(&self.bucket, self.prefix.clone())
    }

    fn advance(&mut self, version: &Version, again: bool) -> bool {
        let key = &version.info.key;
        let same_key = self.last.as_ref() == Some(key);
        let seen = same_key && self.ids.contains(&version.id) || self.last.as_ref().is_some_and(|last| key < last);
        if again && seen {
            return false;
        }
        if !same_key {
            self.last = Some(key.clone());
            self.ids.clear();
        }
        self.ids.push(version.id.clone());
        true
    }
}
