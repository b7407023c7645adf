//! `dcs backup list`

use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::model::{BackupId, BackupKind, Manifest};
use crate::repository::evidence::Proof;
use crate::repository::{ErrorKind, RepositoryError};
use crate::ui::Table;

/// List the backups, oldest first
#[derive(Debug, Args)]
pub struct ListArgs {}

#[derive(Serialize)]
struct Row {
    id: BackupId,
    kind: BackupKind,
    state: &'static str,
    finished_at: Option<jiff::Timestamp>,
    databases: Vec<String>,
    objects: u64,
    /// Bytes of the live data, before compression.
    bytes: u64,
    note: Option<String>,
    /// Whether it was shown to restore.
    proof: Proof,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Row {
    fn of(manifest: Manifest) -> Self {
        let files = manifest.files.as_ref();
        let dumps: u64 = manifest.databases.iter().map(|database| database.dump.raw_size).sum();
        let config = manifest.config.as_ref().map_or(0, |config| config.archive.raw_size);
        Self {
            state: state(&manifest),
            kind: manifest.kind,
            finished_at: Some(manifest.finished_at),
            objects: files.map_or(0, |files| files.objects),
            bytes: files.map_or(0, |files| files.bytes) + dumps + config,
            databases: manifest.databases.into_iter().map(|database| database.name).collect(),
            note: manifest.note,
            proof: Proof::Never,
            id: manifest.id,
            error: None,
        }
    }

    /// What a newer dcs wrote cannot be read here, and is not damaged.
    fn unreadable(id: BackupId, error: &RepositoryError) -> Self {
        Self {
            kind: id.kind(),
            id,
            state: if error.kind == ErrorKind::Unsupported { "newer" } else { "damaged" },
            finished_at: None,
            databases: Vec::new(),
            objects: 0,
            bytes: 0,
            note: None,
            proof: Proof::Never,
            error: Some(error.to_string()),
        }
    }
}

/// One word for how far a backup can be trusted.
pub(super) fn state(manifest: &Manifest) -> &'static str {
    if manifest.incomplete {
        "incomplete"
    } else if manifest.is_good() {
        "good"
    } else {
        "problems"
    }
}

/// The day of the last proof.
fn proven(proof: &Proof) -> String {
    match proof {
        Proof::Never => "never".to_owned(),
        Proof::Proven { at } => at.to_zoned(TimeZone::UTC).date().to_string(),
        Proof::Failed { .. } => "FAILED".to_owned(),
    }
}

pub(super) async fn run(_args: ListArgs, session: &Session) -> Outcome {
    let repository = session.repository(true).await?;
    let mut rows = Vec::new();
    let backups = repository.backups().await?;
    for backup in backups.found.into_iter().rev() {
        match backup.manifest {
            Ok(manifest) => rows.push(Row::of(manifest)),
            Err(error) if error.kind == ErrorKind::Store => return Err(error.into()),
            Err(error) => {
                session.ui().warn(&error.to_string());
                rows.push(Row::unreadable(backup.id, &error));
            }
        }
    }
    let mut proofs = repository.proofs().await?;
    for row in &mut rows {
        row.proof = proofs.remove(&row.id).unwrap_or_default();
    }
    let mut table = Table::new(["backup", "state", "databases", "objects", "size", "proven"]);
    for row in &rows {
        let databases = if row.databases.is_empty() { "-".to_owned() } else { row.databases.join(",") };
        let objects = row.objects.to_string();
        let (bytes, proven) = (format::bytes(row.bytes), proven(&row.proof));
        table.row([row.id.to_string(), row.state.to_owned(), databases, objects, bytes, proven]);
    }
    if rows.is_empty() {
        session.ui().note("there are no backups yet; make one: `dcs backup complete`");
    }
    let text = if rows.is_empty() { String::new() } else { table.to_string() };
    session.ui().answer(&text, &rows)?;
    let count = |state: &str| rows.iter().filter(|row| row.state == state).count();
    let (damaged, newer, all) = (count("damaged"), count("newer"), rows.len());
    if damaged > 0 {
        let message = format!("{damaged} of {all} backups cannot be read");
        return Err(CommandError::new(ExitCode::Damage, message).hint("See what is wrong: `dcs verify all`."));
    }
    if newer > 0 {
        let message = format!("{newer} of {all} backups were written by a newer dcs");
        return Err(CommandError::new(ExitCode::Refused, message).hint("Install a newer dcs."));
    }
    Ok(ExitCode::Done)
}
