//! Single objects: look, read, write, delete.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, StatusCode, header};

use super::S3Store;
use super::attributes;
use super::client::Payload;
use super::failure;
use super::request::{Answer, Request};
use crate::model::Attributes;
use crate::store::{Address, ErrorKind, GetOptions, Object, ObjectHead, Precondition, Result, StoreError, Stored};

impl S3Store {
    pub(super) async fn head_object(&self, at: &Address) -> Result<ObjectHead> {
        let answer = self.send(Request::of_object("look at", Method::HEAD, at)).await?;
        let size = announced_length(&answer)?;
        let head = self.read_head(at, &answer, size).await?;
        answer.done().await?;
        Ok(head)
    }

    /// Makes a head of the headers; asks for the tags where there are some.
    async fn read_head(&self, at: &Address, answer: &Answer, size: u64) -> Result<ObjectHead> {
        let modified = answer.text(header::LAST_MODIFIED.as_str()).and_then(failure::parse_date);
        let modified = modified.ok_or_else(|| answer.subject.unexpected("no Last-Modified in the answer"))?;
        let (mut attributes, tagged) = attributes::from_headers(&answer.headers);
        if tagged {
            let request = Request::of_object("read tags of", Method::GET, at).query("tagging", "");
            let (_, document) = self.send(request).await?.xml("Tagging").await?;
            attributes.tags = attributes::tags(&document);
        }
        Ok(ObjectHead { size, etag: answer.etag(), modified, attributes })
    }

    pub(super) async fn get_object(&self, at: &Address, options: GetOptions) -> Result<Object> {
        let mut request = Request::of_object("get", Method::GET, at).expecting_data();
        if let Some(etag) = &options.if_match {
            request = request.header(header::IF_MATCH, quoted(etag)?);
        }
        if let Some(range) = &options.range {
            request = request.header(header::RANGE, byte_range(range)?);
        }
        let answer = self.exchange(request).await?;
        match (answer.status, &options.range) {
            (StatusCode::OK, None) => {
                let size = announced_length(&answer)?;
                self.opened(at, answer, size, 0..size, &options).await
            }
            (StatusCode::PARTIAL_CONTENT, Some(_)) => {
                let (range, size) = content_range(&answer)?;
                if range != options.range_of(size) || announced_length(&answer)? != range.end - range.start {
                    return Err(answer.subject.unexpected("the answer holds another range than asked for"));
                }
                self.opened(at, answer, size, range, &options).await
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => self.get_nothing(at, answer, &options).await,
            (status, _) if status.is_success() => {
                let detail = format!("{} where a {} was asked for", status.as_u16(), asked(&options));
                Err(answer.subject.unexpected(detail))
            }
            _ => Err(answer.into_failure().await),
        }
    }

    async fn opened(
        &self,
        at: &Address,
        answer: Answer,
        size: u64,
        range: Range<u64>,
        options: &GetOptions,
    ) -> Result<Object> {
        let head = self.read_head(at, &answer, size).await?;
        if options.if_match.as_ref().is_some_and(|etag| *etag != head.etag) {
            let detail = format!("its ETag is {}", head.etag);
            return Err(answer.subject.error(ErrorKind::Precondition).with_detail(detail));
        }
        Ok(Object { head, body: answer.stream(&range), range })
    }

    /// The answer to a range that lies wholly beyond the end: what is there of it is nothing.
    async fn get_nothing(&self, at: &Address, answer: Answer, options: &GetOptions) -> Result<Object> {
        let refused = answer.into_failure().await;
        let head = self.head_object(at).await?;
        let range = options.range_of(head.size);
        if !range.is_empty() {
            return Err(refused);
        }
        if options.if_match.as_ref().is_some_and(|etag| *etag != head.etag) {
            return Err(StoreError { kind: ErrorKind::Precondition, ..refused });
        }
        Ok(Object { head, range, body: stream::empty().boxed() })
    }

    pub(super) async fn put_object(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        let headers = self.attribute_headers("put", at, attributes)?;
        let mut request = Request::of_object("put", Method::PUT, at).headers(headers).data(Payload::Whole(body));
        if precondition == Precondition::CreateNew {
            request = request.header(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        let answer = self.send(request).await?;
        let etag = answer.etag();
        answer.done().await?;
        self.stored(at, etag).await
    }

    /// What a write answered; looks at the object where the answer held no ETag.
    pub(super) async fn stored(&self, at: &Address, etag: String) -> Result<Stored> {
        if !etag.is_empty() {
            return Ok(Stored { etag });
        }
        Ok(Stored { etag: self.head_object(at).await?.etag })
    }

    pub(super) fn attribute_headers(
        &self,
        attempted: &'static str,
        at: &Address,
        attributes: &Attributes,
    ) -> Result<http::HeaderMap> {
        attributes::to_headers(attributes).map_err(|error| {
            let place = format!("{}/{at}", self.endpoint.text);
            StoreError::new(ErrorKind::Unsupported, attempted, place).with_detail(error.to_string())
        })
    }

    pub(super) async fn delete_object(&self, at: &Address) -> Result<()> {
        self.remove(Request::of_object("delete", Method::DELETE, at)).await
    }

    pub(super) async fn delete_object_version(&self, at: &Address, version: &str) -> Result<()> {
        let request = Request::of_object("delete version of", Method::DELETE, at).query("versionId", version);
        self.remove(request).await
    }

    /// Sends a request after which something is gone; that it was gone before is no error.
    pub(super) async fn remove(&self, request: Request<'_>) -> Result<()> {
        match self.send(request).await {
            Ok(answer) => answer.done().await,
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn announced_length(answer: &Answer) -> Result<u64> {
    let length = answer.text(header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    length.ok_or_else(|| answer.subject.unexpected("the answer does not say how long the object is"))
}

/// The range and the whole size that a partial answer names.
fn content_range(answer: &Answer) -> Result<(Range<u64>, u64)> {
    let text = answer.text(header::CONTENT_RANGE.as_str()).unwrap_or_default();
    let parsed = parse_content_range(text);
    parsed.ok_or_else(|| answer.subject.unexpected(format!("Content-Range is {text:?}")))
}

fn parse_content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..last.checked_add(1)?, size.parse().ok()?))
}

fn asked(options: &GetOptions) -> &'static str {
    if options.range.is_some() { "range" } else { "whole object" }
}

fn byte_range(range: &Range<u64>) -> Result<HeaderValue> {
    let invalid = || StoreError::new(ErrorKind::Other, "get", format!("the range {}..{}", range.start, range.end));
    let last = range.end.checked_sub(1).filter(|last| *last >= range.start).ok_or_else(invalid)?;
    HeaderValue::try_from(format!("bytes={}-{last}", range.start)).map_err(|error| invalid().with_source(error))
}

fn quoted(etag: &str) -> Result<HeaderValue> {
    let value = HeaderValue::try_from(format!("\"{etag}\""));
    value.map_err(|error| StoreError::new(ErrorKind::Other, "get", format!("the ETag {etag:?}")).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_or_refused() {
        assert_eq!(parse_content_range("bytes 0-9/100"), Some((0..10, 100)));
        assert_eq!(parse_content_range("bytes 0-9/*"), None);
        assert_eq!(parse_content_range("bytes */100"), None);
        assert_eq!(parse_content_range(""), None);
    }

    #[test]
    fn an_empty_range_is_refused_before_anything_is_sent() {
        assert!(byte_range(&(5..5)).is_err());
        assert!(byte_range(&(0..0)).is_err());
        assert_eq!(byte_range(&(0..10)).unwrap(), "bytes=0-9");
    }
}
