//! Bucket names, object keys and prefixes, each a type that cannot hold a value it should not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest key that S3 takes, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// Says why a text is no key, prefix or bucket name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject:?} is no {what}: {reason}")]
pub struct InvalidKey {
    pub what: &'static str,
    pub subject: String,
    pub reason: &'static str,
}

/// An object's key: 1 to 1,024 bytes of UTF-8. Everything else (`..`, `//`, control characters) is a store's own affair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let reason = match text.len() {
            0 => "it is empty",
            1..=MAX_KEY_BYTES => return Ok(Self(text)),
            _ => "it is longer than 1,024 bytes",
        };
        Err(InvalidKey { what: "object key", subject: text, reason })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a segment is `.` or `..`, which many HTTP clients and some servers resolve away.
    pub fn has_dot_segment(&self) -> bool {
        self.0.split('/').any(|segment| segment == "." || segment == "..")
    }

    /// Whether a control character is in the key, which XML bodies cannot carry.
    pub fn has_control_character(&self) -> bool {
        self.0.chars().any(char::is_control)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// What keys begin with: empty (all of a bucket), or a text that ends in `/`, so that `42/` never takes in `420/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

impl Prefix {
    /// The prefix of every key.
    pub fn root() -> Self {
        Self::default()
    }

    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let reason = if text.len() > MAX_KEY_BYTES {
            "it is longer than 1,024 bytes"
        } else if !text.is_empty() && !text.ends_with('/') {
            "it does not end in '/'"
        } else {
            return Ok(Self(text));
        };
        Err(InvalidKey { what: "prefix", subject: text, reason })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, key: &Key) -> bool {
        key.0.starts_with(&self.0)
    }

    /// Whether one of the two lies in the other, or both are the same.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }

    /// The key of `name` below this prefix.
    pub fn key(&self, name: &str) -> Result<Key, InvalidKey> {
        Key::new(format!("{}{name}", self.0))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Prefix {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

/// A bucket's name: 1 to 63 letters, digits, `.`, `-`, `_`; never `.`, `..`, nor one that begins with a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(String);

impl BucketName {
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let reason = if text.is_empty() || text.len() > 63 {
            "it must have 1 to 63 characters"
        } else if text.starts_with('.') {
            "it begins with a dot"
        } else if !text.bytes().all(allowed) {
            "only letters, digits, '.', '-' and '_' are allowed"
        } else {
            return Ok(Self(text));
        };
        Err(InvalidKey { what: "bucket name", subject: text, reason })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for BucketName {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_never_takes_in_a_neighbour_whose_name_begins_alike() {
        let prefix = Prefix::new("42/").unwrap();
        assert!(prefix.contains(&Key::new("42/a").unwrap()));
        assert!(!prefix.contains(&Key::new("420/a").unwrap()));
        assert!(Prefix::new("42").is_err());
    }

    #[test]
    fn prefixes_overlap_only_when_one_lies_in_the_other() {
        let overlap = |a: &str, b: &str| Prefix::new(a).unwrap().overlaps(&Prefix::new(b).unwrap());
        assert!(overlap("", "a/"));
        assert!(overlap("a/", "a/b/"));
        assert!(!overlap("a/", "ab/"));
    }

    #[test]
    fn an_empty_or_too_long_key_is_refused() {
        assert!(Key::new("").is_err());
        assert!(Key::new("x".repeat(1025)).is_err());
        assert!(Key::new("é".repeat(512)).is_ok());
    }

    #[test]
    fn a_bucket_name_cannot_leave_its_folder() {
        for bad in ["", ".", "..", ".hidden", "a/b", "a b"] {
            assert!(BucketName::new(bad).is_err(), "{bad:?}");
        }
    }
}
