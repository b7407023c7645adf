//! `dcs verify`

use std::fmt::Write;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::open::Places;
use super::restore::choose;
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::model::{BackupId, Manifest};
use crate::repository::{ErrorKind, InvalidSelector, Repository, RepositoryError, Selector};
use crate::steps::Context;
use crate::steps::verify::{self, Finding, Level, Verified};

/// Prove that a backup is what it was when it was made
///
/// `presence` asks the store for every part and its size; `checksum` reads every stored byte; `contents` unpacks
/// everything too, and compares each object and dump with its own SHA-256. Damage is exit code 4; a store that does not
/// answer is 20, never 4.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A backup's id, `latest`, `latest~N`, or `all`
    #[arg(value_name = "ID", default_value = "latest")]
    which: Which,

    /// How closely to look
    #[arg(long, value_name = "LEVEL", default_value = "checksum", env = "DCS_LEVEL")]
    level: LevelArg,
}

#[derive(Debug, Clone)]
enum Which {
    All,
    One(Selector),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            Ok(Self::All)
        } else {
            text.parse().map(Self::One).map_err(|error: InvalidSelector| error.to_string())
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LevelArg {
    /// Every part is there and has its size
    Presence,
    /// Every stored byte is what was stored
    Checksum,
    /// Every object and every dump unpacks to what it was
    Contents,
}

#[derive(Serialize)]
struct Row {
    id: BackupId,
    ok: bool,
    /// A newer dcs wrote it: it could not be looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    newer: bool,
    #[serde(flatten)]
    verified: Option<Verified>,
    findings: Vec<Finding>,
}

pub(super) async fn run(args: VerifyArgs, session: &Session) -> Outcome {
    // Choose the backups.
    let repository = session.repository(false).await?;
    let context = session.context(repository, [], [], &Places::default(), false)?;
    session.lock_to_read(&context, &[]).await?;
    let (manifests, mut rows) = choose_all(&args.which, &context.repository, session).await?;

    // Look at each; what is found is told at once and again at the end.
    let level = match args.level {
        LevelArg::Presence => Level::Presence,
        LevelArg::Checksum => Level::Checksum,
        LevelArg::Contents => Level::Contents,
    };
    for manifest in manifests {
        let verified = verify_one(&context, &manifest, level).await?;
        rows.push(Row {
            id: manifest.id,
            ok: verified.findings.is_empty(),
            newer: false,
            findings: verified.findings.clone(),
            verified: Some(verified),
        });
    }

    // Report.
    session.ui().report(&text(&rows), &rows)?;
    let damaged: Vec<&Row> = rows.iter().filter(|row| !row.ok && !row.newer).collect();
    if let Some(first) = damaged.first() {
        let message = match damaged.as_slice() {
            [row] => format!(
                "the backup {} is damaged: {}",
                row.id,
                row.findings.first().map_or("", |finding| &finding.subject)
            ),
            _ => format!("{} of {} backups are damaged", damaged.len(), rows.len()),
        };
        return Err(CommandError::new(ExitCode::Damage, message).hint(format!(
            "Do not rely on {}; make a new one: `dcs backup {}`.",
            first.id,
            first.id.kind()
        )));
    }
    let newer = rows.iter().filter(|row| row.newer).count();
    if newer > 0 {
        let message = format!("{newer} of {} backups were written by a newer dcs and could not be checked", rows.len());
        return Err(CommandError::new(ExitCode::Refused, message).hint("Install a newer dcs."));
    }
    Ok(ExitCode::Done)
}

async fn verify_one(context: &Context, manifest: &Manifest, level: Level) -> Result<Verified, CommandError> {
    Ok(verify::verify(context, manifest, level).await?)
}

/// The manifests to verify, and a row for each that cannot even be read.
async fn choose_all(
    which: &Which,
    repository: &Repository,
    session: &Session,
) -> Result<(Vec<Manifest>, Vec<Row>), CommandError> {
    let choice = match which {
        Which::One(choice) => choice,
        Which::All => {
            let (mut manifests, mut rows) = (Vec::new(), Vec::new());
            for backup in repository.backups().await?.found.into_iter().rev() {
                match backup.manifest {
                    Ok(manifest) => manifests.push(manifest),
                    Err(error) if error.kind == ErrorKind::Store => return Err(error.into()),
                    Err(error) => rows.push(unreadable(session, backup.id, &error)),
                }
            }
            return Ok((manifests, rows));
        }
    };
    Ok((vec![choose(session, repository, choice, "anything", |_| true).await?], Vec::new()))
}

fn unreadable(session: &Session, id: BackupId, error: &RepositoryError) -> Row {
    session.ui().warn(&error.to_string());
    let finding = Finding { subject: format!("manifest of {id}"), reason: error.to_string() };
    let newer = error.kind == ErrorKind::Unsupported;
    Row { id, ok: false, newer, verified: None, findings: vec![finding] }
}

fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let state = match (row.ok, row.newer) {
            (true, _) => "ok",
            (false, true) => "NEWER",
            (false, false) => "DAMAGED",
        };
        let looked = row.verified.as_ref().map_or(String::new(), |verified| {
            let parts = format::count(verified.parts, "part");
            format!("  {parts}, {}, {}", format::count(verified.objects, "object"), format::bytes(verified.bytes))
        });
        writeln!(text, "{state:<8} {}{looked}", row.id).ok();
        for finding in &row.findings {
            writeln!(text, "         {}: {}", finding.subject.escape_debug(), finding.reason).ok();
        }
    }
    text
}
