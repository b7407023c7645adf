//! Uploads in parts: nothing shows before the end, an abort leaves nothing, ranges of other objects become parts.

use bytes::Bytes;
use dcs::model::Attributes;
use dcs::store::transfer::{CutOptions, TransferOptions, upload, upload_cut};
use dcs::store::{ErrorKind, Precondition, StoreError};
use futures_util::stream;

use super::{Place, kind};
use crate::support::at;

/// The least that all stores take as a part that is not the last.
const PART: usize = 5 << 20;

fn transfer_options() -> TransferOptions {
    TransferOptions { part_size: PART as u64, parts_in_flight: 2 }
}

fn filled(byte: u8, length: usize) -> Bytes {
    vec![byte; length].into()
}

pub async fn an_upload_is_invisible_until_it_is_complete(place: &Place) {
    let target = place.at("folder/target");
    let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    let upload = place.store.create_upload(&target, &attributes).await.unwrap();
    // The parts arrive out of order, and one twice.
    let second = place.store.upload_part(&upload, 2, PART as u64, filled(b'2', 1000)).await.unwrap();
    place.store.upload_part(&upload, 1, 0, filled(b'x', PART)).await.unwrap();
    let first = place.store.upload_part(&upload, 1, 0, filled(b'1', PART)).await.unwrap();
    assert_eq!((first.number, first.size, second.size), (1, PART as u64, 1000));
    assert_eq!(kind(place.store.head(&target).await), ErrorKind::NotFound);
    assert!(place.keys_of(&place.bucket).await.is_empty());
    let stale = place.store.list_uploads(&place.bucket, "folder/").await.unwrap();
    assert_eq!(stale.iter().map(|stale| &stale.upload).collect::<Vec<_>>(), [&upload]);
    assert!(place.store.list_uploads(&place.bucket, "elsewhere/").await.unwrap().is_empty());
    let stored = place.store.complete_upload(&upload, &[first, second]).await.unwrap();
    let head = place.store.head(&target).await.unwrap();
    assert_eq!((head.etag, head.size), (stored.etag, PART as u64 + 1000));
    assert_eq!(head.attributes.content_type, attributes.content_type);
    let text = place.read("folder/target").await.unwrap();
    assert!(text.bytes().take(PART).all(|byte| byte == b'1') && text.bytes().skip(PART).all(|byte| byte == b'2'));
    assert!(place.store.list_uploads(&place.bucket, "").await.unwrap().is_empty());
}

pub async fn an_aborted_upload_leaves_nothing(place: &Place) {
    place.put("target", "old").await.unwrap();
    let upload = place.store.create_upload(&place.at("target"), &Attributes::default()).await.unwrap();
    let part = place.store.upload_part(&upload, 1, 0, filled(b'1', 1000)).await.unwrap();
    place.store.abort_upload(&upload).await.unwrap();
    place.store.abort_upload(&upload).await.unwrap();
    assert!(place.store.list_uploads(&place.bucket, "").await.unwrap().is_empty());
    let completed = kind(place.store.complete_upload(&upload, &[part]).await);
    // RGW says that the upload is being completed, and to try again.
    assert!(completed == ErrorKind::NotFound || !place.is_exact(), "{completed:?}");
    assert_eq!(kind(place.store.upload_part(&upload, 1, 0, filled(b'1', 1000)).await), ErrorKind::NotFound);
    assert_eq!(place.read("target").await.unwrap(), "old");
    assert_eq!(place.keys_of(&place.bucket).await, ["target"]);
}

pub async fn ranges_of_objects_become_parts(place: &Place) {
    let body: Bytes = (b'a'..=b'w').cycle().take(PART + 5000).collect();
    let source = at(&place.other, "folder/source");
    place.put_at(&source, body.clone()).await.unwrap();
    let upload = place.store.create_upload(&place.at("assembled"), &Attributes::default()).await.unwrap();
    let first = place.store.copy_part(&upload, 1, 0, &source, 5000..PART as u64 + 5000).await.unwrap();
    let second = place.store.copy_part(&upload, 2, PART as u64, &source, 0..5000).await.unwrap();
    assert_eq!((first.size, second.size), (PART as u64, 5000));
    let absent = place.store.copy_part(&upload, 3, 0, &at(&place.other, "absent"), 0..10).await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
    place.store.complete_upload(&upload, &[first, second]).await.unwrap();
    let text = place.read("assembled").await.unwrap();
    assert!(text.as_bytes() == [&body[5000..], &body[..5000]].concat());
}

pub async fn parts_that_are_not_there_make_no_object(place: &Place) {
    let upload = place.store.create_upload(&place.at("target"), &Attributes::default()).await.unwrap();
    let first = place.store.upload_part(&upload, 1, 0, filled(b'1', PART)).await.unwrap();
    let mut second = first.clone();
    second.number = 2;
    assert!(place.store.complete_upload(&upload, &[first, second]).await.is_err());
    assert!(place.keys_of(&place.bucket).await.is_empty());
    place.store.abort_upload(&upload).await.unwrap();
}

pub async fn a_stream_of_unknown_length_is_cut_into_parts_and_segments(place: &Place) {
    let body: Bytes = (b'a'..=b'w').cycle().take(2 * PART + 7000).collect();
    let pieces = || stream::iter(body.chunks(70_001).map(|piece| Ok::<_, StoreError>(Bytes::copy_from_slice(piece))));
    let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    let transfer = transfer_options();
    let whole = place.at("whole");
    let stored = upload(&place.store, &whole, pieces(), &attributes, Precondition::Overwrite, &transfer).await.unwrap();
    assert!(place.read("whole").await.unwrap().as_bytes() == body);
    let head = place.store.head(&whole).await.unwrap();
    assert_eq!((head.etag, head.attributes.content_type), (stored.etag, attributes.content_type.clone()));

    let options = CutOptions { segment_size: PART as u64, transfer };
    let segments = upload_cut(&place.store, &place.at("cut"), pieces(), &attributes, &options).await.unwrap();
    assert_eq!(segments.len(), 3);
    let mut joined = String::new();
    for segment in segments {
        let text = place.read(segment.key.as_str()).await.unwrap();
        assert_eq!(text.len() as u64, segment.size);
        joined.push_str(&text);
    }
    assert!(joined.as_bytes() == body);

    let broken = stream::iter([Ok(body.slice(..PART + 10)), Err(std::io::Error::other("the source broke"))]);
    let target = place.at("broken");
    let failed = upload(&place.store, &target, broken, &attributes, Precondition::Overwrite, &transfer_options()).await;
    assert_eq!(kind(failed), ErrorKind::Source);
    assert_eq!(kind(place.store.head(&target).await), ErrorKind::NotFound);
    assert!(place.store.list_uploads(&place.bucket, "").await.unwrap().is_empty());
}
