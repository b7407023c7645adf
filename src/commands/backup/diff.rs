//! `dcs backup diff`

use clap::Args;
use futures_util::TryStreamExt;
use serde::Serialize;

use super::look::choose_files;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::manifest::FilesComponent;
use crate::model::{BackupId, IndexRow};
use crate::repository::{Repository, Selector};
use crate::steps::look::{self, Change};
use crate::ui::{Reader, plain};

/// Show which objects two backups do not have in common
///
/// A line an object, in order: `+` where the second has it and the first has not, `-` where only the first has it, `~`
/// where its content is another; with sizes in bytes. What both have is not read.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID")]
    before: Selector,

    /// The second backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID", default_value = "latest")]
    after: Selector,
}

#[derive(Serialize)]
struct Row<'a> {
    change: &'static str,
    source: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_after: Option<u64>,
}

pub(super) async fn run(args: DiffArgs, session: &Session) -> Outcome {
    let (repository, first, before) = choose_files(session, &args.before).await?;
    let (_, second, after) = choose_files(session, &args.after).await?;
    let counts = print(session, &repository, &before, &after).await?;
    note(session, &first.id, &second.id, counts);
    Ok(ExitCode::Done)
}

async fn print(
    session: &Session,
    repository: &Repository,
    before: &FilesComponent,
    after: &FilesComponent,
) -> Result<[u64; 3], CommandError> {
    let mut changes = look::diff(repository, before, after);
    let mut out = session.ui().out();
    let mut counts = [0; 3];
    while let Some(change) = changes.try_next().await? {
        let (number, line, row) = match &change {
            Change::Added(row) => (0, format!("+ {} {}", name(row), row.size), of("added", row, None, Some(row.size))),
            Change::Removed(row) => {
                (1, format!("- {} {}", name(row), row.size), of("removed", row, Some(row.size), None))
            }
            Change::Changed { before, after } => {
                let line = format!("~ {} {} -> {}", name(after), before.size, after.size);
                (2, line, of("changed", after, Some(before.size), Some(after.size)))
            }
        };
        counts[number] += 1;
        if out.row(&line, &row)? == Reader::Gone {
            return Ok(counts);
        }
    }
    out.end_rows()?;
    Ok(counts)
}

fn note(session: &Session, first: &BackupId, second: &BackupId, [added, removed, changed]: [u64; 3]) {
    session.ui().note(&format!("from {first} to {second}: {added} added, {removed} removed, {changed} changed"));
}

fn name(row: &IndexRow) -> String {
    format!("{}/{}", row.source, plain(row.key.as_str()))
}

fn of<'a>(change: &'static str, row: &'a IndexRow, size_before: Option<u64>, size_after: Option<u64>) -> Row<'a> {
    let (source, key) = row.order();
    Row { change, source, key, size_before, size_after }
}
