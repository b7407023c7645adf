//! Objects on an S3 server: MinIO, Garage, Ceph, AWS and the like.
//!
//! The only folder that names rust-s3, which derives signing keys and words what is signed. Its bucket methods are not
//! used: seven of them lose data or reach another object (`tests/s3_wire.rs` holds what must hold instead). Every request
//! goes through [`S3Store::send`]; nothing in here is tried twice.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::uri::{PathAndQuery, Scheme, Uri};
use jiff::Timestamp;

use super::{
    Address, BucketSettings, ByteStream, ErrorKind, Features, GetOptions, ListOptions, Listed, Object, ObjectHead,
    ObjectStore, Precondition, Result, StaleUpload, StoreError, Stored, Upload, UploadedPart, Version,
};
use crate::model::{Attributes, BucketName, Key, Secret};
use client::HttpClient;
use clock::Clock;
use multipart::Tags;
use sign::{Keys, Signer};

mod attributes;
mod buckets;
mod client;
mod clock;
mod copying;
mod delete;
mod failure;
mod listing;
mod multipart;
mod objects;
mod quick_ack;
mod request;
mod sign;
mod xml;

/// Where the bucket's name goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// `http://host/bucket/key`: every server, every bucket name.
    #[default]
    Path,
    /// `http://bucket.host/key`.
    VirtualHost,
}

/// How to reach a server, and as whom.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// `http://host:port` or `https://host`; a path is kept.
    pub endpoint: String,
    pub region: String,
    /// Without one, requests go unsigned.
    pub access_key: Option<String>,
    pub secret_key: Secret,
    pub session_token: Option<Secret>,
    pub addressing: Addressing,
    /// Certificates to trust beside the system's, in PEM form.
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// How long nothing may move before a transfer is given up.
    pub idle_timeout: Duration,
}

impl S3Options {
    /// Options for an endpoint with path addressing, no credentials and ordinary time limits.
    pub fn new(endpoint: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            region: region.into(),
            access_key: None,
            secret_key: Secret::new(""),
            session_token: None,
            addressing: Addressing::Path,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }

    #[must_use]
    pub fn keys(mut self, access_key: impl Into<String>, secret_key: Secret) -> Self {
        self.access_key = Some(access_key.into());
        self.secret_key = secret_key;
        self
    }
}

/// A server's objects. A clone shares the connections.
#[derive(Clone)]
pub struct S3Store {
    endpoint: Arc<Endpoint>,
    addressing: Addressing,
    signer: Arc<Signer>,
    client: HttpClient,
    region: String,
    idle_timeout: Duration,
    clock: Clock,
    /// By upload id, while the upload is under way.
    tags_of_uploads: Arc<Mutex<HashMap<String, Tags>>>,
}

/// An endpoint taken apart.
#[derive(Debug, Clone)]
struct Endpoint {
    /// As a person writes it, without a slash at the end.
    text: String,
    scheme: Scheme,
    authority: String,
    /// What comes before the bucket; empty or `/...`.
    path: String,
}

impl Endpoint {
    fn parse(text: &str) -> Result<Self> {
        let invalid = |reason: &str| {
            // What cannot be read may hold a password: it is not repeated.
            StoreError::new(ErrorKind::Other, "open", "the S3 endpoint").with_detail(reason)
        };
        let text = text.trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|_| invalid("it is no URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(invalid("it must be http://host or https://host"));
        };
        if authority.as_str().contains('@') {
            return Err(invalid("it must not hold a user or a password"));
        }
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS || uri.query().is_some() {
            return Err(invalid("it must be http://host or https://host"));
        }
        let path = uri.path_and_query().map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
        // Servers compare the Host header that they would have written: no default port.
        let default_port = if *scheme == Scheme::HTTP { ":80" } else { ":443" };
        let authority = authority.as_str();
        let authority = authority.strip_suffix(default_port).unwrap_or(authority).to_owned();
        Ok(Self { text: text.to_owned(), scheme: scheme.clone(), authority, path })
    }
}

impl S3Store {
    /// Makes ready to talk to a server; sends nothing.
    pub fn open(options: S3Options) -> Result<Arc<Self>> {
        let endpoint = Endpoint::parse(&options.endpoint)?;
        let tls = endpoint.scheme == Scheme::HTTPS;
        let keys = options.access_key.map(|access_key| Keys {
            access_key,
            secret_key: options.secret_key,
            session_token: options.session_token.filter(|token| !token.expose().is_empty()),
        });
        Ok(Arc::new(Self {
            signer: Arc::new(Signer::new(&options.region, &endpoint.text, keys)),
            client: HttpClient::new(tls, options.ca_file.as_deref(), options.connect_timeout)?,
            addressing: options.addressing,
            idle_timeout: options.idle_timeout,
            region: options.region,
            clock: Clock::default(),
            tags_of_uploads: Arc::default(),
            endpoint: Arc::new(endpoint),
        }))
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("S3Store").field("endpoint", &self.endpoint.text).finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    fn describe(&self) -> String {
        self.endpoint.text.clone()
    }

    /// What most servers keep. Garage keeps neither conditional puts nor versions; the latter it says itself.
    fn features(&self) -> Features {
        Features {
            conditional_put: true,
            versions: true,
            posix: false,
            md5_etags: true,
            largest_put: 5 << 30,
            smallest_part: 5 << 20,
            most_parts: 10_000,
        }
    }

    async fn now(&self) -> Result<Timestamp> {
        self.time().await
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.list_buckets().await
    }

    async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        self.head_bucket(bucket).await
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.make_bucket(bucket).await
    }

    async fn bucket_settings(&self, bucket: &BucketName) -> Result<BucketSettings> {
        self.read_settings(bucket).await
    }

    fn list(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        self.list_objects(bucket, options)
    }

    async fn head(&self, at: &Address) -> Result<ObjectHead> {
        self.head_object(at).await
    }

    async fn get(&self, at: &Address, options: GetOptions) -> Result<Object> {
        self.get_object(at, options).await
    }

    async fn put(
        &self,
        at: &Address,
        body: Bytes,
        attributes: &Attributes,
        precondition: Precondition,
    ) -> Result<Stored> {
        self.put_object(at, body, attributes, precondition).await
    }

    async fn copy(&self, from: &Address, to: &Address, attributes: Option<&Attributes>) -> Result<Stored> {
        self.copy_object(from, to, attributes).await
    }

    async fn delete(&self, at: &Address) -> Result<()> {
        self.delete_object(at).await
    }

    async fn delete_many(&self, bucket: &BucketName, keys: Vec<Key>) -> Vec<(Key, Result<()>)> {
        self.delete_objects(bucket, keys).await
    }

    fn versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        self.list_versions(bucket, prefix)
    }

    async fn delete_version(&self, at: &Address, version: &str) -> Result<()> {
        self.delete_object_version(at, version).await
    }

    async fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        self.begin_upload(at, attributes).await
    }

    async fn upload_part(&self, upload: &Upload, number: u32, _offset: u64, body: Bytes) -> Result<UploadedPart> {
        self.put_part(upload, number, client::Payload::Whole(body)).await
    }

    async fn stream_part(
        &self,
        upload: &Upload,
        number: u32,
        _offset: u64,
        length: u64,
        body: ByteStream,
    ) -> Result<UploadedPart> {
        self.put_part(upload, number, client::Payload::Stream { length, body }).await
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        _offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        self.copy_into_part(upload, number, from, range).await
    }

    async fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        self.join_parts(upload, parts).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        self.drop_upload(upload).await
    }

    async fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        self.find_uploads(bucket, prefix).await
    }
}
