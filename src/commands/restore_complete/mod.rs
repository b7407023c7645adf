//! `dcs restore-complete`

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::restore::{Choice, Loading, Targets, choose, show_with_databases};
use super::{Outcome, Session, restore_db};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, BackupKind, Manifest, RunId, SourceName, format};
use crate::settings::user_name;
use crate::steps::continued::{self, Continued, Earlier};
use crate::steps::restore::{By, CompletePlan, CompleteRestored, Configuration};
use crate::steps::restore_database::Restored;
use crate::steps::restore_files::{FilesRestoreOptions, FilesRestored, Selection};
use crate::steps::{Context, restore, restore_database, restore_files, verify};

mod undo;

/// Bring the whole system back: databases, files and configuration
///
/// Dumps and configuration are read, and packs looked for, before anything is touched. Databases are loaded and compared
/// beside the live ones, then objects are added, and last the databases change places; they do not where objects turned
/// out to be damaged, unless with `--skip-damaged`. The configuration is unpacked into ./dcs-restored-ID for review. A
/// journal in the backup bucket says how far it has come: run again after an interruption, it goes on from there.
#[derive(Debug, Args)]
pub struct RestoreCompleteArgs {
    #[command(flatten)]
    choice: Choice,

    /// Restore all the rest where something of the files is missing or damaged; ends in 4 all the same
    #[arg(long)]
    skip_damaged: bool,

    #[command(flatten)]
    undo: undo::UndoArgs,

    #[command(flatten)]
    targets: Targets,

    #[command(flatten)]
    loading: Loading,

    /// Do everything anew, also what an interrupted run of the same restore has put in place already
    #[arg(long)]
    afresh: bool,

    /// Unpack the configuration into this folder instead of ./dcs-restored-ID
    #[arg(long, value_name = "FOLDER", env = "DCS_CONFIG_TO")]
    config_to: Option<PathBuf>,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, env = "DCS_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    backup: BackupId,
    run: &'a RunId,
    databases: &'a [Restored],
    files: Option<&'a FilesRestored>,
    config: Option<&'a PathBuf>,
    /// Databases that were not restored because files are damaged.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    held_back: &'a [String],
}

/// A folder that holds nothing yet: a configuration is unpacked beside others, never over one.
fn folder_for_review(asked_for: Option<PathBuf>, id: &BackupId) -> Result<PathBuf, CommandError> {
    let is_free = |folder: &PathBuf| match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if let Some(folder) = asked_for {
        if is_free(&folder) {
            return Ok(folder);
        }
        let message = format!("cannot unpack the configuration to {}: it holds something", folder.display());
        return Err(CommandError::new(ExitCode::Refused, message).hint("Name a new folder with `--config-to FOLDER`."));
    }
    let names = (2..).map(|number| format!("dcs-restored-{id}.{number}"));
    let mut folders = std::iter::once(format!("dcs-restored-{id}")).chain(names).map(PathBuf::from);
    Ok(folders.find(is_free).unwrap_or_default())
}

pub(super) async fn run(args: RestoreCompleteArgs, session: &Session) -> Outcome {
    if args.undo.is_wanted() {
        return undo::run(args.undo, &args.targets, args.dry_run, args.yes, session).await;
    }

    // Choose the backup and open everything it goes to.
    let repository = session.repository(args.dry_run).await?;
    let is_complete = |manifest: &Manifest| manifest.kind == BackupKind::Complete;
    let manifest = choose(session, &repository, &args.choice.selector(), "a complete backup", is_complete).await?;
    let places = args.targets.places(&manifest.origins, session)?;
    let sources: Vec<SourceName> =
        manifest.files.iter().flat_map(|files| &files.sources).map(|source| source.source.clone()).collect();
    let stores = sources.iter().map(|source| source.store().to_owned()).collect::<Vec<_>>();
    let names: Vec<String> = manifest.databases.iter().map(|database| database.name.clone()).collect();
    let context = session.context(repository, stores, names, &places, args.dry_run)?;
    let trash = session.trash(&places, args.dry_run)?;
    if !args.dry_run {
        session.lock_to_restore(&context, &sources).await?;
    }

    // Look what an interrupted run has done already; it is dead, for its locks are ours.
    let earlier = if args.afresh { Earlier::default() } else { continued::find(&context, &manifest).await? };
    for warning in &earlier.warnings {
        session.ui().warn(warning);
    }

    // Plan everything, show it, ask.
    let selection = Selection::sources(sources);
    let options = FilesRestoreOptions { selection, trash, skip_damaged: args.skip_damaged, ..Default::default() };
    let plan = plan(&args, &context, &manifest, options, earlier.continued, session).await?;
    let databases = &plan.databases;
    show_with_databases(session, &manifest.id, &shown(&plan), databases, args.dry_run)?;
    plan.files.as_ref().map_or(Ok(()), restore_files::FilesRestorePlan::check)?;
    if args.dry_run {
        return Ok(ExitCode::Done);
    }
    let names = restore_db::displaced(databases);
    if names.is_empty() {
        let displaces = plan.files.as_ref().is_some_and(restore_files::FilesRestorePlan::displaces);
        session.ui().confirm(args.yes || !displaces, "Restore over the live system?").await?;
    }
    session.ui().confirm_name(args.yes, "restore over the live system", &names, &manifest.id).await?;
    let mut replaced: Vec<String> = names.iter().map(|name| format!("database {name}")).collect();
    if plan.files.as_ref().is_some_and(restore_files::FilesRestorePlan::displaces) {
        let sources = manifest.files.iter().flat_map(|files| &files.sources);
        replaced.extend(sources.map(|source| format!("objects of {}", source.source.as_str())));
    }

    // Check every byte of dumps and configuration before anything is touched.
    let mut checked = manifest.clone();
    checked.files = checked.files.filter(|_| !args.skip_damaged);
    verify::require_intact(&context, &checked).await?;

    // Restore: databases beside the live ones, objects, then the swap.
    session.sets_out_to_destroy("what is live, kept beside or in the trash", replaced);
    let restored = Box::pin(restore::execute(&context, plan)).await?;
    report(restored, &manifest, session)
}

/// Plans every component, but for what an interrupted run has put in place.
async fn plan(
    args: &RestoreCompleteArgs,
    context: &Context,
    manifest: &Manifest,
    options: FilesRestoreOptions,
    continued: Option<Continued>,
    session: &Session,
) -> Result<CompletePlan, CommandError> {
    let is_in_place = |name: &str| continued.as_ref().is_some_and(|continued| continued.is_in_place(name));
    let mut databases = Vec::new();
    for component in manifest.databases.iter().filter(|component| !is_in_place(&component.name)) {
        databases.push(restore_database::plan(context, component, args.loading.choices(session)?).await?);
    }
    let files = match &manifest.files {
        Some(files) => Some(restore_files::plan(context, &manifest.id, files, options).await?),
        None => None,
    };
    let unpacked = continued.as_ref().and_then(|continued| continued.unpacked_to(&context.host));
    let config = match &manifest.config {
        Some(component) if unpacked.is_none() => {
            let folder = folder_for_review(args.config_to.clone(), &manifest.id)?;
            Some(Configuration { component: component.clone(), folder })
        }
        _ => None,
    };
    let names = manifest.databases.iter().map(|database| database.name.clone()).collect();
    let hooks = session.hooks(Some(&manifest.id), names)?;
    let by = By {
        user: user_name(&session.settings()?.environment),
        command: session.holder().command,
        origins: manifest.origins.clone(),
    };
    let (backup, skip_damaged) = (manifest.id.clone(), args.skip_damaged);
    Ok(CompletePlan { backup, databases, files, config, skip_damaged, hooks, continued, by })
}

fn shown(plan: &CompletePlan) -> String {
    let mut shown = restore_db::shown(&plan.backup, &plan.databases);
    if let Some(continued) = &plan.continued {
        write!(shown, "\n  {continued}").ok();
    }
    if let Some(files) = &plan.files {
        write!(shown, "\n{files}").ok();
    }
    if let Some(config) = &plan.config {
        write!(shown, "  configuration to {} for review", config.folder.display()).ok();
    }
    shown
}

/// Says what was done, and ends with what was not.
fn report(restored: CompleteRestored, manifest: &Manifest, session: &Session) -> Outcome {
    restored.files.iter().for_each(|files| files.tell(session));
    if restored.held_back.is_empty() {
        session.has_destroyed_all();
    }
    let mut text = String::new();
    restored.databases.iter().for_each(|database| _ = writeln!(text, "{database}"));
    if let Some(files) = &restored.files {
        writeln!(text, "{files}").ok();
    }
    if let Some(folder) = &restored.config {
        writeln!(text, "configuration unpacked into {}: compare it with the live one", folder.display()).ok();
    }
    let (files, config) = (restored.files.as_ref(), restored.config.as_ref());
    let (backup, databases, held_back) = (manifest.id.clone(), &restored.databases, &restored.held_back);
    let answer = Answer { backup, run: session.run(), databases, files, config, held_back };
    session.ui().report(&text, &answer)?;
    if !restored.held_back.is_empty() {
        return Err(not_swapped(&restored, &manifest.id));
    }
    if let Some(error) = restored.after {
        return Err(error.into());
    }
    if manifest.incomplete {
        let message = format!("the backup {} is incomplete, and what it lacks was not restored", manifest.id);
        let hint = format!("See what it lacks: `dcs backup show {}`.", manifest.id);
        return Err(CommandError::new(ExitCode::Problems, message).hint(hint));
    }
    restored.files.as_ref().map_or(Ok(ExitCode::Done), |files| files.code_or_problems(&manifest.id))
}

/// The databases stayed as they were, because their rows would point to objects that are not back.
fn not_swapped(restored: &CompleteRestored, id: &BackupId) -> CommandError {
    let damaged = restored.files.iter().map(|files| files.damaged.problem_count).sum();
    let (names, count) = (restored.held_back.join(", "), format::count(damaged, "object"));
    let first = restored.files.iter().flat_map(|files| &files.damaged.problems).next();
    let first = first.map_or_else(String::new, |first| format!(", first {}: {}", first.subject, first.reason));
    let message = format!("{names} not restored, because {count} of the backup {id} damaged{first}");
    CommandError::new(ExitCode::Damage, message)
        .hint(format!("Restore the databases all the same: `dcs restore-complete {id} --skip-damaged`."))
        .hint(format!("See all damage: `dcs verify {id} --level contents`."))
}
