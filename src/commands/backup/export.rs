//! `dcs backup export`

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use futures_util::{Stream, TryStreamExt};
use serde::Serialize;
use tokio::io::AsyncWriteExt;

use super::look::choose_any;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, Report, format};
use crate::repository::Selector;
use crate::steps::StepError;
use crate::steps::export::{self, Damaged};
use crate::ui::Reader;

/// Write a backup as one ordinary .tar.gz
///
/// Dumps and configuration below `ID/`, objects as `STORE/BUCKET/KEY`; a percent sign stands before what is no plain part
/// of a path. The file is there when it is whole, and not before. An object that is damaged is left out and named: that
/// ends in 4.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID")]
    id: Selector,

    /// The file to write, which must not be there; `-` for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Answer<'a> {
    backup: &'a BackupId,
    file: &'a Path,
    bytes: u64,
    damaged: &'a Report,
}

pub(super) async fn run(args: ExportArgs, session: &Session) -> Outcome {
    let (repository, manifest) = choose_any(session, &args.id).await?;
    let (id, damaged) = (&manifest.id, Damaged::default());
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let archive = std::pin::pin!(export::archive(&repository, &manifest, &damaged, workers));
    if args.file.as_os_str() == "-" {
        print(session, archive).await?;
    } else {
        let bytes = write(&args.file, archive).await?;
        let report = damaged.report();
        let text = format!("exported {id} to {}: {}", args.file.display(), format::bytes(bytes));
        session.ui().report(&text, &Answer { backup: id, file: &args.file, bytes, damaged: &report })?;
    }
    let report = damaged.report();
    let Some(first) = report.problems.first() else { return Ok(ExitCode::Done) };
    report.problems.iter().for_each(|problem| session.ui().warn(&format!("{}: {}", problem.subject, problem.reason)));
    let count = format::count(report.problem_count, "object");
    let message = format!("{count} of the backup {id} damaged and left out, first {}", first.subject);
    Err(CommandError::new(ExitCode::Damage, message)
        .hint(format!("See all damage: `dcs verify {id} --level contents`.")))
}

async fn print(
    session: &Session,
    mut archive: impl Stream<Item = Result<Bytes, StepError>> + Unpin,
) -> Result<(), CommandError> {
    let mut out = session.ui().out();
    if out.is_terminal() {
        let message = "an archive is nothing for a terminal";
        return Err(CommandError::new(ExitCode::Usage, message).hint("Name a file, or send it on: `... - | ssh ...`."));
    }
    while let Some(bytes) = archive.try_next().await? {
        if out.bytes(&bytes)? == Reader::Gone {
            return Err(CommandError::new(ExitCode::Failed, "whoever read the archive went before its end")
                .hint("Run the same command again."));
        }
    }
    out.end()
}

/// Writes beside the file, and gives it its name when it is whole. What is there already is never replaced.
async fn write(
    path: &Path,
    mut archive: impl Stream<Item = Result<Bytes, StepError>> + Unpin,
) -> Result<u64, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::new(ExitCode::Failed, format!("cannot write {}: {error}", path.display()))
            .hint("Name a file in a folder that there is, with room for the backup.")
    };
    let is_there = || {
        CommandError::new(ExitCode::Refused, format!("cannot write {}: it is there already", path.display()))
            .hint("Name another file, or remove this one first.")
    };
    if path.symlink_metadata().is_ok() {
        return Err(is_there());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".dcs-export-").tempfile_in(folder).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(failed)?);
    let mut written = 0;
    while let Some(bytes) = archive.try_next().await? {
        file.write_all(&bytes).await.map_err(failed)?;
        written += bytes.len() as u64;
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    match temporary.persist_noclobber(path) {
        Ok(_) => Ok(written),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(is_there()),
        Err(error) => Err(failed(error.error)),
    }
}
