//! AWS Signature Version 4 of one request.
//!
//! rust-s3 words the string to sign and derives the key. The canonical request is made here: the crate orders headers by
//! `name:value` instead of by name, keeps runs of spaces, refuses non-ASCII values and resolves dot segments, and each of
//! these is a wrong signature or another object.

use std::error::Error;

use hmac::Mac;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use s3::Region;
use s3::signing;
use time::OffsetDateTime;

use crate::model::{Digest, Secret};

/// The hash of a body that is not known when the request begins.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Who signs. Without one, requests go out unsigned.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    pub(super) session_token: Option<Secret>,
}

#[derive(Debug)]
pub(super) struct Signer {
    region: Region,
    keys: Option<Keys>,
}

/// What of a request is signed beside its headers.
pub(super) struct Subject<'a> {
    pub(super) method: &'a Method,
    /// As it goes over the wire.
    pub(super) path: &'a str,
    /// Sorted and encoded.
    pub(super) query: &'a str,
    /// SHA-256 in hexadecimal, or [`UNSIGNED`].
    pub(super) payload: &'a str,
}

type SignResult<T> = Result<T, Box<dyn Error + Send + Sync>>;

impl Signer {
    pub(super) fn new(region: &str, endpoint: &str, keys: Option<Keys>) -> Self {
        Self { region: Region::Custom { region: region.to_owned(), endpoint: endpoint.to_owned() }, keys }
    }

    /// Adds the headers that prove who asks. `headers` holds `host` and everything else that is to be signed.
    pub(super) fn sign(&self, subject: &Subject<'_>, now: Timestamp, headers: &mut HeaderMap) -> SignResult<()> {
        let Some(keys) = &self.keys else { return Ok(()) };
        headers.insert("x-amz-date", now.strftime("%Y%m%dT%H%M%SZ").to_string().parse()?);
        headers.insert("x-amz-content-sha256", subject.payload.parse()?);
        if let Some(token) = &keys.session_token {
            headers.insert("x-amz-security-token", secret_header(token.expose())?);
        }
        let (canonical, signed) = canonical_headers(headers);
        let Subject { method, path, query, payload } = subject;
        let request = format!("{method}\n{path}\n{query}\n{canonical}\n{signed}\n{payload}");
        let at = OffsetDateTime::from_unix_timestamp(now.as_second())?;
        let text = signing::string_to_sign(&at, &self.region, &request)?;
        let key = signing::signing_key(&at, keys.secret_key.expose(), &self.region, "s3")?;
        let mut code = signing::HmacSha256::new_from_slice(&key)?;
        code.update(text.as_bytes());
        let signature = Digest::from_bytes(code.finalize().into_bytes().into()).to_string();
        let header = signing::authorization_header(&keys.access_key, &at, &self.region, &signed, &signature)?;
        headers.insert(header::AUTHORIZATION, secret_header(&header)?);
        Ok(())
    }
}

fn secret_header(text: &str) -> SignResult<HeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The canonical headers, each with its line end, and the names of the signed ones: sorted by name, runs of spaces as one.
fn canonical_headers(headers: &HeaderMap) -> (String, String) {
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let mut canonical = String::new();
    for name in &names {
        let values = headers.get_all(*name).iter().map(|value| collapse(&String::from_utf8_lossy(value.as_bytes())));
        canonical.extend([name, ":", &values.collect::<Vec<_>>().join(","), "\n"]);
    }
    (canonical, names.join(";"))
}

/// Runs of spaces become one; a tab within a value stays.
fn collapse(value: &str) -> String {
    let words = value.trim_matches([' ', '\t']).split(' ').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn headers_are_sorted_by_name_even_where_one_name_begins_another() {
        let headers = headers(&[("x-amz-copy-source-range", "bytes=0-1"), ("x-amz-copy-source", "b/k"), ("host", "h")]);
        let (canonical, signed) = canonical_headers(&headers);
        assert_eq!(signed, "host;x-amz-copy-source;x-amz-copy-source-range");
        assert_eq!(canonical, "host:h\nx-amz-copy-source:b/k\nx-amz-copy-source-range:bytes=0-1\n");
    }

    #[test]
    fn runs_of_spaces_are_one_in_the_canonical_form_and_other_characters_stay() {
        let (canonical, _) = canonical_headers(&headers(&[("x-amz-meta-a", "  1   2  é\t3 \t")]));
        assert_eq!(canonical, "x-amz-meta-a:1 2 é\t3\n");
    }

    #[test]
    fn the_published_example_has_the_published_signature() {
        let keys = Keys {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        let signer = Signer::new("us-east-1", "https://s3.amazonaws.com", Some(keys));
        let mut headers = headers(&[("host", "examplebucket.s3.amazonaws.com"), ("range", "bytes=0-9")]);
        let empty = crate::archive::sha256(b"").to_string();
        let subject = Subject { method: &Method::GET, path: "/test.txt", query: "", payload: &empty };
        signer.sign(&subject, "2013-05-24T00:00:00Z".parse().unwrap(), &mut headers).unwrap();
        let authorization = headers[header::AUTHORIZATION].to_str().unwrap();
        let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert!(authorization.ends_with(&format!("Signature={expected}")), "{authorization}");
        assert!(!format!("{headers:?}").contains(expected), "the header must not show itself");
    }
}
