//! The steps of an upload in parts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::PoisonError;

use http::Method;

use super::S3Store;
use super::client::Payload;
use super::request::{Request, unquote};
use super::xml::escape;
use crate::model::Attributes;
use crate::store::{Address, Result, Stored, Upload, UploadedPart};

/// Tags by name.
pub(super) type Tags = BTreeMap<String, String>;

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
            Some(id) => {
                self.remember_tags(id, &attributes.tags);
                Ok(Upload { at: at.clone(), id: id.to_owned() })
            }
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
        if let Some(tags) = self.take_tags(&upload.id) {
            self.ensure_tags(&upload.at, &tags).await?;
        }
        // Ceph leaves the ETag empty here.
        self.stored(&upload.at, unquote(document.text_of("ETag").unwrap_or_default())).await
    }

    /// Ceph drops the tags that an upload is begun with: they are kept here until it is completed.
    fn remember_tags(&self, upload: &str, tags: &Tags) {
        if !tags.is_empty() {
            self.tags_of_uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(upload.to_owned(), tags.clone());
        }
    }

    fn take_tags(&self, upload: &str) -> Option<Tags> {
        self.tags_of_uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(upload)
    }

    /// Sets the tags of an object that was made of parts, unless it has them.
    async fn ensure_tags(&self, at: &Address, tags: &Tags) -> Result<()> {
        if self.head_object(at).await?.attributes.tags == *tags {
            return Ok(());
        }
        let mut text = "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>".to_owned();
        for (name, value) in tags {
            let (name, value) = (escape(name), escape(value));
            write!(text, "<Tag><Key>{name}</Key><Value>{value}</Value></Tag>")
                .expect("writing to a String cannot fail");
        }
        text.push_str("</TagSet></Tagging>");
        let request = Request::of_object("tag", Method::PUT, at).query("tagging", "").digested_document(text);
        self.send(request).await?.done().await
    }

    pub(super) async fn drop_upload(&self, upload: &Upload) -> Result<()> {
        drop(self.take_tags(&upload.id));
        let request = Request::of_object("abort upload of", Method::DELETE, &upload.at);
        self.remove(request.query("uploadId", upload.id.as_str())).await
    }
}
