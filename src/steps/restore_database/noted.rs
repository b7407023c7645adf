//! What a journal says of the swap of a database.

use super::Proven;
use crate::model::journal::{DatabaseRecord, DatabaseState};
use crate::steps::journal::Recorder;
use crate::steps::{Context, Result};

/// Writes down that a database is about to go live, and how it can be told from the one that is.
pub(super) async fn swap(loaded: &mut Proven, recorder: &Recorder) -> Result<()> {
    if !recorder.is_writing() {
        return Ok(());
    }
    let (identity, kept_as) = (loaded.session.identity().await?, loaded.kept_as.clone());
    let change = |record: &mut DatabaseRecord| {
        (record.state, record.identity, record.kept_as) = (DatabaseState::Swapping, identity, kept_as);
    };
    recorder.note_database(&loaded.component.name, change).await
}

/// Writes down that it is live.
pub(super) async fn swapped(context: &Context, name: &str, kept_as: Option<&str>, recorder: &Recorder) {
    if !recorder.is_writing() {
        return;
    }
    let identity = match context.database(name) {
        Ok(database) => database.identity(&context.run).await.ok().flatten(),
        Err(_) => None,
    };
    let change = |record: &mut DatabaseRecord| {
        record.state = DatabaseState::Swapped;
        record.identity = identity.or(record.identity.take());
        record.kept_as = kept_as.map(str::to_owned);
    };
    if let Err(error) = recorder.note_database(name, change).await {
        tracing::warn!(%error, "the journal of the restore could not be written");
    }
}
