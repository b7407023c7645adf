//! Small texts kept as artefacts of a backup: SQL of properties and roles.

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};

use super::{Result, StepError};
use crate::archive::Codec;
use crate::model::Key;
use crate::model::manifest::Artefact;
use crate::repository::{Repository, RepositoryError};

/// How artefacts are stored.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    pub codec: Codec,
    /// Threads that compress.
    pub workers: usize,
}

/// Texts are read whole; one that is larger than this is none of ours.
const LARGEST_TEXT: u64 = 64 << 20;

/// Stores a text.
pub async fn store_text(repository: &Repository, path: &Key, text: &str, options: &StoreOptions) -> Result<Artefact> {
    let raw = stream::iter([Ok::<_, RepositoryError>(Bytes::copy_from_slice(text.as_bytes()))]);
    Ok(repository.store_artefact(path, raw, options.codec, options.workers).await?)
}

/// Reads a text back, verified.
pub async fn read_text(repository: &Repository, artefact: &Artefact) -> Result<String> {
    let subject = || artefact.parts.first().map_or_else(String::new, |part| part.path.to_string());
    let damaged =
        |reason: &str| StepError::Damaged { attempted: "read", subject: subject(), reason: reason.to_owned() };
    if artefact.raw_size > LARGEST_TEXT {
        return Err(damaged("it is larger than any such text"));
    }
    let bytes: Vec<Bytes> = repository.open_artefact(artefact).try_collect().await?;
    String::from_utf8(bytes.concat()).map_err(|_| damaged("it is not UTF-8"))
}
