//! `dcs backup db | files | config | complete`: one recipe, four selections.

use std::fmt::Write;
use std::sync::Arc;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Serialize;

use super::state;
use crate::archive::Codec;
use crate::commands::open::{self, Places};
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::model::manifest::DumpSelection;
use crate::model::{BackupKind, Compression, Manifest};
use crate::settings::Settings;
use crate::steps::backup::{self, BackupOptions};
use crate::steps::files::FilesOptions;

/// Options of every backup.
#[derive(Debug, Args)]
struct Common {
    /// A remark that stays with the backup
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// A word that stays with the backup, to list or keep it by; may be given more than once
    #[arg(long = "tag", value_name = "TAG", value_parser = state::tag)]
    tags: Vec<String>,

    /// How to compress: gzip:1 to gzip:9, zstd:1 to zstd:19, or none; as [backup].compression says by default
    ///
    /// What earlier backups stored stays as it is; one repository may hold any mixture.
    #[arg(long, env = "DCS_COMPRESSION", value_name = "CODEC")]
    compression: Option<Compression>,

    /// Show what would be backed up, and store nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Back up the databases
///
/// All of `[backup].databases`, or those named. A dump that fails leaves no backup.
#[derive(Debug, Args)]
pub struct DbArgs {
    /// Databases by their names in the configuration; all by default
    #[arg(value_name = "DATABASE")]
    names: Vec<String>,

    #[command(flatten)]
    selection: SelectionArgs,

    #[command(flatten)]
    common: Common,
}

/// What of a database is dumped. Such a backup never stands for the whole database: it comes back beside the live one.
#[derive(Debug, Args)]
struct SelectionArgs {
    /// Dump only this table, a pattern as pg_dump takes it (`public.book*`); may be given more than once
    #[arg(long = "table", value_name = "PATTERN")]
    tables: Vec<String>,

    /// Dump only this schema, a pattern; may be given more than once
    #[arg(long = "schema", value_name = "PATTERN")]
    schemas: Vec<String>,

    /// Leave out the rows of this table, a pattern; may be given more than once
    #[arg(long, value_name = "PATTERN")]
    exclude_table_data: Vec<String>,

    /// Dump no rows, only what they are kept in
    #[arg(long)]
    schema_only: bool,
}

impl SelectionArgs {
    fn into_selection(self) -> Option<DumpSelection> {
        let Self { tables, schemas, exclude_table_data, schema_only } = self;
        let selection = DumpSelection { tables, schemas, exclude_table_data, schema_only };
        (selection != DumpSelection::default()).then_some(selection)
    }
}

/// Which parts a kind of backup has.
#[derive(Default)]
struct Parts {
    databases: Vec<String>,
    selection: Option<DumpSelection>,
    files: Option<FileArgs>,
    config: bool,
}

/// How files are backed up.
#[derive(Debug, Args)]
struct FileArgs {
    /// Read every object again, whatever earlier backups hold
    #[arg(long, env = "DCS_FULL", value_parser = BoolishValueParser::new())]
    full: bool,
}

/// Back up the files: every object of the configured buckets
///
/// Only what is new or changed since the newest backup is read and stored; every backup is whole all the same, and none
/// depends on another. A run that was interrupted is gone on with.
#[derive(Debug, Args)]
pub struct FilesArgs {
    #[command(flatten)]
    files: FileArgs,

    #[command(flatten)]
    common: Common,
}

/// Back up the configuration: files, folders and what the capture commands print
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(flatten)]
    common: Common,
}

/// Back up the databases, the files and the configuration into one backup
///
/// Databases first, so that no row points to files that the backup has not.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    #[command(flatten)]
    files: FileArgs,

    #[command(flatten)]
    common: Common,
}

impl DbArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let settings = session.settings()?;
        let databases = match self.names.as_slice() {
            [] => settings.backup.databases.clone(),
            names => names.to_vec(),
        };
        let databases = check_names(databases, settings)?;
        let selection = self.selection.into_selection();
        let parts = Parts { databases, selection, ..Parts::default() };
        create(session, BackupKind::Db, self.common, parts).await
    }
}

impl FilesArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let parts = Parts { files: Some(self.files), ..Parts::default() };
        create(session, BackupKind::Files, self.common, parts).await
    }
}

impl ConfigArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        create(session, BackupKind::Config, self.common, Parts { config: true, ..Parts::default() }).await
    }
}

impl CompleteArgs {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let databases = session.settings()?.backup.databases.clone();
        let parts = Parts { databases, files: Some(self.files), config: true, ..Parts::default() };
        create(session, BackupKind::Complete, self.common, parts).await
    }
}

fn check_names(names: Vec<String>, settings: &Settings) -> Result<Vec<String>, CommandError> {
    if let Some(name) = names.iter().find(|name| !settings.databases.contains_key(*name)) {
        let known: Vec<&str> = settings.databases.keys().map(String::as_str).collect();
        return Err(CommandError::new(
            ExitCode::Usage,
            format!("there is no database \"{name}\" in the configuration"),
        )
        .hint(format!("Known databases: {}.", known.join(", "))));
    }
    Ok(names)
}

async fn create(session: &Session, kind: BackupKind, common: Common, parts: Parts) -> Outcome {
    let Parts { databases, selection, files: file_args, config: with_config } = parts;
    // Open everything; a dry run cannot write.
    let settings = session.settings()?;
    let repository = session.repository(common.dry_run).await?;
    let files = if file_args.is_some() { settings.backup.files.clone() } else { Vec::new() };
    let how = FilesOptions {
        full: file_args.is_some_and(|args| args.full),
        trash: if files.is_empty() { None } else { session.watched_trash()? },
        shrink_guard: settings.backup.shrink_guard,
        patterns: settings.backup.patterns.clone(),
    };
    let options = BackupOptions {
        kind,
        note: common.note,
        tags: common.tags,
        databases: databases.clone(),
        selection,
        items: if kind == BackupKind::Complete { settings.items.values().cloned().collect() } else { Vec::new() },
        config: if with_config { settings.backup.config.clone() } else { Vec::new() },
        capture: if with_config { settings.backup.capture.clone() } else { Vec::new() },
        codec: Codec::from(common.compression.unwrap_or(settings.backup.compression)),
        workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        origins: open::origins(settings),
        files,
        how,
    };
    let stores = options.files.iter().map(|source| source.store.clone()).collect::<Vec<_>>();
    let context = session.context(repository, stores, databases, &Places::default(), common.dry_run)?;

    // Look at everything before anything is written, and stay out of the way of a restore.
    let lease = if common.dry_run { None } else { Some(session.lock_to_read(&context, &options.files).await?) };
    if with_config && !options.config.is_empty() {
        session.ui().note("the backup of the configuration is not encrypted and may hold secrets");
    }
    let mut plan = backup::plan(&context, options).await?;
    plan.warnings.iter().for_each(|warning| session.ui().warn(warning));
    if common.dry_run {
        session.ui().answer(&plan, &plan.to_string())?;
        return Ok(ExitCode::Done);
    }

    // Do it, and tell the truth about it.
    let hooks = Arc::new(session.step_hooks(settings, &format!("backup {kind}")));
    plan.hooks = Arc::clone(&hooks);
    let manifest = backup::execute(&context, plan, lease.as_ref()).await?;
    session.choose(&manifest.id);
    session.tell_backup(&manifest);
    let late = hooks.failures();
    let code = if manifest.is_good() && late.is_empty() { ExitCode::Done } else { ExitCode::Problems };
    session.ui().report(&summary(&manifest), &Answer { code, manifest: &manifest })?;
    if !manifest.is_good() {
        let count = format::count(manifest.report.problem_count, "problem");
        return Err(CommandError::new(code, format!("the backup {} was made with {count}", manifest.id))
            .hint(format!("See them: `dcs backup show {}`.", manifest.id)));
    }
    if late.is_empty() {
        return Ok(code);
    }
    let message = format!("the backup {} was made, but after a step a hook failed: {}", manifest.id, late.join("; "));
    Err(CommandError::new(ExitCode::Problems, message).hint("Do by hand what `after_step` in [hooks] was to do."))
}

#[derive(Serialize)]
struct Answer<'a> {
    code: ExitCode,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

/// `made the backup 20261120T... in 2.1 s` and a line a component.
fn summary(manifest: &Manifest) -> String {
    let took = manifest.finished_at.duration_since(manifest.started_at).unsigned_abs();
    format!("made the backup {} in {}\n{}", manifest.id, format::duration(took), summary_line(manifest))
}

/// A line a component, with what it counts.
pub(crate) fn summary_line(manifest: &Manifest) -> String {
    let mut text = String::new();
    for database in &manifest.databases {
        let tables = format::count(database.fingerprint.tables.len() as u64, "table");
        let rows = format::count(database.fingerprint.rows(), "row");
        let (raw, stored) = (format::bytes(database.dump.raw_size), format::bytes(database.dump.stored_size()));
        // Writing to a string does not fail.
        let only = database.selection.as_ref().map_or_else(String::new, |only| format!(", only {only}"));
        writeln!(text, "  database {}{only}: {tables}, {rows}, {raw} stored as {stored}", database.name).ok();
    }
    if let Some(files) = &manifest.files {
        let (objects, bytes) = (format::count(files.objects, "object"), format::bytes(files.bytes));
        let (packs, stored) = (format::count(files.packs, "pack"), format::bytes(files.pack_bytes));
        writeln!(text, "  files: {objects}, {bytes} stored as {stored} in {packs}").ok();
        let effort = &files.effort;
        if files.parent.is_some() {
            let (read, added) = (format::bytes(effort.read_bytes), format::bytes(effort.new_pack_bytes));
            let (unchanged, count) = (effort.unchanged, format::count(effort.read, "object"));
            writeln!(
                text,
                "    {unchanged} unchanged, {} stored before; {count} read, {read}, {added} new",
                effort.reused
            )
            .ok();
        }
    }
    if let Some(config) = &manifest.config {
        let (files, stored) = (format::count(config.files, "entry"), config.archive.stored_size());
        writeln!(text, "  configuration: {files}, stored as {}", format::bytes(stored)).ok();
    }
    for captured in &manifest.captured {
        writeln!(text, "  captured: {}", captured.command).ok();
    }
    if let Some(consistency) = &manifest.consistency {
        writeln!(text, "  rows and files: {consistency}").ok();
    }
    text
}
