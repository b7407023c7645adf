//! Finds the tables that an operator names among those that a backup holds.

use std::collections::BTreeSet;

use super::{Result, StepError};
use crate::database::{Extent, SelectedTables};
use crate::model::database::{Fingerprint, TableCount};

/// What of a database to restore, as an operator names it.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// `SCHEMA.TABLE`, or a name that only one schema has.
    pub tables: Vec<String>,
    pub schemas: Vec<String>,
    pub schema_only: bool,
}

/// How many names a hint lists.
const LISTED: usize = 8;

impl Part {
    pub fn is_everything(&self) -> bool {
        self.tables.is_empty() && self.schemas.is_empty() && !self.schema_only
    }

    /// What that is in this backup.
    pub fn find(&self, fingerprint: &Fingerprint) -> Result<Extent> {
        let tables = &fingerprint.tables;
        if self.schema_only {
            return Ok(Extent::Definitions);
        }
        if !self.schemas.is_empty() {
            let unknown = |name: &&String| !tables.iter().any(|table| table.schema == **name);
            if let Some(name) = self.schemas.iter().find(unknown) {
                let known: BTreeSet<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
                return Err(not_found("schema", name, known.into_iter().map(str::to_owned).collect()));
            }
            return Ok(Extent::Rows(SelectedTables { schemas: self.schemas.clone(), names: Vec::new() }));
        }
        if self.tables.is_empty() {
            return Ok(Extent::Everything);
        }
        let chosen = self.tables.iter().map(|name| find(name, tables)).collect::<Result<Vec<_>>>()?;
        let distinct = |part: fn(&TableCount) -> &String| {
            chosen.iter().map(|table| part(table).clone()).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let selected =
            SelectedTables { schemas: distinct(|table| &table.schema), names: distinct(|table| &table.name) };
        // pg_restore takes schemas and names apart: it would take every name in every schema.
        let too_many = |table: &&TableCount| selected.takes(&table.schema, &table.name) && !chosen.contains(table);
        match tables.iter().find(too_many) {
            None => Ok(Extent::Rows(selected)),
            Some(table) => Err(StepError::Usage {
                message: format!("these tables cannot be had without {}", full_name(table)),
                hint: "Restore them one schema at a time, each `--into` a database of its own.".to_owned(),
            }),
        }
    }
}

fn full_name(table: &TableCount) -> String {
    format!("{}.{}", table.schema, table.name)
}

fn find<'a>(name: &str, tables: &'a [TableCount]) -> Result<&'a TableCount> {
    let exact: Vec<&TableCount> = tables.iter().filter(|table| full_name(table) == name).collect();
    let bare = tables.iter().filter(|table| table.name == name);
    let found = if exact.is_empty() { bare.collect() } else { exact };
    match found.as_slice() {
        [table] => Ok(table),
        [] => Err(not_found("table", name, near(name, tables))),
        several => Err(StepError::Usage {
            message: format!("{name:?} is the name of {} tables", several.len()),
            hint: format!("Name one of these: {}.", listed(several.iter().map(|table| full_name(table)).collect())),
        }),
    }
}

/// Tables whose names have most in common with what was asked for; all, where none has anything.
fn near(name: &str, tables: &[TableCount]) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect::<String>();
    let wanted = plain(name.rsplit_once('.').map_or(name, |(_, table)| table));
    let is_near = |table: &&TableCount| {
        let known = plain(&table.name);
        !wanted.is_empty() && (known.contains(&wanted) || (!known.is_empty() && wanted.contains(&known)))
    };
    let near: Vec<String> = tables.iter().filter(is_near).map(full_name).collect();
    if near.is_empty() { tables.iter().map(full_name).collect() } else { near }
}

fn listed(mut names: Vec<String>) -> String {
    if names.len() > LISTED {
        names.truncate(LISTED);
        names.push("...".to_owned());
    }
    names.join(", ")
}

fn not_found(what: &'static str, name: &str, near: Vec<String>) -> StepError {
    let hint = if near.is_empty() {
        "The backup holds no tables.".to_owned()
    } else {
        format!("The backup holds {}; names count as they are, without quotes.", listed(near))
    };
    StepError::NotFound { what, subject: format!("{name:?} in the backup"), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint() -> Fingerprint {
        let table = |(schema, name): (&str, &str)| {
            serde_json::from_value(serde_json::json!({ "schema": schema, "name": name, "rows": 1 })).unwrap()
        };
        let names = [("public", "books"), ("public", "Books \"ü\""), ("old", "books"), ("old", "a.b"), ("old", "apps")];
        Fingerprint { tables: names.map(table).into(), ..Fingerprint::default() }
    }

    fn tables(names: &[&str]) -> std::result::Result<SelectedTables, StepError> {
        let part = Part { tables: names.iter().map(|name| (*name).to_owned()).collect(), ..Part::default() };
        part.find(&fingerprint()).map(|extent| match extent {
            Extent::Rows(selected) => selected,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_table_is_found_by_its_exact_name_and_needs_no_schema_where_one_has_it() {
        let found = tables(&["public.Books \"ü\"", "public.books"]).unwrap();
        assert_eq!((found.schemas.len(), found.names.len()), (1, 2));
        assert!(found.takes("public", "books") && !found.takes("old", "books"));
        assert_eq!(tables(&["a.b"]).unwrap().schemas, ["old"]);
        assert!(tables(&["books"]).unwrap_err().to_string().contains("2 tables"));
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is_near() {
        let StepError::NotFound { hint, .. } = tables(&["public.Book"]).unwrap_err() else { panic!("found") };
        assert!(hint.contains("public.books") && !hint.contains("apps"), "{hint}");
        let part = Part { schemas: vec!["Public".to_owned()], ..Part::default() };
        assert!(matches!(part.find(&fingerprint()), Err(StepError::NotFound { what: "schema", .. })));
    }

    #[test]
    fn what_would_bring_another_table_along_is_refused() {
        assert!(tables(&["public.books", "old.apps"]).unwrap_err().to_string().contains("old.books"));
    }
}
