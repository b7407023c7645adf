//! Holds the rows of items against their folders and the trash, on the live system, and says what mends each difference.
//!
//! Rows and objects are both read in the order of the folders' bytes and merged, so that memory does not grow with either; of
//! the trash one entry an item is kept in mind. Others work meanwhile: what looks wrong is looked at once more.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Result;
use super::items::{Filter, Items, list};
use crate::model::item::ItemKind;
use crate::model::{BucketName, ItemName, TrashId};
use crate::trash::EntryState;

mod again;
pub(in crate::steps) mod compare;
mod findings;

pub use findings::{Finding, FindingKind};
use findings::{Findings, Suspect};

/// What was compared, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    pub rows: u64,
    pub objects: u64,
    /// All differences; of these the first [`MOST_LISTED`] are told, and only these were looked at twice.
    pub differences: u64,
    pub findings: Vec<Finding>,
}

/// Memory must not grow with what is wrong.
pub const MOST_LISTED: usize = 1000;

/// Compares every kind that has a table. Changes nothing.
pub async fn check(items: &Items) -> Result<Checked> {
    let mut checked = Checked::default();
    let mut findings = Findings::default();
    let trashed = trash(items, &mut findings).await?;
    for (bucket, kinds) in buckets(items) {
        items.progress.begin(&format!("compare {bucket}"), 0, 0);
        let compared = compare::bucket(items, &bucket, &kinds, &trashed).await;
        items.progress.end();
        let compared = compared?;
        checked.rows += compared.rows;
        checked.objects += compared.objects;
        findings.merge(compared.findings);
    }
    let (listed, unlisted) = findings.end();
    for suspect in listed {
        if again::still_holds(items, &suspect).await? {
            checked.findings.push(suspect.into_finding());
        }
    }
    checked.differences = unlisted + checked.findings.len() as u64;
    Ok(checked)
}

/// Items whose objects an entry holds, with the newest such entry. What is unfinished there is a finding itself.
async fn trash(items: &Items, findings: &mut Findings) -> Result<BTreeMap<ItemName, TrashId>> {
    let listing = list(items, &Filter::default()).await?;
    let mut trashed = BTreeMap::new();
    for entry in listing.entries {
        if entry.is_unfinished() {
            findings.add(Suspect::unfinished(&entry));
        }
        let holds_all = matches!(entry.state, EntryState::Archived | EntryState::Complete | EntryState::Restoring);
        if let (Some(item), true) = (entry.item, holds_all) {
            trashed.insert(item, entry.id);
        }
    }
    for broken in listing.broken {
        findings.add(Suspect::broken(&broken.entry, &broken.reason));
    }
    Ok(trashed)
}

/// The kinds with a table, by the bucket in which their folders are.
fn buckets(items: &Items) -> BTreeMap<BucketName, Vec<&ItemKind>> {
    let mut buckets: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for kind in items.kinds.values().filter(|kind| kind.table.is_some()) {
        buckets.entry(kind.bucket.clone()).or_default().push(kind);
    }
    buckets
}
