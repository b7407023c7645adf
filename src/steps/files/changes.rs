//! What differs between the live stores and the parent of a backup: few lines, kept outside memory, in order of the keys.

use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

use super::super::sorted_listing::{decode_info, encode_info};
use super::super::{Context, Result, StepError};
use crate::model::{IndexRow, Key, SourceName};
use crate::repository::RepositoryError;
use crate::repository::spool::{Record, Sorter};
use crate::store::ObjectInfo;

/// Changes in memory; more go through the spool.
const MEMORY_BYTES: usize = 4 << 20;

/// Something to do about one object of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It is new, or not what it was: read it.
    Read(Listed),
    /// It is as the row says, which is not the parent's row.
    Take(Box<IndexRow>),
    /// It is as the parent says, and lies where it should not stay.
    Move(SourceName, Key),
    /// It is no more.
    Forget(SourceName, Key),
}

/// An object of a source, as its listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) source: SourceName,
    pub(super) info: ObjectInfo,
}

impl Change {
    /// What rows and changes are sorted by.
    pub(super) fn order(&self) -> (&str, &str) {
        match self {
            Self::Read(listed) => (listed.source.as_str(), listed.info.key.as_str()),
            Self::Take(row) => row.order(),
            Self::Move(source, key) | Self::Forget(source, key) => (source.as_str(), key.as_str()),
        }
    }

    fn encode(&self) -> String {
        match self {
            Self::Read(Listed { info, .. }) => format!("r\t{}", encode_info(info)),
            Self::Take(row) => format!("t\t{row}"),
            Self::Move(..) => "m\t".to_owned(),
            Self::Forget(..) => "f\t".to_owned(),
        }
    }

    fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let (source, name) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        let (source, key) = (SourceName::try_from(source.to_owned()).ok()?, Key::new(name).ok()?);
        let (tag, rest) = std::str::from_utf8(value).ok()?.split_once('\t')?;
        match tag {
            "r" => Some(Self::Read(Listed { source, info: decode_info(key, rest)? })),
            "t" => rest.parse().ok().map(|row| Self::Take(Box::new(row))),
            "m" => Some(Self::Move(source, key)),
            "f" => Some(Self::Forget(source, key)),
            _ => None,
        }
    }
}

/// Collects changes and gives them back in order.
pub(super) struct Changes {
    sorter: Sorter,
    pub(super) count: u64,
}

impl Changes {
    pub(super) fn new(context: &Context) -> Self {
        Self { sorter: Sorter::new(&context.spool, MEMORY_BYTES), count: 0 }
    }

    pub(super) async fn add(&mut self, change: &Change) -> Result<()> {
        self.count += 1;
        let (source, key) = change.order();
        // No source has a NUL in its name, so this sorts as source and key do.
        Ok(self.sorter.push(format!("{source}\0{key}"), change.encode()).await?)
    }

    /// All changes in order; of several for one object the last by its text.
    pub(super) async fn finish(self) -> Result<BoxStream<'static, Result<Change>>> {
        let records = self.sorter.finish().await?;
        let changes = records.map_err(StepError::from).and_then(|record| std::future::ready(decode(&record)));
        Ok(changes.boxed())
    }
}

fn decode(Record { key, value }: &Record) -> Result<Change> {
    Change::decode(key, value).ok_or_else(|| {
        let error = RepositoryError::new(crate::repository::ErrorKind::Spool, "read", "the list of changes");
        error.with_detail("it holds what was not written").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::sha256;
    use crate::model::Attributes;

    fn source(name: &str) -> SourceName {
        SourceName::try_from(name.to_owned()).unwrap()
    }

    fn info(key: &str) -> ObjectInfo {
        let modified = "2026-11-20T02:00:00.123456789Z".parse().unwrap();
        ObjectInfo { key: Key::new(key).unwrap(), size: 7, etag: "a\tb\n".to_owned(), modified }
    }

    #[test]
    fn changes_read_back_as_they_were() {
        let row = IndexRow {
            source: source("live/books"),
            key: Key::new("a\tb\0c").unwrap(),
            size: 0,
            etag: "e".to_owned(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            sha256: sha256(b""),
            attributes: Attributes::default(),
            pieces: Vec::new(),
        };
        let listed = Listed { source: source("live/books"), info: info("ä\n\0") };
        let key = Key::new("k").unwrap();
        for change in [
            Change::Read(listed),
            Change::Take(Box::new(row)),
            Change::Move(source("live/a"), key.clone()),
            Change::Forget(source("live/a"), key),
        ] {
            let (source, key) = change.order();
            let found = Change::decode(format!("{source}\0{key}").as_bytes(), change.encode().as_bytes());
            assert_eq!(found, Some(change));
        }
    }

    #[test]
    fn a_source_sorts_before_one_whose_name_is_longer() {
        let order = |source_name, key| {
            let change = Change::Forget(source(source_name), Key::new(key).unwrap());
            let (source, key) = change.order();
            format!("{source}\0{key}").into_bytes()
        };
        assert!(order("live/a", "z") < order("live/a-b", "a"));
        assert!(("live/a", "z") < ("live/a-b", "a"));
    }
}
