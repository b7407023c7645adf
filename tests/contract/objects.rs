//! Single objects: bodies, ranges, absence, preconditions, overwriting under a reader.

use bytes::Bytes;
use dcs::model::Attributes;
use dcs::store::{ErrorKind, GetOptions, Precondition};
use futures_util::{StreamExt, TryStreamExt};

use super::{Place, kind};
use crate::support::{at, unique_bucket};

pub async fn an_empty_object_is_an_object(place: &Place) {
    place.put("empty", "").await.unwrap();
    assert_eq!(place.read("empty").await.unwrap(), "");
    assert_eq!(place.store.head(&place.at("empty")).await.unwrap().size, 0);
    place.store.copy(&place.at("empty"), &place.at("empty too"), None).await.unwrap();
    assert_eq!(place.keys_of(&place.bucket).await, ["empty", "empty too"]);
}

pub async fn a_range_is_what_lies_within_the_object(place: &Place) {
    place.put("digits", "0123456789").await.unwrap();
    for (range, expected) in [(0..4, "0123"), (3..7, "3456"), (6..10, "6789"), (8..50, "89"), (0..50, "0123456789")] {
        let options = GetOptions { range: Some(range.clone()), if_match: None };
        let object = place.store.get(&place.at("digits"), options.clone()).await.unwrap();
        assert_eq!((object.head.size, object.range.start, object.range.end), (10, range.start, range.end.min(10)));
        assert_eq!(place.read_at(&place.at("digits"), options).await.unwrap(), expected);
    }
}

pub async fn a_body_of_many_chunks_comes_whole(place: &Place) {
    let body: Vec<u8> = (0..3_000_000_u32).map(|position| (position % 251) as u8).collect();
    place.put_at(&place.at("big"), body.clone().into()).await.unwrap();
    let object = place.store.get(&place.at("big"), GetOptions::default()).await.unwrap();
    let chunks: Vec<Bytes> = object.body.try_collect().await.unwrap();
    assert!(chunks.concat() == body);
    let range = 700_001..2_900_003;
    let options = GetOptions { range: Some(700_001..2_900_003), if_match: None };
    let chunks: Vec<Bytes> =
        place.store.get(&place.at("big"), options).await.unwrap().body.try_collect().await.unwrap();
    assert!(chunks.concat() == body[range]);
}

pub async fn what_is_absent_is_said_by_kind(place: &Place) {
    let absent = place.at("absent");
    assert_eq!(kind(place.store.head(&absent).await), ErrorKind::NotFound);
    assert_eq!(kind(place.store.get(&absent, GetOptions::default()).await), ErrorKind::NotFound);
    assert_eq!(kind(place.store.copy(&absent, &place.at("target"), None).await), ErrorKind::NotFound);
    place.store.delete(&absent).await.unwrap();
    let nowhere = at(&unique_bucket("nowhere"), "key");
    assert_eq!(kind(place.store.get(&nowhere, GetOptions::default()).await), ErrorKind::NoBucket);
    let put = place.store.put(&nowhere, Bytes::new(), &Attributes::default(), Precondition::Overwrite).await;
    assert_eq!(kind(put), ErrorKind::NoBucket);
    assert!(place.keys_of(&place.bucket).await.is_empty());
}

pub async fn a_get_of_another_state_than_the_one_named_fails(place: &Place) {
    let first = place.put("key", "first").await.unwrap();
    let named = |etag: &str| GetOptions { range: None, if_match: Some(etag.to_owned()) };
    assert_eq!(place.read_at(&place.at("key"), named(&first.etag)).await.unwrap(), "first");
    let second = place.put("key", "second").await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!(kind(place.store.get(&place.at("key"), named(&first.etag)).await), ErrorKind::Precondition);
    assert_eq!(place.read_at(&place.at("key"), named(&second.etag)).await.unwrap(), "second");
}

pub async fn a_put_that_must_be_new_fails_where_the_store_says_so(place: &Place) {
    let put = async |text: &'static str| {
        place.store.put(&place.at("lock"), text.into(), &Attributes::default(), Precondition::CreateNew).await
    };
    put("first").await.unwrap();
    if place.store.features().conditional_put {
        assert_eq!(kind(put("second").await), ErrorKind::Precondition);
        assert_eq!(place.read("lock").await.unwrap(), "first");
    }
}

pub async fn a_reader_sees_the_old_object_or_the_new_one(place: &Place) {
    let (old, new) = ("o".repeat(400_000), "n".repeat(500_000));
    place.put("key", &old).await.unwrap();
    let writer = async {
        for round in 0..20 {
            place.put("key", if round % 2 == 0 { &new } else { &old }).await.unwrap();
        }
    };
    let reader = async {
        for _ in 0..40 {
            let text = match place.read("key").await {
                Ok(text) => text,
                // A store may end a body whose object is replaced, but never mix two.
                Err(error) => {
                    assert!(error.is_retryable() || error.kind == ErrorKind::Precondition, "{error}");
                    continue;
                }
            };
            assert!(text == old || text == new, "{} bytes of both", text.len());
        }
    };
    futures_util::join!(writer, reader);
}

pub async fn an_object_can_be_moved_about_by_many_at_once(place: &Place) {
    let tasks = (0..64_u32).map(|number| async move {
        let key = format!("folder/{}/{number}", number % 4);
        place.put(&key, &key).await?;
        place.store.copy(&place.at(&key), &place.at(&format!("copy/{number}")), None).await?;
        place.store.delete(&place.at(&key)).await
    });
    let mut tasks = futures_util::stream::iter(tasks).buffer_unordered(16);
    while let Some(done) = tasks.next().await {
        done.unwrap();
    }
    assert_eq!(place.keys_of(&place.bucket).await.len(), 64);
    assert_eq!(place.read("copy/63").await.unwrap(), "folder/3/63");
}
