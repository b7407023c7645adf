//! Versions, where the store has them and the bucket keeps them.

use dcs::model::BucketName;
use dcs::store::{ErrorKind, ObjectStore, Version};
use futures_util::{StreamExt, TryStreamExt};

use super::{Place, kind};

async fn versions(store: &dyn ObjectStore, bucket: &BucketName) -> Vec<Version> {
    store.versions(bucket, String::new()).try_collect().await.unwrap()
}

pub async fn a_store_without_versions_says_so(place: &Place) {
    let first = place.store.versions(&place.bucket, String::new()).next().await;
    if place.store.features().versions {
        assert!(first.is_none());
    } else {
        assert_eq!(kind(first.unwrap()), ErrorKind::Unsupported);
        assert_eq!(kind(place.store.delete_version(&place.at("key"), "1").await), ErrorKind::Unsupported);
    }
}

/// For buckets that have versioning switched on.
pub async fn an_older_version_can_be_found_and_removed(place: &Place) {
    place.put("key", "first").await.unwrap();
    place.put("key", "second!").await.unwrap();
    place.put("kez", "other").await.unwrap();
    place.store.delete(&place.at("key")).await.unwrap();
    assert_eq!(place.keys_of(&place.bucket).await, ["kez"]);
    let all = versions(&*place.store, &place.bucket).await;
    let seen: Vec<_> = all.iter().map(|version| (version.info.key.as_str(), version.info.size)).collect();
    assert_eq!(seen, [("key", 0), ("key", 7), ("key", 5), ("kez", 5)]);
    assert_eq!(all.iter().map(|version| version.is_latest).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(all.iter().map(|version| version.is_delete_marker).collect::<Vec<_>>(), [true, false, false, false]);
    place.store.delete_version(&place.at("key"), &all[0].id).await.unwrap();
    assert_eq!(place.read("key").await.unwrap(), "second!");
    for version in &all[1..] {
        place.store.delete_version(&place.at(version.info.key.as_str()), &version.id).await.unwrap();
    }
    assert!(versions(&*place.store, &place.bucket).await.is_empty());
}
