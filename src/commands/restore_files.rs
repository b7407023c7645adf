//! `dcs restore-files`

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde::Serialize;

use super::open::{self, Places};
use super::restore::{Choice, Targets, choose, show};
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, Glob, Manifest, Prefix, SourceName, format};
use crate::settings::StoreSettings;
use crate::steps::place::Elsewhere;
use crate::steps::restore_files::{self, FilesRestoreOptions, FilesRestored, Only, Selection};
use crate::steps::verify;

/// Bring objects back out of a backup
///
/// Adds what is missing, leaves what is the same, and moves what differs to the trash before it is replaced. What is in
/// the bucket and not in the backup stays, unless with `--mirror`. Where packs of the backup are missing nothing is begun, unless with
/// `--skip-damaged`; an object that turns out to be damaged is named, what is live in its place stays, and the rest is
/// restored: that ends in 4.
#[derive(Debug, Args)]
pub struct RestoreFilesArgs {
    #[command(flatten)]
    choice: Choice,

    /// Restore only this bucket of the backup (`live/books`), folder (`live/books/42/`) or object
    /// (`live/books/42/cover.jpg`); may be given more than once
    #[arg(long, value_name = "STORE/BUCKET[/KEY]")]
    only: Vec<Only>,

    /// Restore only objects whose keys begin so
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,

    /// Restore only objects whose keys fit: `*` within a segment, `**` across, `?` for one character; may be given more
    /// than once
    #[arg(long, value_name = "GLOB")]
    include: Vec<Glob>,

    /// Leave out objects whose keys fit; may be given more than once
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<Glob>,

    /// Restore to another bucket, or a folder of one; or to a folder of this machine, below STORE/BUCKET/
    #[arg(long, value_name = "STORE/BUCKET[/PREFIX]|/FOLDER")]
    to: Option<To>,

    /// Remove what is live and not in the backup, to the trash; with other options only what they select
    #[arg(long, conflicts_with = "skip_damaged")]
    mirror: bool,

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

/// Another place to restore to.
#[derive(Debug, Clone)]
enum To {
    Folder(PathBuf),
    Bucket(Elsewhere),
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let only: Only = text.parse().map_err(|_| "write STORE/BUCKET, STORE/BUCKET/PREFIX, or /FOLDER")?;
        let slash = if only.within.is_empty() || only.within.ends_with('/') { "" } else { "/" };
        let prefix = Prefix::new(format!("{}{slash}", only.within)).map_err(|error| error.to_string())?;
        Ok(Self::Bucket(Elsewhere { store: only.source.store().to_owned(), bucket: only.source.bucket(), prefix }))
    }
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
    let mut manifest =
        choose(session, &repository, &args.choice.selector(), "files", |manifest| manifest.files.is_some()).await?;
    let sources = sources(&manifest, &args.only)?;
    let Some(files) = manifest.files.clone() else {
        return Err(CommandError::new(ExitCode::Refused, format!("the backup {} holds no files", manifest.id)));
    };
    if args.mirror && !manifest.is_good() {
        return Err(lacks_something(&manifest.id));
    }
    manifest.databases.clear();
    manifest.config = None;
    let mut places = args.targets.places(&manifest.origins, session)?;
    let (targets, to) = targets(args.to, &sources, &mut places, args.dry_run)?;
    let stores = targets.iter().map(|target| target.store().to_owned()).collect::<Vec<_>>();
    let context = session.context(repository, stores, [], &places, args.dry_run)?;
    let trash = session.trash(&places, args.dry_run)?;
    if !args.dry_run {
        session.lock_to_restore(&context, &targets).await?;
    }

    // Plan: hold every row against what is there now.
    let selection = Selection { only: args.only, prefix: args.prefix, include: args.include, exclude: args.exclude };
    let (skip_damaged, mirror) = (args.skip_damaged, args.mirror);
    let options = FilesRestoreOptions { selection, to, trash, skip_damaged, mirror };
    let plan = restore_files::plan(&context, &manifest.id, &files, options).await?;
    show(session, &manifest.id, &format!("restore files of {}\n{plan}", manifest.id), args.dry_run)?;
    plan.check()?;
    if args.dry_run {
        return Ok(ExitCode::Done);
    }
    session.ui().confirm(args.yes || !plan.displaces(), plan.question()).await?;

    // Check that the backup is of a piece before anything is touched.
    if !args.skip_damaged {
        verify::require_intact(&context, &manifest).await?;
    }

    // Add, displace, replace.
    if plan.displaces() {
        session.sets_out_to_destroy("live objects, kept in the trash", targets.iter().map(SourceName::as_str));
    }
    let restored = restore_files::execute(&context, plan).await?;
    restored.tell(session);
    if restored.report.is_clean() && restored.is_undamaged() {
        session.has_destroyed_all();
    }
    session.ui().report(&restored, &Answer { backup: manifest.id.clone(), files: &restored })?;
    restored.code_or_problems(&manifest.id)
}

impl FilesRestored {
    /// Tells the run's record of it.
    pub(super) fn tell(&self, session: &Session) {
        session.tell_moved(self.added_objects + self.replaced_objects, self.restored_bytes);
        session.tell_problems(self.report.problem_count + self.damaged.problem_count);
    }

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

/// What the backup lacks would be removed.
fn lacks_something(id: &BackupId) -> CommandError {
    let message = format!("cannot mirror the backup {id}: it has problems, and what it lacks would be removed");
    CommandError::new(ExitCode::Refused, message)
        .hint(format!("See them: `dcs backup show {id}`."))
        .hint("Restore it without `--mirror`.")
}

/// Where everything goes, with the places of stores as `to` wants them.
fn targets(
    to: Option<To>,
    sources: &[SourceName],
    places: &mut Places,
    dry_run: bool,
) -> Result<(Vec<SourceName>, Option<Elsewhere>), CommandError> {
    match to {
        None => Ok((sources.to_vec(), None)),
        Some(To::Folder(folder)) => {
            if !dry_run {
                open::make_target(&folder)?;
            }
            for source in sources {
                let path = folder.join(source.store());
                places.stores.insert(source.store().to_owned(), StoreSettings::Directory { path });
            }
            Ok((sources.to_vec(), None))
        }
        Some(To::Bucket(to)) => {
            let [_] = sources else {
                let names: Vec<&str> = sources.iter().map(SourceName::as_str).collect();
                let message = format!("`--to` a bucket takes the objects of one, and these are {}", names.len());
                return Err(CommandError::new(ExitCode::Usage, message)
                    .hint(format!("Choose one with `--only`: {}.", names.join(", "))));
            };
            Ok((vec![SourceName::new(&to.store, &to.bucket)], Some(to)))
        }
    }
}

/// The buckets to restore: all of the backup, or those asked for.
fn sources(manifest: &Manifest, only: &[Only]) -> Result<Vec<SourceName>, CommandError> {
    let held: Vec<SourceName> =
        manifest.files.iter().flat_map(|files| &files.sources).map(|source| source.source.clone()).collect();
    if let Some(missing) = only.iter().find(|only| !held.contains(&only.source)) {
        let held: Vec<&str> = held.iter().map(SourceName::as_str).collect();
        let message = format!("the backup {} does not hold {}", manifest.id, missing.source);
        return Err(CommandError::new(ExitCode::NotFound, message).hint(format!("It holds: {}.", held.join(", "))));
    }
    let is_wanted = |source: &SourceName| only.is_empty() || only.iter().any(|only| only.source == *source);
    Ok(held.into_iter().filter(is_wanted).collect())
}
