//! An HTTP server inside the test: answers as the test says, and keeps what it was sent, byte for byte.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dcs::model::Secret;
use dcs::store::s3::{S3Options, S3Store};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::MapErr;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query, not interpreted.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// A header as text; empty where it is absent.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The parameter of the query, not decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        let query = self.target.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What the server says.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    manner: Manner,
}

#[derive(Debug, Clone)]
enum Manner {
    Whole,
    /// The connection ends after so many bytes.
    Breaks(usize),
    /// Nothing comes after so many bytes.
    Stalls(usize),
    /// In pieces of this size.
    Pieces(usize),
    Never,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), manner: Manner::Whole }
    }

    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::new(200, body)
    }

    /// An error document.
    pub fn error(status: u16, code: &str) -> Self {
        Self::new(status, format!("<Error><Code>{code}</Code><Message>said so</Message></Error>"))
    }

    /// An object with an ETag and a date.
    pub fn object(body: impl Into<Bytes>) -> Self {
        Self::ok(body).header("etag", "\"e1\"").header("last-modified", "Fri, 24 May 2013 00:00:00 GMT")
    }

    pub fn never() -> Self {
        Self { manner: Manner::Never, ..Self::ok("") }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn breaks_after(self, bytes: usize) -> Self {
        Self { manner: Manner::Breaks(bytes), ..self }
    }

    pub fn stalls_after(self, bytes: usize) -> Self {
        Self { manner: Manner::Stalls(bytes), ..self }
    }

    pub fn in_pieces(self, bytes: usize) -> Self {
        Self { manner: Manner::Pieces(bytes), ..self }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Script = dyn Fn(usize, &Seen) -> Answer + Send + Sync;

/// The server; it ends with the test's runtime.
pub struct ScriptedServer {
    pub endpoint: String,
    shared: Arc<Shared>,
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    arrived: Notify,
    script: Box<Script>,
}

impl ScriptedServer {
    /// Starts a server that answers by the number of the request, from 0, and the request itself.
    pub async fn start(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let script = Box::new(script);
        let shared = Arc::new(Shared { seen: Mutex::default(), arrived: Notify::new(), script });
        tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { endpoint, shared }
    }

    /// Starts a server that gives these answers, then errors that no client tries again.
    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        Self::start(move |number, _| answers.get(number).cloned().unwrap_or(Answer::error(400, "NotScripted"))).await
    }

    pub fn store(&self) -> Arc<S3Store> {
        S3Store::open(self.options()).expect("a store can be opened")
    }

    pub fn options(&self) -> S3Options {
        let options = S3Options::new(&self.endpoint, "us-east-1").keys("ACCESS", Secret::new("hunter2"));
        S3Options { idle_timeout: Duration::from_secs(20), ..options }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no test panics with the lock").clone()
    }

    pub fn targets(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    /// Waits until a request that fits has arrived.
    pub async fn arrived(&self, fits: impl Fn(&Seen) -> bool) {
        loop {
            let arrived = self.shared.arrived.notified();
            if self.seen().iter().any(&fits) {
                return;
            }
            arrived.await;
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((connection, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
        // A connection that the test breaks ends in an error here.
        tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(connection), service).await });
    }
}

fn whole(body: Bytes) -> MapErr<Full<Bytes>, fn(Infallible) -> io::Error> {
    Full::new(body).map_err(|never| match never {})
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<impl Body<Data = Bytes, Error = BoxError>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let target = parts.uri.to_string();
    let seen = Seen { method: parts.method.to_string(), target, headers: parts.headers, body };
    let number = {
        let mut all = shared.seen.lock().expect("no test panics with the lock");
        all.push(seen.clone());
        all.len() - 1
    };
    shared.arrived.notify_waiters();
    let is_head = seen.method == "HEAD";
    let answer = (shared.script)(number, &seen);
    let length = answer.body.len();
    let body = match answer.manner {
        Manner::Never => std::future::pending().await,
        _ if is_head => Either::Left(whole(Bytes::new())),
        Manner::Whole => Either::Left(whole(answer.body)),
        Manner::Breaks(after) => {
            let piece = Ok(Frame::data(answer.body.slice(..after)));
            // What came before is flushed while the body makes its reader wait.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("the test breaks the connection"))
            });
            Either::Right(StreamBody::new(stream::iter([piece]).chain(broken).boxed()))
        }
        Manner::Stalls(after) => {
            let piece = Ok(Frame::data(answer.body.slice(..after)));
            Either::Right(StreamBody::new(stream::iter([piece]).chain(stream::pending()).boxed()))
        }
        Manner::Pieces(size) => {
            let pieces: Vec<_> = (0..length).step_by(size).map(|at| at..length.min(at + size)).collect();
            let pieces = pieces.into_iter().map(move |range| Ok(Frame::data(answer.body.slice(range))));
            Either::Right(StreamBody::new(stream::iter(pieces).boxed()))
        }
    };
    let mut response = Response::builder().status(answer.status);
    if !answer.headers.iter().any(|(name, _)| *name == "content-length") {
        response = response.header("content-length", length);
    }
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(body).expect("the test's headers are valid"))
}
