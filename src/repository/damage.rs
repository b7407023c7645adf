//! `damaged/PACK/NAME.tsv`: which packs were found damaged, and where what lay in them was stored again.
//!
//! A file there says that the pack is damaged. Each of its lines, `sha256 size pieces`, tab-separated, names a content
//! that lay in the pack and another place of it. A row's own place is always tried first.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use super::error::{ErrorKind, RepositoryError, Result};
use super::open::Repository;
use super::pack::read_object;
use super::{layout, lines};
use crate::model::index::{parse_pieces, write_pieces};
use crate::model::{Digest, IndexRow, Piece, RunId};
use crate::store::{GetOptions, ListOptions, Listed, Precondition};

/// A content that was stored again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    pub sha256: Digest,
    pub size: u64,
    pub pieces: Vec<Piece>,
}

/// The line, without its newline.
impl fmt::Display for Replacement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\t{}\t", self.sha256, self.size)?;
        write_pieces(&self.pieces, formatter)
    }
}

/// Says that a text is no line of such a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no line of a list of replacements")]
pub struct InvalidReplacement(String);

impl FromStr for Replacement {
    type Err = InvalidReplacement;

    fn from_str(line: &str) -> std::result::Result<Self, InvalidReplacement> {
        let parse = || {
            let [sha256, size, pieces] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
            Some(Self { sha256: sha256.parse().ok()?, size: size.parse().ok()?, pieces: parse_pieces(pieces)? })
        };
        parse().ok_or_else(|| InvalidReplacement(line.to_owned()))
    }
}

/// Most lists that are kept, and most lines of all of them but one: about ten megabytes.
const LISTS_KEPT: usize = 256;
const LINES_KEPT: usize = 50_000;
/// Most lines of a pack; one of 64 MiB holds fewer objects.
const MOST_LINES: usize = 100_000;
/// How often a replacement may itself have been replaced.
const GENERATIONS: usize = 8;

type Lines = HashMap<Digest, Vec<Replacement>>;

/// Looks up where the content of damaged packs is now.
#[derive(Debug)]
pub struct Replacements {
    repository: Repository,
    known: Mutex<VecDeque<(String, Arc<Lines>)>>,
}

impl Replacements {
    pub fn new(repository: &Repository) -> Self {
        Self { repository: repository.clone(), known: Mutex::default() }
    }

    /// Whether anything that lay in the pack was stored again.
    pub async fn any(&self, pack: &str) -> Result<bool> {
        Ok(!self.lines(pack).await?.is_empty())
    }

    /// The row with each other place that was written down for its content.
    pub async fn places(&self, row: &IndexRow) -> Result<Vec<IndexRow>> {
        let mut found: Vec<IndexRow> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut packs: Vec<String> = row.pieces.iter().map(|piece| piece.pack.clone()).collect();
        for _ in 0..GENERATIONS {
            let mut next = Vec::new();
            for pack in packs {
                let folder = layout::damaged_folder(&pack);
                if !seen.insert(folder) {
                    continue;
                }
                let lines = self.lines(&pack).await?;
                for line in lines.get(&row.sha256).into_iter().flatten().filter(|line| line.size == row.size) {
                    next.extend(line.pieces.iter().map(|piece| piece.pack.clone()));
                    found.push(IndexRow { pieces: line.pieces.clone(), ..row.clone() });
                }
            }
            if next.is_empty() {
                break;
            }
            packs = next;
        }
        Ok(found)
    }

    /// The row with a place from which its content reads whole, where there is one. Reads it.
    pub async fn sound(&self, row: &IndexRow) -> Result<Option<IndexRow>> {
        for other in self.places(row).await? {
            match read_object(&self.repository, &other).try_for_each(|_| std::future::ready(Ok(()))).await {
                Ok(()) => return Ok(Some(other)),
                Err(error) if error.kind == ErrorKind::Damaged => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn lines(&self, pack: &str) -> Result<Arc<Lines>> {
        let folder = layout::damaged_folder(pack);
        let known = |known: &VecDeque<(String, Arc<Lines>)>| {
            known.iter().find(|(name, _)| *name == folder).map(|(_, lines)| lines.clone())
        };
        if let Some(lines) = known(&self.known.lock().expect("never poisoned")) {
            return Ok(lines);
        }
        let lines = Arc::new(read(&self.repository, &folder).await?);
        let mut all = self.known.lock().expect("never poisoned");
        while all.len() >= LISTS_KEPT || all.iter().map(|(_, lines)| lines.len()).sum::<usize>() > LINES_KEPT {
            all.pop_front();
        }
        all.push_back((folder, lines.clone()));
        Ok(lines)
    }
}

/// Reads every list of a folder. A line that is none is passed over: what it would have said is then not known.
async fn read(repository: &Repository, folder: &str) -> Result<Lines> {
    let mut found = Lines::new();
    let mut count = 0;
    let mut files = list(repository, folder);
    while let Some(path) = files.try_next().await? {
        let at = repository.address(&path)?;
        let failed = |error| RepositoryError::from_store(error, "read", path.as_str());
        let object = match repository.store.get(&at, GetOptions::default()).await {
            // Gone since it was listed.
            Err(error) if error.kind == crate::store::ErrorKind::NotFound => continue,
            other => other.map_err(failed)?,
        };
        let subject = path.to_string();
        let named = subject.clone();
        let body = object.body.map_err(move |error| RepositoryError::from_store(error, "read", named.clone()));
        let mut batches = std::pin::pin!(lines::lines(body, subject));
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if error.kind == ErrorKind::Damaged => break,
                Err(error) => return Err(error),
            };
            for line in batch.iter().filter_map(|line| line.parse::<Replacement>().ok()) {
                if count < MOST_LINES {
                    count += 1;
                    found.entry(line.sha256).or_default().push(line);
                }
            }
        }
    }
    Ok(found)
}

fn list(repository: &Repository, folder: &str) -> futures_util::stream::BoxStream<'static, Result<crate::model::Key>> {
    let options = ListOptions { prefix: format!("{}{folder}", repository.prefix), ..ListOptions::default() };
    let (this, subject) = (repository.clone(), folder.to_owned());
    repository
        .store
        .list(&repository.bucket, options)
        .map_err(move |error| RepositoryError::from_store(error, "list", subject.clone()))
        .try_filter_map(move |listed| {
            let key = match listed {
                Listed::Object(info) if info.size > 0 => this.path(&info.key),
                _ => None,
            };
            std::future::ready(Ok(key))
        })
        .boxed()
}

/// Writes down that a pack is damaged, so that the next backup stores what lies in it again. One that is written down
/// already stays as it is.
pub async fn mark_damaged(repository: &Repository, pack: &str, run: &RunId) -> Result<()> {
    let folder = layout::damaged_folder(pack);
    let options = ListOptions { prefix: format!("{}{folder}", repository.prefix), ..ListOptions::default() };
    let listed = repository.store.list(&repository.bucket, options).try_next().await;
    if listed.map_err(|error| RepositoryError::from_store(error, "list", folder))?.is_some() {
        return Ok(());
    }
    repository.put(&layout::replacements(pack, run.as_str()), Bytes::new(), Precondition::Overwrite).await
}
