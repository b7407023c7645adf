//! `dcs backup protect | unprotect | accept`

use clap::Args;

use crate::commands::open::Places;
use crate::commands::{Outcome, Session};
use crate::exit::ExitCode;
use crate::model::BackupId;
use crate::repository::Selector;
use crate::repository::locks::Want;
use crate::settings::user_name;
use crate::steps::backup_state::{self, Saying};

/// Keep a backup from being deleted
#[derive(Debug, Args)]
pub struct ProtectArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID")]
    id: Selector,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Let a protected backup be deleted again
#[derive(Debug, Args)]
pub struct UnprotectArgs {
    /// A backup's id
    #[arg(value_name = "ID")]
    id: BackupId,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Call a backup good in spite of its problems
///
/// A backup that was made with problems is never `latest` until it is accepted. See them: `dcs backup show ID`. One that
/// lacks a whole part cannot be accepted.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// A backup's id
    #[arg(value_name = "ID")]
    id: BackupId,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl ProtectArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        state(session, &self.id, Saying::Protect, self.dry_run).await
    }
}

impl UnprotectArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        state(session, &Selector::Id(self.id), Saying::Unprotect, self.dry_run).await
    }
}

impl AcceptArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        state(session, &Selector::Id(self.id), Saying::Accept, self.dry_run).await
    }
}

async fn state(session: &Session, selector: &Selector, saying: Saying, dry_run: bool) -> Outcome {
    let repository = session.repository(dry_run).await?;
    let context = session.context(repository, [], [], &Places::default(), dry_run)?;
    // Not while a deletion goes on, which looked whether the backup is protected.
    if !dry_run {
        session.lock(&context.repository, &[Want::shared(Want::REPOSITORY)]).await?;
    }
    let id = match selector {
        Selector::Id(id) => id.clone(),
        Selector::Latest(_) | Selector::At(_) => {
            context.repository.select(selector, "anything", |_| true).await?.manifest.id
        }
    };
    session.choose(&id);
    let user = user_name(&session.settings()?.environment);
    let stated = backup_state::state(&context, &id, saying, &user, dry_run).await?;
    let would = if dry_run { "would say: " } else { "" };
    session.ui().report(&format!("{would}{stated}"), &stated)?;
    Ok(ExitCode::Done)
}
