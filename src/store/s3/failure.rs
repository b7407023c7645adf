//! What an answer that is no success means: a status, an S3 code and headers made into a kind that callers branch on.

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::xml::Element;
use crate::store::{ErrorKind, StoreError};

/// What was attempted on what, for the words of an error.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) attempted: &'static str,
    /// Endpoint, bucket and key.
    pub(super) place: String,
}

impl Subject {
    pub(super) fn error(&self, kind: ErrorKind) -> StoreError {
        StoreError::new(kind, self.attempted, self.place.clone())
    }

    /// An answer that breaks the protocol.
    pub(super) fn unexpected(&self, detail: impl Into<String>) -> StoreError {
        self.error(ErrorKind::Other).with_detail(detail)
    }

    /// Maps an answer that is no success, or an error document that came with status 200.
    pub(super) fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> StoreError {
        self.failure_of(status, headers, Element::parse(body).ok().as_ref())
    }

    /// Maps an error document, or one of the errors in an answer about many keys.
    pub(super) fn failure_of(&self, status: StatusCode, headers: &HeaderMap, document: Option<&Element>) -> StoreError {
        let field = |name: &str| document.and_then(|root| root.text_of(name)).unwrap_or_default();
        let code = field("Code");
        let kind = classify(status, code);
        let mut error =
            self.error(kind).with_detail(describe(status, headers, code, field("Message"), field("RequestId")));
        error.retry_after = retry_after(headers);
        error
    }
}

fn describe(status: StatusCode, headers: &HeaderMap, code: &str, message: &str, request_id: &str) -> String {
    let mut words = vec![status.as_str().to_owned()];
    words.extend([code, message].iter().filter(|text| !text.is_empty()).map(|&text| text.to_owned()));
    if let Some(hint) = explain(status, headers, code) {
        words.push(hint);
    }
    let request_id = text(headers, "x-amz-request-id").unwrap_or(request_id);
    if !request_id.is_empty() {
        words.push(format!("request {request_id}"));
    }
    words.join(", ")
}

/// What the status or the code means for whoever set this up.
fn explain(status: StatusCode, headers: &HeaderMap, code: &str) -> Option<String> {
    if status.is_redirection() {
        let to = text(headers, "location").or_else(|| text(headers, "x-amz-bucket-region")).unwrap_or("elsewhere");
        return Some(format!("the server points to {to}: the region or the endpoint is wrong"));
    }
    match code {
        "RequestTimeTooSkewed" => {
            let theirs = date(headers).map_or_else(String::new, |theirs| format!(" {theirs}"));
            Some(format!("this machine's clock says {}, the server's{theirs}", Timestamp::now().strftime("%FT%TZ")))
        }
        "SignatureDoesNotMatch" => Some("the secret key or the region is wrong".to_owned()),
        "AuthorizationHeaderMalformed" => Some("the region is wrong".to_owned()),
        _ => None,
    }
}

fn classify(status: StatusCode, code: &str) -> ErrorKind {
    match code {
        "NoSuchBucket" => ErrorKind::NoBucket,
        "NoSuchKey" | "NoSuchUpload" | "NoSuchVersion" => ErrorKind::NotFound,
        "PreconditionFailed" => ErrorKind::Precondition,
        "KeyTooLongError" | "XMinioInvalidObjectName" | "XMinioInvalidResourceName" => ErrorKind::Unaddressable,
        "NotImplemented" | "MethodNotAllowed" => ErrorKind::Unsupported,
        "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "InsufficientCapacity" => {
            ErrorKind::Full
        }
        "BadDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch" => ErrorKind::Truncated,
        "RequestTimeout"
        | "InternalError"
        | "SlowDown"
        | "ServiceUnavailable"
        | "OperationAborted"
        | "ConditionalRequestConflict" => ErrorKind::Transient,
        "AccessDenied" | "AuthorizationHeaderMalformed" | "ExpiredToken" | "InvalidToken" => ErrorKind::Denied,
        _ => classify_status(status),
    }
}

fn classify_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        405 | 501 => ErrorKind::Unsupported,
        412 => ErrorKind::Precondition,
        507 => ErrorKind::Full,
        408 | 429 | 500..=599 => ErrorKind::Transient,
        _ => ErrorKind::Other,
    }
}

/// How long the server asks to wait, in milliseconds.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let value = text(headers, header::RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let wait = parse_date(value)?.duration_since(Timestamp::now());
    u64::try_from(wait.as_millis()).ok()
}

pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The server's clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    parse_date(text(headers, header::DATE.as_str())?)
}

pub(super) fn parse_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> StoreError {
        let subject = Subject { attempted: "put", place: "http://h/b/k".to_owned() };
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        subject.failure(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    fn coded(status: u16, code: &str) -> ErrorKind {
        fail(status, &[], &format!("<Error><Code>{code}</Code></Error>")).kind
    }

    #[test]
    fn the_code_decides_before_the_status() {
        assert_eq!(coded(404, "NoSuchBucket"), ErrorKind::NoBucket);
        assert_eq!(coded(404, "NoSuchKey"), ErrorKind::NotFound);
        assert_eq!(coded(403, "QuotaExceeded"), ErrorKind::Full);
        assert_eq!(coded(400, "RequestTimeout"), ErrorKind::Transient);
        assert_eq!(coded(200, "InternalError"), ErrorKind::Transient);
        assert_eq!(coded(403, "InvalidAccessKeyId"), ErrorKind::Denied);
        assert_eq!(fail(507, &[], "").kind, ErrorKind::Full);
        assert_eq!(fail(429, &[], "").kind, ErrorKind::Transient);
        assert_eq!(fail(400, &[], "<html>").kind, ErrorKind::Other);
    }

    #[test]
    fn the_text_names_status_code_message_and_request() {
        let body = "<Error><Code>AccessDenied</Code><Message>no</Message><RequestId>R1</RequestId></Error>";
        let expected = "cannot put http://h/b/k: access denied (403, AccessDenied, no, request R1)";
        assert_eq!(fail(403, &[], body).to_string(), expected);
    }

    #[test]
    fn a_skewed_clock_and_a_redirect_are_explained() {
        let skewed =
            fail(403, &[("date", "Fri, 24 May 2013 00:00:00 GMT")], "<Error><Code>RequestTimeTooSkewed</Code></Error>");
        assert!(skewed.to_string().contains("the server's 2013-05-24T00:00:00Z"), "{skewed}");
        let moved = fail(301, &[("x-amz-bucket-region", "eu-west-1")], "");
        assert!(moved.to_string().contains("points to eu-west-1: the region or the endpoint is wrong"), "{moved}");
    }

    #[test]
    fn retry_after_is_read_in_seconds_or_as_a_date() {
        assert_eq!(fail(503, &[("retry-after", "7")], "").retry_after, Some(7000));
        assert!(fail(503, &[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")], "").retry_after > Some(1_000_000));
        assert_eq!(fail(503, &[("retry-after", "Fri, 24 May 2013 00:00:00 GMT")], "").retry_after, None);
    }
}
