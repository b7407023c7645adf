//! Which packs of a backup are missing or short: one listing of `packs/` held against the list of packs, both sorted by
//! name, in constant memory.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::sources::ordered;
use super::target::has_key;
use super::{Context, Result};
use crate::model::manifest::FilesComponent;
use crate::model::{BackupId, Key, Piece};
use crate::repository::layout;
use crate::repository::pack::{PackInfo, read_pack_list};
use crate::store::{ListOptions, ObjectInfo};

/// A pack that a backup needs, and what is wrong with it.
pub(super) struct Looked {
    pub(super) pack: PackInfo,
    pub(super) wrong: Option<String>,
}

/// Looks at every pack of a backup. The first error ends it, `Damaged` where the list of packs is.
pub(super) fn packs<'a>(
    context: &'a Context,
    id: &BackupId,
    files: &FilesComponent,
) -> impl Stream<Item = Result<Looked>> + Send + use<'a> {
    let repository = &context.repository;
    let subject = layout::pack_list(id).to_string();
    let needed = read_pack_list(repository.open_artefact(&files.pack_list), subject).boxed();
    let options = ListOptions { prefix: format!("{}{}", repository.prefix, layout::PACKS), ..ListOptions::default() };
    // What has no key is no pack.
    let listing = ordered(repository.store.list(&repository.bucket, options), repository.bucket.clone());
    let listing = listing.filter(|listed| std::future::ready(has_key(listed))).boxed().peekable();
    stream::try_unfold((needed, listing), move |(mut needed, mut listing)| async move {
        let Some(pack) = needed.try_next().await? else { return Ok(None) };
        let at = repository.address(&layout::pack(&pack.name))?;
        let comes_before = |listed: &Result<ObjectInfo>| listed.as_ref().map_or(true, |listed| listed.key < at.key);
        while let Some(passed) = Pin::new(&mut listing).next_if(comes_before).await {
            passed?;
        }
        let is_it = |listed: &Result<ObjectInfo>| listed.as_ref().is_ok_and(|listed| listed.key == at.key);
        let wrong = match Pin::new(&mut listing).next_if(is_it).await.transpose()? {
            None => Some("it is missing".to_owned()),
            Some(found) if found.size == pack.size => None,
            Some(found) => Some(format!("it has {} bytes instead of {}", found.size, pack.size)),
        };
        Ok(Some((Looked { pack, wrong }, (needed, listing))))
    })
}

/// Packs that are known to be missing or short, of which no row can be read. Memory grows with what is wrong.
#[derive(Debug, Default)]
pub(super) struct Absent {
    packs: BTreeMap<String, String>,
}

impl Absent {
    pub(super) async fn find(context: &Context, id: &BackupId, files: &FilesComponent) -> Result<Self> {
        let mut absent = Self::default();
        let mut looked = std::pin::pin!(packs(context, id, files));
        while let Some(Looked { pack, wrong }) = looked.try_next().await? {
            if let Some(wrong) = wrong {
                absent.packs.insert(pack.name, wrong);
            }
        }
        Ok(absent)
    }

    /// The first of `pieces` that lies in one: its pack, and what is wrong with it.
    pub(super) fn among(&self, pieces: &[Piece]) -> Option<(Key, &str)> {
        let wrong = |piece: &Piece| Some((layout::pack(&piece.pack), self.packs.get(&piece.pack)?.as_str()));
        pieces.iter().find_map(wrong)
    }
}
