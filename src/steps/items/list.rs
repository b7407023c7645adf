//! What is in the trash.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::Serialize;

use super::Items;
use crate::model::{Prefix, TrashId};
use crate::steps::Result;
use crate::store::{ListOptions, Listed};
use crate::trash::{Entry, Found};

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub kind: Option<String>,
    pub before: Option<Timestamp>,
}

impl Filter {
    pub fn takes(&self, entry: &Entry) -> bool {
        let kind = entry.item.as_ref().map(crate::model::ItemName::kind);
        self.kind.as_ref().is_none_or(|wanted| kind == Some(wanted))
            && self.before.is_none_or(|before| entry.created_at < before)
    }
}

/// An entry whose journal cannot be read.
#[derive(Debug, Serialize)]
pub struct Broken {
    pub entry: TrashId,
    pub reason: String,
}

#[derive(Debug, Default, Serialize)]
pub struct Listing {
    /// Oldest first.
    pub entries: Vec<Entry>,
    pub broken: Vec<Broken>,
    /// What others put into the trash bucket: `dcs trash adopt` makes entries of such folders.
    pub foreign: Vec<String>,
}

/// Lists the trash: one delimited listing and a read an entry, whatever these hold.
pub async fn list(items: &Items, filter: &Filter) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut entries = std::pin::pin!(items.trash.entries());
    while let Some(found) = entries.try_next().await? {
        match found {
            Found::Entry(entry) => listing.entries.extend(filter.takes(&entry).then_some(*entry)),
            Found::Broken(entry, error) => listing.broken.push(Broken { entry, reason: error.to_string() }),
            Found::Foreign(name) => listing.foreign.append(&mut below(items, name).await?),
        }
    }
    // Of entries of one second, the names do not tell which came first.
    listing.entries.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
    Ok(listing)
}

/// What others put there is named as a bucket with items below: the items are what can be adopted.
async fn below(items: &Items, name: String) -> Result<Vec<String>> {
    let Ok(folder) = Prefix::new(name.as_str()) else { return Ok(vec![name]) };
    let listing = items.trash.store.list(&items.trash.bucket, ListOptions::prefix(&folder).delimited());
    let names = listing.map_ok(|listed| match listed {
        Listed::Object(info) => info.key.as_str().to_owned(),
        Listed::Prefix(prefix) => prefix.as_str().to_owned(),
    });
    Ok(names.try_collect().await?)
}
