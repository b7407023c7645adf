//! `dcs restore-db --data-only`

use serde::Serialize;

use super::into::IntoArgs;
use super::{Outcome, Session};
use crate::archive::Codec;
use crate::commands::open;
use crate::commands::restore::show;
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{BackupId, BackupKind, Manifest};
use crate::repository::locks::Lease;
use crate::settings::user_name;
use crate::steps::backup::BackupOptions;
use crate::steps::files::FilesOptions;
use crate::steps::restore_rows::{self, RowsRestorePlan, RowsRestored, Safety};
use crate::steps::{Context, verify};

#[derive(Serialize)]
struct Answer {
    backup: BackupId,
    databases: Vec<RowsRestored>,
}

/// Puts rows into the tables of a database that is there. `lease` is none in a dry run.
pub(super) async fn run(
    into: &IntoArgs,
    manifest: Manifest,
    context: &Context,
    lease: Option<Lease>,
    yes: bool,
    session: &Session,
) -> Outcome {
    // Plan: tables, rights, what refers to them. Nothing is changed yet.
    let component = into.the_one(&manifest)?;
    let replaces = into.is_in_place();
    let extent = into.extent(&component.fingerprint)?;
    let plan = restore_rows::plan(context, component, &extent, replaces).await?;
    let text = format!("restore rows of {}\n  {plan}", manifest.id);
    show(session, &manifest.id, &text, lease.is_none())?;
    let Some(lease) = lease else { return Ok(ExitCode::Done) };
    let live = if replaces { vec![plan.name()] } else { Vec::new() };
    session.ui().confirm_name(yes, "replace rows of the live database", &live, &manifest.id).await?;

    // Check every byte that is needed before anything is touched.
    verify::require_intact(context, &manifest).await?;

    // Keep what is there, put the rows in, read them back; all of it is seen at once, or nothing.
    let hooks = session.hooks(Some(&manifest.id), vec![plan.name().to_owned()])?;
    let safety = if replaces { Some(safety(session, &plan, lease, &manifest.id)?) } else { None };
    session.sets_out_to_destroy("rows of live databases, kept in a backup", live);
    let restored = restore_rows::execute(context, plan, safety, &hooks).await?;
    session.has_destroyed_all();
    let text = restored.done.to_string();
    session.ui().report(&text, &Answer { backup: manifest.id, databases: vec![restored.done] })?;
    restored.after.map_or(Ok(ExitCode::Done), |error| Err(error.into()))
}

/// How what will be replaced is backed up first.
fn safety(
    session: &Session,
    plan: &RowsRestorePlan,
    lease: Lease,
    restored: &BackupId,
) -> Result<Safety, CommandError> {
    let settings = session.settings()?;
    let options = BackupOptions {
        kind: BackupKind::Db,
        note: Some(format!("before rows of {restored} were restored in place")),
        tags: Vec::new(),
        databases: vec![plan.name().to_owned()],
        selection: Some(plan.touched()),
        items: Vec::new(),
        files: Vec::new(),
        how: FilesOptions::default(),
        config: Vec::new(),
        capture: Vec::new(),
        codec: Codec::from(settings.backup.compression),
        workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        origins: open::origins(settings),
    };
    Ok(Safety { options, lease, user: user_name(&settings.environment) })
}
