//! What is made of answers: bodies, failures, silence.

use dcs::store::s3::{S3Options, S3Store};
use futures_util::TryStreamExt;

use super::*;

fn error_of<T: std::fmt::Debug>(result: Result<T>) -> StoreError {
    result.expect_err("the call should have failed")
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_large_body_in_tiny_pieces_does_not_overflow_the_stack() {
    let body: Bytes = b"0123456789abcdef".repeat(4 << 16).into();
    let expected = body.clone();
    let server = ScriptedServer::start(move |_, _| Answer::object(body.clone()).in_pieces(16)).await;
    let store = patient(&server);
    let reader = tokio::spawn(async move { read(&store, "k").await });
    assert!(reader.await.unwrap().unwrap() == expected);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let server = ScriptedServer::start(|_, _| Answer::object("0123456789").breaks_after(4)).await;
    let error = error_of(read(&*server.store(), "k").await);
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_on_from_where_it_broke() {
    let server = ScriptedServer::answering([
        Answer::object("0123456789").breaks_after(4),
        Answer::object("456789").with_status(206).header("content-range", "bytes 4-9/10"),
    ])
    .await;
    assert_eq!(read(&patient(&server), "k").await.unwrap(), "0123456789");
    let again = &server.seen()[1];
    assert_eq!((again.header("range").as_str(), again.header("if-match").as_str()), ("bytes=4-9", "\"e1\""));
}

#[tokio::test]
async fn a_range_that_is_answered_with_something_else_is_an_error() {
    let server = ScriptedServer::answering([
        Answer::object("0123456789"),
        Answer::object("012").with_status(206).header("content-range", "bytes 0-2/10"),
        Answer::object("3456").with_status(206).header("content-range", "bytes 3-5/10"),
    ])
    .await;
    let store = server.store();
    for _ in 0..3 {
        let options = GetOptions { range: Some(3..6), if_match: None };
        assert_eq!(kind(store.get(&at("k"), options).await), ErrorKind::Other);
    }
}

#[tokio::test]
async fn an_object_that_changed_is_not_taken_for_the_one_asked_for() {
    let server = ScriptedServer::answering([Answer::error(412, "PreconditionFailed"), Answer::object("body")]).await;
    let store = server.store();
    for _ in 0..2 {
        let options = GetOptions { range: None, if_match: Some("e0".to_owned()) };
        assert_eq!(kind(store.get(&at("k"), options).await), ErrorKind::Precondition);
    }
}

#[tokio::test]
async fn a_503_is_tried_again_until_it_passes() {
    let server = ScriptedServer::answering([
        Answer::error(503, "SlowDown"),
        Answer::error(500, "InternalError"),
        Answer::new(502, "<html>bad gateway</html>"),
        stored(),
    ])
    .await;
    put(&patient(&server), &at("k"), &Attributes::default()).await.unwrap();
    let bodies: Vec<String> = server.seen().iter().map(support::scripted_server::Seen::text).collect();
    assert_eq!(bodies, ["body"; 4]);
}

#[tokio::test]
async fn the_wait_that_a_server_asks_for_is_passed_on() {
    let server = ScriptedServer::start(|_, _| Answer::error(503, "SlowDown").header("retry-after", "7")).await;
    let error = error_of(server.store().delete(&at("k")).await);
    assert_eq!((error.kind, error.retry_after), (ErrorKind::Transient, Some(7000)));
}

#[tokio::test]
async fn wrong_credentials_are_said_once_and_shown_nowhere() {
    let server = ScriptedServer::start(|_, _| Answer::error(403, "SignatureDoesNotMatch")).await;
    let store = patient(&server);
    let error = error_of(store.delete(&at("k")).await);
    assert_eq!((error.kind, server.seen().len()), (ErrorKind::Denied, 1));
    let text = error.to_string();
    assert!(text.ends_with("(403, SignatureDoesNotMatch, said so, the secret key or the region is wrong)"), "{text}");
    let shown = format!("{error:?} {store:?} {:?}", server.options());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = ScriptedServer::start(|_, _| Answer::new(307, "").header("location", "http://127.0.0.1:1/x")).await;
    let error = error_of(server.store().head(&at("k")).await);
    assert!(error.to_string().contains("the region or the endpoint is wrong"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn where_nothing_listens_the_store_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = S3Store::open(S3Options::new(endpoint, "us-east-1")).unwrap();
    assert_eq!(kind(store.buckets().await), ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = ScriptedServer::start(|_, _| Answer::never()).await;
    let options = S3Options { idle_timeout: Duration::from_millis(50), ..server.options() };
    let store = S3Store::open(options).unwrap();
    assert_eq!(kind(store.get(&at("k"), GetOptions::default()).await), ErrorKind::Transient);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let stalls = || Answer::object("0123456789").stalls_after(4);
    let server = ScriptedServer::start(move |_, _| stalls()).await;
    let options = S3Options { idle_timeout: Duration::from_millis(50), ..server.options() };
    let store = S3Store::open(options).unwrap();
    let mut body = store.get(&at("k"), GetOptions::default()).await.unwrap().body;
    assert_eq!(body.try_next().await.unwrap().unwrap(), "0123");
    assert_eq!(kind(body.try_next().await), ErrorKind::Transient);
}

#[tokio::test]
async fn the_clock_is_read_from_any_answer() {
    let server = ScriptedServer::start(|_, _| {
        Answer::error(403, "AccessDenied").header("date", "Fri, 24 May 2013 00:00:00 GMT")
    })
    .await;
    assert_eq!(server.store().now().await.unwrap(), "2013-05-24T00:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn settings_that_a_bucket_has_not_are_left_out() {
    let server = ScriptedServer::start(|_, seen| match seen.target.as_str() {
        "/src?versioning=" => Answer::ok("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        "/src?policy=" => Answer::ok("{\"Version\":\"2012-10-17\"}"),
        _ => Answer::error(404, "NoSuchLifecycleConfiguration"),
    })
    .await;
    let settings = server.store().bucket_settings(&src()).await.unwrap();
    let expected = serde_json::json!({"versioning": "Enabled", "policy": {"Version": "2012-10-17"}});
    assert_eq!(serde_json::Value::Object(settings), expected);
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_by_name() {
    let folder = support::folder();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "nothing\n").unwrap();
    let options = S3Options { ca_file: Some(path), ..S3Options::new("https://127.0.0.1:1", "us-east-1") };
    let error = S3Store::open(options).unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

#[tokio::test]
async fn an_endpoint_with_a_password_is_refused_without_repeating_it() {
    let error = S3Store::open(S3Options::new("http://me:hunter2@127.0.0.1", "us-east-1")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}
