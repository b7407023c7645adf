//! Server-side copies. An answer is believed only when it is the right document and holds an ETag: errors come with
//! status 200 too.

use std::ops::Range;

use http::{HeaderName, HeaderValue, Method};

use super::S3Store;
use super::client::Payload;
use super::multipart::part_request;
use super::request::{Answer, Request, unquote};
use crate::model::Attributes;
use crate::model::percent::encode_key;
use crate::store::{Address, ErrorKind, GetOptions, Result, StoreError, Stored, Upload, UploadedPart};

const SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const SOURCE_RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");
const METADATA_DIRECTIVE: HeaderName = HeaderName::from_static("x-amz-metadata-directive");
const TAGGING_DIRECTIVE: HeaderName = HeaderName::from_static("x-amz-tagging-directive");
const REPLACE: HeaderValue = HeaderValue::from_static("REPLACE");

impl S3Store {
    pub(super) async fn copy_object(
        &self,
        from: &Address,
        to: &Address,
        attributes: Option<&Attributes>,
    ) -> Result<Stored> {
        let mut request = Request::of_object("copy to", Method::PUT, to).header(SOURCE, source(from)?).expecting_work();
        if let Some(attributes) = attributes {
            let headers = self.attribute_headers("copy to", to, attributes)?;
            request = request.headers(headers).header(METADATA_DIRECTIVE, REPLACE).header(TAGGING_DIRECTIVE, REPLACE);
        }
        let etag = copied(self.send(request).await?, "CopyObjectResult").await?;
        Ok(Stored { etag })
    }

    pub(super) async fn copy_into_part(
        &self,
        upload: &Upload,
        number: u32,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        let size = range.end.saturating_sub(range.start);
        if from.key.as_str().contains('%') {
            // Ceph decodes the source of a part twice: it looks for another key, or ends at once (16.2.15 aborts), and
            // everyone's requests with it. Such a range goes through here, in pieces.
            let options = GetOptions { range: Some(range), if_match: None };
            let body = self.get_object(from, options).await?.body;
            let part = self.put_part(upload, number, Payload::Stream { length: size, body }).await;
            // The source is this store: what breaks there passes as it does here.
            return part.map_err(|error| match error.kind {
                ErrorKind::Source => StoreError { kind: ErrorKind::Transient, ..error },
                _ => error,
            });
        }
        let bytes = HeaderValue::try_from(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let bytes = bytes.map_err(|error| invalid_source(from).with_source(error))?;
        let request = part_request("copy part of", upload, number);
        let request = request.header(SOURCE, source(from)?).header(SOURCE_RANGE, bytes).expecting_work();
        let etag = copied(self.send(request).await?, "CopyPartResult").await?;
        Ok(UploadedPart { number, etag, size })
    }
}

fn source(from: &Address) -> Result<HeaderValue> {
    let text = format!("{}/{}", from.bucket, encode_key(from.key.as_str()));
    HeaderValue::try_from(text).map_err(|error| invalid_source(from).with_source(error))
}

fn invalid_source(from: &Address) -> StoreError {
    StoreError::new(ErrorKind::Other, "copy", from.to_string())
}

async fn copied(answer: Answer, root: &str) -> Result<String> {
    let (subject, document) = answer.xml(root).await?;
    let etag = unquote(document.text_of("ETag").unwrap_or_default());
    if etag.is_empty() { Err(subject.unexpected("the answer to a copy holds no ETag")) } else { Ok(etag) }
}
