//! Holds a backup's rows against what its target has now: one pass over two sorted streams, in constant memory.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{BoxStream, Peekable};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::place::{Elsewhere, Place};
use super::sources::ordered;
use super::{Context, Result, StepError};
use crate::archive::Hasher;
use crate::model::{IndexRow, SourceName};
use crate::store::{ErrorKind, GetOptions, ListOptions, Listed, Object, ObjectInfo, StoreError};

/// What the target has under a row's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Missing,
    /// The same bytes.
    Same,
    /// Other bytes.
    Differs(ObjectInfo),
}

/// A row and what its target has.
#[derive(Debug)]
pub struct Compared {
    pub row: IndexRow,
    pub state: State,
    /// What was listed there.
    pub found: Option<ObjectInfo>,
}

/// Compares `rows`, which come sorted, with what is in their own places, or `to`. Where size and ETag leave a doubt, the
/// target is read.
pub fn compare<'a>(
    context: &'a Context,
    to: Option<&'a Elsewhere>,
    rows: impl Stream<Item = Result<IndexRow>> + Send + 'a,
) -> impl Stream<Item = Result<Compared>> + Send + 'a {
    let joined = stream::try_unfold((rows.boxed(), None::<Target>), move |(mut rows, mut target)| async move {
        let row = rows.try_next().await?;
        if let Some(passed) = target.take_if(|target| row.as_ref().is_none_or(|row| target.source != row.source)) {
            passed.finish().await?;
        }
        let Some(row) = row else { return Ok(None) };
        if target.is_none() {
            target = Some(Target::open(Place::of(context, &row.source, to)?, &row.source).await?);
        }
        let found = match &mut target {
            Some(target) => target.find(row.key.as_str()).await?,
            None => None,
        };
        let found = found.zip(target.as_ref().map(|target| target.place.clone()));
        Ok::<_, StepError>(Some(((row, found), (rows, target))))
    });
    joined
        .map_ok(move |(row, found)| async move {
            let (state, found) = match found {
                None => (State::Missing, None),
                Some((info, place)) => (judge(&place, &row, info.clone()).await?, Some(info)),
            };
            Ok(Compared { row, state, found })
        })
        .try_buffered(context.transfers)
}

/// A target's listing, read as far as the rows have come.
struct Target {
    source: SourceName,
    place: Arc<Place>,
    listing: Peekable<BoxStream<'static, Result<ObjectInfo>>>,
}

impl Target {
    async fn open(place: Place, source: &SourceName) -> Result<Self> {
        let listing = if place.store.bucket_exists(&place.bucket).await? {
            place.store.list(&place.bucket, ListOptions::prefix(&place.prefix))
        } else {
            stream::empty().boxed()
        };
        Ok(Self::of(place, source, listing))
    }

    fn of(
        place: Place,
        source: &SourceName,
        listing: BoxStream<'static, std::result::Result<Listed, StoreError>>,
    ) -> Self {
        let listing = ordered(listing, place.bucket.clone()).filter(|listed| std::future::ready(has_key(listed)));
        Self { source: source.clone(), place: Arc::new(place), listing: listing.boxed().peekable() }
    }

    /// Passes over what comes before the row's key, and takes it where it is there.
    async fn find(&mut self, key: &str) -> Result<Option<ObjectInfo>> {
        let key = &format!("{}{key}", self.place.prefix);
        let is_wanted = |listed: &Result<ObjectInfo>| match listed {
            Ok(info) => info.key.as_str() <= key.as_str(),
            Err(_) => true,
        };
        while let Some(info) = Pin::new(&mut self.listing).next_if(is_wanted).await.transpose()? {
            if info.key.as_str() == key.as_str() {
                return Ok(Some(info));
            }
        }
        Ok(None)
    }

    /// Reads what comes after the last row: an object that is listed too late was taken for missing.
    async fn finish(mut self) -> Result<()> {
        while self.listing.try_next().await?.is_some() {}
        Ok(())
    }
}

/// What has none is under no row's key.
pub(super) fn has_key(listed: &Result<ObjectInfo>) -> bool {
    !matches!(listed, Err(StepError::Store(error)) if error.kind == ErrorKind::Unaddressable)
}

async fn judge(place: &Place, row: &IndexRow, info: ObjectInfo) -> Result<State> {
    let store = &place.store;
    if info.size != row.size {
        return Ok(State::Differs(info));
    }
    // A link and an empty file are both without bytes.
    let is_plainly_empty = row.size == 0 && !store.features().posix;
    if info.etag == row.etag || is_plainly_empty {
        return Ok(State::Same);
    }
    let at = place.address(&row.key)?;
    let object = match store.get(&at, GetOptions::default()).await {
        Ok(object) => object,
        // Gone since it was listed.
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(State::Missing),
        Err(error) => return Err(error.into()),
    };
    Ok(if reads_alike(object, row).await? { State::Same } else { State::Differs(info) })
}

/// Whether an object that is read back is what its row says.
pub(super) async fn reads_alike(object: Object, row: &IndexRow) -> Result<bool> {
    let (found, wanted) = (object.head.attributes.posix.as_ref(), row.attributes.posix.as_ref());
    if let (Some(found), Some(wanted)) = (found, wanted)
        && (found.kind, &found.target) != (wanted.kind, &wanted.target)
    {
        return Ok(false);
    }
    let mut hasher = Hasher::new();
    let mut body = object.body;
    while let Some(bytes) = body.try_next().await? {
        hasher.update(&bytes);
    }
    Ok(hasher.finish() == row.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::sha256;
    use crate::model::{Attributes, Key, Prefix};
    use crate::store::ObjectStore;
    use crate::store::memory::MemoryStore;

    fn source() -> SourceName {
        SourceName::try_from("live/books".to_owned()).unwrap()
    }

    fn listed(key: &str) -> ObjectInfo {
        ObjectInfo { key: Key::new(key).unwrap(), size: 3, etag: "e".to_owned(), modified: jiff::Timestamp::UNIX_EPOCH }
    }

    fn place(live: Arc<dyn ObjectStore>) -> Place {
        Place { store: live, bucket: source().bucket(), prefix: Prefix::root(), name: source() }
    }

    fn target(keys: &[&str]) -> Target {
        let lines = keys.iter().map(|key| match *key {
            "?" => Err(StoreError::new(ErrorKind::Unaddressable, "list", "books/?")),
            key => Ok(Listed::Object(listed(key))),
        });
        let lines = stream::iter(lines.collect::<Vec<_>>()).boxed();
        Target::of(place(Arc::new(MemoryStore::new())), &source(), lines)
    }

    #[tokio::test]
    async fn a_name_that_is_no_key_hides_nothing_and_is_in_nobodys_way() {
        let mut target = target(&["a", "?", "c", "?", "d"]);
        assert!(target.find("b").await.unwrap().is_none());
        assert!(target.find("c").await.unwrap().is_some());
        assert!(target.finish().await.is_ok());
    }

    #[tokio::test]
    async fn a_target_listed_out_of_order_is_an_error_also_behind_the_last_row() {
        let mut before = target(&["b", "a", "c"]);
        let StepError::Store(error) = before.find("c").await.unwrap_err() else { panic!("no error of the store") };
        assert_eq!(error.kind, ErrorKind::Unsupported);
        let mut behind = target(&["b", "a"]);
        assert!(behind.find("a").await.unwrap().is_none());
        assert!(behind.finish().await.is_err());
    }

    #[tokio::test]
    async fn what_goes_between_listing_and_reading_is_missing() {
        let live: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        live.create_bucket(&source().bucket()).await.unwrap();
        let ObjectInfo { key, size, modified, .. } = listed("a");
        let (etag, sha256, attributes) = ("of then".to_owned(), sha256(b"abc"), Attributes::default());
        let row = IndexRow { source: source(), key, size, etag, modified, sha256, attributes, pieces: Vec::new() };
        assert_eq!(judge(&place(live), &row, listed("a")).await.unwrap(), State::Missing);
    }
}
