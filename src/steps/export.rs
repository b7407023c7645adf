//! All of a backup as one ordinary `.tar.gz`: dumps, configuration, and files under `STORE/BUCKET/KEY`.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use super::{Result, StepError, drain};
use crate::archive::gzip::{self, Level};
use crate::archive::tar;
use crate::model::manifest::{Artefact, Manifest};
use crate::model::{FileKind, IndexRow, Problem, Report};
use crate::repository::damage::Replacements;
use crate::repository::index::read_index;
use crate::repository::pack::{Fetched, read_object, read_sound};
use crate::repository::{ErrorKind, Repository, RepositoryError};

/// Gets from packs at once.
const GETS: usize = 3;

/// What could not be put into the archive, known when the stream has ended.
#[derive(Debug, Clone, Default)]
pub struct Damaged(Arc<Mutex<Report>>);

impl Damaged {
    pub fn report(&self) -> Report {
        self.0.lock().expect("never poisoned").clone()
    }

    fn add(&self, row: &IndexRow, error: &RepositoryError) {
        let subject = format!("{}/{}", row.source, row.key.as_str().escape_debug());
        let reason = error.detail.clone().unwrap_or_else(|| error.to_string());
        self.0.lock().expect("never poisoned").add(Problem::new(subject, reason));
    }
}

/// The bytes of the archive. An object that is damaged is left out and noted in `damaged`; any other error ends it, and
/// what came before is then not the whole.
pub fn archive(
    repository: &Repository,
    manifest: &Manifest,
    damaged: &Damaged,
    workers: usize,
) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    let manifest_text = serde_json::to_vec_pretty(manifest).unwrap_or_default();
    let artefacts: Vec<Artefact> = artefacts(manifest).cloned().collect();
    let folder = manifest.id.to_string();
    let first = entry(format!("{folder}/manifest.json"), manifest_text.len() as u64, bytes(manifest_text.into()));
    let this = repository.clone();
    let parts = stream::iter(artefacts).flat_map(move |artefact| {
        let body = this.open_artefact(&artefact).map_err(StepError::from).boxed();
        entry(name_of(&artefact), artefact.raw_size, body)
    });
    let raw =
        first.chain(parts).chain(objects(repository, manifest, damaged)).chain(bytes(Bytes::from_static(&tar::END)));
    // An error ends it: what comes after would look like the rest.
    let raw = raw.scan(false, |has_failed, item| {
        let goes_on = !std::mem::replace(has_failed, item.is_err());
        std::future::ready(goes_on.then_some(item))
    });
    gzip::compress_stream(raw, Level::default(), workers)
}

fn artefacts(manifest: &Manifest) -> impl Iterator<Item = &Artefact> {
    let databases = manifest.databases.iter();
    let databases = databases
        .flat_map(|database| std::iter::once(&database.dump).chain(&database.properties).chain(&database.globals));
    databases.chain(manifest.config.iter().map(|config| &config.archive))
}

/// Below the backup's own folder, without the suffixes of cuts and compression: it is unpacked.
fn name_of(artefact: &Artefact) -> String {
    let path = artefact.parts.first().map_or("", |part| part.path.as_str());
    let mut name = path.strip_prefix(crate::repository::layout::BACKUPS).unwrap_or(path);
    if let Some((whole, number)) = name.rsplit_once('.')
        && number.len() == 4
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        name = whole;
    }
    name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name).to_owned()
}

fn bytes(bytes: Bytes) -> BoxStream<'static, Result<Bytes>> {
    stream::iter([Ok(bytes)]).boxed()
}

fn entry(name: String, size: u64, body: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    let entry = tar::Entry { name, mode: 0o600, uid: 0, gid: 0, mtime_seconds: 0 };
    framed(&entry, size, body)
}

fn framed(entry: &tar::Entry, size: u64, body: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    let header = bytes(tar::header(entry, size).into());
    header.chain(body).chain(bytes(Bytes::from_static(tar::padding(size)))).boxed()
}

fn objects(repository: &Repository, manifest: &Manifest, damaged: &Damaged) -> BoxStream<'static, Result<Bytes>> {
    let Some(files) = &manifest.files else { return stream::empty().boxed() };
    let replacements = Arc::new(Replacements::new(repository));
    let rows = read_index(repository, files.segments.clone());
    let (this, damaged) = (repository.clone(), damaged.clone());
    read_sound(repository, &replacements, rows, GETS)
        .map_err(StepError::from)
        .and_then(move |fetched| {
            let (repository, replacements, damaged) = (this.clone(), replacements.clone(), damaged.clone());
            async move { object(&repository, &replacements, &damaged, fetched).await }
        })
        .try_flatten()
        .boxed()
}

/// One entry, or none of what is damaged: a large object is read twice, because its header comes first.
async fn object(
    repository: &Repository,
    replacements: &Replacements,
    damaged: &Damaged,
    fetched: Fetched,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let (row, body) = match fetched {
        Fetched::Whole(row, content) => (row, bytes(content)),
        Fetched::Large(row) => {
            let Some(row) = sound(repository, replacements, damaged, row).await? else {
                return Ok(stream::empty().boxed());
            };
            let body = read_object(repository, &row).map_err(StepError::from).boxed();
            (row, body)
        }
        Fetched::Failed(row, error) if error.kind == ErrorKind::Damaged => {
            damaged.add(&row, &error);
            return Ok(stream::empty().boxed());
        }
        Fetched::Failed(_, error) => return Err(error.into()),
    };
    Ok(of_row(&row, body))
}

/// The row with a place where all of it was read; `None` of one that is damaged.
async fn sound(
    repository: &Repository,
    replacements: &Replacements,
    damaged: &Damaged,
    row: IndexRow,
) -> Result<Option<IndexRow>> {
    let error = match drain(read_object(repository, &row)).await {
        Ok(()) => return Ok(Some(row)),
        Err(error) if error.kind == ErrorKind::Damaged => error,
        Err(error) => return Err(error.into()),
    };
    let other = replacements.sound(&row).await?;
    if other.is_none() {
        damaged.add(&row, &error);
    }
    Ok(other)
}

fn of_row(row: &IndexRow, body: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    let posix = row.attributes.posix.as_ref();
    let seconds = posix.map_or(row.modified.as_second(), |posix| posix.mtime_nanoseconds.div_euclid(1_000_000_000));
    let is_folder = posix.is_some_and(|posix| posix.kind == FileKind::Folder);
    let key = row.key.as_str();
    let key = if is_folder { key.trim_end_matches('/') } else { key };
    let entry = tar::Entry {
        name: tar::entry_name(row.source.as_str(), key),
        mode: posix.map_or(0o644, |posix| posix.mode),
        uid: posix.map_or(0, |posix| posix.uid),
        gid: posix.map_or(0, |posix| posix.gid),
        mtime_seconds: u64::try_from(seconds).unwrap_or(0),
    };
    match posix.and_then(|posix| posix.target.as_deref()) {
        _ if is_folder => bytes(tar::folder_header(&entry).into()),
        Some(target) => bytes(tar::link_header(&entry, target).into()),
        None => framed(&entry, row.size, body),
    }
}
