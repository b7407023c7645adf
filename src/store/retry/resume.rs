//! A body that breaks goes on where it broke, from the same state of the object; a reader never sees a short one.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Attempts, RetryStore};
use crate::store::{Address, ByteStream, ErrorKind, GetOptions, Object, ObjectStore, Result, StoreError};

struct Reading {
    store: RetryStore,
    at: Address,
    etag: String,
    /// What is still to come.
    rest: Range<u64>,
    body: ByteStream,
    attempts: Attempts,
}

pub(super) fn resumed(store: RetryStore, at: Address, object: Object) -> Object {
    let Object { head, range, body } = object;
    let attempts = store.attempts();
    let reading = Reading { store, at, etag: head.etag.clone(), rest: range.clone(), body, attempts };
    let pieces = stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match reading.next().await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some(reading))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Object { head, range, body: pieces.boxed() }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let broken = match self.body.next().await {
                None if self.rest.is_empty() => return Ok(None),
                None => self.truncated("the body ended early"),
                Some(Err(error)) => error,
                Some(Ok(piece)) => {
                    self.rest.start += piece.len() as u64;
                    if self.rest.start > self.rest.end {
                        return Err(self.truncated("the body is longer than announced"));
                    }
                    self.attempts.reset();
                    return Ok(Some(piece));
                }
            };
            self.reopen(broken).await?;
        }
    }

    /// Opens what is still to come, or gives back an error where that cannot be had of the same object.
    async fn reopen(&mut self, broken: StoreError) -> Result<()> {
        if self.rest.is_empty() || self.etag.is_empty() {
            return Err(broken);
        }
        let mut failure = broken;
        loop {
            self.attempts.again(failure).await?;
            let options = GetOptions { range: Some(self.rest.clone()), if_match: Some(self.etag.clone()) };
            match self.store.inner.get(&self.at, options).await {
                Ok(object) if object.head.etag != self.etag => return Err(self.error(ErrorKind::Precondition)),
                Ok(object) if object.range != self.rest => return Err(self.truncated("another range was answered")),
                Ok(object) => {
                    self.body = object.body;
                    return Ok(());
                }
                Err(error) => failure = error,
            }
        }
    }

    fn error(&self, kind: ErrorKind) -> StoreError {
        StoreError::new(kind, "get", format!("{}/{}", self.store.describe(), self.at))
    }

    fn truncated(&self, detail: &str) -> StoreError {
        self.error(ErrorKind::Truncated).with_detail(detail)
    }
}
