//! `dcs backup list`

use std::collections::BTreeSet;

use clap::Args;
use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::commands::restore::time;
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
pub struct ListArgs {
    /// Only backups of this kind; may be given more than once
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<BackupKind>,

    /// Only backups with this tag; may be given more than once
    #[arg(long = "tag", value_name = "TAG", value_parser = super::state::tag)]
    tags: Vec<String>,

    /// Only backups that began then or later: `2026-11-20T02:00:00Z`, or a date, which means its begin in UTC
    #[arg(long, value_name = "TIME", value_parser = begin)]
    since: Option<Timestamp>,

    /// Only backups that began then or before: a time, or a date, which means its end in UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

pub(in crate::commands) fn kind(text: &str) -> Result<BackupKind, String> {
    let known = BackupKind::ALL.map(BackupKind::as_str);
    let found = BackupKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| format!("the kinds are {}", known.join(", ")))
}

/// A moment, or the begin of a day in UTC.
fn begin(text: &str) -> Result<Timestamp, String> {
    let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    day.filter(|_| !text.contains('T')).map_or_else(|| time(text), |begin| Ok(begin.timestamp()))
}

impl ListArgs {
    fn is_everything(&self) -> bool {
        self.kinds.is_empty() && self.tags.is_empty() && self.since.is_none() && self.until.is_none()
    }

    /// Whether a backup is asked for, by what its id tells.
    fn takes(&self, id: &BackupId) -> bool {
        let at = id.began();
        (self.kinds.is_empty() || self.kinds.contains(&id.kind()))
            && self.since.is_none_or(|since| at.is_some_and(|at| at >= since))
            && self.until.is_none_or(|until| at.is_some_and(|at| at <= until))
    }
}

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
    tags: BTreeSet<String>,
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
            tags: BTreeSet::new(),
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
            tags: BTreeSet::new(),
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

pub(super) async fn run(args: ListArgs, session: &Session) -> Outcome {
    let repository = session.repository(true).await?;
    let mut rows = Vec::new();
    let mut ids = repository.backup_ids().await?;
    ids.retain(|id| args.takes(id));
    let mut manifests = std::pin::pin!(repository.manifests(&ids));
    while let Some(backup) = manifests.next().await {
        match backup.manifest {
            Ok(manifest) => {
                let tags = repository.tags(&manifest).await?;
                if args.tags.is_empty() || args.tags.iter().any(|tag| tags.contains(tag)) {
                    rows.push(Row { tags, ..Row::of(manifest) });
                }
            }
            // Of a run that goes on, or was interrupted.
            Err(error) if error.kind == ErrorKind::NotFound => {}
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
        session.ui().note(if args.is_everything() {
            "there are no backups yet; make one: `dcs backup complete`"
        } else {
            "no backup fits"
        });
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
