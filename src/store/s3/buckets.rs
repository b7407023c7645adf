//! Buckets, their settings, and the server's clock.

use http::{Method, StatusCode};
use jiff::Timestamp;

use super::S3Store;
use super::failure;
use super::request::Request;
use super::xml::{Element, escape};
use crate::model::BucketName;
use crate::store::{BucketSettings, ErrorKind, Result};

/// The region whose buckets are made without saying where.
const DEFAULT_REGION: &str = "us-east-1";

impl S3Store {
    /// The time of the last answer and what passed since, or of a new answer where that was long ago. Any answer holds the
    /// time, a refusal as well. Not by HEAD: of one that is refused, Ceph sends the body all the same, and the next
    /// request on that connection fails.
    pub(super) async fn time(&self) -> Result<Timestamp> {
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        let answer = self.exchange(Request::of_service("ask the time of", Method::GET)).await?;
        failure::date(&answer.headers).ok_or_else(|| answer.subject.unexpected("the answer holds no date"))
    }

    pub(super) async fn list_buckets(&self) -> Result<Vec<BucketName>> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::of_service("list the buckets of", Method::GET);
            if let Some(token) = &token {
                request = request.query("continuation-token", token.as_str());
            }
            let (subject, document) = self.send(request).await?.xml("ListAllMyBucketsResult").await?;
            let buckets = document.child("Buckets").into_iter().flat_map(|buckets| &buckets.children);
            for name in buckets.filter_map(|bucket| bucket.text_of("Name")) {
                let name = BucketName::new(name);
                names.push(name.map_err(|error| subject.unexpected("a bucket's name is none").with_source(error))?);
            }
            let next = document.text_of("ContinuationToken").map(str::to_owned);
            if next.is_none() || next == token {
                names.sort_unstable();
                return Ok(names);
            }
            token = next;
        }
    }

    pub(super) async fn head_bucket(&self, bucket: &BucketName) -> Result<bool> {
        match self.send(Request::of_bucket("look at", Method::HEAD, bucket)).await {
            Ok(answer) => answer.done().await.map(|()| true),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NoBucket) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn make_bucket(&self, bucket: &BucketName) -> Result<()> {
        let create = || Request::of_bucket("create", Method::PUT, bucket);
        if self.region == DEFAULT_REGION {
            return self.finish_bucket(bucket, create()).await;
        }
        let region = escape(&self.region);
        let text = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        match self.finish_bucket(bucket, create().document(text)).await {
            // Ceph knows its own names for places only, and needs none.
            Err(error) if names(&error, "InvalidLocationConstraint") => self.finish_bucket(bucket, create()).await,
            done => done,
        }
    }

    async fn finish_bucket(&self, bucket: &BucketName, request: Request<'_>) -> Result<()> {
        match self.send(request).await {
            Ok(answer) => answer.done().await,
            Err(error) if names(&error, "BucketAlreadyOwnedByYou") => Ok(()),
            // Some servers say this of one's own bucket too; another's may not be looked at.
            Err(error) if names(&error, "BucketAlreadyExists") => match self.head_bucket(bucket).await {
                Ok(true) => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    pub(super) async fn read_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        let mut settings = BucketSettings::new();
        if let Some(text) = self.setting(bucket, "versioning").await? {
            let status = Element::parse(text.as_bytes()).ok();
            if let Some(status) = status.as_ref().and_then(|root| root.text_of("Status")) {
                settings.insert("versioning".to_owned(), status.into());
            }
        }
        if let Some(text) = self.setting(bucket, "policy").await? {
            let policy = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
            settings.insert("policy".to_owned(), policy);
        }
        if let Some(text) = self.setting(bucket, "lifecycle").await? {
            settings.insert("lifecycle".to_owned(), text.into());
        }
        Ok(settings)
    }

    /// The document of a setting; `None` where the bucket has none, or the server has no such setting.
    async fn setting(&self, bucket: &BucketName, name: &'static str) -> Result<Option<String>> {
        let request = Request::of_bucket("read settings of", Method::GET, bucket).query(name, "");
        match self.send(request).await {
            Ok(answer) if answer.status == StatusCode::NO_CONTENT => answer.done().await.map(|()| None),
            Ok(answer) => {
                let (_, _, _, body) = answer.document().await?;
                let text = String::from_utf8_lossy(&body).trim().to_owned();
                Ok(Some(text).filter(|text| !text.is_empty()))
            }
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the server gave this code.
fn names(error: &crate::store::StoreError, code: &str) -> bool {
    error.detail.as_ref().is_some_and(|detail| detail.split(", ").any(|word| word == code))
}
