//! `dcs init`

use clap::Args;
use serde::Serialize;

use super::{Outcome, Session};
use crate::exit::ExitCode;
use crate::repository::{Initialised, Repository};

/// Make the backup bucket a repository
///
/// Makes the bucket where it is missing. A repository that is there already is left as it is.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Show what would be made, and make nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer {
    repository: String,
    made: bool,
}

pub(super) async fn run(args: InitArgs, session: &Session) -> Outcome {
    let target = session.repository_target()?;
    let store = session.open_repository_store(&target, args.dry_run)?;
    if args.dry_run {
        let (repository, initialised) = Repository::would_init(store, target.bucket, target.prefix).await?;
        let verb = if initialised == Initialised::Made { "would make" } else { "found" };
        let text = format!("{verb} the repository {}", repository.describe());
        session.ui().report(&text, &Answer { repository: repository.describe(), made: false })?;
        return Ok(ExitCode::Done);
    }
    let (repository, initialised) = Repository::init(store, target.bucket, target.prefix).await?;
    let made = initialised == Initialised::Made;
    let verb = if made { "made" } else { "found" };
    let text = format!("{verb} the repository {}", repository.describe());
    session.ui().report(&text, &Answer { repository: repository.describe(), made })?;
    Ok(ExitCode::Done)
}
