//! Server-side copies.

use super::*;
use dcs::store::Upload;

const COPIED: &str = "<CopyObjectResult><ETag>&quot;e2&quot;</ETag></CopyObjectResult>";
const PART_COPIED: &str = "<CopyPartResult><ETag>&quot;p1&quot;</ETag></CopyPartResult>";

fn dst(key: &str) -> Address {
    support::at(&bucket("dst"), key)
}

fn upload() -> Upload {
    Upload { at: dst("k"), id: "U/1+".to_owned() }
}

#[tokio::test]
async fn the_source_of_a_copy_is_encoded() {
    let server = ScriptedServer::start(|_, _| Answer::ok(COPIED)).await;
    let store = server.store();
    for name in ["a%2Bb", "100%25", "q?x=1", "é", "line\nend", "trail ", "/lead"] {
        assert_eq!(store.copy(&at(name), &dst("k"), None).await.unwrap().etag, "e2");
    }
    let sources: Vec<String> = server.seen().iter().map(|seen| seen.header("x-amz-copy-source")).collect();
    let expected =
        ["src/a%252Bb", "src/100%2525", "src/q%3Fx%3D1", "src/%C3%A9", "src/line%0Aend", "src/trail%20", "src//lead"];
    assert_eq!(sources, expected);
    assert_eq!(server.seen()[0].target, "/dst/k");
    assert_eq!(server.seen()[0].header("x-amz-metadata-directive"), "");
}

#[tokio::test]
async fn attributes_given_to_a_copy_replace_all_of_the_source() {
    let server = ScriptedServer::start(|_, _| Answer::ok(COPIED)).await;
    let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    server.store().copy(&at("k"), &dst("k"), Some(&attributes)).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("x-amz-metadata-directive"), "REPLACE");
    assert_eq!(seen.header("x-amz-tagging-directive"), "REPLACE");
    assert_eq!(seen.header("content-type"), "text/plain");
}

#[tokio::test]
async fn a_copy_answered_200_with_an_error_body_is_an_error() {
    let server = ScriptedServer::start(|_, _| Answer::error(200, "InternalError")).await;
    let store = server.store();
    assert_eq!(kind(store.copy(&at("k"), &dst("k"), None).await), ErrorKind::Transient);
    assert_eq!(kind(store.copy_part(&upload(), 1, 0, &at("k"), 0..5).await), ErrorKind::Transient);
    assert_eq!(kind(store.complete_upload(&upload(), &[]).await), ErrorKind::Transient);
}

#[tokio::test]
async fn a_copy_that_is_not_confirmed_is_an_error() {
    for body in ["", "<html></html>", "<CopyObjectResult></CopyObjectResult>", "<CopyObjectResult><ETag>e</ETag>"] {
        let server = ScriptedServer::start(move |_, _| Answer::ok(body)).await;
        assert!(server.store().copy(&at("k"), &dst("k"), None).await.is_err(), "{body:?}");
    }
}

#[tokio::test]
async fn a_range_is_copied_into_a_part() {
    let server = ScriptedServer::start(|_, _| Answer::ok(PART_COPIED)).await;
    let part = server.store().copy_part(&upload(), 7, 50, &at("k"), 100..200).await.unwrap();
    assert_eq!((part.number, part.etag.as_str(), part.size), (7, "p1", 100));
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/dst/k?partNumber=7&uploadId=U%2F1%2B");
    assert_eq!(seen.header("x-amz-copy-source-range"), "bytes=100-199");
    assert_eq!((seen.header("content-length").as_str(), seen.header("content-md5").as_str()), ("0", ""));
    let authorization = seen.header("authorization");
    assert!(authorization.contains(";x-amz-copy-source;x-amz-copy-source-range;"), "{authorization}");
}

#[tokio::test]
async fn a_part_whose_source_a_server_might_decode_twice_goes_through_here() {
    let server = ScriptedServer::answering([
        Answer::object("456").with_status(206).header("content-range", "bytes 4-6/10"),
        Answer::ok("").header("etag", "\"p1\""),
    ])
    .await;
    let part = server.store().copy_part(&upload(), 1, 0, &at("100%"), 4..7).await.unwrap();
    assert_eq!((part.etag.as_str(), part.size), ("p1", 3));
    let sent = &server.seen()[1];
    assert_eq!(sent.header("x-amz-copy-source"), "");
    assert_eq!((sent.text().as_str(), sent.header("content-length").as_str()), ("456", "3"));
}
