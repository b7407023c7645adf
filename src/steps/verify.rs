//! Looks for damage in a backup: what its manifest names and is missing, short, or not what it was; and proves that it
//! restores.
//!
//! What could not be looked at is an error, never a finding.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};

use super::presence;
use super::{Context, Result, StepError, drain};
use crate::database::DumpWatcher;
use crate::model::manifest::{Artefact, DatabaseComponent, Part};
use crate::model::{Key, Manifest};
use crate::repository::artefact::Depth;
use crate::repository::damage::{Replacements, mark_damaged};
use crate::repository::index::read_index;
use crate::repository::pack::{Fetched, PackInfo, read_object, read_pack_list, read_sound};
use crate::repository::{ErrorKind, RepositoryError, layout, sums};

mod proof;
mod record;
mod report;
mod sample;

pub use record::record;
pub use report::{Finding, Level, Proof, Verified, VerifyOptions};

/// Memory must not grow with the damage.
pub const MOST_FINDINGS: usize = 1000;
/// Packs looked at together, and gets at once of packs' contents.
const PACKS: usize = 64;
const GETS: usize = 3;

/// Verifies all that a backup's manifest names, and the texts for a restore without dcs.
pub async fn verify(context: &Context, manifest: &Manifest, level: Level) -> Result<Verified> {
    let (verified, result) = verify_with(context, manifest, &VerifyOptions::of(level)).await;
    result.map(|()| verified)
}

/// The same, of a part perhaps, or with a proof. Answers what was found, whatever kept the rest from being looked at.
pub async fn verify_with(
    context: &Context,
    manifest: &Manifest,
    options: &VerifyOptions<'_>,
) -> (Verified, Result<()>) {
    let mut run = Run::begin(context, manifest, options);
    let result = Box::pin(run.all(manifest, options.proof.as_ref())).await;
    context.progress.end();
    (run.verified, result)
}

/// Checks every stored byte that the databases and the configuration of `manifest` need, before a restore touches
/// anything. The first damage is the error. Of files, one damaged object costs that object: their restore looks itself.
/// The texts for a restore without dcs are not needed: their damage must not stop one with it.
pub async fn require_intact(context: &Context, manifest: &Manifest) -> Result<()> {
    let mut run = Run::begin(context, manifest, &VerifyOptions::of(Level::Checksum));
    let artefacts = manifest.databases.iter().flat_map(database_artefacts);
    let artefacts = artefacts.chain(manifest.config.iter().map(|config| &config.archive));
    let parts: Vec<Part> = artefacts.flat_map(|artefact| artefact.parts.clone()).collect();
    let result = match run.digests(manifest).await {
        Ok(_) => run.parts(parts).await,
        Err(error) => Err(error),
    };
    context.progress.end();
    result?;
    match run.verified.findings.into_iter().next() {
        None => Ok(()),
        Some(Finding { subject, reason }) => {
            let subject = format!("{} of backup {}", subject.escape_debug(), manifest.id);
            Err(StepError::Damaged { attempted: "restore", subject, reason })
        }
    }
}

fn database_artefacts(database: &DatabaseComponent) -> impl Iterator<Item = &Artefact> {
    std::iter::once(&database.dump).chain(&database.properties).chain(&database.globals)
}

struct Run<'a> {
    context: &'a Context,
    replacements: Arc<Replacements>,
    verified: Verified,
    /// Artefacts' parts that are not what they were.
    damaged: BTreeSet<Key>,
}

impl<'a> Run<'a> {
    fn begin(context: &'a Context, manifest: &Manifest, options: &VerifyOptions<'_>) -> Self {
        let packed: u64 = manifest.files.iter().map(|files| files.pack_bytes).sum();
        let stored = packed + manifest.artefacts().map(|part| part.size).sum::<u64>();
        context.progress.begin(&format!("verify {}", manifest.id), 0, stored);
        let verified = Verified::begin(options);
        let replacements = Arc::new(Replacements::new(&context.repository));
        Self { context, replacements, verified, damaged: BTreeSet::new() }
    }

    async fn all(&mut self, manifest: &Manifest, proof: Option<&Proof<'_>>) -> Result<()> {
        self.sums(manifest).await?;
        self.parts(manifest.artefacts().cloned().collect()).await?;
        match self.verified.level {
            Level::Presence => return self.pack_presence(manifest).await,
            _ => self.packs(manifest).await?,
        }
        match (self.verified.level, proof) {
            (Level::Restore, Some(proof)) => self.prove(manifest, proof).await,
            (Level::Restore, None) => {
                Err(StepError::refused("prove", manifest.id.as_str(), "there is no place to restore to"))
            }
            (Level::Contents, _) => {
                self.artefact_contents(manifest).await?;
                self.object_contents(manifest).await
            }
            _ => Ok(()),
        }
    }

    fn is_damaged(&self, artefact: &Artefact) -> bool {
        artefact.parts.iter().any(|part| self.damaged.contains(&part.path))
    }

    /// Holds the digests in SHA256SUMS against those in the manifest, and answers the list where it is one.
    async fn digests(&mut self, manifest: &Manifest) -> Result<Option<String>> {
        let path = layout::sums(&manifest.id);
        let Some(bytes) = self.context.repository.get(&path).await? else {
            self.found(path.as_str(), "it is missing");
            return Ok(None);
        };
        let Ok(list) = String::from_utf8(bytes.to_vec()) else {
            self.found(path.as_str(), "it is no text");
            return Ok(None);
        };
        for part in manifest.artefacts() {
            if sums::find(&list, &part.path) != Some(part.sha256) {
                self.found(path.as_str(), &format!("it has not the digest of {}", part.path));
            }
        }
        Ok(Some(list))
    }

    /// Compares SHA256SUMS with the manifest, and checks what only SHA256SUMS names: the texts for a restore without dcs.
    async fn sums(&mut self, manifest: &Manifest) -> Result<()> {
        let path = layout::sums(&manifest.id);
        let Some(list) = self.digests(manifest).await? else { return Ok(()) };
        for only in [layout::recovery(&manifest.id), layout::pack_sums(&manifest.id)] {
            if let Some(expected) = sums::find(&list, &only) {
                self.verified.parts += 1;
                self.text(&only, expected).await?;
            } else if only == layout::recovery(&manifest.id) || manifest.files.is_some() {
                self.found(path.as_str(), &format!("it does not name {only}"));
            }
        }
        Ok(())
    }

    async fn text(&mut self, path: &Key, expected: crate::model::Digest) -> Result<()> {
        let head = self.context.repository.store.head(&self.context.repository.address(path)?).await;
        let size = match head {
            Ok(head) => head.size,
            Err(error) if error.kind == crate::store::ErrorKind::NotFound => {
                self.found(path.as_str(), "it is missing");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // Only its digest is written down, so every level reads it.
        self.parts_at(Depth::Checksum, vec![Part { path: path.clone(), size, sha256: expected }]).await
    }

    async fn parts(&mut self, parts: Vec<Part>) -> Result<()> {
        self.verified.parts += parts.len() as u64;
        let depth = if self.verified.level == Level::Presence { Depth::Presence } else { Depth::Checksum };
        self.parts_at(depth, parts).await
    }

    async fn parts_at(&mut self, depth: Depth, parts: Vec<Part>) -> Result<()> {
        let repository = self.context.repository.clone();
        let mut checked = std::pin::pin!(repository.check_parts(parts, depth));
        while let Some((part, result)) = checked.next().await {
            if result.as_ref().is_err_and(|error| error.kind == ErrorKind::Damaged) {
                self.damaged.insert(part.path.clone());
            }
            self.judge(part.path.as_str(), result)?;
            self.verified.bytes += part.size;
            self.context.progress.advance(1, part.size);
        }
        Ok(())
    }

    /// Looks whether all packs are there, by one listing.
    async fn pack_presence(&mut self, manifest: &Manifest) -> Result<()> {
        let Some(files) = &manifest.files else { return Ok(()) };
        let mut looked = std::pin::pin!(presence::packs(self.context, &manifest.id, files));
        loop {
            let looked = match looked.try_next().await {
                Ok(Some(looked)) => looked,
                Ok(None) => return Ok(()),
                Err(StepError::Repository(error)) => {
                    return self.judge(layout::pack_list(&manifest.id).as_str(), Err(error));
                }
                Err(error) => return Err(error),
            };
            self.verified.parts += 1;
            self.verified.bytes += looked.pack.size;
            self.context.progress.advance(1, looked.pack.size);
            if let Some(wrong) = looked.wrong {
                self.found_pack(&looked.pack.name, &wrong).await?;
            }
        }
    }

    /// Reads all packs.
    async fn packs(&mut self, manifest: &Manifest) -> Result<()> {
        let Some(files) = &manifest.files else { return Ok(()) };
        let subject = layout::pack_list(&manifest.id).to_string();
        let list = read_pack_list(self.context.repository.open_artefact(&files.pack_list), subject.clone());
        let mut chunks = std::pin::pin!(list.chunks(PACKS));
        while let Some(chunk) = chunks.next().await {
            let mut packs = Vec::new();
            for pack in chunk {
                match pack {
                    Ok(pack) if !sample::takes(self.verified.sample, &pack.name) => {}
                    Ok(pack) => packs.push(pack),
                    // The list itself is damaged, which its own check has told; the packs behind it cannot be known.
                    Err(error) => {
                        self.judge(&subject, Err(error))?;
                        return Ok(());
                    }
                }
            }
            self.read_packs(packs).await?;
        }
        Ok(())
    }

    async fn read_packs(&mut self, packs: Vec<PackInfo>) -> Result<()> {
        let repository = self.context.repository.clone();
        let part = |pack: &PackInfo| Part { path: layout::pack(&pack.name), size: pack.size, sha256: pack.sha256 };
        let checked = repository.check_parts(packs.iter().map(part).collect(), Depth::Checksum);
        let mut checked = std::pin::pin!(checked.zip(futures_util::stream::iter(packs)));
        while let Some(((part, result), pack)) = checked.next().await {
            self.verified.parts += 1;
            self.verified.bytes += part.size;
            self.context.progress.advance(1, part.size);
            match result {
                Err(error) if error.kind == ErrorKind::Damaged => {
                    self.found_pack(&pack.name, &reason_of(&error)).await?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Marks a pack as damaged, so that the next backup stores what lies in it again. Where that was done, and every
    /// object is read, those that are whole again are no finding, and those that are not become one themselves.
    async fn found_pack(&mut self, pack: &str, reason: &str) -> Result<()> {
        let (context, path) = (self.context, layout::pack(pack));
        if self.verified.level >= Level::Contents && self.replacements.any(pack).await? {
            context.progress.note(&format!("{path}: {reason}; what lay in it is looked for where it was stored again"));
            return Ok(());
        }
        self.found(path.as_str(), reason);
        if let Err(error) = mark_damaged(&context.repository, pack, &context.run).await {
            tracing::warn!("cannot mark {path} as damaged, and the next backup may rely on it: {error}");
        }
        Ok(())
    }

    async fn artefact_contents(&mut self, manifest: &Manifest) -> Result<()> {
        for database in &manifest.databases {
            self.dump_contents(database).await?;
        }
        let others = manifest.databases.iter().flat_map(|database| database.properties.iter().chain(&database.globals));
        for artefact in others.chain(manifest.config.iter().map(|config| &config.archive)) {
            let result = drain(self.context.repository.open_artefact(artefact)).await;
            self.judge(&name_of(artefact), result)?;
        }
        Ok(())
    }

    /// Unpacks a dump, and compares the rows in it with those that were dumped.
    async fn dump_contents(&mut self, database: &DatabaseComponent) -> Result<()> {
        let mut watcher = DumpWatcher::new(database.server.engine);
        let content = self.context.repository.open_artefact(&database.dump);
        let result = drain(content.inspect_ok(|bytes| watcher.update(bytes))).await;
        let is_whole = result.is_ok();
        self.judge(&name_of(&database.dump), result)?;
        if is_whole {
            for difference in watcher.differences(&database.fingerprint) {
                let subject = format!("{} of database {}", difference.subject, database.name);
                self.found(&subject, &format!("it has {} instead of {}", difference.found, difference.expected));
            }
        }
        Ok(())
    }

    async fn object_contents(&mut self, manifest: &Manifest) -> Result<()> {
        let Some(files) = &manifest.files else { return Ok(()) };
        let repository = self.context.repository.clone();
        let taken = self.verified.sample;
        let rows = read_index(&repository, files.segments.clone());
        let rows =
            rows.filter(|row| std::future::ready(row.as_ref().map_or(true, |row| sample::takes_row(taken, row))));
        let mut fetched = std::pin::pin!(read_sound(&repository, &self.replacements, rows, GETS));
        while let Some(item) = fetched.next().await {
            match item {
                Ok(Fetched::Whole(row, _)) => {
                    self.verified.objects += 1;
                    self.verified.object_bytes += row.size;
                }
                Ok(Fetched::Large(row)) => {
                    let mut result = drain(read_object(&repository, &row)).await;
                    if result.as_ref().is_err_and(|error| error.kind == ErrorKind::Damaged)
                        && self.replacements.sound(&row).await?.is_some()
                    {
                        result = Ok(());
                    }
                    self.verified.objects += 1;
                    self.verified.object_bytes += row.size;
                    self.judge(&format!("{}/{}", row.source, row.key), result)?;
                }
                Ok(Fetched::Failed(row, error)) => self.judge(&format!("{}/{}", row.source, row.key), Err(error))?,
                // A damaged segment was told by its own check; rows behind it cannot be known.
                Err(error) => {
                    self.judge("index", Err(error))?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Damage is a finding and the look goes on; whatever else failed ends it.
    fn judge(&mut self, subject: &str, result: std::result::Result<(), RepositoryError>) -> Result<()> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if error.kind == ErrorKind::Damaged => {
                self.found(subject, &reason_of(&error));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn found(&mut self, subject: &str, reason: &str) {
        tracing::warn!("damaged: {}: {reason}", subject.escape_debug());
        self.verified.damage += 1;
        if self.verified.findings.len() < MOST_FINDINGS {
            self.verified.findings.push(Finding { subject: subject.to_owned(), reason: reason.to_owned() });
        }
    }
}

fn name_of(artefact: &Artefact) -> String {
    artefact.parts.first().map_or_else(String::new, |part| part.path.to_string())
}

fn reason_of(error: &RepositoryError) -> String {
    error.detail.clone().unwrap_or_else(|| error.to_string())
}
