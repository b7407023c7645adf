//! Level `restore`: every component of a backup is restored where it is in nobody's way, and compared with what was written
//! down when the backup was made.

use std::time::Instant;

use futures_util::StreamExt;

use super::{Proof, Run, reason_of, sample};
use crate::database::{DatabaseError, ErrorKind, RestoreOptions, RestoreSession};
use crate::model::evidence::ComponentTime;
use crate::model::manifest::DatabaseComponent;
use crate::model::{Manifest, SqlCheck, format};
use crate::repository::index::read_index;
use crate::steps::restore_files::{Rehearsal, Rehearsed, damage_behind};
use crate::steps::{Result, StepError, capture, restore_database};

impl Run<'_> {
    /// Restores all components. One that could not be checked does not keep the others from it.
    pub(super) async fn prove(&mut self, manifest: &Manifest, proof: &Proof<'_>) -> Result<()> {
        let mut first = None;
        for component in &manifest.databases {
            let proven = Box::pin(self.database(component, proof)).await;
            first = first.or(self.judge_component(&format!("database {}", component.name), proven));
        }
        let proven = self.configuration(manifest, proof).await;
        first = first.or(self.judge_component("configuration", proven));
        let proven = Box::pin(self.files(manifest, proof)).await;
        first = first.or(self.judge_component("files", proven));
        first.map_or(Ok(()), Err)
    }

    /// Damage is a finding; whatever else failed is answered.
    fn judge_component(&mut self, subject: &str, result: Result<()>) -> Option<StepError> {
        let error = result.err()?;
        let Some(reason) = damage_of(&error) else {
            tracing::warn!("{subject} could not be checked: {error}");
            return Some(error);
        };
        self.found(subject, &reason);
        None
    }

    async fn database(&mut self, component: &DatabaseComponent, proof: &Proof<'_>) -> Result<()> {
        // What is known to be damaged was told, and would be told again.
        if super::database_artefacts(component).any(|artefact| self.is_damaged(artefact)) {
            return Ok(());
        }
        if let Some(selection) = &component.selection {
            self.dump_contents(component).await?;
            let reason = format!("only a part of it was dumped: {selection}");
            return Err(StepError::refused("restore for proof", format!("database {}", component.name), reason)
                .with_hint("Its bytes and rows are verified by `dcs verify ID --level contents`."));
        }
        let options = restore_database::options(self.context, component).await?;
        check_room(proof, &component.name, &options)?;
        let mut session = proof.scratch.begin(&component.database, &options).await?;
        let compared = self.compare_database(session.as_mut(), component, proof.checks).await;
        session.discard().await;
        compared
    }

    async fn compare_database(
        &mut self,
        session: &mut dyn RestoreSession,
        component: &DatabaseComponent,
        checks: &[SqlCheck],
    ) -> Result<()> {
        let name = format!("database {}", component.name);
        self.context.progress.begin(&format!("restore {name}"), 0, component.dump.raw_size);
        let started = Instant::now();
        let loaded = restore_database::load_dump(self.context, session, component).await;
        self.context.progress.end();
        loaded?;
        let mut differences = session.compare(&component.fingerprint).await?;
        self.took(&name, started);
        if differences.is_empty() {
            differences = session.compare_contents(&component.fingerprint).await?;
        }
        self.verified.tables += component.fingerprint.tables.len() as u64;
        self.verified.rows += component.fingerprint.rows();
        for difference in differences {
            let reason = format!("restored, it has {} instead of {}", difference.found, difference.expected);
            self.found(&format!("{name}, {}", difference.subject), &reason);
        }
        for check in checks.iter().filter(|check| check.database == component.name) {
            self.check(session, &name, check).await?;
        }
        Ok(session.settle().await?)
    }

    async fn check(&mut self, session: &mut dyn RestoreSession, name: &str, check: &SqlCheck) -> Result<()> {
        self.verified.checks += 1;
        let shown = |text: Option<&str>| text.map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
        let reason = match session.ask(&check.statement).await {
            Ok(answer) if answer.as_deref() == Some(check.expect.as_str()) => return Ok(()),
            Ok(answer) => format!("it answers {} instead of {}", shown(answer.as_deref()), shown(Some(&check.expect))),
            Err(error) if error.kind == ErrorKind::Unreachable => return Err(error.into()),
            Err(error) => {
                let detail = error.detail.clone().unwrap_or_else(|| error.to_string());
                format!("it fails ({detail}) instead of answering {}", shown(Some(&check.expect)))
            }
        };
        self.found(&format!("{name}, statement {:?}", check.statement), &reason);
        Ok(())
    }

    async fn configuration(&mut self, manifest: &Manifest, proof: &Proof<'_>) -> Result<()> {
        let Some(component) = manifest.config.as_ref().filter(|config| !self.is_damaged(&config.archive)) else {
            return Ok(());
        };
        let started = Instant::now();
        let folder = proof.scratch.make_folder("configuration")?;
        let unpacked = capture::unpack_configuration(self.context, component, folder.clone()).await;
        proof.scratch.remove_folder(folder).await;
        let entries = unpacked?;
        self.took("configuration", started);
        if entries != component.files {
            let expected = format::count(component.files, "entry");
            self.found("configuration", &format!("it unpacks to {entries} instead of {expected}"));
        }
        Ok(())
    }

    async fn files(&mut self, manifest: &Manifest, proof: &Proof<'_>) -> Result<()> {
        let Some(files) = &manifest.files else { return Ok(()) };
        let (context, taken, replacements) = (self.context, self.verified.sample, self.replacements.clone());
        let started = Instant::now();
        context.progress.begin("restore files", files.objects, files.bytes);
        let rehearsal = Rehearsal::open(context, proof.scratch, &files.sources, &replacements).await?;
        let rows = read_index(&context.repository, files.segments.clone());
        let rows =
            rows.filter(|row| std::future::ready(row.as_ref().map_or(true, |row| sample::takes_row(taken, row))));
        let done = |rehearsed| {
            let bytes = match rehearsed {
                Rehearsed::Same(bytes) => bytes,
                Rehearsed::Unwritten(problem, bytes) => {
                    tracing::info!("{}: only read: {}", problem.subject, problem.reason);
                    bytes
                }
                Rehearsed::Damaged(problem) => {
                    self.found(&problem.subject, &problem.reason);
                    0
                }
            };
            self.verified.objects += 1;
            self.verified.object_bytes += bytes;
            context.progress.advance(1, bytes);
        };
        let result = rehearsal.run(rows, done).await;
        context.progress.end();
        self.took("files", started);
        result
    }

    fn took(&mut self, name: &str, started: Instant) {
        let seconds = started.elapsed().as_secs_f64();
        self.verified
            .components
            .push(ComponentTime { name: name.to_owned(), seconds: (seconds * 1000.0).round() / 1000.0 });
    }
}

/// Refuses where the file system would run full.
fn check_room(proof: &Proof<'_>, name: &str, options: &RestoreOptions) -> Result<()> {
    let (Some(needed), Some(free)) = (proof.scratch.needs(options), proof.scratch.free_bytes()) else { return Ok(()) };
    if free >= needed {
        return Ok(());
    }
    let (needed, free) = (format::bytes(needed), format::bytes(free));
    let reason = format!("it needs {needed}, and {} has {free} free", proof.scratch.describe());
    let hint =
        "Make room, set `state_dir` to a folder on a larger file system, or name a server with `server` in [verify].";
    Err(StepError::refused("restore for proof", format!("database {name}"), reason).with_hint(hint))
}

/// What an error says of the backup; `None` where it says something of the place it was restored to.
fn damage_of(error: &StepError) -> Option<String> {
    if let StepError::Database(DatabaseError { kind: ErrorKind::Damaged | ErrorKind::Rejected, detail, .. }) = error {
        let detail = detail.as_deref().unwrap_or("it is not what was backed up").replace('\n', "; ");
        return Some(format!("it does not restore: {detail}"));
    }
    damage_behind(error).map(reason_of)
}
