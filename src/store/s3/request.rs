//! The one way to the server: a [`Request`] is signed and sent by [`S3Store::send`], and its [`Answer`] is read by what
//! is expected of it. Nothing here repeats a request.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::time::timeout;

use super::client::{ExchangeError, Payload};
use super::failure::{self, Subject};
use super::sign::{self, UNSIGNED};
use super::xml::Element;
use super::{Addressing, S3Store};
use crate::archive::sha256;
use crate::model::percent::{encode_key, encode_name};
use crate::model::{BucketName, Key};
use crate::store::{Address, ByteStream, ErrorKind, Result};

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Answers that are no object are read whole; none is near this long.
const LARGEST_DOCUMENT: usize = 32 << 20;
/// A page, a delete, a small answer: all of it within this time.
const CONTROL_LIMIT: Duration = Duration::from_secs(120);
/// Work that the server does before it answers: copies, completions, bulk deletes.
const WORK_LIMIT: Duration = Duration::from_secs(900);
/// Longer bodies are hashed on a blocking thread.
const INLINE_HASH: usize = 64 << 10;

/// How long an answer may take to begin.
#[derive(Debug, Clone, Copy)]
enum Patience {
    /// Bytes must move within each idle time; there is no limit on the whole.
    Data,
    Control,
    Work,
}

/// One request; the builder's methods add what is not the default.
pub(super) struct Request<'a> {
    attempted: &'static str,
    method: Method,
    bucket: Option<&'a BucketName>,
    key: Option<&'a Key>,
    query: Vec<(&'static str, Cow<'a, str>)>,
    headers: HeaderMap,
    payload: Payload,
    patience: Patience,
}

impl<'a> Request<'a> {
    /// Asks about the service as a whole.
    pub(super) fn of_service(attempted: &'static str, method: Method) -> Self {
        Self {
            attempted,
            method,
            bucket: None,
            key: None,
            query: Vec::new(),
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            patience: Patience::Control,
        }
    }

    pub(super) fn of_bucket(attempted: &'static str, method: Method, bucket: &'a BucketName) -> Self {
        Self { bucket: Some(bucket), ..Self::of_service(attempted, method) }
    }

    pub(super) fn of_object(attempted: &'static str, method: Method, at: &'a Address) -> Self {
        Self { key: Some(&at.key), ..Self::of_bucket(attempted, method, &at.bucket) }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sends the payload, with no limit on the whole as long as it moves.
    pub(super) fn data(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self.patience = Patience::Data;
        self
    }

    /// Sends a small document.
    pub(super) fn document(mut self, text: String) -> Self {
        self.payload = Payload::Whole(Bytes::from(text));
        self
    }

    /// Sends a small document with the digest that S3 asks for beside it.
    pub(super) fn digested_document(mut self, text: String) -> Self {
        let digest = STANDARD.encode(md5::compute(&text).0);
        self.headers.insert(CONTENT_MD5, HeaderValue::try_from(digest).expect("base64 is ASCII"));
        self.document(text)
    }

    pub(super) fn expecting_data(mut self) -> Self {
        self.patience = Patience::Data;
        self
    }

    pub(super) fn expecting_work(mut self) -> Self {
        self.patience = Patience::Work;
        self
    }
}

impl S3Store {
    /// Signs and sends a request; an answer that is no success is an error.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Answer> {
        let answer = self.exchange(request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.into_failure().await) }
    }

    /// Signs and sends a request, and answers whatever the server says.
    pub(super) async fn exchange(&self, mut request: Request<'_>) -> Result<Answer> {
        let subject = self.subject(&request);
        let patience = match request.patience {
            Patience::Data => self.idle_timeout,
            Patience::Control => CONTROL_LIMIT,
            Patience::Work => WORK_LIMIT,
        };
        let payload = std::mem::replace(&mut request.payload, Payload::Empty);
        let hash = hash(payload.whole()).await;
        let ready = self.prepare(&request, payload, &hash);
        let ready = ready.map_err(|error| subject.error(ErrorKind::Other).with_source(error))?;
        match self.client.exchange(ready, patience).await {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                self.clock.note(&parts.headers);
                Ok(Answer { subject, status: parts.status, headers: parts.headers, body, idle: self.idle_timeout })
            }
            Err(error) => Err(failed_exchange(&subject, error)),
        }
    }

    fn subject(&self, request: &Request<'_>) -> Subject {
        let mut place = self.endpoint.text.clone();
        for part in request.bucket.map(BucketName::as_str).into_iter().chain(request.key.map(Key::as_str)) {
            place.push('/');
            place.extend(part.escape_debug());
        }
        Subject { attempted: request.attempted, place }
    }

    fn prepare(
        &self,
        request: &Request<'_>,
        payload: Payload,
        hash: &str,
    ) -> std::result::Result<http::Request<Payload>, Box<dyn std::error::Error + Send + Sync>> {
        let endpoint = &self.endpoint;
        let key = request.key.map(|key| encode_key(key.as_str()));
        let (authority, path) = match (self.addressing, request.bucket) {
            (_, None) => (endpoint.authority.clone(), format!("{}/", endpoint.path)),
            (Addressing::Path, Some(bucket)) => {
                let key = key.map_or_else(String::new, |key| format!("/{key}"));
                (endpoint.authority.clone(), format!("{}/{bucket}{key}", endpoint.path))
            }
            (Addressing::VirtualHost, Some(bucket)) => {
                let authority = format!("{bucket}.{}", endpoint.authority);
                (authority, format!("{}/{}", endpoint.path, key.unwrap_or_default()))
            }
        };
        let mut query: Vec<(&str, String)> =
            request.query.iter().map(|(name, value)| (*name, encode_name(value))).collect();
        query.sort_unstable();
        let query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");

        let mut headers = request.headers.clone();
        headers.insert(header::HOST, authority.parse()?);
        if matches!(request.method, Method::PUT | Method::POST) {
            // Ceph refuses an empty part copy without a length, and hyper sends none for an empty body.
            headers.insert(header::CONTENT_LENGTH, payload.length().into());
        }
        let signed = sign::Subject { method: &request.method, path: &path, query: &query, payload: hash };
        self.signer.sign(&signed, Timestamp::now(), &mut headers)?;

        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let uri = http::Uri::builder().scheme(endpoint.scheme.clone()).authority(authority).path_and_query(target);
        let mut ready = http::Request::new(payload);
        *ready.method_mut() = request.method.clone();
        *ready.uri_mut() = uri.build()?;
        *ready.headers_mut() = headers;
        Ok(ready)
    }
}

/// The SHA-256 of a body as the signature has it; `None` is a stream, whose bytes are not known yet.
async fn hash(body: Option<Bytes>) -> Cow<'static, str> {
    match body {
        None => UNSIGNED.into(),
        Some(bytes) if bytes.len() <= INLINE_HASH => sha256(&bytes).to_string().into(),
        Some(bytes) => {
            let digest = tokio::task::spawn_blocking(move || sha256(&bytes)).await;
            digest.expect("hashing a buffer does not panic").to_string().into()
        }
    }
}

fn failed_exchange(subject: &Subject, error: ExchangeError) -> crate::store::StoreError {
    let mut failed = subject.error(error.kind());
    // A connection that was kept may have gone bad since, and a new one has nothing to wait for.
    failed.retry_after = (failed.kind == ErrorKind::Transient && !error.is_slow()).then_some(0);
    failed.with_source(error)
}

/// The head of an answer, its body not yet read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) subject: Subject,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    idle: Duration,
}

impl Answer {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        failure::text(&self.headers, name)
    }

    /// The ETag without its quotes; empty where the server gave none.
    pub(super) fn etag(&self) -> String {
        unquote(self.text("etag").unwrap_or_default())
    }

    /// Reads a short body to its end, so that the connection can serve again.
    pub(super) async fn document(self) -> Result<(Subject, StatusCode, HeaderMap, Bytes)> {
        let Self { subject, status, headers, body, idle } = self;
        let mut pieces = byte_stream(body, idle, subject.clone());
        let read = async {
            let mut document = BytesMut::new();
            while let Some(piece) = pieces.next().await {
                document.extend_from_slice(&piece?);
                if document.len() > LARGEST_DOCUMENT {
                    return Err(subject.unexpected("the answer is too long"));
                }
            }
            Ok(document.freeze())
        };
        let Ok(document) = timeout(CONTROL_LIMIT, read).await else {
            return Err(subject.error(ErrorKind::Transient).with_detail("the answer did not end in time"));
        };
        Ok((subject, status, headers, document?))
    }

    pub(super) async fn into_failure(self) -> crate::store::StoreError {
        let (subject, status, headers) = (self.subject.clone(), self.status, self.headers.clone());
        // The status alone says enough where the explanation breaks off.
        let body = self.document().await.map(|(_, _, _, body)| body).unwrap_or_default();
        subject.failure(status, &headers, &body)
    }

    /// Reads an XML answer, whose root must be `root`: an error may come with status 200.
    pub(super) async fn xml(self, root: &str) -> Result<(Subject, Element)> {
        let (subject, status, headers, body) = self.document().await?;
        let document = Element::parse(&body);
        let document = document.map_err(|error| subject.error(ErrorKind::Transient).with_source(error))?;
        match document.name.as_str() {
            name if name == root => Ok((subject, document)),
            "Error" => Err(subject.failure(status, &headers, &body)),
            name => Err(subject.unexpected(format!("the answer is <{name}>, not <{root}>"))),
        }
    }

    /// Reads to the end an answer that holds nothing of interest.
    pub(super) async fn done(self) -> Result<()> {
        self.document().await.map(drop)
    }

    /// The body as a stream of exactly the bytes of `range`.
    pub(super) fn stream(self, range: &Range<u64>) -> ByteStream {
        let expected = range.end - range.start;
        exactly(byte_stream(self.body, self.idle, self.subject.clone()), expected, self.subject)
    }
}

pub(super) fn unquote(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// The pieces of a body as they come, each within the idle time.
fn byte_stream(body: Incoming, idle: Duration, subject: Subject) -> ByteStream {
    let pieces = stream::unfold(Some((body, subject)), move |state| async move {
        let (mut body, subject) = state?;
        loop {
            match timeout(idle, body.frame()).await {
                Ok(None) => return None,
                Ok(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        return Some((Ok(piece), Some((body, subject))));
                    }
                }
                Ok(Some(Err(error))) => {
                    return Some((Err(subject.error(ErrorKind::Transient).with_source(error)), None));
                }
                Err(_) => {
                    let detail = format!("no bytes came for {} s", idle.as_secs());
                    return Some((Err(subject.error(ErrorKind::Transient).with_detail(detail)), None));
                }
            }
        }
    });
    pieces.boxed()
}

/// Ends in an error where the pieces are not `expected` bytes in all.
fn exactly(pieces: ByteStream, expected: u64, subject: Subject) -> ByteStream {
    let counted = stream::unfold(Some((pieces, 0)), move |state| {
        let subject = subject.clone();
        async move {
            let (mut pieces, received) = state?;
            let wrong = |received: u64| {
                let detail = format!("{received} bytes came, {expected} were announced");
                subject.error(ErrorKind::Truncated).with_detail(detail)
            };
            match pieces.next().await {
                None if received < expected => Some((Err(wrong(received)), None)),
                None => None,
                Some(Err(error)) => Some((Err(error), None)),
                Some(Ok(piece)) => {
                    let received = received + piece.len() as u64;
                    if received > expected {
                        return Some((Err(wrong(received)), None));
                    }
                    Some((Ok(piece), Some((pieces, received))))
                }
            }
        }
    });
    counted.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::s3::S3Options;

    #[tokio::test]
    async fn a_virtual_host_holds_the_bucket_and_the_path_only_the_key() {
        let options = S3Options { addressing: Addressing::VirtualHost, ..S3Options::new("http://s3.host:80/", "r") };
        let store = S3Store::open(options).unwrap();
        let at = Address::new(BucketName::new("b").unwrap(), Key::new("/a b").unwrap());
        let request = Request::of_object("get", Method::GET, &at).query("versionId", "1+");
        let ready = store.prepare(&request, Payload::Empty, "").unwrap();
        assert_eq!(ready.uri().to_string(), "http://b.s3.host//a%20b?versionId=1%2B");
        assert_eq!(ready.headers()[header::HOST], "b.s3.host");
    }
}
