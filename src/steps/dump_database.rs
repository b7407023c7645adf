//! Dumps a database into a backup: snapshot, stream, fingerprint.

use futures_util::TryStreamExt;

use super::consistency::{self, SpooledRows};
use super::error::with_causes;
use super::store_text::{self, StoreOptions};
use super::{Context, Result, StepError};
use crate::database::{self, Database, DatabaseError, DumpOptions, DumpSession};
use crate::model::BackupId;
use crate::model::database::ServerInfo;
use crate::model::item::ItemKind;
use crate::model::manifest::{Artefact, DatabaseComponent, DumpSelection};
use crate::repository::layout;

/// A dump is tried again as a whole: half a dump cannot be resumed.
const ATTEMPTS: u32 = 2;

/// What of a database is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct What<'a> {
    pub(super) selection: Option<&'a DumpSelection>,
    /// Kinds of items whose rows are to be compared with files.
    pub(super) items: &'a [ItemKind],
}

/// Dumps one database under the backup `id`. On an error nothing of it is listed anywhere.
pub(super) async fn dump_database(
    context: &Context,
    id: &BackupId,
    name: &str,
    server: &ServerInfo,
    what: What<'_>,
    options: &StoreOptions,
) -> Result<(DatabaseComponent, Vec<SpooledRows>)> {
    let database = context.database(name)?.clone();
    let mut attempt = 1;
    loop {
        match dump_once(context, id, name, (database.as_ref(), server), what, options).await {
            Err(error) if attempt < ATTEMPTS && may_pass(&error) => {
                tracing::warn!("the dump of {name} failed and is tried again: {}", with_causes(&error));
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Whether a second attempt may do better: the tool or the connection broke.
fn may_pass(error: &StepError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    if let StepError::Database(error) = error {
        cause = Some(error);
    }
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<DatabaseError>() {
            return matches!(error.kind, database::ErrorKind::ToolFailed | database::ErrorKind::Unreachable);
        }
        cause = error.source();
    }
    false
}

async fn dump_once(
    context: &Context,
    id: &BackupId,
    name: &str,
    (database, server): (&dyn Database, &ServerInfo),
    what: What<'_>,
    options: &StoreOptions,
) -> Result<(DatabaseComponent, Vec<SpooledRows>)> {
    let started_at = context.repository.now().await?;
    let dump_options =
        DumpOptions { spool: context.spool.clone(), run: context.run.clone(), selection: what.selection.cloned() };
    let mut session = database.begin_dump(&dump_options).await?;
    let rows = consistency::spool(context, session.as_mut(), name, what.items).await;
    context.progress.begin(&format!("database {name}"), 0, server.size_bytes);
    let stored = store_all(context, id, name, session.as_mut(), options).await;
    context.progress.end();
    let stored = match stored {
        Ok(stored) => stored,
        Err(error) => {
            session.abort().await;
            return Err(error);
        }
    };
    // Only now is the dump known to be whole; the sequences are read again to bound what it holds of them.
    let fingerprint = session.finish().await?;
    let component = DatabaseComponent {
        name: name.to_owned(),
        database: database.database().to_owned(),
        server: server.clone(),
        started_at,
        finished_at: context.repository.now().await?,
        dump: stored.dump,
        properties: stored.properties,
        globals: stored.globals,
        globals_hold_passwords: stored.globals_hold_passwords,
        fingerprint,
        selection: what.selection.cloned(),
    };
    Ok((component, rows))
}

struct Stored {
    dump: Artefact,
    properties: Option<Artefact>,
    globals: Option<Artefact>,
    globals_hold_passwords: bool,
}

async fn store_all(
    context: &Context,
    id: &BackupId,
    name: &str,
    session: &mut dyn DumpSession,
    options: &StoreOptions,
) -> Result<Stored> {
    let (repository, format) = (&context.repository, options.codec.format());
    let progress = context.progress.clone();
    let raw = session.open().await?.inspect_ok(move |bytes| progress.advance(0, bytes.len() as u64));
    let dump = repository.store_artefact(&layout::dump(id, name, format), raw, options.codec, options.workers).await?;
    let mut stored = Stored { dump, properties: None, globals: None, globals_hold_passwords: false };
    if let Some(text) = session.properties() {
        let path = layout::properties(id, name);
        stored.properties = Some(store_text::store_text(repository, &path, text, options).await?);
    }
    if let Some((text, hold_passwords)) = session.globals() {
        let path = layout::globals(id, name, format);
        stored.globals = Some(store_text::store_text(repository, &path, text, options).await?);
        stored.globals_hold_passwords = hold_passwords;
    }
    Ok(stored)
}
