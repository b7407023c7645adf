//! `dcs catalog rebuild`, and how commands open the catalogue.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Outcome, Session};
use crate::catalog::{self, Catalog, CatalogError, ErrorKind};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::steps::history;

/// Look after the catalogue: what dcs keeps in `state_dir` to answer quickly
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    Rebuild(RebuildArgs),
}

/// Make the catalogue again, from the backup bucket
///
/// Never needed for safety: nothing lies in the catalogue alone. A damaged one is set aside and made again by itself.
#[derive(Debug, Args)]
pub struct RebuildArgs {}

#[derive(Serialize)]
struct Answer {
    runs: u64,
}

pub(super) async fn run(command: CatalogCommand, session: &Session) -> Outcome {
    let CatalogCommand::Rebuild(RebuildArgs {}) = command;
    if session.settings()?.state_dir.is_none() {
        return Err(CommandError::new(ExitCode::Usage, "there is no catalogue, because `state_dir` is not set")
            .hint("Set `state_dir` in the configuration to a folder that dcs may write to."));
    }
    let repository = session.repository(true).await?;
    let cannot = |error: CatalogError| {
        CommandError::new(ExitCode::Failed, format!("cannot rebuild the catalogue: {error}"))
            .hint("See that `state_dir` may be written to, and that no other dcs is at it.")
    };
    let path = session.settings()?.catalog();
    let found = session.try_catalog(path.as_deref()).await.map_err(cannot)?;
    found.forget(&repository.id).await.map_err(cannot)?;
    let synced = match history::sync(&repository, &found).await {
        Ok(synced) => synced,
        Err(error) => return Err(cannot(history::of_the_bucket(error)?)),
    };
    let text = format!("the catalogue holds {}", format::count(synced.new, "run"));
    session.ui().report(&text, &Answer { runs: synced.new })?;
    let Some(first) = synced.unreadable.first() else { return Ok(ExitCode::Done) };
    let message = format!("{} cannot be read, first: {first}", format::count(synced.unreadable.len() as u64, "record"));
    Err(CommandError::new(ExitCode::Problems, message).hint("What is damaged below `runs/` can be removed by hand."))
}

impl Session {
    /// The catalogue; `None` where dcs goes on without, which is said once.
    pub(super) async fn catalog(&self) -> Result<Option<Catalog>, CommandError> {
        let path = self.settings()?.catalog();
        if path.is_none() {
            self.ui().note("no `state_dir` is set: everything is read from the backup bucket");
            return Ok(None);
        }
        match self.try_catalog(path.as_deref()).await {
            Ok(catalog) => Ok(Some(catalog)),
            Err(error) => {
                self.ui().warn(&format!("the catalogue is not used: {error}"));
                Ok(None)
            }
        }
    }

    /// Opens the catalogue; a damaged one is set aside and made anew, with a warning.
    async fn try_catalog(&self, path: Option<&Path>) -> Result<Catalog, CatalogError> {
        let Some(path) = path else { return Catalog::temporary().await };
        // Where the folder cannot be made, opening says why.
        self.spool().ok();
        match Catalog::open(path.to_owned()).await {
            Err(error) if error.kind == ErrorKind::Damaged => {
                let aside = catalog::set_aside(path).map_err(|_| error)?;
                let (path_text, aside) = (path.display(), aside.display());
                self.ui().warn(&format!("the catalogue {path_text} was damaged; it is now {aside}, and made again"));
                Catalog::open(path.to_owned()).await
            }
            opened => opened,
        }
    }
}
