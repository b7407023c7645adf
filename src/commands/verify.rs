//! `dcs verify`

use std::fmt::Write;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::backup::kind;
use super::open::Places;
use super::restore::choose;
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::evidence::Fraction;
use crate::model::format;
use crate::model::{BackupId, BackupKind, Manifest, Sample};
use crate::repository::{ErrorKind, InvalidSelector, Repository, RepositoryError, Selector};
use crate::steps::verify::{self, Finding, Level, Proof, Verified, VerifyOptions};
use crate::steps::{Context, StepError, with_causes};

/// Prove that a backup is what it was when it was made
///
/// `presence` asks the store for every part and its size; `checksum` reads every stored byte; `contents` unpacks
/// everything too, and compares each object and dump with its own SHA-256; `restore` proves the backup: it restores every
/// database beside the live ones or on a private server, every object and the configuration to a folder, compares them
/// with what was written down when the backup was made, asks the statements of `[[verify.sql]]`, and removes all of it.
/// What was found is left in the repository, and shown by `dcs backup list`. Damage is exit code 4; a store that does
/// not answer is 20, a database that cannot be restored to is 21, never 4.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A backup's id, `latest`, `latest~N`, or `all`
    #[arg(value_name = "ID", default_value = "latest")]
    which: Which,

    /// Only backups of this kind: `latest` is the newest good one of it
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<BackupKind>,

    /// How closely to look
    #[arg(long, value_name = "LEVEL", default_value = "checksum", env = "DCS_LEVEL")]
    level: LevelArg,

    /// Look at a part of the packs only, and the objects in them: with `1/4`, four runs see all
    ///
    /// Which part comes next, the evidence of the last sampled run in the repository says. Databases and configuration are
    /// looked at whole. A backup counts as proven only by a run without it.
    #[arg(long, value_name = "1/N", env = "DCS_SAMPLE")]
    sample: Option<Fraction>,
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
    /// All of it restores, to a place that is removed afterwards
    Restore,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Presence => Self::Presence,
            LevelArg::Checksum => Self::Checksum,
            LevelArg::Contents => Self::Contents,
            LevelArg::Restore => Self::Restore,
        }
    }
}

#[derive(Serialize)]
struct Row {
    id: BackupId,
    ok: bool,
    /// A newer dcs wrote it: it could not be looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    newer: bool,
    /// Whether the evidence was left in the repository.
    #[serde(skip)]
    recorded: bool,
    #[serde(flatten)]
    verified: Option<Verified>,
    findings: Vec<Finding>,
}

impl Row {
    fn level(&self) -> Option<Level> {
        self.verified.as_ref().map(|verified| verified.level)
    }
}

pub(super) async fn run(args: VerifyArgs, session: &Session) -> Outcome {
    let level = Level::from(args.level);
    if args.sample.is_some() && level == Level::Presence {
        return Err(CommandError::new(ExitCode::Usage, "`--sample` is for levels that read packs, not for `presence`")
            .hint("Leave it out: one listing tells of all packs."));
    }

    // Choose the backups.
    let repository = session.repository(false).await?;
    let context = session.context(repository, [], [], &Places::default(), false)?;
    session.lock_to_read(&context, &[]).await?;
    let (manifests, mut rows) = choose_all(&args.which, args.kind, &context.repository, session).await?;

    // Choose the part, and where to restore to.
    let sample = match args.sample {
        Some(Fraction(of)) => Some(Sample::after(context.repository.last_sample().await?, of)),
        None => None,
    };
    let proof = match level {
        Level::Restore => Some(Proof { scratch: session.scratch().await?, checks: &session.settings()?.verify.checks }),
        _ => None,
    };

    // Look at each; what is found is told at once and again at the end.
    let options = VerifyOptions { level, sample, proof };
    let mut unchecked: Option<StepError> = None;
    for manifest in manifests {
        let (row, error) = Box::pin(verify_one(&context, manifest, &options)).await?;
        if let Some(verified) = &row.verified {
            session.tell_moved(verified.parts, verified.bytes);
        }
        session.tell_problems(row.findings.len() as u64);
        rows.push(row);
        // A store that fails one backup fails the next as well.
        let is_hopeless = error.as_ref().is_some_and(|error| !error.is_of_one_backup());
        unchecked = unchecked.or(error);
        if is_hopeless {
            break;
        }
    }

    // Report.
    session.ui().report(&text(&rows), &rows)?;
    outcome(&rows, unchecked, session)
}

/// Verifies a backup and leaves the evidence; answers what kept it from being looked at to the end, too.
async fn verify_one(
    context: &Context,
    manifest: Manifest,
    options: &VerifyOptions<'_>,
) -> Result<(Row, Option<StepError>), CommandError> {
    let started_at = context.repository.now().await?;
    let (verified, result) = verify::verify_with(context, &manifest, options).await;
    let error = result.err();
    let mut recorded = true;
    // What could not be read says nothing of the backup; that a proof was tried is worth knowing all the same.
    if error.is_none() || verified.damage > 0 || options.level == Level::Restore {
        let written = verify::record(context, &manifest, &verified, error.as_ref(), started_at).await;
        if let Err(error) = written {
            tracing::warn!("the evidence could not be written: {}", with_causes(&error));
            recorded = false;
        }
    }
    let findings = verified.findings.clone();
    let ok = findings.is_empty() && error.is_none();
    Ok((Row { id: manifest.id, ok, newer: false, recorded, verified: Some(verified), findings }, error))
}

/// Damage goes before what could not be checked, which goes before what could not be written down.
fn outcome(rows: &[Row], unchecked: Option<StepError>, session: &Session) -> Outcome {
    let damaged: Vec<&Row> = rows.iter().filter(|row| !row.findings.is_empty() && !row.newer).collect();
    if let Some(first) = damaged.first() {
        if let Some(error) = unchecked {
            session.ui().warn(&format!("not all could be checked: {}", with_causes(&error)));
        }
        return Err(damage(first, damaged.len(), rows.len()));
    }
    if let Some(error) = unchecked {
        return Err(error.into());
    }
    let newer = rows.iter().filter(|row| row.newer).count();
    if newer > 0 {
        let message = format!("{newer} of {} backups were written by a newer dcs and could not be checked", rows.len());
        return Err(CommandError::new(ExitCode::Refused, message).hint("Install a newer dcs."));
    }
    let is_unproven = |row: &&Row| !row.recorded && row.level() == Some(Level::Restore);
    if let Some(row) = rows.iter().find(is_unproven) {
        let message = format!("the backup {} restores, but that could not be written down", row.id);
        return Err(CommandError::new(ExitCode::Problems, message)
            .hint("Let the key of the backup store write below `evidence/`, and run the same command again."));
    }
    Ok(ExitCode::Done)
}

fn damage(first: &Row, damaged: usize, all: usize) -> CommandError {
    let message = if damaged == 1 {
        let finding = first.findings.first();
        let told = finding.map_or_else(String::new, |finding| match first.level() {
            Some(Level::Restore) => format!("{}: {}", finding.subject, finding.reason),
            _ => finding.subject.clone(),
        });
        format!("the backup {} is damaged: {told}", first.id)
    } else {
        format!("{damaged} of {all} backups are damaged")
    };
    CommandError::new(ExitCode::Damage, message).hint(format!(
        "Do not rely on {}; make a new one: `dcs backup {}`.",
        first.id,
        first.id.kind()
    ))
}

/// The manifests to verify, and a row for each that cannot even be read.
async fn choose_all(
    which: &Which,
    kind: Option<BackupKind>,
    repository: &Repository,
    session: &Session,
) -> Result<(Vec<Manifest>, Vec<Row>), CommandError> {
    let choice = match which {
        Which::One(choice) => choice,
        Which::All => {
            let (mut manifests, mut rows) = (Vec::new(), Vec::new());
            let is_meant = |id: &BackupId| kind.is_none_or(|kind| kind == id.kind());
            for backup in repository.backups().await?.found.into_iter().rev().filter(|backup| is_meant(&backup.id)) {
                match backup.manifest {
                    Ok(manifest) => manifests.push(manifest),
                    Err(error) if error.kind == ErrorKind::Store => return Err(error.into()),
                    Err(error) => rows.push(unreadable(session, backup.id, &error)),
                }
            }
            return Ok((manifests, rows));
        }
    };
    let needed = if kind.is_some() { "what --kind asks for" } else { "anything" };
    let is_meant = |manifest: &Manifest| kind.is_none_or(|kind| kind == manifest.kind);
    Ok((vec![choose(session, repository, choice, needed, is_meant).await?], Vec::new()))
}

fn unreadable(session: &Session, id: BackupId, error: &RepositoryError) -> Row {
    session.ui().warn(&error.to_string());
    let finding = Finding { subject: format!("manifest of {id}"), reason: error.to_string() };
    let newer = error.kind == ErrorKind::Unsupported;
    Row { id, ok: false, newer, recorded: true, verified: None, findings: vec![finding] }
}

fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let state = match (row.ok, row.newer, row.findings.is_empty()) {
            (true, ..) => "ok",
            (false, true, _) => "NEWER",
            (false, false, false) => "DAMAGED",
            (false, false, true) => "UNKNOWN",
        };
        let looked = row.verified.as_ref().map_or(String::new(), looked);
        writeln!(text, "{state:<8} {}{looked}", row.id).ok();
        for finding in &row.findings {
            writeln!(text, "         {}: {}", finding.subject.escape_debug(), finding.reason).ok();
        }
    }
    text
}

/// How much was looked at, in words.
fn looked(verified: &Verified) -> String {
    let parts = format::count(verified.parts, "part");
    let mut text =
        format!("  {parts}, {}, {}", format::count(verified.objects, "object"), format::bytes(verified.bytes));
    if verified.level == Level::Restore {
        let took = format::duration(Duration::from_secs_f64(verified.seconds()));
        write!(text, "; restored {}in {took}", restored(verified)).ok();
    }
    if let Some(sample) = verified.sample {
        write!(text, "; {sample} of the files").ok();
    }
    text
}

fn restored(verified: &Verified) -> String {
    let mut text = String::new();
    if verified.tables > 0 {
        let (tables, rows) = (format::count(verified.tables, "table"), format::count(verified.rows, "row"));
        write!(text, "{tables}, {rows}, ").ok();
    }
    if verified.objects > 0 {
        write!(text, "{}, ", format::bytes(verified.object_bytes)).ok();
    }
    text
}
