//! Attributes as headers. Values go out and come back as the bytes they are: what a server answers encoded (AWS gives
//! non-ASCII metadata as RFC 2047 words) is kept so and sent so, and is the same to every client afterwards.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::xml::Element;
use crate::model::Attributes;
use crate::model::percent::encode_name;

const USER: &str = "x-amz-meta-";

#[derive(Debug, thiserror::Error)]
#[error("the attribute {0:?} cannot go into a header")]
pub(super) struct InvalidAttribute(String);

/// The headers that store `attributes`. What a file has beside them is left out: objects have no modes.
pub(super) fn to_headers(attributes: &Attributes) -> Result<HeaderMap, InvalidAttribute> {
    let Attributes { content_type, cache_control, content_disposition, content_encoding, content_language, .. } =
        attributes;
    let mut headers = HeaderMap::new();
    let plain = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache_control),
        (header::CONTENT_DISPOSITION, content_disposition),
        (header::CONTENT_ENCODING, content_encoding),
        (header::CONTENT_LANGUAGE, content_language),
    ];
    for (name, value) in plain {
        if let Some(value) = value {
            headers.insert(name.clone(), header_value(name.as_str(), value)?);
        }
    }
    for (name, value) in &attributes.user {
        let header = HeaderName::try_from(format!("{USER}{name}")).map_err(|_| InvalidAttribute(name.clone()))?;
        headers.insert(header, header_value(name, value)?);
    }
    if !attributes.tags.is_empty() {
        let tags = attributes.tags.iter().map(|(name, value)| format!("{}={}", encode_name(name), encode_name(value)));
        headers.insert("x-amz-tagging", header_value("tags", &tags.collect::<Vec<_>>().join("&"))?);
    }
    Ok(headers)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, InvalidAttribute> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| InvalidAttribute(name.to_owned()))
}

/// The attributes that the headers of an answer hold, and whether there are tags to ask for.
pub(super) fn from_headers(headers: &HeaderMap) -> (Attributes, bool) {
    let get = |name: HeaderName| headers.get(name).map(header_text);
    let user = headers.keys().filter_map(|name| {
        let values: Vec<String> = headers.get_all(name).iter().map(header_text).collect();
        Some((name.as_str().strip_prefix(USER)?.to_owned(), values.join(",")))
    });
    let attributes = Attributes {
        content_type: get(header::CONTENT_TYPE),
        cache_control: get(header::CACHE_CONTROL),
        content_disposition: get(header::CONTENT_DISPOSITION),
        content_encoding: get(header::CONTENT_ENCODING),
        content_language: get(header::CONTENT_LANGUAGE),
        user: user.collect(),
        ..Attributes::default()
    };
    let tagged = headers.get("x-amz-tagging-count").is_some_and(|count| count != "0");
    (attributes, tagged)
}

/// The text of a header: UTF-8, or else what the bytes are in Latin-1, which HTTP once meant.
fn header_text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|&byte| char::from(byte)).collect(), str::to_owned)
}

/// The tags of a `Tagging` document.
pub(super) fn tags(document: &Element) -> std::collections::BTreeMap<String, String> {
    let set = document.children.iter().filter(|child| child.name == "TagSet").flat_map(|set| &set.children);
    let pairs = set.map(|tag| (tag.text_of("Key").unwrap_or_default(), tag.text_of("Value").unwrap_or_default()));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_headers_comes_back_the_same() {
        let attributes = Attributes {
            content_type: Some("text/plain; charset=utf-8".to_owned()),
            content_disposition: Some("attachment; filename=\"é.txt\"".to_owned()),
            user: [("a", "1  2"), ("a-b", "日本")].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Attributes::default()
        };
        let headers = to_headers(&attributes).unwrap();
        assert_eq!(from_headers(&headers), (attributes, false));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_not_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-meta-a", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        assert_eq!(from_headers(&headers).0.user["a"], "café");
    }

    #[test]
    fn an_attribute_that_no_header_can_carry_is_refused() {
        let user = [("a".to_owned(), "line\nend".to_owned())].into();
        assert!(to_headers(&Attributes { user, ..Attributes::default() }).is_err());
    }

    #[test]
    fn tags_are_encoded_as_a_query() {
        let tags = [("a b".to_owned(), "1&2".to_owned())].into();
        let headers = to_headers(&Attributes { tags, ..Attributes::default() }).unwrap();
        assert_eq!(headers["x-amz-tagging"], "a%20b=1%262");
    }
}
