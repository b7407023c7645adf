//! Holds a backup's rows against what its target has now: one pass over two sorted streams, in constant memory.

use std::sync::Arc;

use futures_util::stream::{BoxStream, Peekable};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::{Context, Result, StepError};
use crate::archive::Hasher;
use crate::model::{IndexRow, SourceName};
use crate::store::{Address, GetOptions, ListOptions, Listed, ObjectInfo, ObjectStore, StoreError};

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
}

/// Compares `rows`, which come sorted, with their targets. Where size and ETag leave a doubt, the target is read.
pub fn compare<'a>(
    context: &'a Context,
    rows: impl Stream<Item = Result<IndexRow>> + Send + 'a,
) -> impl Stream<Item = Result<Compared>> + Send + 'a {
    let joined = stream::try_unfold((rows.boxed(), None::<Target>), move |(mut rows, mut target)| async move {
        let Some(row) = rows.try_next().await? else { return Ok(None) };
        if target.as_ref().is_none_or(|target| target.source != row.source) {
            target = Some(Target::open(context, &row.source).await?);
        }
        let found = match &mut target {
            Some(target) => target.find(row.key.as_str()).await?,
            None => None,
        };
        Ok::<_, StepError>(Some(((row, found), (rows, target))))
    });
    joined
        .map_ok(move |(row, found)| async move {
            let state = match found {
                None => State::Missing,
                Some(info) => judge(context, &row, info).await?,
            };
            Ok(Compared { row, state })
        })
        .try_buffered(context.transfers)
}

/// A target's listing, read as far as the rows have come.
struct Target {
    source: SourceName,
    listing: Peekable<BoxStream<'static, std::result::Result<Listed, StoreError>>>,
}

impl Target {
    async fn open(context: &Context, source: &SourceName) -> Result<Self> {
        let store = context.store(source.store())?;
        let listing = if store.bucket_exists(&source.bucket()).await? {
            store.list(&source.bucket(), ListOptions::default())
        } else {
            stream::empty().boxed()
        };
        Ok(Self { source: source.clone(), listing: listing.peekable() })
    }

    /// Passes over what comes before `key`, and takes it where it is there.
    async fn find(&mut self, key: &str) -> Result<Option<ObjectInfo>> {
        loop {
            let mut listing = std::pin::Pin::new(&mut self.listing);
            match listing.as_mut().peek().await {
                Some(Ok(Listed::Object(info))) if info.key.as_str() > key => return Ok(None),
                None => return Ok(None),
                Some(_) => {}
            }
            match listing.try_next().await? {
                Some(Listed::Object(info)) if info.key.as_str() == key => return Ok(Some(info)),
                _ => {}
            }
        }
    }
}

async fn judge(context: &Context, row: &IndexRow, info: ObjectInfo) -> Result<State> {
    let store = context.store(row.source.store())?;
    if info.size != row.size {
        return Ok(State::Differs(info));
    }
    // A link and an empty file are both without bytes.
    let is_plainly_empty = row.size == 0 && !store.features().posix;
    if info.etag == row.etag || is_plainly_empty || reads_alike(store, row).await? {
        return Ok(State::Same);
    }
    Ok(State::Differs(info))
}

async fn reads_alike(store: &Arc<dyn ObjectStore>, row: &IndexRow) -> Result<bool> {
    let at = Address::new(row.source.bucket(), row.key.clone());
    let object = store.get(&at, GetOptions::default()).await?;
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
