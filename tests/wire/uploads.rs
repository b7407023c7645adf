//! Uploads of unknown length, as they look on the wire.

use std::io;
use std::sync::Arc;

use dcs::store::transfer::{TransferOptions, upload};
use futures_util::{StreamExt, stream};
use support::scripted_server::Seen;

use super::*;

const PART: usize = 5 << 20;
const OPTIONS: TransferOptions = TransferOptions { part_size: PART as u64, parts_in_flight: 2 };

/// A server that takes uploads, and answers to a completion as `completed` says.
async fn taking(completed: Answer) -> ScriptedServer {
    ScriptedServer::start(move |_, seen| match (seen.method.as_str(), seen.query("partNumber")) {
        ("POST", _) if seen.query("uploads").is_some() => {
            Answer::ok("<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>")
        }
        ("POST", _) => completed.clone(),
        ("PUT", Some(number)) => Answer::ok("").header("etag", format!("\"p{number}\"")),
        ("DELETE", _) => Answer::new(204, ""),
        _ => Answer::object("").header("content-length", (2 * PART + 10).to_string()),
    })
    .await
}

fn completed(etag: &str) -> Answer {
    let etag = format!("<ETag>{etag}</ETag>");
    Answer::ok(format!("<CompleteMultipartUploadResult>{etag}</CompleteMultipartUploadResult>"))
}

fn is_part(seen: &Seen) -> bool {
    seen.query("partNumber").is_some()
}

fn is_abort(seen: &Seen) -> bool {
    seen.method == "DELETE" && seen.query("uploadId") == Some("U")
}

fn source() -> Vec<io::Result<Bytes>> {
    [PART, PART, 10].map(|size| Ok(vec![b'x'; size].into())).into()
}

async fn send(server: &ScriptedServer, source: Vec<io::Result<Bytes>>) -> Result<Stored> {
    let store: Arc<dyn ObjectStore> = server.store();
    let none = Attributes::default();
    upload(&store, &at("k"), stream::iter(source), &none, Precondition::Overwrite, &OPTIONS).await
}

#[tokio::test]
async fn a_stream_becomes_parts_that_are_joined_in_order() {
    // An empty ETag is looked up: Ceph answers so.
    for etag in ["&quot;e1&quot;", ""] {
        let server = taking(completed(etag)).await;
        assert_eq!(send(&server, source()).await.unwrap().etag, "e1");
        let seen = server.seen();
        let sizes: usize = seen.iter().filter(|seen| is_part(seen)).map(|seen| seen.body.len()).sum();
        assert_eq!(sizes, 2 * PART + 10);
        let joined = seen.iter().find(|seen| seen.text().starts_with("<CompleteMultipartUpload>")).unwrap().text();
        let order: Vec<_> =
            (1..=3).map(|n| joined.find(&format!("<PartNumber>{n}</PartNumber><ETag>&quot;p{n}&quot;"))).collect();
        assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{joined}");
        assert!(!seen.iter().any(is_abort));
    }
}

#[tokio::test]
async fn parts_arrive_while_the_source_still_waits_and_a_dropped_upload_is_aborted() {
    let server = taking(completed("e1")).await;
    let store: Arc<dyn ObjectStore> = server.store();
    let endless = stream::iter(source()).chain(stream::pending());
    let uploading = tokio::spawn(async move {
        let none = Attributes::default();
        upload(&store, &at("k"), endless, &none, Precondition::Overwrite, &OPTIONS).await
    });
    server.arrived(|seen| seen.query("partNumber") == Some("1")).await;
    server.arrived(|seen| seen.query("partNumber") == Some("2")).await;
    uploading.abort();
    server.arrived(is_abort).await;
}

#[tokio::test]
async fn a_source_that_fails_aborts_the_upload() {
    let server = taking(completed("e1")).await;
    let mut source = source();
    source.push(Err(io::Error::other("the dump broke")));
    assert_eq!(kind(send(&server, source).await), ErrorKind::Source);
    assert!(server.seen().iter().any(is_abort));
}

#[tokio::test]
async fn a_completion_that_is_refused_aborts_the_upload() {
    let server = taking(Answer::error(400, "InvalidPart")).await;
    assert_eq!(kind(send(&server, source()).await), ErrorKind::Other);
    assert!(server.seen().iter().any(is_abort));
}

#[tokio::test]
async fn an_object_of_another_size_than_was_sent_is_an_error() {
    let server = taking(completed("e1")).await;
    let mut short = source();
    short.pop();
    assert_eq!(kind(send(&server, short).await), ErrorKind::Truncated);
}

#[tokio::test]
async fn a_part_without_an_etag_is_an_error() {
    let server = ScriptedServer::start(|_, _| Answer::ok("")).await;
    let upload = dcs::store::Upload { at: at("k"), id: "U".to_owned() };
    assert_eq!(kind(server.store().upload_part(&upload, 1, 0, Bytes::from_static(b"x")).await), ErrorKind::Other);
}
