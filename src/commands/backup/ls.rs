//! `dcs backup ls`

use clap::Args;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::Serialize;

use super::look::choose_files;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{Digest, IndexRow};
use crate::repository::Selector;
use crate::steps::look;
use crate::steps::restore_files::Only;
use crate::ui::{Reader, plain};

/// List the objects of a backup
///
/// A line an object, in order, as they are read: `STORE/BUCKET/KEY`, which is what `dcs backup cat` takes. With a prefix
/// only those whose keys begin so, and no more of the index is read than may name them.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID", default_value = "latest")]
    id: Selector,

    /// What the names begin with, as in `live/books` or `live/books/42/`
    #[arg(value_name = "STORE/BUCKET[/PREFIX]")]
    prefix: Option<Only>,

    /// Print size and time too
    #[arg(short, long)]
    long: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    source: &'a str,
    key: &'a str,
    size: u64,
    modified: Timestamp,
    sha256: Digest,
}

pub(super) async fn run(args: LsArgs, session: &Session) -> Outcome {
    let (repository, manifest, files) = choose_files(session, &args.id).await?;
    let mut rows = match &args.prefix {
        Some(Only { source, within }) => look::below(&repository, &files, source, within),
        None => look::all(&repository, &files),
    };
    let mut out = session.ui().out();
    let mut is_empty = true;
    while let Some(row) = rows.try_next().await? {
        is_empty = false;
        if out.row(&line(&row, args.long), &of(&row))? == Reader::Gone {
            return Ok(ExitCode::Done);
        }
    }
    out.end_rows()?;
    match &args.prefix {
        Some(prefix) if is_empty => {
            let held: Vec<&str> = files.sources.iter().map(|source| source.source.as_str()).collect();
            let message = format!("the backup {} holds nothing below {prefix}", manifest.id);
            Err(CommandError::new(ExitCode::NotFound, message).hint(format!("It holds: {}.", held.join(", "))))
        }
        _ => Ok(ExitCode::Done),
    }
}

fn of(row: &IndexRow) -> Row<'_> {
    let (source, key) = row.order();
    Row { source, key, size: row.size, modified: row.modified, sha256: row.sha256 }
}

fn line(row: &IndexRow, long: bool) -> String {
    let name = format!("{}/{}", row.source, plain(row.key.as_str()));
    if long { format!("{:>14} {:<20.20} {name}", row.size, seconds(row.modified)) } else { name }
}

/// Without fractions: `2026-11-20T02:00:00Z`.
fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
