//! What of the live stores is backed up.

use serde::{Deserialize, Serialize};

use super::{BucketName, Glob, Prefix};

/// One entry of `[backup].files`: a store, a bucket or all, a folder or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSource {
    pub store: String,
    /// None for every bucket of the store.
    pub bucket: Option<BucketName>,
    pub prefix: Prefix,
}

/// Which objects of the sources are backed up: those that fit one of `include`, or all where there is none, but for those
/// that fit one of `exclude`. Patterns are for `STORE/BUCKET/KEY`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patterns {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Glob>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Glob>,
}

impl Patterns {
    /// Whether an object of this source is backed up.
    pub fn take(&self, source: &str, key: &str) -> bool {
        if self.include.is_empty() && self.exclude.is_empty() {
            return true;
        }
        let name = format!("{source}/{key}");
        let fits = |globs: &[Glob]| globs.iter().any(|glob| glob.fits(&name));
        (self.include.is_empty() || fits(&self.include)) && !fits(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_included_is_taken_unless_it_is_excluded() {
        let globs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let all = Patterns::default();
        assert!(all.take("live/books", "42/text"));
        let some =
            Patterns { include: globs(&["live/books/**"]), exclude: globs(&["**/*.tmp", "live/books/*/cache/**"]) };
        assert!(some.take("live/books", "42/text"));
        for (source, key) in [("live/apps", "42/text"), ("live/books", "42/a.tmp"), ("live/books", "42/cache/a/b")] {
            assert!(!some.take(source, key), "{source}/{key}");
        }
    }
}
