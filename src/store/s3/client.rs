//! The HTTP client under the S3 store: HTTP/1.1, TLS by ring, no proxy, no redirect, and the request's target exactly as
//! it was given, so that no key is normalised into another.

use std::error::Error;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::quick_ack::QuickAckConnector;
use crate::store::{ByteStream, ErrorKind, Result, StoreError};

/// A body goes out in pieces of this size; each one that the socket takes is progress.
const PIECE: usize = 128 << 10;
const IDLE_CONNECTIONS: usize = 64;
/// Servers and balancers drop idle connections after a minute or less: ours go first.
const IDLE_CONNECTION_AGE: Duration = Duration::from_secs(20);

/// What a request carries.
pub(super) enum Payload {
    Empty,
    Whole(Bytes),
    Stream { length: u64, body: ByteStream },
}

impl Payload {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Stream { length, .. } => *length,
        }
    }

    /// All of it, where it is in memory.
    pub(super) fn whole(&self) -> Option<Bytes> {
        match self {
            Self::Empty => Some(Bytes::new()),
            Self::Whole(bytes) => Some(bytes.clone()),
            Self::Stream { .. } => None,
        }
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("nothing moved for {} s", .0.as_secs())]
    Idle(Duration),
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ExchangeError {
    /// Whether it came of waiting, and not of a connection that broke.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self, Self::Idle(_))
    }

    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Client(error) if error.is_connect() => ErrorKind::Unreachable,
            Self::Client(error) if caused_by_the_source(error) => ErrorKind::Source,
            _ => ErrorKind::Transient,
        }
    }
}

fn caused_by_the_source(error: &ClientError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<StoreError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[derive(Debug, Clone)]
pub(super) struct HttpClient {
    client: Client<HttpsConnector<QuickAckConnector>, Outgoing>,
}

impl HttpClient {
    /// Reads the trusted certificates where `tls` says that they are needed.
    pub(super) fn new(tls: bool, ca_file: Option<&Path>, connect_timeout: Duration) -> Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        let config = tls_config(if tls { trusted(ca_file)? } else { RootCertStore::empty() })?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(QuickAckConnector(tcp));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_AGE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Ok(Self { client })
    }

    /// Sends a request, and waits for the head of its answer as long as the body moves within each `idle`.
    pub(super) async fn exchange(
        &self,
        request: Request<Payload>,
        idle: Duration,
    ) -> std::result::Result<Response<Incoming>, ExchangeError> {
        let moved = Arc::new(AtomicU64::new(0));
        let request = request.map(|payload| Outgoing { payload, moved: Arc::clone(&moved) });
        let mut answer = pin!(self.client.request(request));
        let mut seen = 0;
        loop {
            match timeout(idle, &mut answer).await {
                Ok(answer) => return Ok(answer?),
                Err(_) if moved.load(Ordering::Relaxed) != seen => seen = moved.load(Ordering::Relaxed),
                Err(_) => return Err(ExchangeError::Idle(idle)),
            }
        }
    }
}

fn tls_config(roots: RootCertStore) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| trust_error("the TLS provider").with_source(error))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn trust_error(subject: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Other, "load certificates of", subject)
}

/// The system's certificates and those of `ca_file`.
fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        let failed = || trust_error(path.display().to_string());
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed().with_source(error))?;
        let mut found = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed().with_source(error))?;
            roots.add(certificate).map_err(|error| failed().with_source(error))?;
            found += 1;
        }
        if found == 0 {
            return Err(failed().with_detail("the file holds no certificate in PEM form"));
        }
    }
    if roots.is_empty() {
        return Err(trust_error("this system").with_detail("no trusted certificate was found"));
    }
    Ok(roots)
}

/// A payload on its way, counting the pieces that were taken.
struct Outgoing {
    payload: Payload,
    moved: Arc<AtomicU64>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let piece = match &mut self.payload {
            Payload::Empty => None,
            Payload::Whole(bytes) if bytes.is_empty() => None,
            Payload::Whole(bytes) => Some(Ok(bytes.split_to(PIECE.min(bytes.len())))),
            Payload::Stream { body, .. } => match body.poll_next_unpin(context) {
                Poll::Ready(piece) => piece,
                Poll::Pending => return Poll::Pending,
            },
        };
        self.moved.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.payload {
            Payload::Empty => true,
            Payload::Whole(bytes) => bytes.is_empty(),
            Payload::Stream { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.payload {
            // What the stream yields is the source's word; the announced length is a header.
            Payload::Stream { .. } => SizeHint::default(),
            payload => SizeHint::with_exact(payload.length()),
        }
    }
}
