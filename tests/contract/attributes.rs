//! Attributes: kept by put, copy, copy to another bucket and upload, replaced where others are given.

use std::collections::BTreeMap;

use dcs::model::Attributes;
use dcs::store::{Address, Precondition};

use super::Place;
use crate::support::at;

fn full() -> Attributes {
    let user = [("a", "one"), ("a-b", "two  spaces"), ("name", "Ünïcödé 書")];
    Attributes {
        content_type: Some("text/html; charset=utf-8".to_owned()),
        cache_control: Some("max-age=60, public".to_owned()),
        content_disposition: Some("attachment; filename=\"a b.html\"".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        content_language: Some("de, en".to_owned()),
        user: user.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Attributes::default()
    }
}

/// What a head says, without what only files have.
async fn held(place: &Place, at: &Address) -> Attributes {
    let attributes = place.store.head(at).await.unwrap().attributes;
    assert_eq!(attributes.posix.is_some(), place.store.features().posix);
    Attributes { posix: None, ..attributes }
}

pub async fn attributes_are_kept_by_every_way_of_writing(place: &Place) {
    let (source, beside, elsewhere) = (place.at("source"), place.at("folder/beside"), at(&place.other, "elsewhere"));
    place.store.put(&source, "body".into(), &full(), Precondition::Overwrite).await.unwrap();
    assert_eq!(held(place, &source).await, full());
    place.store.copy(&source, &beside, None).await.unwrap();
    assert_eq!(held(place, &beside).await, full());
    place.store.copy(&beside, &elsewhere, None).await.unwrap();
    assert_eq!(held(place, &elsewhere).await, full());
    let upload = place.store.create_upload(&place.at("uploaded"), &full()).await.unwrap();
    let part = place.store.upload_part(&upload, 1, 0, "body".into()).await.unwrap();
    place.store.complete_upload(&upload, &[part]).await.unwrap();
    assert_eq!(held(place, &place.at("uploaded")).await, full());
    let got = place.store.get(&elsewhere, dcs::store::GetOptions::default()).await.unwrap();
    assert_eq!(Attributes { posix: None, ..got.head.attributes }, full());
}

pub async fn a_copy_with_other_attributes_has_only_those(place: &Place) {
    let source = place.at("source");
    place.store.put(&source, "body".into(), &full(), Precondition::Overwrite).await.unwrap();
    let other = Attributes {
        content_type: Some("text/plain".to_owned()),
        user: BTreeMap::from([("b".to_owned(), "three".to_owned())]),
        ..Attributes::default()
    };
    for target in [place.at("target"), source.clone()] {
        place.store.copy(&source, &target, Some(&other)).await.unwrap();
        assert_eq!(held(place, &target).await, other, "{target}");
        assert_eq!(place.read(target.key.as_str()).await.unwrap(), "body");
    }
}

pub async fn an_overwritten_object_keeps_nothing_of_the_old_one(place: &Place) {
    let key = place.at("key");
    place.store.put(&key, "old".into(), &full(), Precondition::Overwrite).await.unwrap();
    let plain = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    place.store.put(&key, "new".into(), &plain, Precondition::Overwrite).await.unwrap();
    assert_eq!(held(place, &key).await, plain);
}
