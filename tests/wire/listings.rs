//! Listings: pages, markers, encodings.

use dcs::store::{ListOptions, Listed};
use futures_util::TryStreamExt;

use super::*;

fn contents(key: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
         <ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
    )
}

fn page(inside: &str) -> Answer {
    Answer::ok(format!("<ListBucketResult><EncodingType>url</EncodingType>{inside}</ListBucketResult>"))
}

fn truncated(token: &str) -> String {
    format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
}

async fn names(server: &ScriptedServer, options: ListOptions) -> Result<Vec<String>> {
    let lines = server.store().list(&src(), options).map_ok(|listed| match listed {
        Listed::Object(info) => info.key.into(),
        Listed::Prefix(prefix) => prefix.into(),
    });
    lines.try_collect().await
}

#[tokio::test]
async fn pages_follow_each_other_and_keys_are_decoded() {
    let server = ScriptedServer::answering([
        page(&format!("{}{}", truncated("t=1&amp;2"), contents("a%2Bb+c"))),
        page(&contents("d%0D%252F%2F")),
    ])
    .await;
    let options = ListOptions { prefix: "a b/".to_owned(), start_after: Some("a b/+".to_owned()), delimited: false };
    assert_eq!(names(&server, options).await.unwrap(), ["a+b c", "d\r%2F/"]);
    let expected = [
        "GET /src?encoding-type=url&list-type=2&prefix=a%20b%2F&start-after=a%20b%2F%2B",
        "GET /src?continuation-token=t%3D1%262&encoding-type=url&list-type=2&prefix=a%20b%2F",
    ];
    assert_eq!(server.targets(), expected);
}

#[tokio::test]
async fn keys_that_the_server_did_not_encode_are_taken_as_they_are() {
    let server =
        ScriptedServer::answering([Answer::ok(format!("<ListBucketResult>{}</ListBucketResult>", contents("a+%2F")))])
            .await;
    assert_eq!(names(&server, ListOptions::default()).await.unwrap(), ["a+%2F"]);
}

#[tokio::test]
async fn mixed_objects_and_prefixes_come_in_order() {
    let prefix = |name: &str| format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>");
    let inside = format!("{}{}{}{}", prefix("b%2F"), contents("a"), prefix("d%2F"), contents("c"));
    let server = ScriptedServer::answering([page(&inside)]).await;
    assert_eq!(names(&server, ListOptions::default().delimited()).await.unwrap(), ["a", "b/", "c", "d/"]);
    assert_eq!(server.seen()[0].query("delimiter"), Some("%2F"));
}

#[tokio::test]
async fn a_listing_that_is_cut_off_without_a_new_token_is_an_error() {
    let server = ScriptedServer::answering([page("<IsTruncated>true</IsTruncated>")]).await;
    assert_eq!(kind(names(&server, ListOptions::default()).await), ErrorKind::Other);
    let server = ScriptedServer::start(|_, _| page(&truncated("same"))).await;
    assert_eq!(kind(names(&server, ListOptions::default()).await), ErrorKind::Other);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn another_document_than_a_listing_is_not_an_empty_bucket() {
    for answer in [Answer::ok("<html></html>"), Answer::error(200, "InternalError"), Answer::ok("<ListBucketResult>")] {
        let server = ScriptedServer::answering([answer]).await;
        assert!(names(&server, ListOptions::default()).await.is_err());
    }
}

#[tokio::test]
async fn a_page_that_fails_is_asked_for_again_after_the_last_key() {
    let server = ScriptedServer::answering([
        page(&format!("{}{}", truncated("t1"), contents("a"))),
        Answer::error(503, "SlowDown"),
        page(&contents("b")),
    ])
    .await;
    let lines: Vec<Listed> = patient(&server).list(&src(), ListOptions::default()).try_collect().await.unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(server.seen()[2].query("start-after"), Some("a"));
}

#[tokio::test]
async fn versions_and_delete_markers_come_mixed_and_page_by_page() {
    let version = |name: &str, key: &str, id: &str| {
        format!(
            "<{name}><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>true</IsLatest>\
             <LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></{name}>"
        )
    };
    let page = |inside: String| {
        Answer::ok(format!("<ListVersionsResult><EncodingType>url</EncodingType>{inside}</ListVersionsResult>"))
    };
    let next = |key: &str, id: &str| {
        format!(
            "<IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker>\
             <NextVersionIdMarker>{id}</NextVersionIdMarker>"
        )
    };
    // The first marker is encoded as keys are, the second is not.
    let server = ScriptedServer::answering([
        page(version("Version", "a", "1") + &version("DeleteMarker", "b%2Fc", "2") + &next("b%2Fc", "2")),
        page(version("Version", "d%2525", "3") + &next("d%25", "3")),
        page(version("Version", "e", "4")),
    ])
    .await;
    let versions: Vec<_> = server.store().versions(&src(), String::new()).try_collect().await.unwrap();
    let seen: Vec<_> = versions.iter().map(|v| (v.info.key.as_str(), v.id.as_str(), v.is_delete_marker)).collect();
    assert_eq!(seen, [("a", "1", false), ("b/c", "2", true), ("d%25", "3", false), ("e", "4", false)]);
    assert_eq!(server.seen()[1].query("key-marker"), Some("b%2Fc"));
    assert_eq!(server.seen()[1].query("version-id-marker"), Some("2"));
    assert_eq!(server.seen()[2].query("key-marker"), Some("d%2525"));
}
