//! What an object carries beside its bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The headers and user metadata of an object, and for plain files their POSIX side. Copied, backed up and restored as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// User metadata: `x-amz-meta-NAME` without the prefix, lowercase.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Set where the object is a plain file, link or empty folder of a directory store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posix: Option<Posix>,
}

/// What a file has that an object has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Posix {
    pub kind: FileKind,
    /// Permission bits, as `chmod` takes them.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub mtime_nanoseconds: i64,
    /// Where a symbolic link points.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    File,
    Symlink,
    /// An empty folder; its key ends in `/`.
    Folder,
}
