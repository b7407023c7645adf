//! The journals of restores, and what they were about to write: records of their own, which no backup names and no prune
//! removes.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::error::{ErrorKind, RepositoryError, Result};
use super::lines::lines;
use super::open::check_format;
use super::{Repository, layout};
use crate::archive::{DecodeError, blocking, gzip};
use crate::model::journal::{Change, WrittenRow};
use crate::model::{IndexRow, Key, RestoreJournal, RunId};
use crate::store::{ListOptions, Listed, Precondition};

/// Journals read at once.
const READS: usize = 8;

/// The journals that there are.
#[derive(Debug, Default)]
pub struct Journals {
    pub found: Vec<RestoreJournal>,
    /// Those that cannot be read, and why.
    pub unreadable: Vec<RepositoryError>,
}

impl Repository {
    /// Writes a journal, over what was there of the same run.
    pub async fn save_restore(&self, journal: &RestoreJournal) -> Result<()> {
        self.put_json(&layout::restore(&journal.run), journal, Precondition::Overwrite).await
    }

    /// All journals. One listing, and one read a restore that ever was.
    pub async fn restores(&self) -> Result<Journals> {
        let prefix = format!("{}{}", self.prefix, layout::RESTORES);
        let listing = self.store.list(&self.bucket, ListOptions { prefix, delimited: true, ..ListOptions::default() });
        let paths = listing.filter_map(|listed| {
            std::future::ready(match listed {
                Ok(Listed::Object(info)) => self.path(&info.key).map(Ok),
                Ok(Listed::Prefix(_)) => None,
                Err(error) => Some(Err(RepositoryError::from_store(error, "list", layout::RESTORES))),
            })
        });
        let read = paths.map_ok(|path| async move { Ok((self.restore_at(&path).await, path)) });
        let mut read = std::pin::pin!(read.try_buffered(READS));
        let mut journals = Journals::default();
        while let Some((journal, _)) = read.try_next().await? {
            match journal {
                Ok(journal) => journals.found.extend(journal),
                Err(error) if matches!(error.kind, ErrorKind::Damaged | ErrorKind::Unsupported) => {
                    journals.unreadable.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        journals.found.sort_by(|one, other| (one.began_at, &one.run).cmp(&(other.began_at, &other.run)));
        Ok(journals)
    }

    async fn restore_at(&self, path: &Key) -> Result<Option<RestoreJournal>> {
        let Some(bytes) = self.get(path).await? else { return Ok(None) };
        check_format(&bytes, path)?;
        let journal = serde_json::from_slice(&bytes);
        let journal =
            journal.map_err(|error| RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_source(error));
        journal.map(Some)
    }

    /// Writes down objects that a restore is about to write; only once this has answered may they be written.
    pub async fn save_written(&self, run: &RunId, number: u32, rows: &[(Change, IndexRow)]) -> Result<()> {
        let mut text = String::new();
        for (change, row) in rows {
            text.push_str(&WrittenRow::line(*change, row));
            text.push('\n');
        }
        let body = blocking(move || gzip::compress_member(text.as_bytes(), gzip::Level::default())).await;
        self.put(&layout::written(run, number), body.into(), Precondition::Overwrite).await
    }

    /// What a restore was about to write, in no order.
    pub fn written(&self, run: &RunId) -> BoxStream<'_, Result<WrittenRow>> {
        let folder = layout::restore_folder(run);
        let prefix = format!("{}{folder}", self.prefix);
        let listing = self.store.list(&self.bucket, ListOptions { prefix, ..ListOptions::default() });
        let batches = listing.filter_map(move |listed| {
            std::future::ready(match listed {
                Ok(Listed::Object(info)) if info.key.as_str().ends_with(".tsv.gz") => self.path(&info.key).map(Ok),
                Ok(_) => None,
                Err(error) => Some(Err(RepositoryError::from_store(error, "list", folder.clone()))),
            })
        });
        let read = batches.and_then(move |path| async move {
            let bytes = self.get(&path).await?;
            let bytes = bytes.ok_or_else(|| damaged(&path, "it is missing".to_owned()))?;
            Ok(rows(path, bytes))
        });
        read.try_flatten().boxed()
    }
}

fn damaged(path: &Key, detail: String) -> RepositoryError {
    RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_detail(detail)
}

fn rows(path: Key, bytes: Bytes) -> BoxStream<'static, Result<WrittenRow>> {
    let of = path.clone();
    let raw = gzip::decompress_stream(stream::iter([Ok::<_, RepositoryError>(bytes)]));
    let raw = raw.map_err(move |error| match error {
        DecodeError::Source(error) => error,
        DecodeError::Corrupt(reason) => damaged(&of, reason.to_string()),
    });
    let parse =
        move |line: String| WrittenRow::parse(&line).ok_or_else(|| damaged(&path, format!("the line {line:?}")));
    let batches = lines(raw, "a list of what a restore wrote".to_owned());
    batches.map_ok(|batch| stream::iter(batch).map(Ok)).try_flatten().map(move |line| parse(line?)).boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::archive::sha256;
    use crate::model::journal::{HooksRecord, RestoreState};
    use crate::model::manifest::Origins;
    use crate::model::{Attributes, BucketName, Prefix, SourceName};
    use crate::store::memory::MemoryStore;

    async fn repository() -> Repository {
        let store = Arc::new(MemoryStore::new());
        let (bucket, prefix) = (BucketName::new("vault").unwrap(), Prefix::new("nightly/").unwrap());
        Repository::init(store, bucket, prefix).await.unwrap().0
    }

    fn journal(second: i64) -> RestoreJournal {
        RestoreJournal {
            format: RestoreJournal::FORMAT,
            run: RunId::create(),
            continues: None,
            backup: "20261120T020000Z-complete-k3x9".parse().unwrap(),
            host: "atlas".to_owned(),
            user: "root".to_owned(),
            command: "dcs restore-complete".to_owned(),
            dcs_version: String::new(),
            began_at: Timestamp::from_second(second).unwrap(),
            state: RestoreState::Running,
            error: None,
            databases: Vec::new(),
            files: Vec::new(),
            config: None,
            hooks: HooksRecord::default(),
            undos: Vec::new(),
            origins: Origins::default(),
        }
    }

    fn row(key: &str) -> IndexRow {
        IndexRow {
            source: SourceName::try_from("live/books".to_owned()).unwrap(),
            key: Key::new(key).unwrap(),
            size: 1,
            etag: "e".to_owned(),
            modified: Timestamp::UNIX_EPOCH,
            sha256: sha256(key.as_bytes()),
            attributes: Attributes::default(),
            pieces: Vec::new(),
        }
    }

    #[tokio::test]
    async fn journals_come_back_in_the_order_of_time_and_what_is_unreadable_hides_none() {
        let repository = repository().await;
        let (late, early) = (journal(9), journal(1));
        for journal in [&late, &early, &late] {
            repository.save_restore(journal).await.unwrap();
        }
        repository.save_written(&late.run, 0, &[(Change::Add, row("a"))]).await.unwrap();
        let put = async |path: &str, text: &'static str| {
            repository.put(&Key::new(path).unwrap(), text.into(), Precondition::Overwrite).await.unwrap();
        };
        put("restores/newer.json", "{\"format\": 99}").await;
        put("restores/broken.json", "{").await;
        let journals = repository.restores().await.unwrap();
        assert_eq!(journals.found, [early, late]);
        let kinds: Vec<ErrorKind> = journals.unreadable.iter().map(|error| error.kind).collect();
        assert_eq!(kinds, [ErrorKind::Damaged, ErrorKind::Unsupported]);
    }

    #[tokio::test]
    async fn what_was_to_be_written_is_read_batch_by_batch_and_a_cut_list_is_damage() {
        let repository = repository().await;
        let run = RunId::create();
        repository.save_written(&run, 0, &[(Change::Add, row("a")), (Change::Replace, row("b"))]).await.unwrap();
        repository.save_written(&run, 1, &[(Change::Add, row("c"))]).await.unwrap();
        repository.save_written(&RunId::create(), 0, &[(Change::Add, row("of another"))]).await.unwrap();
        let rows: Vec<WrittenRow> = repository.written(&run).try_collect().await.unwrap();
        let read: Vec<_> = rows.iter().map(|row| (row.change, row.row.key.as_str())).collect();
        assert_eq!(read, [(Change::Add, "a"), (Change::Replace, "b"), (Change::Add, "c")]);

        let path = layout::written(&run, 1);
        let whole = repository.get(&path).await.unwrap().unwrap();
        repository.put(&path, whole.slice(..whole.len() - 9), Precondition::Overwrite).await.unwrap();
        let read: Result<Vec<WrittenRow>> = repository.written(&run).try_collect().await;
        assert_eq!(read.unwrap_err().kind, ErrorKind::Damaged);
    }
}
