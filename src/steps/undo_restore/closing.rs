//! Gives entries of the trash their lists that a killed run could not write any more: what it put there is in the journal.

use futures_util::TryStreamExt;

use super::rows::written;
use crate::model::{SourceName, TrashId};
use crate::steps::continued::Chain;
use crate::steps::{Context, Result};
use crate::trash::{Displacement, EntryState, TrashBucket};

/// Completes all entries that the runs of a restore, and of its undos, left half filled. Nothing in them is changed.
pub(in crate::steps) async fn close_entries(context: &Context, chain: &Chain, trash: &TrashBucket) -> Result<()> {
    let displaced = chain.0.iter().flat_map(|journal| &journal.files);
    let displaced = displaced.flat_map(|files| files.displaced.iter().map(|id| (files.source.clone(), id.clone())));
    let undone = chain.0.iter().flat_map(|journal| &journal.undos).flat_map(|undo| undo.entries.iter().cloned());
    for (source, id) in displaced.chain(undone) {
        if let Some(entry) = trash.load(&id).await?
            && entry.state == EntryState::Moving
        {
            close(context, chain, trash, &source, &id).await?;
        }
    }
    Ok(())
}

async fn close(context: &Context, chain: &Chain, trash: &TrashBucket, source: &SourceName, id: &TrashId) -> Result<()> {
    let Some(entry) = trash.load(id).await? else { return Ok(()) };
    let mut copies = trash.copies(id, &source.bucket());
    let mut displacement = Displacement::resume(trash.clone(), entry, &context.spool)?;
    let mut rows = written(context, chain).await?;
    while let Some(written) = rows.try_next().await? {
        if written.row.source == *source
            && let Some(copy) = copies.find(&written.row.key).await?
        {
            displacement.list(&copy.row(&written.row.key))?;
        }
    }
    displacement.finish().await?;
    Ok(())
}
