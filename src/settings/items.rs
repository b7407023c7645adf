//! `[items.KIND]` and `[trash]`: where items lie, and where they go.

use super::resolve::{bucket, known_database, known_store, option};
use super::{Settings, SettingsError, TrashSettings, file};
use crate::model::format::parse_duration;
use crate::model::item::ItemKind;
use crate::model::{ItemTable, PrefixTemplate};

const ID: &str = "id";
const STATUS: &str = "status";

pub(super) fn resolve(raw: &file::File, settings: &mut Settings) -> Result<(), SettingsError> {
    if let Some(trash) = &raw.trash {
        known_store("[trash]", &trash.store, settings)?;
        let keep = trash.keep.as_deref().map(parse_duration).transpose();
        settings.trash = Some(TrashSettings {
            store: trash.store.clone(),
            bucket: bucket("[trash].bucket", &trash.bucket)?,
            keep: keep.map_err(|reason| option("[trash].keep", reason))?,
        });
    }
    for (name, items) in &raw.items {
        let kind = kind(name, items, settings)?;
        settings.items.insert(name.clone(), kind);
    }
    Ok(())
}

fn kind(name: &str, raw: &file::Items, settings: &Settings) -> Result<ItemKind, SettingsError> {
    let section = format!("[items.{name}]");
    known_store(&section, &raw.store, settings)?;
    let bucket = bucket(&format!("{section}.bucket"), &raw.bucket)?;
    if let Some(trash) = &settings.trash {
        if trash.store != raw.store {
            let reason = format!("it is not the store of [trash], {:?}: items are moved within one store", trash.store);
            return Err(option(format!("{section}.store"), reason));
        }
        if trash.bucket == bucket {
            return Err(option(format!("{section}.bucket"), "it is the trash bucket itself"));
        }
    }
    let template: PrefixTemplate =
        raw.prefix.parse().map_err(|error| option(format!("{section}.prefix"), format!("{error}")))?;
    let id = raw.id.clone().unwrap_or_else(|| ID.to_owned());
    let table = match (&raw.database, &raw.table) {
        (Some(database), Some(table)) => {
            known_database(&section, database, settings)?;
            let status = raw.status.clone().unwrap_or_else(|| STATUS.to_owned());
            Some((database.clone(), ItemTable { table: table.clone(), id: id.clone(), status }))
        }
        (Some(_), None) => return Err(option(section, "it has a `database` but no `table`")),
        (None, Some(_)) => return Err(option(section, "it has a `table` but no `database`")),
        (None, None) => None,
    };
    if table.is_none() && template.columns() != [id.as_str()] {
        let reason = format!("without a table, nothing but {{{id}}} is known of an item");
        return Err(option(format!("{section}.prefix"), reason));
    }
    Ok(ItemKind { name: name.to_owned(), store: raw.store.clone(), bucket, template, id, table })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Environment;

    const BASE: &str = "[stores.live]\npath = \"/srv\"\n[stores.other]\npath = \"/mnt\"\n\
         [databases.dream]\nurl = \"sqlite:/srv/dream.db\"\n[trash]\nstore = \"live\"\nbucket = \"trash\"\n";

    fn settings(items: &str) -> Result<Settings, String> {
        let raw = file::File::parse(&format!("{BASE}[items.books]\n{items}")).unwrap();
        Settings::resolve(raw, Environment::default()).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn a_kind_has_defaults() {
        let settings =
            settings("store = \"live\"\nbucket = \"books\"\ndatabase = \"dream\"\ntable = \"books\"").unwrap();
        let kind = &settings.items["books"];
        assert_eq!(kind.template.as_str(), "{id}/");
        let (database, table) = kind.table.as_ref().unwrap();
        assert_eq!((database.as_str(), table.id.as_str(), table.status.as_str()), ("dream", "id", "status"));
    }

    #[test]
    fn a_kind_that_could_not_be_moved_safely_is_refused() {
        for (items, word) in [
            ("store = \"other\"\nbucket = \"books\"", "store of [trash]"),
            ("store = \"live\"\nbucket = \"trash\"", "trash bucket itself"),
            ("store = \"live\"\nbucket = \"books\"\nprefix = \"all/\"", "names no column"),
            ("store = \"live\"\nbucket = \"books\"\nprefix = \"../{id}/\"", "no folder"),
            ("store = \"live\"\nbucket = \"books\"\nprefix = \"/{id}/\"", "begins with a slash"),
            ("store = \"live\"\nbucket = \"books\"\nprefix = \"{slug}/\"", "without a table"),
            ("store = \"live\"\nbucket = \"books\"\ntable = \"books\"", "no `database`"),
            ("store = \"live\"\nbucket = \"books\"\ndatabase = \"dream\"", "no `table`"),
            ("store = \"none\"\nbucket = \"books\"", "no store"),
        ] {
            let error = settings(items).unwrap_err();
            assert!(error.contains(word), "{items}: {error}");
        }
    }
}
