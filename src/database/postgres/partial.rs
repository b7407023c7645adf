//! A restore of a part: its tools' arguments, and what is compared afterwards.

use std::collections::BTreeMap;

use super::catalog::Relation;
use crate::database::{Extent, SelectedTables, compare};
use crate::model::database::{Difference, TableCount};

/// What the tool that loads rows is told. Its names are exact: neither quoted nor patterns.
pub(super) fn arguments(selected: &SelectedTables) -> Vec<String> {
    let schemas = selected.schemas.iter().map(|name| format!("--schema={name}"));
    let tables = selected.names.iter().map(|name| format!("--table={name}"));
    std::iter::once("--section=data".to_owned()).chain(schemas).chain(tables).collect()
}

/// Every way in which the part is not what was counted. Materialised views have no rows before a refresh.
pub(super) fn differences(
    extent: &Extent,
    expected: &[TableCount],
    relations: &[Relation],
    found: &[TableCount],
) -> Vec<Difference> {
    let found: BTreeMap<_, _> = found.iter().map(|table| ((&table.schema, &table.name), table)).collect();
    let is_there = |table: &TableCount| {
        relations.iter().any(|relation| relation.schema == table.schema && relation.name == table.name)
    };
    let difference = |table: &TableCount, rows: u64, found: String| {
        let subject = format!("table {}.{}", table.schema, table.name);
        Some(Difference { subject, expected: format!("{rows} rows"), found })
    };
    let compared = expected.iter().filter_map(|table| {
        let with_rows = match extent {
            Extent::Rows(selected) if !selected.takes(&table.schema, &table.name) => return None,
            Extent::Rows(_) | Extent::Everything => true,
            Extent::Definitions => false,
        };
        let rows = if with_rows { table.rows } else { 0 };
        match found.get(&(&table.schema, &table.name)) {
            Some(found) if found.rows != rows => difference(table, rows, format!("{} rows", found.rows)),
            Some(found) if with_rows => compare::other_rows(table, found),
            Some(_) => None,
            None if is_there(table) => None,
            None => difference(table, rows, "no such table".to_owned()),
        }
    });
    compared.collect()
}
