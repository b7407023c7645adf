//! Which objects of a backup a restore is about.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::model::manifest::{FilesComponent, Segment, SourceSummary};
use crate::model::{Glob, IndexRow, SourceName};
use crate::repository::index::segments_of;

/// A bucket of a backup, a folder of one (`live/books/42/`), or one object (`live/books/42/cover.jpg`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    pub source: SourceName,
    /// Empty for the whole bucket; what ends in a slash is a folder, anything else a key.
    pub within: String,
}

/// Says that a text names no part of a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write STORE/BUCKET, STORE/BUCKET/FOLDER/ or STORE/BUCKET/KEY")]
pub struct InvalidOnly;

impl FromStr for Only {
    type Err = InvalidOnly;

    fn from_str(text: &str) -> Result<Self, InvalidOnly> {
        let end = text.match_indices('/').nth(1).map_or(text.len(), |(at, _)| at);
        let source = SourceName::try_from(text[..end].to_owned()).map_err(|_| InvalidOnly)?;
        Ok(Self { source, within: text[end..].strip_prefix('/').unwrap_or_default().to_owned() })
    }
}

impl fmt::Display for Only {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.within.is_empty() { "" } else { "/" };
        write!(formatter, "{}{slash}{}", self.source, self.within.escape_debug())
    }
}

impl Only {
    /// Whether it names one object.
    pub(super) fn is_one(&self) -> bool {
        !self.within.is_empty() && !self.within.ends_with('/')
    }

    pub(super) fn is(&self, row: &IndexRow) -> bool {
        self.takes(row.source.as_str(), row.key.as_str())
    }

    fn takes(&self, source: &str, key: &str) -> bool {
        let is_whole_folder = self.within.is_empty() || self.within.ends_with('/');
        source == self.source.as_str()
            && if is_whole_folder { key.starts_with(&self.within) } else { key == self.within }
    }
}

/// What is selected: any of `only`, and all of the rest.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// All of the backup, where it is empty.
    pub only: Vec<Only>,
    /// What keys begin with.
    pub prefix: String,
    /// Keys fit one of these, where there are any.
    pub include: Vec<Glob>,
    /// Keys that fit one of these are left out.
    pub exclude: Vec<Glob>,
}

impl Selection {
    /// Whole buckets.
    pub fn sources(sources: impl IntoIterator<Item = SourceName>) -> Self {
        let only = |source| Only { source, within: String::new() };
        Self { only: sources.into_iter().map(only).collect(), ..Self::default() }
    }

    /// Whether it is whole buckets.
    pub(super) fn is_whole(&self) -> bool {
        let are_whole = self.only.iter().all(|only| only.within.is_empty());
        are_whole && self.prefix.is_empty() && self.include.is_empty() && self.exclude.is_empty()
    }

    pub fn takes(&self, source: &SourceName, key: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|only| only.takes(source.as_str(), key)))
            && key.starts_with(&self.prefix)
            && (self.include.is_empty() || self.include.iter().any(|glob| glob.fits(key)))
            && !self.exclude.iter().any(|glob| glob.fits(key))
    }

    /// The buckets that something may be selected of.
    pub fn of<'a>(&self, files: &'a FilesComponent) -> impl Iterator<Item = &'a SourceSummary> {
        let named: BTreeSet<&str> = self.only.iter().map(|only| only.source.as_str()).collect();
        files.sources.iter().filter(move |summary| named.is_empty() || named.contains(summary.source.as_str()))
    }

    /// The segments that may hold what is selected, in order.
    pub(super) fn segments(&self, files: &FilesComponent) -> Vec<Segment> {
        let mut wanted: BTreeSet<usize> = BTreeSet::new();
        let mut want = |source: &str, prefix: &str| {
            let found = segments_of(&files.segments, source, prefix);
            let paths: BTreeSet<&str> = found.iter().map(|segment| segment.part.path.as_str()).collect();
            let numbered = files.segments.iter().enumerate();
            wanted.extend(numbered.filter(|(_, segment)| paths.contains(segment.part.path.as_str())).map(|(n, _)| n));
        };
        for summary in self.of(files) {
            let source = summary.source.as_str();
            if self.only.is_empty() {
                want(source, &self.prefix);
            }
            for only in self.only.iter().filter(|only| only.source == summary.source) {
                want(source, if only.within.len() > self.prefix.len() { &only.within } else { &self.prefix });
            }
        }
        wanted.into_iter().filter_map(|number| files.segments.get(number).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(only: &[&str], prefix: &str, include: &[&str], exclude: &[&str]) -> Selection {
        let globs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Selection {
            only: only.iter().map(|text| text.parse().unwrap()).collect(),
            prefix: prefix.to_owned(),
            include: globs(include),
            exclude: globs(exclude),
        }
    }

    fn taken(selection: &Selection) -> Vec<&'static str> {
        let all = ["live/apps/42/a", "live/books/4", "live/books/42/a", "live/books/42/a.jpg", "live/books/420/a"];
        let takes = |text: &&str| {
            let only: Only = text.parse().unwrap();
            selection.takes(&only.source, &only.within)
        };
        all.into_iter().filter(takes).collect()
    }

    #[test]
    fn what_is_named_narrows_and_never_widens() {
        assert_eq!(taken(&selection(&[], "", &[], &[])).len(), 5);
        assert_eq!(taken(&selection(&["live/apps"], "", &[], &[])), ["live/apps/42/a"]);
        assert_eq!(taken(&selection(&["live/books/42/a"], "", &[], &[])), ["live/books/42/a"], "one object");
        assert_eq!(taken(&selection(&["live/books/42/"], "", &[], &[])).len(), 2, "a folder");
        assert_eq!(taken(&selection(&["live/books/42"], "", &[], &[])), Vec::<&str>::new(), "a key, and there is none");
        assert_eq!(taken(&selection(&[], "42", &[], &[])).len(), 4);
        assert_eq!(taken(&selection(&["live/books/42/"], "420", &[], &[])), Vec::<&str>::new());
        assert_eq!(taken(&selection(&[], "", &["**/*.jpg", "4"], &[])), ["live/books/4", "live/books/42/a.jpg"]);
        assert_eq!(taken(&selection(&["live/books"], "42/", &["**"], &["**/*.jpg"])), ["live/books/42/a"]);
    }

    #[test]
    fn a_part_of_a_backup_reads_back() {
        for text in ["live/books", "live/books/42/", "live/books//42", "live/books/42/cover.jpg"] {
            assert_eq!(text.parse::<Only>().unwrap().to_string(), text);
        }
        for text in ["", "live", "live/", "/books", "li ve/books/42"] {
            assert!(text.parse::<Only>().is_err(), "{text}");
        }
    }
}
