//! Listings, page by page with the next one fetched ahead: objects, versions, uploads under way.
//!
//! Keys come percent-encoded, since XML cannot carry all of them. A listing that is cut off without saying where it goes
//! on is an error: what is not listed would be taken for absent.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use http::Method;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use tokio::task::JoinSet;

use super::S3Store;
use super::failure::Subject;
use super::request::{Request, unquote};
use super::xml::Element;
use crate::model::{BucketName, Key, Prefix};
use crate::store::{Address, ListOptions, Listed, ObjectInfo, Result, StaleUpload, Upload, Version};

/// A page, and from where the next one is to be asked for.
struct Page<T, Next> {
    items: Vec<T>,
    next: Option<Next>,
}

/// A key and the version or upload of it after which the next page begins.
#[derive(Clone, Default, PartialEq, Eq)]
struct Marker {
    key: String,
    id: String,
}

type Fetched<T, Next> = BoxFuture<'static, Result<Page<T, Next>>>;

/// All items of all pages. The page after the one in hand is under way.
fn all_pages<T, Next>(
    first: Next,
    fetch: impl Fn(Next) -> Fetched<T, Next> + Send + 'static,
) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    Next: Send + 'static,
{
    let pages = stream::unfold((Step::First(first), fetch), |(step, fetch)| async move {
        let mut task = match step {
            Step::First(first) => ahead(fetch(first)),
            Step::Ahead(task) => task,
            Step::End => return None,
        };
        let page = task.join_next().await?.expect("fetching a page neither panics nor is cancelled");
        Some(match page {
            Ok(Page { items, next }) => {
                let step = next.map_or(Step::End, |next| Step::Ahead(ahead(fetch(next))));
                (Ok(stream::iter(items.into_iter().map(Ok))), (step, fetch))
            }
            Err(error) => (Err(error), (Step::End, fetch)),
        })
    });
    pages.try_flatten().boxed()
}

/// Where a listing is; what is ahead ends when the listing is dropped.
enum Step<T, Next> {
    First(Next),
    Ahead(JoinSet<Result<Page<T, Next>>>),
    End,
}

fn ahead<T: Send + 'static>(fetched: impl Future<Output = T> + Send + 'static) -> JoinSet<T> {
    let mut task = JoinSet::new();
    task.spawn(fetched);
    task
}

impl S3Store {
    pub(super) fn list_objects(&self, bucket: &BucketName, options: ListOptions) -> BoxStream<'static, Result<Listed>> {
        let (store, bucket) = (self.clone(), bucket.clone());
        all_pages(None, move |token| {
            let (store, bucket, options) = (store.clone(), bucket.clone(), options.clone());
            async move { store.object_page(&bucket, &options, token).await }.boxed()
        })
    }

    async fn object_page(
        &self,
        bucket: &BucketName,
        options: &ListOptions,
        token: Option<String>,
    ) -> Result<Page<Listed, Option<String>>> {
        let mut request = Request::of_bucket("list", Method::GET, bucket)
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("prefix", options.prefix.as_str());
        if options.delimited {
            request = request.query("delimiter", "/");
        }
        if let Some(token) = &token {
            request = request.query("continuation-token", token.as_str());
        } else if let Some(after) = &options.start_after {
            request = request.query("start-after", after.as_str());
        }
        let (subject, document) = self.send(request).await?.xml("ListBucketResult").await?;
        let reader = Reader::new(&subject, &document);
        let mut items = reader.each(|element| match element.name.as_str() {
            "Contents" => Some(reader.object(element).map(Listed::Object)),
            "CommonPrefixes" => Some(reader.prefix(element).map(Listed::Prefix)),
            _ => None,
        })?;
        if options.delimited {
            // Servers group what is folded after what is not; a page as a whole is in order.
            items.sort_by(|one, other| name(one).cmp(name(other)));
        }
        let next = reader.next(|| document.text_of("NextContinuationToken").map(str::to_owned), token.as_ref())?;
        Ok(Page { items, next: next.map(Some) })
    }

    pub(super) fn list_versions(&self, bucket: &BucketName, prefix: String) -> BoxStream<'static, Result<Version>> {
        let (store, bucket) = (self.clone(), bucket.clone());
        all_pages(Marker::default(), move |marker| {
            let (store, bucket, prefix) = (store.clone(), bucket.clone(), prefix.clone());
            async move { store.version_page(&bucket, &prefix, marker).await }.boxed()
        })
    }

    async fn version_page(&self, bucket: &BucketName, prefix: &str, from: Marker) -> Result<Page<Version, Marker>> {
        let request = Request::of_bucket("list versions of", Method::GET, bucket);
        let request = marked(request.query("versions", ""), prefix, &from, "version-id-marker");
        let (subject, document) = self.send(request).await?.xml("ListVersionsResult").await?;
        let reader = Reader::new(&subject, &document);
        let items = reader.each(|element| match element.name.as_str() {
            "Version" | "DeleteMarker" => Some(reader.version(element)),
            _ => None,
        })?;
        let keys = || items.iter().map(|version| version.info.key.as_str());
        let next = reader.next(|| reader.marker(keys(), "NextVersionIdMarker"), Some(&from))?;
        Ok(Page { items, next })
    }

    pub(super) async fn find_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        let mut found = Vec::new();
        let mut from = Marker::default();
        loop {
            let request = Request::of_bucket("list uploads of", Method::GET, bucket);
            let request = marked(request.query("uploads", ""), prefix, &from, "upload-id-marker");
            let (subject, document) = self.send(request).await?.xml("ListMultipartUploadsResult").await?;
            let reader = Reader::new(&subject, &document);
            let page = reader.each(|element| (element.name == "Upload").then(|| reader.upload(bucket, element)))?;
            let keys = page.iter().map(|stale| stale.upload.at.key.as_str());
            let next = reader.next(|| reader.marker(keys, "NextUploadIdMarker"), Some(&from))?;
            found.extend(page);
            match next {
                Some(next) => from = next,
                None => return Ok(found),
            }
        }
    }
}

fn marked<'a>(request: Request<'a>, prefix: &'a str, from: &'a Marker, id: &'static str) -> Request<'a> {
    let request = request.query("encoding-type", "url").query("prefix", prefix);
    if from.key.is_empty() {
        return request;
    }
    let request = request.query("key-marker", from.key.as_str());
    if from.id.is_empty() { request } else { request.query(id, from.id.as_str()) }
}

fn name(listed: &Listed) -> &str {
    match listed {
        Listed::Object(info) => info.key.as_str(),
        Listed::Prefix(prefix) => prefix.as_str(),
    }
}

/// Reads the elements of a listing.
struct Reader<'a> {
    subject: &'a Subject,
    document: &'a Element,
    /// Whether the server did encode the keys.
    encoded: bool,
}

impl<'a> Reader<'a> {
    fn new(subject: &'a Subject, document: &'a Element) -> Self {
        Self { subject, document, encoded: document.text_of("EncodingType") == Some("url") }
    }

    fn each<T>(&self, read: impl Fn(&Element) -> Option<Result<T>>) -> Result<Vec<T>> {
        self.document.children.iter().filter_map(read).collect()
    }

    /// Where the next page begins; `None` at the end.
    fn next<Next: PartialEq>(&self, read: impl FnOnce() -> Option<Next>, from: Option<&Next>) -> Result<Option<Next>> {
        if !self.document.is_true("IsTruncated") {
            return Ok(None);
        }
        match read() {
            Some(next) if Some(&next) != from => Ok(Some(next)),
            _ => Err(self.subject.unexpected("the listing is cut off, and the server does not say where it goes on")),
        }
    }

    /// Some servers encode markers as they do keys, others do not: the one that is a key of the page is right.
    fn marker<'k>(&self, mut keys: impl Iterator<Item = &'k str>, id: &str) -> Option<Marker> {
        let raw = self.document.text_of("NextKeyMarker")?;
        let key = if keys.any(|key| key == raw) { raw.to_owned() } else { self.decode(raw).ok()? };
        Some(Marker { key, id: self.document.text_of(id).unwrap_or_default().to_owned() })
    }

    fn decode(&self, text: &str) -> Result<String> {
        if !self.encoded {
            return Ok(text.to_owned());
        }
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        decoded.map(String::from).map_err(|_| self.subject.unexpected(format!("a listed key is not UTF-8: {text}")))
    }

    fn field<'e>(&self, element: &'e Element, name: &str) -> Result<&'e str> {
        let missing = || self.subject.unexpected(format!("<{}> has no <{name}>", element.name));
        element.text_of(name).ok_or_else(missing)
    }

    fn key(&self, element: &Element) -> Result<Key> {
        let text = self.decode(self.field(element, "Key")?)?;
        Key::new(text).map_err(|error| self.subject.unexpected("a listed key is no key").with_source(error))
    }

    fn time(&self, element: &Element, name: &str) -> Result<Timestamp> {
        let text = self.field(element, name)?;
        text.parse().map_err(|_| self.subject.unexpected(format!("<{name}> is no time: {text}")))
    }

    fn object(&self, element: &Element) -> Result<ObjectInfo> {
        let size = self.field(element, "Size")?;
        Ok(ObjectInfo {
            key: self.key(element)?,
            size: size.parse().map_err(|_| self.subject.unexpected(format!("<Size> is no number: {size}")))?,
            etag: unquote(element.text_of("ETag").unwrap_or_default()),
            modified: self.time(element, "LastModified")?,
        })
    }

    fn prefix(&self, element: &Element) -> Result<Prefix> {
        let text = self.decode(self.field(element, "Prefix")?)?;
        Prefix::new(text).map_err(|error| self.subject.unexpected("a common prefix is no prefix").with_source(error))
    }

    fn version(&self, element: &Element) -> Result<Version> {
        let is_delete_marker = element.name == "DeleteMarker";
        let info = if is_delete_marker {
            let modified = self.time(element, "LastModified")?;
            ObjectInfo { key: self.key(element)?, size: 0, etag: String::new(), modified }
        } else {
            self.object(element)?
        };
        let id = self.field(element, "VersionId")?.to_owned();
        Ok(Version { info, id, is_latest: element.is_true("IsLatest"), is_delete_marker })
    }

    fn upload(&self, bucket: &BucketName, element: &Element) -> Result<StaleUpload> {
        let at = Address::new(bucket.clone(), self.key(element)?);
        let id = self.field(element, "UploadId")?.to_owned();
        let started = element.text_of("Initiated").and_then(|text| text.parse().ok());
        Ok(StaleUpload { upload: Upload { at, id }, started })
    }
}
