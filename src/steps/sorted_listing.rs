//! Listings of stores that keep no order, put in order outside memory.

use std::path::Path;
use std::pin::Pin;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::{Result, StepError};
use crate::model::Key;
use crate::repository::spool::{Record, Sorter};
use crate::repository::{ErrorKind as RepositoryKind, RepositoryError};
use crate::store::{self, ErrorKind, Listed, ObjectInfo};

/// Lines in memory; more go through the spool.
const MEMORY_BYTES: usize = 16 << 20;

/// The objects of a listing in the order of their keys, each once: of what is listed twice, the younger. What has no key
/// comes first, as an error.
pub(super) async fn sorted(
    mut listing: BoxStream<'static, store::Result<Listed>>,
    spool: &Path,
) -> Result<BoxStream<'static, Result<ObjectInfo>>> {
    let mut sorter = Sorter::new(spool, MEMORY_BYTES);
    let mut errors = Vec::new();
    while let Some(listed) = listing.next().await {
        match listed {
            Ok(Listed::Object(info)) => sorter.push(info.key.as_str(), encode_info(&info)).await?,
            Ok(Listed::Prefix(_)) => {}
            Err(error) if error.kind == ErrorKind::Unaddressable => errors.push(Err(error.into())),
            Err(error) => return Err(error.into()),
        }
    }
    let records = sorter.finish().await?.map_err(StepError::from);
    let infos = records.and_then(|record| std::future::ready(read(&record))).boxed().peekable();
    let distinct = stream::try_unfold(infos, |mut infos| async move {
        let Some(mut info) = infos.try_next().await? else { return Ok(None) };
        let is_again = |next: &Result<ObjectInfo>, key: &Key| next.as_ref().is_ok_and(|next| next.key == *key);
        while let Some(again) = Pin::new(&mut infos).next_if(|next| is_again(next, &info.key)).await {
            let again = again?;
            if again.modified > info.modified {
                info = again;
            }
        }
        Ok(Some((info, infos)))
    });
    Ok(stream::iter(errors).chain(distinct).boxed())
}

fn read(Record { key, value }: &Record) -> Result<ObjectInfo> {
    let key = std::str::from_utf8(key).ok().and_then(|key| Key::new(key).ok());
    let info = key.zip(std::str::from_utf8(value).ok()).and_then(|(key, value)| decode_info(key, value));
    info.ok_or_else(|| {
        let error = RepositoryError::new(RepositoryKind::Spool, "read", "a sorted listing");
        error.with_detail("it holds what was not written").into()
    })
}

/// What a listing says of an object, but for its key.
pub(super) fn encode_info(info: &ObjectInfo) -> String {
    format!("{}\t{}\t{}", info.size, info.modified, info.etag)
}

pub(super) fn decode_info(key: Key, text: &str) -> Option<ObjectInfo> {
    let mut fields = text.splitn(3, '\t');
    let (size, modified) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(ObjectInfo { key, size, modified, etag: fields.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(key: &str, second: i64) -> ObjectInfo {
        let modified = jiff::Timestamp::from_second(second).unwrap();
        ObjectInfo { key: Key::new(key).unwrap(), size: 7, etag: "a\tb".to_owned(), modified }
    }

    #[test]
    fn what_a_listing_says_reads_back() {
        let written = ObjectInfo { modified: "2026-11-20T02:00:00.123456789Z".parse().unwrap(), ..info("a\tb", 0) };
        assert_eq!(decode_info(written.key.clone(), &encode_info(&written)), Some(written));
    }

    #[tokio::test]
    async fn any_order_becomes_that_of_the_keys_and_what_comes_twice_is_one() {
        let listed = [info("b", 1), info("a", 9), info("c", 1), info("a", 10), info("a", 2)];
        let nameless = store::StoreError::new(ErrorKind::Unaddressable, "list", "books/?");
        let listing = listed.into_iter().map(|info| Ok(Listed::Object(info))).chain([Err(nameless)]);
        let listing = stream::iter(listing.collect::<Vec<_>>()).boxed();
        let mut sorted = sorted(listing, &std::env::temp_dir()).await.unwrap();
        assert!(sorted.next().await.unwrap().is_err());
        let sorted: Vec<ObjectInfo> = sorted.try_collect().await.unwrap();
        assert_eq!(sorted, [info("a", 10), info("b", 1), info("c", 1)]);
    }
}
