//! `backups/ID/partial/NNNNNN.tsv.gz`: what a run has stored so far, for the run after it should this one be interrupted.
//!
//! Each is written once: first the packs that were confirmed, as in `packs.tsv.gz`, then the index rows whose bytes lie in
//! confirmed packs. Rows come in order from file to file, so a run's partial lists together are a sorted index of what it
//! read; rows that it only kept from its parent are not in them.

use std::fmt::Write as _;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::error::{ErrorKind, RepositoryError, Result};
use super::pack::PackInfo;
use super::{Repository, layout};
use crate::archive::gzip::{self, Level};
use crate::archive::{blocking, lines};
use crate::model::{BackupId, IndexRow, Key};
use crate::store::{ListOptions, Listed, Precondition};

/// A partial list holds the rows of little more than one pack; what is larger is none of ours.
const LARGEST_RAW: usize = 256 << 20;

/// Writes the partial lists of a run.
#[derive(Debug)]
pub struct PartialWriter {
    repository: Repository,
    id: BackupId,
    number: u32,
    packs: String,
    rows: String,
}

impl PartialWriter {
    pub fn new(repository: Repository, id: BackupId) -> Self {
        Self { repository, id, number: 0, packs: String::new(), rows: String::new() }
    }

    /// Notes a pack that was confirmed.
    pub fn pack(&mut self, pack: &PackInfo) {
        // Writing to a string does not fail.
        writeln!(self.packs, "{pack}").ok();
    }

    /// Notes a row whose packs were confirmed and noted.
    pub fn row(&mut self, row: &IndexRow) {
        writeln!(self.rows, "{row}").ok();
    }

    /// Writes what was noted since, if a pack was: without a new pack there is little to lose.
    pub async fn write(&mut self) -> Result<()> {
        if self.packs.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.packs) + &std::mem::take(&mut self.rows);
        let bytes = blocking(move || gzip::compress_member(text.as_bytes(), Level::FASTEST)).await;
        self.number += 1;
        let path = layout::partial(&self.id, &format!("{:06}.tsv.gz", self.number));
        self.repository.put(&path, bytes.into(), Precondition::Overwrite).await
    }
}

/// The partial lists of one interrupted run, in the order of their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    pub id: BackupId,
    paths: Vec<Key>,
}

/// A line of a partial list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartialLine {
    Pack(PackInfo),
    Row(Box<IndexRow>),
}

impl Repository {
    /// The partial lists of a run that left no manifest; `None` where it left none.
    pub async fn partial(&self, id: &BackupId) -> Result<Option<Partial>> {
        let folder = layout::partial_folder(id);
        let options = ListOptions { prefix: format!("{}{folder}", self.prefix), ..ListOptions::default() };
        let listing = self.store.list(&self.bucket, options);
        let paths = listing.try_filter_map(|listed| {
            let path = match &listed {
                Listed::Object(info) => self.path(&info.key),
                Listed::Prefix(_) => None,
            };
            std::future::ready(Ok(path.filter(|path| path.as_str().ends_with(".tsv.gz"))))
        });
        let mut paths: Vec<Key> =
            paths.try_collect().await.map_err(|error| RepositoryError::from_store(error, "list", folder.as_str()))?;
        paths.sort();
        Ok((!paths.is_empty()).then(|| Partial { id: id.clone(), paths }))
    }

    /// The lines of a run's partial lists. One that is damaged, or gone meanwhile, ends the stream early with a warning: it
    /// is a help, and nothing depends on it.
    pub fn partial_lines(&self, partial: &Partial) -> BoxStream<'static, PartialLine> {
        let (repository, id) = (self.clone(), partial.id.clone());
        stream::iter(partial.paths.clone())
            .then(move |path| {
                let repository = repository.clone();
                async move { repository.read_partial(&path).await }
            })
            .scan((), move |(), result| {
                let lines = result.map_err(|error| tracing::warn!("what {id} had stored is not used: {error}")).ok();
                std::future::ready(lines)
            })
            .flat_map(stream::iter)
            .boxed()
    }

    async fn read_partial(&self, path: &Key) -> Result<Vec<PartialLine>> {
        let damaged =
            |detail: String| RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_detail(detail);
        let bytes = self.get(path).await?.ok_or_else(|| damaged("it is gone".to_owned()))?;
        let raw = blocking(move || gzip::decompress(bytes, LARGEST_RAW)).await;
        let raw = raw.map_err(|error| damaged(error.to_string()))?;
        let lines = lines(stream::iter([Ok(raw.into())]), |what| damaged(what.to_owned()));
        let lines: Vec<String> = lines.try_concat().await?;
        lines.iter().map(|line| parse(line).ok_or_else(|| damaged(format!("{line:?} is no line of it")))).collect()
    }

    /// Removes the partial lists of a run; what is left after a failure is in nobody's way.
    pub async fn remove_partial(&self, id: &BackupId) -> Result<()> {
        let Some(partial) = self.partial(id).await? else { return Ok(()) };
        let keys = partial.paths.iter().map(|path| Ok(self.address(path)?.key)).collect::<Result<Vec<Key>>>()?;
        for (key, result) in self.store.delete_many(&self.bucket, keys).await {
            result.map_err(|error| RepositoryError::from_store(error, "remove", key.as_str()))?;
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<PartialLine> {
    match line.parse() {
        Ok(pack) => Some(PartialLine::Pack(pack)),
        Err(_) => line.parse().ok().map(|row| PartialLine::Row(Box::new(row))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::sha256;
    use crate::model::{Attributes, BackupKind, BucketName, Piece, Prefix, SourceName};
    use crate::store::memory::MemoryStore;

    fn row(key: &str) -> IndexRow {
        IndexRow {
            source: SourceName::try_from("live/books".to_owned()).unwrap(),
            key: Key::new(key).unwrap(),
            size: 3,
            etag: "e".to_owned(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            sha256: sha256(key.as_bytes()),
            attributes: Attributes::default(),
            pieces: vec![Piece { pack: "bcdf2345".to_owned(), offset: 0, length: 9 }],
        }
    }

    #[tokio::test]
    async fn what_a_run_stored_is_found_again_until_it_is_removed() {
        let bucket = BucketName::new("vault").unwrap();
        let prefix = Prefix::new("dcs/").unwrap();
        let repository = Repository::init(Arc::new(MemoryStore::new()), bucket, prefix).await.unwrap().0;
        let id = BackupId::create(jiff::Timestamp::UNIX_EPOCH, BackupKind::Files);
        let pack = PackInfo { name: "bcdf2345".to_owned(), size: 9, sha256: sha256(b"") };
        let mut writer = PartialWriter::new(repository.clone(), id.clone());
        writer.row(&row("a"));
        writer.write().await.unwrap();
        assert!(repository.partial(&id).await.unwrap().is_none(), "a row alone is not worth a list");
        writer.pack(&pack);
        writer.write().await.unwrap();
        writer.pack(&pack);
        writer.row(&row("b"));
        writer.write().await.unwrap();
        let partial = repository.partial(&id).await.unwrap().unwrap();
        let lines: Vec<_> = repository.partial_lines(&partial).collect().await;
        let rows = |key| PartialLine::Row(Box::new(row(key)));
        let packs = || PartialLine::Pack(pack.clone());
        assert_eq!(lines, [packs(), rows("a"), packs(), rows("b")]);

        let second = layout::partial(&id, "000002.tsv.gz");
        repository.put(&second, "damaged".into(), Precondition::Overwrite).await.unwrap();
        let lines: Vec<_> = repository.partial_lines(&partial).collect().await;
        assert_eq!(lines, [packs(), rows("a")]);

        repository.remove_partial(&id).await.unwrap();
        assert!(repository.partial(&id).await.unwrap().is_none());
        let lines: Vec<_> = repository.partial_lines(&partial).collect().await;
        assert!(lines.is_empty());
    }
}
