//! Making a backup exist.
//!
//! The manifest is written last, after everything it names was seen in the store with its size, and it is read back.
//! Until then there is a folder without a manifest, which is no backup.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::artefact::Depth;
use super::error::{ErrorKind, RepositoryError, Result};
use super::lines::lines;
use super::{Repository, layout, recovery, sums};
use crate::archive::{self, Codec};
use crate::model::manifest::{Artefact, Part};
use crate::model::{BackupId, Digest, Key, Manifest};
use crate::store::{self, Precondition};

impl Repository {
    /// Publishes a backup whose artefacts, segments and packs are stored. After a crash there is no backup; a repeat is
    /// one. Answers the manifest's digest.
    pub async fn publish(&self, manifest: &Manifest) -> Result<Digest> {
        let id = &manifest.id;
        let pack_sums = async {
            match &manifest.files {
                Some(files) => Ok(self.write_pack_sums(id, &files.pack_list).await?.parts),
                None => Ok(Vec::new()),
            }
        };
        let recovery = self.write_text(layout::recovery(id), recovery::text(self, manifest));
        let ((), pack_sums, recovery) = tokio::try_join!(self.confirm(manifest.artefacts()), pack_sums, recovery)?;
        let mut parts: Vec<Part> = manifest.artefacts().cloned().collect();
        parts.extend(pack_sums);
        parts.push(recovery);

        let mut bytes = serde_json::to_vec_pretty(manifest).map_err(|error| {
            RepositoryError::new(ErrorKind::Source, "publish backup", id.as_str()).with_source(error)
        })?;
        bytes.push(b'\n');
        let digest = archive::sha256(&bytes);
        let path = layout::manifest(id);
        let list = sums::lines(parts.iter()) + &sums::line(&digest, path.as_str());
        self.write_text(layout::sums(id), list).await?;

        // From the next line on the backup exists.
        self.write_manifest(&path, bytes.into(), &digest).await?;
        Ok(digest)
    }

    /// Fails with `Damaged` where one of the parts is missing or has another size.
    async fn confirm<'a>(&self, parts: impl Iterator<Item = &'a Part> + Send) -> Result<()> {
        let parts: Vec<Part> = parts.cloned().collect();
        let mut checks = std::pin::pin!(self.check_parts(parts, Depth::Presence));
        while let Some((_, result)) = checks.next().await {
            result?;
        }
        Ok(())
    }

    async fn write_text(&self, path: Key, text: String) -> Result<Part> {
        let part = Part { path, size: text.len() as u64, sha256: archive::sha256(text.as_bytes()) };
        self.put(&part.path, text.into(), Precondition::Overwrite).await?;
        Ok(part)
    }

    /// Turns the pack list into what `sha256sum -c` reads, in constant memory.
    async fn write_pack_sums(&self, id: &BackupId, pack_list: &Artefact) -> Result<Artefact> {
        let path = pack_list.parts.first().map_or_else(|| layout::pack_list(id), |part| part.path.clone());
        let lines = lines(self.open_artefact(pack_list), path.to_string());
        let lines = lines.map_ok(|batch| stream::iter(batch).map(Ok)).try_flatten().map(move |line| {
            sums::pack_line(&line?).map(Bytes::from).ok_or_else(|| {
                RepositoryError::new(ErrorKind::Damaged, "read", path.as_str()).with_detail("a line names no pack")
            })
        });
        self.store_artefact(&layout::pack_sums(id), lines, Codec::default(), 1).await
    }

    async fn write_manifest(&self, path: &Key, bytes: Bytes, digest: &Digest) -> Result<()> {
        match self.put(path, bytes, Precondition::CreateNew).await {
            // Written by the first try of a put whose answer was lost; or not ours, which the reading tells.
            Err(error) if error.store_error().map(|cause| cause.kind) == Some(store::ErrorKind::Precondition) => {}
            other => other?,
        }
        let found = self.get(path).await?.map(|found| archive::sha256(&found));
        if found.as_ref() == Some(digest) {
            return Ok(());
        }
        let error = RepositoryError::new(ErrorKind::Damaged, "publish", path.as_str());
        Err(error.with_detail("what the store gives back is not what was written"))
    }
}
