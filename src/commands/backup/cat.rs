//! `dcs backup cat`

use clap::Args;
use futures_util::TryStreamExt;

use super::look::choose_files;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::repository::Selector;
use crate::steps::look;
use crate::steps::restore_files::Only;
use crate::ui::Reader;

/// Print one object of a backup
///
/// Nothing is restored and no lock is taken: the object's bytes go to standard output, compared with its SHA-256 on the
/// way. Four requests find and read a small one.
#[derive(Debug, Args)]
pub struct CatArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID")]
    id: Selector,

    /// The object, as in `live/books/42/cover.jpg`
    #[arg(value_name = "STORE/BUCKET/KEY")]
    object: Only,
}

pub(super) async fn run(args: CatArgs, session: &Session) -> Outcome {
    let (repository, manifest, files) = choose_files(session, &args.id).await?;
    let (id, Only { source, within }) = (&manifest.id, &args.object);
    let row = look::find(&repository, &files, source, within).await?.ok_or_else(|| {
        CommandError::new(ExitCode::NotFound, format!("the backup {id} does not hold {}", args.object))
            .hint(format!("See what it holds: `dcs backup ls {id} {source}`."))
    })?;
    let mut content = look::content(&repository, &row);
    let mut out = session.ui().out();
    let mut printed = 0;
    loop {
        match content.try_next().await {
            Ok(Some(bytes)) => {
                printed += bytes.len();
                if out.bytes(&bytes)? == Reader::Gone {
                    return Ok(ExitCode::Done);
                }
            }
            Ok(None) => break,
            Err(error) => {
                out.end()?;
                let error = CommandError::from(error);
                let bad = "What was printed is not the object: throw it away.";
                return Err(if printed > 0 { error.hint(bad) } else { error });
            }
        }
    }
    out.end()?;
    Ok(ExitCode::Done)
}
