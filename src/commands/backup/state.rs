//! `dcs backup protect | unprotect | accept | tag`

use clap::Args;

use crate::commands::open::Places;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::BackupId;
use crate::repository::Selector;
use crate::repository::locks::Want;
use crate::settings::user_name;
use crate::steps::Context;
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

/// Put words on a backup, to list or keep it by
///
/// Without a word, shows those that it has. `[backup.keep].tags` names those that keep a backup.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID")]
    id: Selector,

    /// Words without spaces
    #[arg(value_name = "TAG", value_parser = tag)]
    tags: Vec<String>,

    /// Take this word away; may be given more than once
    #[arg(long, value_name = "TAG", value_parser = tag)]
    remove: Vec<String>,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

const LONGEST_TAG: usize = 64;

/// A tag as it is written on the command line.
pub(super) fn tag(text: &str) -> Result<String, String> {
    let is_word = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != ',';
    if text.is_empty() || text.len() > LONGEST_TAG || !text.chars().all(is_word) {
        return Err(format!("a tag is one word of at most {LONGEST_TAG} bytes, without a comma"));
    }
    Ok(text.to_owned())
}

impl TagArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let dry_run = self.dry_run || (self.tags.is_empty() && self.remove.is_empty());
        let (context, id) = open(session, &self.id, dry_run).await?;
        let user = user_name(&session.settings()?.environment);
        let tagged = backup_state::tag(&context, &id, (self.tags, &self.remove), &user, dry_run).await?;
        session.ui().answer(&tagged.to_string(), &tagged)?;
        Ok(ExitCode::Done)
    }
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

/// Finds the backup, and keeps deletions away, which look at what was said of it.
async fn open(session: &Session, selector: &Selector, dry_run: bool) -> Result<(Context, BackupId), CommandError> {
    let repository = session.repository(dry_run).await?;
    let context = session.context(repository, [], [], &Places::default(), dry_run)?;
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
    Ok((context, id))
}

async fn state(session: &Session, selector: &Selector, saying: Saying, dry_run: bool) -> Outcome {
    let (context, id) = open(session, selector, dry_run).await?;
    let user = user_name(&session.settings()?.environment);
    let stated = backup_state::state(&context, &id, saying, &user, dry_run).await?;
    let would = if dry_run { "would say: " } else { "" };
    session.ui().report(&format!("{would}{stated}"), &stated)?;
    Ok(ExitCode::Done)
}
