//! The same against a live server, where there is one.

use std::sync::Arc;

use dcs::model::Secret;
use dcs::store::s3::{S3Options, S3Store};
use dcs::store::transfer::{CutOptions, TransferOptions, put_source, upload_cut};
use futures_util::{StreamExt, TryStreamExt, stream};
use support::S3Env;

use super::*;

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> std::collections::BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

struct Live {
    env: S3Env,
    store: Arc<S3Store>,
    bucket: BucketName,
}

impl Live {
    async fn start(stem: &str) -> Option<Self> {
        let env = support::s3()?;
        let keys = Secret::new(&env.secret_key);
        let store = S3Store::open(S3Options::new(&env.endpoint, &env.region).keys(&env.access_key, keys)).unwrap();
        let bucket = support::unique_bucket(stem);
        store.create_bucket(&bucket).await.unwrap();
        Some(Self { env, store, bucket })
    }

    fn at(&self, key: &str) -> Address {
        support::at(&self.bucket, key)
    }

    async fn read(&self, key: &str) -> Bytes {
        let object = self.store.get(&self.at(key), GetOptions::default()).await.unwrap();
        collect(object.body, 1 << 30).await.unwrap()
    }

    async fn remove(self) {
        let versions: Vec<_> = self.store.versions(&self.bucket, String::new()).try_collect().await.unwrap();
        for version in versions {
            self.store.delete_version(&self.at(version.info.key.as_str()), &version.id).await.unwrap();
        }
        self.env.remove_bucket(&self.bucket).await;
    }
}

#[tokio::test]
async fn a_live_versioned_bucket_lists_versions_and_delete_markers() {
    let Some(live) = Live::start("versions").await else { return };
    live.env.keep_versions(&live.bucket).await;
    for key in ["100%", "100%", "a b", "z/é"] {
        put(&*live.store, &live.at(key), &Attributes::default()).await.unwrap();
    }
    live.store.delete(&live.at("100%")).await.unwrap();
    let versions: Vec<_> = live.store.versions(&live.bucket, String::new()).try_collect().await.unwrap();
    let seen: Vec<_> =
        versions.iter().map(|v| (v.info.key.as_str(), v.is_delete_marker, v.is_latest, v.info.size)).collect();
    let expected = [
        ("100%", true, true, 0),
        ("100%", false, false, 4),
        ("100%", false, false, 4),
        ("a b", false, true, 4),
        ("z/é", false, true, 4),
    ];
    assert_eq!(seen, expected);
    live.store.delete_version(&live.at("100%"), &versions[0].id).await.unwrap();
    assert_eq!(live.read("100%").await, "body");
    let settings = live.store.bucket_settings(&live.bucket).await.unwrap();
    assert_eq!(settings.get("versioning"), Some(&"Enabled".into()));
    live.remove().await;
}

#[tokio::test]
async fn ranges_are_copied_into_parts_on_a_live_server_whatever_the_key() {
    let Some(live) = Live::start("ranged").await else { return };
    let body: Bytes = b"0123456789".repeat(600 << 10).into();
    for key in ["plain", "100% sûre+?"] {
        live.store.put(&live.at(key), body.clone(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
        let upload = live.store.create_upload(&live.at("copy"), &Attributes::default()).await.unwrap();
        let cut = 5 << 20;
        let end = body.len() as u64;
        let first = live.store.copy_part(&upload, 1, 0, &live.at(key), 0..cut).await.unwrap();
        let second = live.store.copy_part(&upload, 2, cut, &live.at(key), cut..end).await.unwrap();
        let stored = live.store.complete_upload(&upload, &[first, second]).await.unwrap();
        assert_eq!(live.store.head(&live.at("copy")).await.unwrap().etag, stored.etag);
        assert!(live.read("copy").await == body);
    }
    live.remove().await;
}

#[tokio::test]
async fn attributes_and_tags_survive_every_way_of_writing_on_a_live_server() {
    let Some(live) = Live::start("attributes").await else { return };
    let attributes = Attributes {
        content_type: Some("text/html; charset=utf-8".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        user: pairs([("a", "1  2"), ("a-b", "é 書")]),
        tags: pairs([("a b", "1+2"), ("c", "d=e")]),
        ..Attributes::default()
    };
    put(&*live.store, &live.at("one"), &attributes).await.unwrap();
    live.store.copy(&live.at("one"), &live.at("two"), None).await.unwrap();
    let upload = live.store.create_upload(&live.at("parts"), &attributes).await.unwrap();
    let part = live.store.upload_part(&upload, 1, 0, Bytes::from_static(b"body")).await.unwrap();
    live.store.complete_upload(&upload, &[part]).await.unwrap();
    for key in ["one", "two", "parts"] {
        assert_eq!(live.store.head(&live.at(key)).await.unwrap().attributes, attributes, "{key}");
    }
    live.store.copy(&live.at("one"), &live.at("three"), Some(&Attributes::default())).await.unwrap();
    let bare = live.store.head(&live.at("three")).await.unwrap().attributes;
    assert!(bare.user.is_empty() && bare.tags.is_empty() && bare.content_encoding.is_none(), "{bare:?}");
    // Ceph answers a tab as an RFC 2047 word: what it answers is what stays the same from then on.
    let tabbed = Attributes { user: pairs([("a", "x\ty")]), ..Attributes::default() };
    put(&*live.store, &live.at("tabbed"), &tabbed).await.unwrap();
    let answered = live.store.head(&live.at("tabbed")).await.unwrap().attributes;
    put(&*live.store, &live.at("again"), &answered).await.unwrap();
    assert_eq!(live.store.head(&live.at("again")).await.unwrap().attributes, answered);
    live.remove().await;
}

#[tokio::test]
async fn streams_are_stored_whole_and_cut_on_a_live_server() {
    let Some(live) = Live::start("streams").await else { return };
    let store: Arc<dyn ObjectStore> = Arc::clone(&live.store) as _;
    let body: Bytes = (0..13_u8).flat_map(|byte| vec![byte; 1 << 20]).collect();
    let pieces = (0..body.len()).step_by(100_000).map(|from| body.slice(from..body.len().min(from + 100_000)));
    let source = stream::iter(pieces.map(Ok::<_, StoreError>).collect::<Vec<_>>());
    let transfer = TransferOptions { part_size: 5 << 20, parts_in_flight: 3 };
    let options = CutOptions { segment_size: 10 << 20, transfer };
    let segments = upload_cut(&store, &live.at("cut"), source, &Attributes::default(), &options).await.unwrap();
    let sizes: Vec<_> = segments.iter().map(|segment| (segment.key.as_str(), segment.size)).collect();
    assert_eq!(sizes, [("cut", 10 << 20), ("cut.0001", 3 << 20)]);
    let open = |range: std::ops::Range<u64>| {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let piece = body.slice(range);
        async move { Ok(stream::iter([Ok(piece)]).boxed()) }
    };
    let length = body.len() as u64;
    put_source(&store, &live.at("whole"), length, &Attributes::default(), open).await.unwrap();
    assert!(live.read("whole").await == body);
    live.remove().await;
}

#[tokio::test]
async fn a_part_can_be_streamed_to_a_live_server() {
    let Some(live) = Live::start("streamed").await else { return };
    let upload = live.store.create_upload(&live.at("k"), &Attributes::default()).await.unwrap();
    let body = stream::iter(["0123", "4567", "89"].map(|piece| Ok(Bytes::from(piece)))).boxed();
    let part = live.store.stream_part(&upload, 1, 0, 10, body).await.unwrap();
    live.store.complete_upload(&upload, &[part]).await.unwrap();
    assert_eq!(live.read("k").await, "0123456789");
    live.remove().await;
}

#[tokio::test]
async fn wrong_keys_are_denied_by_a_live_server() {
    let Some(env) = support::s3() else { return };
    let options = S3Options::new(&env.endpoint, &env.region).keys(&env.access_key, Secret::new("wrong"));
    let error = S3Store::open(options).unwrap().buckets().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
}
