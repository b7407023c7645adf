//! Listings: byte order, prefixes, where they begin, folding.

use dcs::store::{ErrorKind, ListOptions};
use futures_util::StreamExt;

use super::{Place, kind};
use crate::support::unique_bucket;

fn options(prefix: &str, start_after: Option<&str>) -> ListOptions {
    ListOptions { prefix: prefix.to_owned(), start_after: start_after.map(str::to_owned), delimited: false }
}

pub async fn three_thousand_objects_come_in_byte_order_and_from_where_they_are_asked_for(place: &Place) {
    let mut keys: Vec<String> = (0..3000)
        .map(|number: u32| match number % 4 {
            0 => format!("a-{number}"),
            1 => format!("a/{number}"),
            2 => format!("é/{}/{number}", number % 7),
            _ => format!("{number:x}"),
        })
        .collect();
    let puts = keys.clone().into_iter().map(|key| async move { place.put(&key, "x").await.map(|_| ()) });
    let mut puts = futures_util::stream::iter(puts).buffer_unordered(32);
    while let Some(put) = puts.next().await {
        put.unwrap();
    }
    keys.sort_unstable();
    assert_eq!(place.keys_of(&place.bucket).await, keys);
    for after in [&keys[0], &keys[1234], &keys[2998], "a", "a/", "a/5", "é/3/", "é/3/9", "\u{10FFFF}"] {
        let expected: Vec<&String> = keys.iter().filter(|key| key.as_str() > after).collect();
        assert_eq!(place.list(&place.bucket, options("", Some(after))).await.iter().collect::<Vec<_>>(), expected);
    }
    for prefix in ["a", "a/", "a/1", "é/", "é/3/", "é/3/1", "none", "none/", "a-1"] {
        let expected: Vec<&String> = keys.iter().filter(|key| key.starts_with(prefix)).collect();
        let listed = place.list(&place.bucket, options(prefix, None)).await;
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{prefix}");
    }
    let expected: Vec<&String> = keys.iter().filter(|key| key.starts_with("é/3/") && key.as_str() > "é/3/2").collect();
    let listed = place.list(&place.bucket, options("é/3/", Some("é/3/2"))).await;
    assert_eq!(listed.iter().collect::<Vec<_>>(), expected);
}

pub async fn a_delimited_listing_folds_what_lies_deeper(place: &Place) {
    for key in ["a", "a-b", "a/b", "a/c/d", "a/c/e", "a/é/f", "b/c", "z"] {
        place.put(key, key).await.unwrap();
    }
    let at = |prefix: &str| options(prefix, None).delimited();
    assert_eq!(sorted(place.list(&place.bucket, at("")).await), ["a", "a-b", "a/*", "b/*", "z"]);
    assert_eq!(sorted(place.list(&place.bucket, at("a/")).await), ["a/b", "a/c/*", "a/é/*"]);
    assert_eq!(sorted(place.list(&place.bucket, at("a")).await), ["a", "a-b", "a/*"]);
    assert_eq!(place.list(&place.bucket, at("a/c/d")).await, ["a/c/d"]);
    assert!(place.list(&place.bucket, at("none/")).await.is_empty());
}

/// Of a page, some stores give the objects first and then the prefixes.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable_by_key(|line| line.trim_end_matches('*').to_owned());
    lines
}

pub async fn a_listing_says_what_a_head_says(place: &Place) {
    let stored = place.put("some/key", "twelve bytes").await.unwrap();
    let mut lines = place.store.list(&place.bucket, ListOptions::default());
    let Some(Ok(dcs::store::Listed::Object(info))) = lines.next().await else { panic!("no object is listed") };
    let head = place.store.head(&place.at("some/key")).await.unwrap();
    assert_eq!((info.size, &info.etag), (12, &stored.etag));
    assert_eq!((head.size, &head.etag), (12, &stored.etag));
    assert!((info.modified.as_second() - head.modified.as_second()).abs() <= 1);
    assert!(lines.next().await.is_none());
}

pub async fn an_absent_bucket_is_no_empty_one(place: &Place) {
    let absent = unique_bucket("absent");
    assert!(!place.store.bucket_exists(&absent).await.unwrap());
    assert!(place.store.bucket_exists(&place.bucket).await.unwrap());
    let first = place.store.list(&absent, ListOptions::default()).next().await;
    assert_eq!(kind(first.expect("a listing of an absent bucket is an error")), ErrorKind::NoBucket);
    let buckets = place.store.buckets().await.unwrap();
    assert!(buckets.contains(&place.bucket) && buckets.contains(&place.other) && !buckets.contains(&absent));
    place.store.create_bucket(&place.bucket).await.unwrap();
}
