//! The row of an item: which folder it gives, and its status.

use std::collections::BTreeMap;

use super::{ARCHIVED, Items, PUBLISHED};
use crate::model::item::{InvalidFolder, ItemKind};
use crate::model::{ItemName, ItemRow, Prefix, StatusChange};
use crate::steps::{Result, StepError};
use crate::trash::Row;

/// Rows that are named where an item's folder is not its own.
const NAMED: u32 = 3;
/// How often a status that others change is read again.
const ATTEMPTS: u32 = 5;

/// What an item's row, or its id alone, says.
pub(super) struct Resolved {
    pub(super) folder: Prefix,
    pub(super) row: Row,
}

impl Items {
    /// The folder of an item by its id alone; `None` where the kind's folders are made of other columns too.
    pub(super) fn folder_by_id(kind: &ItemKind, item: &ItemName) -> Option<std::result::Result<Prefix, InvalidFolder>> {
        let by_id = BTreeMap::from([(kind.id.clone(), Some(item.id().to_owned()))]);
        (kind.template.columns() == [kind.id.as_str()]).then(|| kind.template.render(&by_id))
    }

    /// Reads the item's row. `None` where the kind has a table and the item no row in it.
    pub(in crate::steps) async fn row(&self, kind: &ItemKind, item: &ItemName) -> Result<Option<ItemRow>> {
        let Some((database, table)) = &kind.table else { return Ok(None) };
        Ok(self.database(database)?.item_row(table, item.id(), &kind.template.columns()).await?)
    }

    /// The folder that a row gives.
    pub(super) fn folder(kind: &ItemKind, item: &ItemName, row: &ItemRow) -> Result<Prefix> {
        kind.template.render(&row.columns).map_err(|error| invalid(item, kind, &error))
    }

    /// Resolves an item to its folder. Refuses a folder that is another row's as well.
    pub(super) async fn resolve(&self, item: &ItemName, skip_db: bool) -> Result<Resolved> {
        let kind = self.kind(item)?;
        if kind.table.is_none() || skip_db {
            let Some(folder) = Self::folder_by_id(kind, item) else {
                let reason = format!("its folder, {:?}, is made of columns of its row", kind.template.as_str());
                return Err(StepError::refused("delete without the database", item.to_string(), reason));
            };
            let folder = folder.map_err(|error| invalid(item, kind, &error))?;
            let row = if kind.table.is_none() { Row::None } else { Row::Skipped };
            if !skip_db {
                self.refuse_shared(item, kind, &folder).await?;
            }
            return Ok(Resolved { folder, row });
        }
        let Some(row) = self.row(kind, item).await? else { return Err(Self::no_row(item, kind)) };
        let folder = Self::folder(kind, item, &row)?;
        self.refuse_shared(item, kind, &folder).await?;
        Ok(Resolved { folder, row: Row::Archived { prior: row.status } })
    }

    fn no_row(item: &ItemName, kind: &ItemKind) -> StepError {
        let table = kind.table.as_ref().map_or("", |(_, table)| table.table.as_str());
        let hint = format!(
            "Check the id, and `table` and `id` in [items.{}]. Objects that have no row are moved with `--skip-db`.",
            kind.name
        );
        StepError::NotFound { what: "row of", subject: format!("{item} in the table {table}"), hint }
    }

    /// Fails where another row, of any kind in that bucket, has a folder that is this one, holds it, or lies in it.
    async fn refuse_shared(&self, item: &ItemName, kind: &ItemKind, folder: &Prefix) -> Result<()> {
        for other in self.kinds.values().filter(|other| (&other.store, &other.bucket) == (&kind.store, &kind.bucket)) {
            let Some((database, table)) = &other.table else { continue };
            let own = (other.name == kind.name).then_some(item.id());
            let database = self.database(database)?;
            let shared = database.items_around(table, &other.template, folder, own, NAMED).await?;
            if shared.is_empty() {
                continue;
            }
            let names: Vec<String> = shared.iter().map(|id| format!("{}/{}", other.name, id.escape_debug())).collect();
            return Err(StepError::Refused {
                attempted: "move",
                subject: item.to_string(),
                reason: format!(
                    "its folder {}/{folder} is, holds or lies in that of {}",
                    kind.bucket,
                    names.join(", ")
                ),
                hint: Some(
                    "Mend the rows, or `prefix` in the configuration, so that each item has a folder of its own."
                        .to_owned(),
                ),
            });
        }
        Ok(())
    }

    /// Sets the status to `archived`. Answers what it was; where others changed it since `prior`, their change counts.
    pub(super) async fn archive(&self, item: &ItemName, prior: Option<String>) -> Result<Option<String>> {
        let kind = self.kind(item)?;
        let Some((database, table)) = &kind.table else { return Ok(prior) };
        let database = self.database(database)?;
        let mut expected = prior;
        for _ in 0..ATTEMPTS {
            match database.set_item_status(table, item.id(), expected.as_deref(), ARCHIVED).await? {
                StatusChange::Done => return Ok(expected),
                // By an earlier try of this very move, or by somebody who wants the same.
                StatusChange::Differs(Some(found)) if found == ARCHIVED => return Ok(expected),
                StatusChange::Differs(found) => expected = found,
                StatusChange::Gone => return Err(Self::no_row(item, kind)),
            }
        }
        Err(StepError::refused("archive", item.to_string(), "others keep changing its status"))
    }

    /// Sets an archived row to what it was. Answers the status it has now, and whether that is because others changed it.
    pub(super) async fn publish(&self, item: &ItemName, prior: Option<&str>) -> Result<RowRestored> {
        let kind = self.kind(item)?;
        let Some((database, table)) = &kind.table else { return Ok(RowRestored::None) };
        let status = prior.filter(|prior| *prior != ARCHIVED).unwrap_or(PUBLISHED);
        match self.database(database)?.set_item_status(table, item.id(), Some(ARCHIVED), status).await? {
            StatusChange::Done => Ok(RowRestored::Set(status.to_owned())),
            StatusChange::Differs(Some(found)) if found == status => Ok(RowRestored::Set(found)),
            StatusChange::Differs(found) => Ok(RowRestored::Kept(found)),
            StatusChange::Gone => Err(Self::no_row(item, kind)),
        }
    }
}

/// What a restore did with the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowRestored {
    None,
    Set(String),
    /// It was not archived any more, and was left as it is.
    Kept(Option<String>),
}

fn invalid(item: &ItemName, kind: &ItemKind, error: &InvalidFolder) -> StepError {
    StepError::Refused {
        attempted: "find the folder of",
        subject: item.to_string(),
        reason: error.to_string(),
        hint: Some(format!("Mend the row, or `prefix` in [items.{}].", kind.name)),
    }
}
