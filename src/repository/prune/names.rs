//! What backups name, and what nobody names: everything is thrown into one sorter, so that it lies together by its name.

use std::collections::BTreeSet;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::marks::{MarkFile, identity, open, pack_identity, read_mark};
use crate::archive::{DecodeError, gzip};
use crate::model::index::is_pack_name;
use crate::model::manifest::{FilesComponent, Manifest};
use crate::model::{BackupId, Key};
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::lines::lines;
use crate::repository::pack::{PackInfo, read_pack_list};
use crate::repository::spool::{Record, Sorter};
use crate::repository::{Repository, layout};
use crate::store::{ListOptions, Listed, ObjectInfo};

const NAMED: u8 = b'N';
const MARKED: u8 = b'M';
const THERE: u8 = b'T';
const CANDIDATE: u8 = b'C';

/// An object that prune may remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    pub(super) path: Key,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
}

/// An object that a mark names and that may go, if nobody names it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: Key,
    pub(super) size: u64,
    /// The number of the mark.
    pub(super) mark: usize,
}

impl Candidate {
    /// As a sorter of candidates keeps it.
    pub(super) fn value(&self) -> String {
        format!("{}{}\t{}\t{}", char::from(CANDIDATE), self.mark, self.size, self.path)
    }
}

/// All that is known of one pack, or of one index segment.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) identity: String,
    pub(super) is_named: bool,
    /// The numbers of the marks that name it.
    pub(super) marks: BTreeSet<usize>,
    /// The object itself, and with a pack what is said of its damage.
    pub(super) there: Vec<There>,
    pub(super) candidates: Vec<Candidate>,
}

/// Collects names from all sides.
pub(super) struct Names<'a> {
    repository: &'a Repository,
    sorter: Sorter,
}

impl<'a> Names<'a> {
    pub(super) fn new(repository: &'a Repository, sorter: Sorter) -> Self {
        Self { repository, sorter }
    }

    /// Everything that a backup names outside its own folder.
    pub(super) async fn manifest(&mut self, manifest: &Manifest) -> Result<()> {
        match &manifest.files {
            Some(files) => self.files(&manifest.id, files).await,
            None => Ok(()),
        }
    }

    async fn files(&mut self, id: &BackupId, files: &FilesComponent) -> Result<()> {
        for segment in &files.segments {
            self.named(segment.part.path.as_str()).await?;
        }
        let raw = self.repository.open_artefact(&files.pack_list);
        let mut packs = std::pin::pin!(read_pack_list(raw, layout::pack_list(id).to_string()));
        while let Some(pack) = packs.try_next().await? {
            self.named(&pack_identity(&pack.name)).await?;
        }
        Ok(())
    }

    /// The packs that an interrupted run stored, which the next may take over.
    pub(super) async fn partial(&mut self, id: &BackupId) -> Result<()> {
        let mut listing = self.list(layout::partial_folder(id));
        while let Some(info) = listing.try_next().await? {
            let Some(path) = self.repository.path(&info.key) else { continue };
            match self.partial_list(&path).await {
                // The next run cannot use it either.
                Err(error) if error.kind == ErrorKind::Damaged => tracing::warn!("{error}; it is passed over"),
                result => result?,
            }
        }
        Ok(())
    }

    async fn partial_list(&mut self, path: &Key) -> Result<()> {
        let subject = path.to_string();
        let raw = gzip::decompress_stream(open(self.repository, path).await?).map_err(move |error| match error {
            DecodeError::Source(error) => error,
            DecodeError::Corrupt(reason) => {
                RepositoryError::new(ErrorKind::Damaged, "read", subject.clone()).with_source(reason)
            }
        });
        let mut lines = std::pin::pin!(lines(raw, path.to_string()));
        while let Some(batch) = lines.try_next().await? {
            // Packs have three fields, and rows eight.
            for pack in batch.iter().filter_map(|line| line.parse::<PackInfo>().ok()) {
                self.named(&pack_identity(&pack.name)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn mark(&mut self, number: usize, file: &MarkFile) -> Result<()> {
        let mut lines = std::pin::pin!(read_mark(self.repository, &file.path).await?);
        while let Some(batch) = lines.try_next().await? {
            for path in batch {
                let value = [&[MARKED][..], number.to_string().as_bytes()].concat();
                self.sorter.push(identity(&path), value).await?;
            }
        }
        Ok(())
    }

    /// What lies in the folders that hold nothing but what backups share.
    pub(super) async fn listings(&mut self) -> Result<()> {
        for folder in [layout::PACKS, layout::INDEXES] {
            let mut listing = self.list(folder.to_owned());
            while let Some(info) = listing.try_next().await? {
                self.there(&info).await?;
            }
        }
        Ok(())
    }

    /// What is said of damaged packs. Where their contents were stored again is named by whoever needs the damaged pack, and
    /// nobody looks there whether somebody does: it goes in the run after that in which the damaged pack went.
    pub(super) async fn damaged(&mut self) -> Result<()> {
        let mut listing = self.list(layout::DAMAGED.to_owned());
        while let Some(info) = listing.try_next().await? {
            self.there(&info).await?;
            let Some(path) = self.repository.path(&info.key) else { continue };
            let body = open(self.repository, &path).await?;
            let mut lines = std::pin::pin!(lines(body, path.to_string()));
            while let Some(batch) = lines.try_next().await? {
                for pack in batch.iter().flat_map(|line| replacement_packs(line)) {
                    self.named(&pack_identity(pack)).await?;
                }
            }
        }
        Ok(())
    }

    fn list(&self, folder: String) -> BoxStream<'static, Result<ObjectInfo>> {
        let options = ListOptions { prefix: format!("{}{folder}", self.repository.prefix), ..ListOptions::default() };
        self.repository
            .store
            .list(&self.repository.bucket, options)
            .filter_map(move |listed| {
                std::future::ready(match listed {
                    Ok(Listed::Object(info)) => Some(Ok(info)),
                    Ok(Listed::Prefix(_)) => None,
                    Err(error) => Some(Err(RepositoryError::from_store(error, "list", folder.as_str()))),
                })
            })
            .boxed()
    }

    async fn named(&mut self, identity: &str) -> Result<()> {
        self.sorter.push(identity, [NAMED]).await
    }

    async fn there(&mut self, info: &ObjectInfo) -> Result<()> {
        let Some(path) = self.repository.path(&info.key) else { return Ok(()) };
        let value = format!("{}{}\t{}\t{path}", char::from(THERE), info.size, info.modified);
        self.sorter.push(identity(path.as_str()), value).await
    }

    /// Everything, name by name.
    pub(super) async fn finish(self) -> Result<impl Stream<Item = Result<Group>> + Send> {
        Ok(groups(self.sorter.finish().await?))
    }
}

/// The packs in a line `sha256 size pieces`.
fn replacement_packs(line: &str) -> impl Iterator<Item = &str> {
    let pieces = line.split('\t').nth(2).unwrap_or_default();
    let packs = pieces.split(',').filter_map(|piece| piece.split(':').next());
    packs.filter(|pack| is_pack_name(pack.split('.').next().unwrap_or_default()))
}

/// Puts sorted records of one name together.
fn groups(records: impl Stream<Item = Result<Record>> + Send) -> impl Stream<Item = Result<Group>> + Send {
    let state = (Box::pin(records), None::<Group>);
    futures_util::stream::try_unfold(state, |(mut records, mut group)| async move {
        while let Some(record) = records.try_next().await? {
            let identity = String::from_utf8_lossy(&record.key);
            let ended = match &mut group {
                Some(group) if group.identity == identity => None,
                other => other.replace(Group { identity: identity.into_owned(), ..Group::default() }),
            };
            if let Some(group) = &mut group {
                group.add(&record.value);
            }
            if let Some(ended) = ended {
                return Ok(Some((ended, (records, group))));
            }
        }
        Ok(group.take().map(|group| (group, (records, None))))
    })
}

impl Group {
    fn add(&mut self, value: &[u8]) {
        let text = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
        match value.first() {
            Some(&NAMED) => self.is_named = true,
            Some(&MARKED) => self.marks.extend(text.parse::<usize>().ok()),
            Some(&CANDIDATE) => self.candidates.extend(parse_candidate(&text)),
            _ => self.there.extend(parse_there(&text)),
        }
    }
}

fn parse_there(text: &str) -> Option<There> {
    let mut fields = text.splitn(3, '\t');
    let (size, modified) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(There { path: Key::new(fields.next()?).ok()?, size, modified })
}

fn parse_candidate(text: &str) -> Option<Candidate> {
    let mut fields = text.splitn(3, '\t');
    let (mark, size) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Candidate { path: Key::new(fields.next()?).ok()?, size, mark })
}
