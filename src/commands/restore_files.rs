//! `dcs restore-files`

use clap::Args;
use serde::Serialize;

use super::restore::{Targets, choose, show};
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, Manifest, SourceName, format};
use crate::repository::Selector;
use crate::steps::restore_files::{self, FilesRestoreOptions, FilesRestored, Selection};
use crate::steps::verify;

/// Bring objects back out of a backup
///
/// Adds what is missing, leaves what is the same, and moves what differs to the trash before it is replaced. What is in
/// the bucket and not in the backup stays. Where packs of the backup are missing nothing is begun, unless with
/// `--skip-damaged`; an object that turns out to be damaged is named, what is live in its place stays, and the rest is
/// restored: that ends in 4.
#[derive(Debug, Args)]
pub struct RestoreFilesArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID", default_value = "latest")]
    id: Selector,

    /// Restore only this bucket of the backup, as in `live/books`; may be given more than once
    #[arg(long, value_name = "STORE/BUCKET", value_parser = source)]
    only: Vec<SourceName>,

    /// Restore all the rest where something of the backup is missing or damaged; ends in 4 all the same
    #[arg(long)]
    skip_damaged: bool,

    #[command(flatten)]
    targets: Targets,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, env = "DCS_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

fn source(text: &str) -> Result<SourceName, String> {
    SourceName::try_from(text.to_owned()).map_err(|_| "write STORE/BUCKET".to_owned())
}

#[derive(Serialize)]
struct Answer<'a> {
    backup: BackupId,
    #[serde(flatten)]
    files: &'a FilesRestored,
}

pub(super) async fn run(args: RestoreFilesArgs, session: &Session) -> Outcome {
    // Choose the backup and open what it goes to.
    let repository = session.repository(args.dry_run).await?;
    let mut manifest = choose(session, &repository, &args.id, "files", |manifest| manifest.files.is_some()).await?;
    let sources = sources(&manifest, &args.only)?;
    let Some(files) = manifest.files.clone() else {
        return Err(CommandError::new(ExitCode::Refused, format!("the backup {} holds no files", manifest.id)));
    };
    manifest.databases.clear();
    manifest.config = None;
    let places = args.targets.places(&manifest.origins, session)?;
    let stores = sources.iter().map(|source| source.store().to_owned()).collect::<Vec<_>>();
    let context = session.context(repository, stores, [], &places, args.dry_run)?;
    let trash = session.trash(&places, args.dry_run)?;
    if !args.dry_run {
        session.lock_to_restore(&context, &sources).await?;
    }

    // Plan: hold every row against what is there now.
    let selection = Selection::sources(sources);
    let options = FilesRestoreOptions { selection, to: None, trash, skip_damaged: args.skip_damaged };
    let plan = restore_files::plan(&context, &manifest.id, &files, options).await?;
    show(session, &manifest.id, &format!("restore files of {}\n{plan}", manifest.id), args.dry_run)?;
    plan.check()?;
    if args.dry_run {
        return Ok(ExitCode::Done);
    }
    session.ui().confirm(args.yes || !plan.displaces(), "Restore over the objects that differ?").await?;

    // Check that the backup is of a piece before anything is touched.
    if !args.skip_damaged {
        verify::require_intact(&context, &manifest).await?;
    }

    // Add, displace, replace.
    let restored = restore_files::execute(&context, plan).await?;
    session.ui().report(&restored, &Answer { backup: manifest.id.clone(), files: &restored })?;
    restored.code_or_problems(&manifest.id)
}

impl FilesRestored {
    /// Done, or exit 3 where single objects failed, or 4 where some are damaged in the backup.
    pub(super) fn code_or_problems(&self, id: &BackupId) -> Outcome {
        if let Some(first) = self.damaged.problems.first() {
            let count = format::count(self.damaged.problem_count, "object");
            let message = format!(
                "{count} of the backup {id} damaged and not restored, first {}: {}",
                first.subject, first.reason
            );
            return Err(CommandError::new(ExitCode::Damage, message)
                .hint(format!("See all damage: `dcs verify {id} --level contents`."))
                .hint("Take them out of another backup: `dcs backup list`, then `dcs restore-files ID --only STORE/BUCKET`."));
        }
        if self.report.is_clean() {
            return Ok(ExitCode::Done);
        }
        let message = format!("{} objects were not restored", self.report.problem_count);
        Err(CommandError::new(ExitCode::Problems, message).hint("Mend the cause and run the same command again."))
    }
}

/// The buckets to restore: all of the backup, or those asked for.
fn sources(manifest: &Manifest, only: &[SourceName]) -> Result<Vec<SourceName>, CommandError> {
    let held: Vec<SourceName> =
        manifest.files.iter().flat_map(|files| &files.sources).map(|source| source.source.clone()).collect();
    if let Some(missing) = only.iter().find(|source| !held.contains(source)) {
        let held: Vec<&str> = held.iter().map(SourceName::as_str).collect();
        return Err(CommandError::new(
            ExitCode::NotFound,
            format!("the backup {} does not hold {missing}", manifest.id),
        )
        .hint(format!("It holds: {}.", held.join(", "))));
    }
    Ok(if only.is_empty() { held } else { only.to_vec() })
}
