//! Bulk deletes.

use super::*;
use dcs::model::Key;

fn keys(names: &[&str]) -> Vec<Key> {
    names.iter().map(|name| key(name)).collect()
}

/// The outcome of each key, by name.
async fn outcomes(server: &ScriptedServer, names: &[&str]) -> Vec<(String, Option<ErrorKind>)> {
    let results = server.store().delete_many(&src(), keys(names)).await;
    let mut outcomes: Vec<_> =
        results.into_iter().map(|(key, result)| (String::from(key), result.err().map(|error| error.kind))).collect();
    outcomes.sort_by(|one, other| one.0.cmp(&other.0));
    outcomes
}

fn done(name: &str) -> (String, Option<ErrorKind>) {
    (name.to_owned(), None)
}

fn failed(name: &str, kind: ErrorKind) -> (String, Option<ErrorKind>) {
    (name.to_owned(), Some(kind))
}

#[tokio::test]
async fn a_key_that_xml_cannot_carry_is_deleted_alone_and_exactly() {
    let server = ScriptedServer::start(|_, seen| match seen.method.as_str() {
        "POST" => Answer::ok("<DeleteResult><Deleted><Key>plain &amp; &lt;b&gt;</Key></Deleted></DeleteResult>"),
        _ => Answer::new(204, ""),
    })
    .await;
    let names = ["cr\rx", "\u{1}", "\u{ffff}", "plain & <b>"];
    assert_eq!(outcomes(&server, &names).await, [done("\u{1}"), done("cr\rx"), done("plain & <b>"), done("\u{ffff}")]);
    let mut targets = server.targets();
    targets.sort();
    let expected = ["DELETE /src/%01", "DELETE /src/%EF%BF%BF", "DELETE /src/cr%0Dx", "POST /src?delete="];
    assert_eq!(targets, expected);
    let posted = server.seen().into_iter().find(|seen| seen.method == "POST").unwrap();
    assert!(posted.text().contains("<Object><Key>plain &amp; &lt;b&gt;</Key></Object></Delete>"), "{}", posted.text());
    assert_eq!(posted.header("content-md5").len(), 24);
}

#[tokio::test]
async fn mixed_answers_to_a_bulk_delete_are_told_apart() {
    let server = ScriptedServer::start(|_, _| {
        Answer::ok(
            "<DeleteResult><Deleted><Key>a</Key></Deleted>\
             <Error><Key>b</Key><Code>AccessDenied</Code></Error><Deleted><Key>c</Key></Deleted>\
             <Error><Key>d</Key><Code>NoSuchKey</Code></Error><Error><Key>e</Key><Code>SlowDown</Code></Error>\
             </DeleteResult>",
        )
    })
    .await;
    let expected = [done("a"), failed("b", ErrorKind::Denied), done("c"), done("d"), failed("e", ErrorKind::Transient)];
    assert_eq!(outcomes(&server, &["a", "b", "c", "d", "e"]).await, expected);
}

#[tokio::test]
async fn a_key_that_is_not_answered_for_is_not_deleted() {
    let server = ScriptedServer::start(|_, _| {
        Answer::ok("<DeleteResult><Deleted><Key>a</Key></Deleted><Deleted><Key>other</Key></Deleted></DeleteResult>")
    })
    .await;
    assert_eq!(outcomes(&server, &["a", "b"]).await, [done("a"), failed("b", ErrorKind::Other)]);
}

#[tokio::test]
async fn an_error_document_answered_200_deletes_nothing() {
    let server = ScriptedServer::start(|_, _| Answer::error(200, "InternalError")).await;
    let expected = [failed("a", ErrorKind::Transient), failed("b", ErrorKind::Transient)];
    assert_eq!(outcomes(&server, &["a", "b"]).await, expected);
}

#[tokio::test]
async fn many_keys_go_in_batches_of_at_most_a_thousand() {
    let server = ScriptedServer::start(|_, seen| {
        let text = seen.text();
        let named = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        let deleted: Vec<String> = named.map(|name| format!("<Deleted><Key>{name}</Key></Deleted>")).collect();
        Answer::ok(format!("<DeleteResult>{}</DeleteResult>", deleted.concat()))
    })
    .await;
    let names: Vec<Key> = (0..4500).map(|number| key(&format!("k{number}"))).collect();
    let results = server.store().delete_many(&src(), names).await;
    assert_eq!(results.iter().filter(|(_, result)| result.is_ok()).count(), 4500);
    let batches: Vec<usize> = server.seen().iter().map(|seen| seen.text().matches("<Key>").count()).collect();
    assert_eq!(batches.iter().sum::<usize>(), 4500);
    assert!(batches.iter().all(|size| *size <= 1000), "{batches:?}");
}
