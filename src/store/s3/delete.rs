//! Bulk deletes. Each key that was asked for must be answered for, by name; a key that XML cannot carry exactly goes in a
//! request of its own, since a parser would read it as another key.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};

use super::S3Store;
use super::failure::Subject;
use super::request::Request;
use super::xml::{Element, can_carry, escape};
use crate::model::{BucketName, Key};
use crate::store::{Address, ErrorKind, Result, StoreError};

const MOST_KEYS: usize = 1000;
const FEWEST_KEYS: usize = 100;
const BATCHES_IN_FLIGHT: usize = 4;
const SINGLES_IN_FLIGHT: usize = 8;

type Results = Vec<(Key, Result<()>)>;

impl S3Store {
    pub(super) async fn delete_objects(&self, bucket: &BucketName, mut keys: Vec<Key>) -> Results {
        keys.sort_unstable();
        keys.dedup();
        let (plain, odd): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|key| can_carry(key.as_str()));
        // Servers work through a batch one by one: several shorter ones are done sooner than one long one.
        let size = plain.len().div_ceil(BATCHES_IN_FLIGHT).clamp(FEWEST_KEYS, MOST_KEYS);
        let batches: Vec<Vec<Key>> = plain.chunks(size).map(<[Key]>::to_vec).collect();
        let batches = stream::iter(batches).map(|batch| self.delete_batch(bucket, batch));
        let mut results: Results =
            batches.buffer_unordered(BATCHES_IN_FLIGHT).collect::<Vec<_>>().await.into_iter().flatten().collect();
        let singles = stream::iter(odd).map(|key| async move {
            let at = Address::new(bucket.clone(), key);
            let result = self.delete_object(&at).await;
            (at.key, result)
        });
        results.extend(singles.buffer_unordered(SINGLES_IN_FLIGHT).collect::<Vec<_>>().await);
        results
    }

    async fn delete_batch(&self, bucket: &BucketName, keys: Vec<Key>) -> Results {
        match self.send_batch(bucket, &keys).await {
            Ok((subject, document)) => match_answers(&subject, &document, keys),
            Err(error) => keys.into_iter().map(|key| (key, Err(repeated(&error)))).collect(),
        }
    }

    async fn send_batch(&self, bucket: &BucketName, keys: &[Key]) -> Result<(Subject, Element)> {
        let mut text = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
        for key in keys {
            text.push_str("<Object><Key>");
            text.push_str(&escape(key.as_str()));
            text.push_str("</Key></Object>");
        }
        text.push_str("</Delete>");
        let request = Request::of_bucket("delete from", Method::POST, bucket).query("delete", "");
        let request = request.digested_document(text).expecting_work();
        self.send(request).await?.xml("DeleteResult").await
    }
}

/// Takes each key's result from the answer; one that is not answered for is not deleted.
fn match_answers(subject: &Subject, document: &Element, keys: Vec<Key>) -> Results {
    let mut answered: HashMap<&str, Result<()>> = HashMap::new();
    for element in &document.children {
        let result = match element.name.as_str() {
            "Deleted" => Ok(()),
            "Error" => refused(subject, element),
            _ => continue,
        };
        answered.insert(element.text_of("Key").unwrap_or_default(), result);
    }
    let mut results = Vec::with_capacity(keys.len());
    for key in keys {
        let result = answered.remove(key.as_str());
        let result = result.unwrap_or_else(|| Err(subject.unexpected("the server did not answer for this key")));
        results.push((key, result));
    }
    if let Some(stranger) = answered.keys().next() {
        tracing::warn!(key = ?stranger, place = subject.place, "the server answered for a key that was not asked for");
    }
    results
}

/// The error of one key, which may say that the key was absent: then all is well.
fn refused(subject: &Subject, element: &Element) -> Result<()> {
    let error = subject.failure_of(StatusCode::OK, &http::HeaderMap::new(), Some(element));
    if error.kind == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The same failure for another key of the batch.
fn repeated(error: &StoreError) -> StoreError {
    let source = error.source.as_ref().map(ToString::to_string);
    StoreError {
        kind: error.kind,
        attempted: error.attempted,
        subject: error.subject.clone(),
        detail: error.detail.clone(),
        retry_after: error.retry_after,
        source: source.map(Into::into),
    }
}
