//! How requests look: their targets, headers and bodies.

use super::*;

#[tokio::test]
async fn a_dot_segment_reaches_the_server_as_it_is() {
    let server = ScriptedServer::start(|_, _| stored()).await;
    let store = server.store();
    for name in ["../dst/x", "..", ".", "a/..", "a/./b"] {
        put(&*store, &at(name), &Attributes::default()).await.unwrap();
        store.delete(&at(name)).await.unwrap();
    }
    let expected = [
        "PUT /src/../dst/x",
        "DELETE /src/../dst/x",
        "PUT /src/..",
        "DELETE /src/..",
        "PUT /src/.",
        "DELETE /src/.",
        "PUT /src/a/..",
        "DELETE /src/a/..",
        "PUT /src/a/./b",
        "DELETE /src/a/./b",
    ];
    assert_eq!(server.targets(), expected);
}

#[tokio::test]
async fn slashes_are_kept_and_everything_unusual_is_encoded() {
    let server = ScriptedServer::start(|_, _| stored()).await;
    let store = server.store();
    for name in ["/lead", "//lead2", "a//b", "end/", "a b+c%2B?&#", "é\r\n\u{1}"] {
        put(&*store, &at(name), &Attributes::default()).await.unwrap();
    }
    let expected = [
        "PUT /src//lead",
        "PUT /src///lead2",
        "PUT /src/a//b",
        "PUT /src/end/",
        "PUT /src/a%20b%2Bc%252B%3F%26%23",
        "PUT /src/%C3%A9%0D%0A%01",
    ];
    assert_eq!(server.targets(), expected);
}

#[tokio::test]
async fn an_endpoint_may_lie_below_a_path() {
    let server = ScriptedServer::start(|_, _| stored()).await;
    let mut options = server.options();
    options.endpoint = format!("{}/storage/s3/", server.endpoint);
    let store = dcs::store::s3::S3Store::open(options).unwrap();
    put(&*store, &at("k"), &Attributes::default()).await.unwrap();
    assert_eq!(server.targets(), ["PUT /storage/s3/src/k"]);
}

#[tokio::test]
async fn signed_headers_are_in_the_order_of_their_names() {
    let server = ScriptedServer::start(|_, _| stored()).await;
    let user = [("a", "1"), ("a-b", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    put(&*server.store(), &at("k"), &Attributes { user, ..Attributes::default() }).await.unwrap();
    let authorization = server.seen()[0].header("authorization");
    let signed = "SignedHeaders=content-length;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-meta-a-b,";
    assert!(authorization.contains(signed), "{authorization}");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=ACCESS/"), "{authorization}");
}

#[tokio::test]
async fn metadata_with_runs_of_spaces_and_other_letters_goes_out_and_comes_back() {
    let value = "two  spaces, é 書";
    let server = ScriptedServer::start(move |_, seen| match seen.method.as_str() {
        "PUT" => stored(),
        _ => Answer::object("body").header("x-amz-meta-a", value).header("content-type", "text/plain"),
    })
    .await;
    let store = server.store();
    let user = [("a".to_owned(), value.to_owned())].into();
    let attributes = Attributes { user, content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    put(&*store, &at("k"), &attributes).await.unwrap();
    assert_eq!(server.seen()[0].header("x-amz-meta-a"), value);
    let head = store.head(&at("k")).await.unwrap();
    assert_eq!((head.size, head.etag.as_str(), head.attributes), (4, "e1", attributes));
}

#[tokio::test]
async fn tags_are_asked_for_only_where_there_are_some() {
    let server = ScriptedServer::answering([
        Answer::object("body"),
        Answer::object("body").header("x-amz-tagging-count", "1"),
        Answer::ok("<Tagging><TagSet><Tag><Key>a &amp; b</Key><Value>1</Value></Tag></TagSet></Tagging>"),
    ])
    .await;
    let store = server.store();
    assert!(store.head(&at("k")).await.unwrap().attributes.tags.is_empty());
    assert_eq!(store.head(&at("k")).await.unwrap().attributes.tags["a & b"], "1");
    assert_eq!(server.targets(), ["HEAD /src/k", "HEAD /src/k", "GET /src/k?tagging="]);
}

#[tokio::test]
async fn an_empty_body_is_announced_as_empty_and_not_digested_twice() {
    let server = ScriptedServer::start(|_, _| stored()).await;
    let store = server.store();
    store.put(&at("k"), Bytes::new(), &Attributes::default(), Precondition::CreateNew).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!((seen.header("content-length").as_str(), seen.header("content-md5").as_str()), ("0", ""));
    assert_eq!(seen.header("if-none-match"), "*");
    assert!(seen.header("x-amz-content-sha256").starts_with("e3b0c442"));
}

#[tokio::test]
async fn a_session_token_is_sent_and_an_empty_one_is_not() {
    let server = ScriptedServer::start(|_, _| stored()).await;
    for (token, expected) in [("TOKEN", "TOKEN"), ("", "")] {
        let mut options = server.options();
        options.session_token = Some(dcs::model::Secret::new(token));
        let store = dcs::store::s3::S3Store::open(options).unwrap();
        store.delete(&at("k")).await.unwrap();
        assert_eq!(server.seen().last().unwrap().header("x-amz-security-token"), expected);
    }
}

#[tokio::test]
async fn without_keys_nothing_is_signed() {
    let server = ScriptedServer::start(|_, _| stored()).await;
    let options = dcs::store::s3::S3Options { access_key: None, ..server.options() };
    dcs::store::s3::S3Store::open(options).unwrap().delete(&at("k")).await.unwrap();
    assert_eq!(server.seen()[0].header("authorization"), "");
}

#[tokio::test]
async fn a_bucket_is_made_where_the_region_is_and_anywhere_where_the_server_knows_no_such_place() {
    let server = ScriptedServer::answering([
        Answer::error(400, "InvalidLocationConstraint"),
        Answer::ok(""),
        Answer::error(409, "BucketAlreadyOwnedByYou"),
    ])
    .await;
    let options = dcs::store::s3::S3Options { region: "garage".to_owned(), ..server.options() };
    let store = dcs::store::s3::S3Store::open(options).unwrap();
    store.create_bucket(&src()).await.unwrap();
    store.create_bucket(&src()).await.unwrap();
    let seen = server.seen();
    assert!(seen[0].text().contains("<LocationConstraint>garage</LocationConstraint>"));
    assert_eq!(seen[1].text(), "");
}
