//! The steps of an upload in parts.

use std::fmt::Write as _;

use http::Method;

use super::S3Store;
use super::client::Payload;
use super::request::{Request, unquote};
use super::xml::escape;
use crate::model::Attributes;
use crate::store::{Address, Result, Stored, Upload, UploadedPart};

/// A request that stores one part.
pub(super) fn part_request<'a>(attempted: &'static str, upload: &'a Upload, number: u32) -> Request<'a> {
    let request = Request::of_object(attempted, Method::PUT, &upload.at);
    request.query("partNumber", number.to_string()).query("uploadId", upload.id.as_str())
}

impl S3Store {
    pub(super) async fn begin_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        let headers = self.attribute_headers("create upload of", at, attributes)?;
        let request = Request::of_object("create upload of", Method::POST, at).headers(headers).query("uploads", "");
        let (subject, document) = self.send(request).await?.xml("InitiateMultipartUploadResult").await?;
        match document.text_of("UploadId") {
            Some(id) => Ok(Upload { at: at.clone(), id: id.to_owned() }),
            None => Err(subject.unexpected("the answer holds no upload id")),
        }
    }

    pub(super) async fn put_part(&self, upload: &Upload, number: u32, payload: Payload) -> Result<UploadedPart> {
        let size = payload.length();
        let answer = self.send(part_request("upload part of", upload, number).data(payload)).await?;
        let (subject, etag) = (answer.subject.clone(), answer.etag());
        answer.done().await?;
        if etag.is_empty() {
            return Err(subject.unexpected("the answer to a part holds no ETag"));
        }
        Ok(UploadedPart { number, etag, size })
    }

    pub(super) async fn join_parts(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        let mut text = "<CompleteMultipartUpload>".to_owned();
        for part in parts {
            let etag = escape(&format!("\"{}\"", part.etag));
            write!(text, "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", part.number)
                .expect("writing to a String cannot fail");
        }
        text.push_str("</CompleteMultipartUpload>");
        let request = Request::of_object("complete upload of", Method::POST, &upload.at);
        let request = request.query("uploadId", upload.id.as_str()).document(text).expecting_work();
        let (_, document) = self.send(request).await?.xml("CompleteMultipartUploadResult").await?;
        // Ceph leaves the ETag empty here.
        self.stored(&upload.at, unquote(document.text_of("ETag").unwrap_or_default())).await
    }

    pub(super) async fn drop_upload(&self, upload: &Upload) -> Result<()> {
        let request = Request::of_object("abort upload of", Method::DELETE, &upload.at);
        self.remove(request.query("uploadId", upload.id.as_str())).await
    }
}
