//! What a dump holds, against what was counted in its snapshot; and dumps that do not hold everything.

use std::collections::BTreeMap;

use super::custom_format::Archive;
use crate::model::database::Fingerprint;
use crate::model::format;
use crate::model::manifest::DumpSelection;

/// The selection as `pg_dump` takes it. What matches nothing is an error.
pub(super) fn arguments(selection: &DumpSelection) -> Vec<String> {
    let DumpSelection { tables, schemas, exclude_table_data, schema_only } = selection;
    let lists = [("--table", tables), ("--schema", schemas), ("--exclude-table-data", exclude_table_data)];
    let named = lists.into_iter().flat_map(|(flag, names)| names.iter().map(move |name| format!("{flag}={name}")));
    let flags = schema_only.then(|| "--schema-only".to_owned());
    named.chain(flags).chain(["--strict-names".to_owned()]).collect()
}

/// Leaves in the fingerprint what the archive holds: tables that it only defines will be empty.
pub(super) fn narrow(fingerprint: &mut Fingerprint, archive: &Archive) {
    let name = |schema: &String, name: &String| (schema.clone(), name.clone());
    let with_rows: BTreeMap<_, _> =
        archive.rows.iter().map(|table| (name(&table.schema, &table.name), table.rows)).collect();
    fingerprint.tables.retain(|table| archive.tables.contains(&name(&table.schema, &table.name)));
    for table in &mut fingerprint.tables {
        table.rows = with_rows.get(&name(&table.schema, &table.name)).copied().unwrap_or_default();
    }
    fingerprint.sequences.retain(|sequence| archive.sequences.contains(&name(&sequence.schema, &sequence.name)));
    for sequence in &mut fingerprint.sequences {
        if !archive.sequence_values.contains(&name(&sequence.schema, &sequence.name)) {
            (sequence.before, sequence.after) = (None, None);
        }
    }
    fingerprint.large_objects = Some(archive.large_objects);
}

/// Notes what the rows in the archive are. The error says where they are not as many as were counted.
pub(super) fn note_contents(fingerprint: &mut Fingerprint, archive: &Archive) -> Result<(), String> {
    let mut found: BTreeMap<_, _> = archive.rows.iter().map(|table| ((&table.schema, &table.name), table)).collect();
    for table in &mut fingerprint.tables {
        let Some(dumped) = found.remove(&(&table.schema, &table.name)) else { continue };
        if dumped.rows != table.rows {
            let rows = format::count(dumped.rows, "row");
            let (schema, name, counted) = (&table.schema, &table.name, table.rows);
            return Err(format!("it holds {rows} of {schema}.{name}, of which its snapshot counted {counted}"));
        }
        table.content.clone_from(&dumped.content);
    }
    match fingerprint.large_objects {
        Some(counted) if counted != archive.large_objects => {
            let objects = format::count(archive.large_objects, "large object");
            Err(format!("it holds {objects}, of which its snapshot counted {counted}"))
        }
        _ => Ok(()),
    }
}
