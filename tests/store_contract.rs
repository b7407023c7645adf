//! One suite for all stores: what it asserts holds in memory, in a folder and on a live S3 server alike.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that cannot go on panics; modules share by pub")]

use std::sync::Arc;

use contract::Place;
use dcs::model::{Attributes, Secret};
use dcs::store::dir::DirectoryStore;
use dcs::store::memory::MemoryStore;
use dcs::store::read_only::ReadOnlyStore;
use dcs::store::retry::{RetryPolicy, RetryStore};
use dcs::store::s3::{S3Options, S3Store};
use dcs::store::{ErrorKind, GetOptions, ObjectStore};
use futures_util::StreamExt;
use support::faulty::{FaultyStore, When};

mod contract;
mod support;

async fn in_memory() -> Option<Place> {
    Some(Place::prepare(Arc::new(MemoryStore::new()), "bucket").await)
}

async fn in_memory_with_retries() -> Option<Place> {
    let store = RetryStore::new(Arc::new(MemoryStore::new()), RetryPolicy::default());
    Some(Place::prepare(Arc::new(store), "bucket").await)
}

async fn in_a_folder() -> Option<Place> {
    let folder = support::folder();
    let store = DirectoryStore::create(folder.path().join("store")).expect("a store can be made");
    let place = Place::prepare(Arc::new(store), "bucket").await;
    Some(Place { folder: Some(folder), ..place })
}

async fn on_a_live_server() -> Option<Place> {
    let server = support::s3()?;
    let options = S3Options::new(&server.endpoint, &server.region);
    let secret_key = Secret::new(server.secret_key.clone());
    let store = S3Store::open(options.keys(&server.access_key, secret_key)).expect("a store can be opened");
    let place = Place::prepare(store, &support::unique("dcs-contract")).await;
    Some(Place { server: Some(server), ..place })
}

/// The cases of the suite, each a test on the store that `$open` makes.
macro_rules! cases {
    ($open:path; $($module:ident::$case:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            if let Some(place) = $open().await {
                super::contract::$module::$case(&place).await;
                place.remove().await;
            }
        }
    )*};
}

macro_rules! suite {
    ($name:ident, $open:path) => {
        mod $name {
            cases! { $open;
                keys::a_hostile_key_is_stored_and_deleted_without_touching_another,
                keys::a_hostile_key_is_copied_as_itself,
                keys::many_hostile_keys_are_deleted_at_once_and_no_others,
                keys::a_hostile_key_is_uploaded_in_parts,
                keys::an_object_and_the_folder_of_its_name_stand_side_by_side,
                keys::a_prefix_ends_at_its_slash,
                listing::three_thousand_objects_come_in_byte_order_and_from_where_they_are_asked_for,
                listing::a_delimited_listing_folds_what_lies_deeper,
                listing::a_listing_says_what_a_head_says,
                listing::an_absent_bucket_is_no_empty_one,
                objects::an_empty_object_is_an_object,
                objects::a_range_is_what_lies_within_the_object,
                objects::a_body_of_many_chunks_comes_whole,
                objects::what_is_absent_is_said_by_kind,
                objects::a_get_of_another_state_than_the_one_named_fails,
                objects::a_put_that_must_be_new_fails_where_the_store_says_so,
                objects::a_reader_sees_the_old_object_or_the_new_one,
                objects::an_object_can_be_moved_about_by_many_at_once,
                uploads::an_upload_is_invisible_until_it_is_complete,
                uploads::an_aborted_upload_leaves_nothing,
                uploads::ranges_of_objects_become_parts,
                uploads::a_stream_of_unknown_length_is_cut_into_parts_and_segments,
                uploads::parts_that_are_not_there_make_no_object,
                attributes::attributes_are_kept_by_every_way_of_writing,
                attributes::a_copy_with_other_attributes_has_only_those,
                attributes::an_overwritten_object_keeps_nothing_of_the_old_one,
                versions::a_store_without_versions_says_so,
            }
        }
    };
}

suite!(memory, super::in_memory);
suite!(retried, super::in_memory_with_retries);
suite!(folder, super::in_a_folder);
suite!(s3, super::on_a_live_server);

#[tokio::test]
async fn memory_keeps_versions_where_they_are_switched_on() {
    let store = MemoryStore::new();
    let place = Place::prepare(Arc::new(store.clone()), "bucket").await;
    store.set_versioned(&place.bucket, true);
    contract::versions::an_older_version_can_be_found_and_removed(&place).await;
}

#[tokio::test]
async fn the_wrappers_for_damage_do_what_they_say() {
    let memory: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
    let recording = FaultyStore::recording(Arc::clone(&memory));
    let place = Place::prepare(recording.clone(), "bucket").await;
    place.put("key", "body").await.unwrap();
    place.store.delete(&place.at("key")).await.unwrap();
    let written: Vec<String> = recording.writes().iter().map(ToString::to_string).collect();
    let expected =
        ["1 create_bucket bucket", "2 create_bucket bucket-other", "3 put bucket/key", "4 delete bucket/key"];
    assert_eq!(written, expected);

    let lost = FaultyStore::from_nth(Arc::clone(&memory), 2, When::After, ErrorKind::Unreachable);
    let place = Place { store: lost, ..place };
    place.put("one", "1").await.unwrap();
    assert_eq!(contract::kind(place.put("two", "2").await), ErrorKind::Unreachable);
    assert_eq!(contract::kind(place.put("three", "3").await), ErrorKind::Unreachable);
    assert_eq!(place.keys_of(&place.bucket).await, ["one", "two"]);

    let cut = Place { store: FaultyStore::truncating(memory), ..place };
    let object = cut.store.get(&cut.at("one"), GetOptions::default()).await.unwrap();
    assert_eq!((object.range, object.body.count().await), (0..1, 1));
}

#[tokio::test]
async fn a_store_for_reading_refuses_every_write() {
    let memory: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
    let place = Place::prepare(Arc::clone(&memory), "bucket").await;
    place.put("key", "body").await.unwrap();
    let upload = place.store.create_upload(&place.at("new"), &Attributes::default()).await.unwrap();
    let recording = FaultyStore::recording(memory);
    let place = Place { store: Arc::new(ReadOnlyStore::new(recording.clone())), ..place };
    let (at, kind) = (place.at("key"), ErrorKind::ReadOnly);
    assert_eq!(contract::kind(place.put("key", "other").await), kind);
    assert_eq!(contract::kind(place.store.copy(&at, &place.at("copy"), None).await), kind);
    assert_eq!(contract::kind(place.store.delete(&at).await), kind);
    assert_eq!(contract::kind(place.store.delete_version(&at, "null").await), kind);
    assert_eq!(contract::kind(place.store.create_bucket(&support::bucket("new")).await), kind);
    assert_eq!(contract::kind(place.store.create_upload(&at, &Attributes::default()).await), kind);
    assert_eq!(contract::kind(place.store.upload_part(&upload, 1, 0, "x".into()).await), kind);
    assert_eq!(contract::kind(place.store.copy_part(&upload, 1, 0, &at, 0..1).await), kind);
    assert_eq!(contract::kind(place.store.complete_upload(&upload, &[]).await), kind);
    assert_eq!(contract::kind(place.store.abort_upload(&upload).await), kind);
    for (_, deleted) in place.store.delete_many(&place.bucket, vec![at.key.clone()]).await {
        assert_eq!(contract::kind(deleted), kind);
    }
    assert_eq!(recording.count(), 0);
    assert_eq!(place.read("key").await.unwrap(), "body");
}
