//! Holds what a restored database counts against the fingerprint that was taken with its dump.

use std::collections::BTreeMap;

use crate::model::database::{Difference, Fingerprint, SequenceRange, TableContent, TableCount};

/// Every way in which `found` is not what `expected` says. `computed` names tables whose rows the restore computes anew
/// (materialised views are refreshed, not loaded, so a stale one comes back fresh): these must only be there.
pub(super) fn differences(
    expected: &Fingerprint,
    found: &Fingerprint,
    computed: impl Fn(&str, &str) -> bool,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut rest: BTreeMap<_, _> = found.tables.iter().map(|table| (subject(table), table)).collect();
    for table in &expected.tables {
        match rest.remove(&subject(table)) {
            Some(_) if computed(&table.schema, &table.name) => {}
            Some(other) if other.rows == table.rows => differences.extend(other_rows(table, other)),
            Some(other) => differences.push(difference(subject(table), rows(table), rows(other))),
            None => differences.push(difference(subject(table), rows(table), "no such table".to_owned())),
        }
    }
    for (subject, table) in rest {
        differences.push(difference(subject, "no such table".to_owned(), rows(table)));
    }
    let mut rest: BTreeMap<_, _> =
        found.sequences.iter().map(|sequence| ((&sequence.schema, &sequence.name), sequence.before)).collect();
    for sequence in &expected.sequences {
        let subject = format!("sequence {}", display(&sequence.schema, &sequence.name));
        match rest.remove(&(&sequence.schema, &sequence.name)) {
            None => differences.push(difference(subject, range(sequence), "no such sequence".to_owned())),
            Some(value) if !holds(sequence, value) => {
                differences.push(difference(subject, range(sequence), position(value)));
            }
            Some(_) => {}
        }
    }
    if let (Some(then), Some(now)) = (expected.large_objects, found.large_objects)
        && then != now
    {
        differences.push(difference("large objects".to_owned(), then.to_string(), now.to_string()));
    }
    differences
}

/// The tables of which an archive does not hold the rows that were in it when it was made.
pub(super) fn archived(expected: &Fingerprint, archived: &[TableCount]) -> Vec<Difference> {
    let archived: BTreeMap<_, _> = archived.iter().map(|table| (subject(table), table)).collect();
    let known = expected.tables.iter().filter(|table| table.content.is_some());
    known
        .filter_map(|table| match archived.get(&subject(table)) {
            None => Some(difference(subject(table), rows(table), "no such table".to_owned())),
            Some(other) if other.rows != table.rows => Some(difference(subject(table), rows(table), rows(other))),
            Some(other) => other_rows(table, other),
        })
        .collect()
}

/// Where as many rows are not the same. What one side knows nothing of is not compared.
pub(super) fn other_rows(expected: &TableCount, found: &TableCount) -> Option<Difference> {
    let (expected_content, found_content) = (expected.content.as_ref()?, found.content.as_ref()?);
    let told = |content: &TableContent| format!("{} that sum up to {}", rows(expected), content.digest);
    (expected_content != found_content)
        .then(|| difference(subject(expected), told(expected_content), told(found_content)))
}

fn holds(sequence: &SequenceRange, value: Option<i64>) -> bool {
    match (sequence.before, sequence.after, value) {
        (None, None, value) => value.is_none(),
        // First used while the dump ran: restored as unused, or as anything up to where it was.
        (None, Some(_), None) => true,
        (None, Some(after), Some(value)) => value.unsigned_abs() <= after.unsigned_abs(),
        (Some(_), _, None) => false,
        (Some(before), after, Some(value)) => {
            let after = after.unwrap_or(before);
            (before.min(after)..=before.max(after)).contains(&value)
        }
    }
}

fn difference(subject: String, expected: String, found: String) -> Difference {
    Difference { subject, expected, found }
}

fn subject(table: &TableCount) -> String {
    format!("table {}", display(&table.schema, &table.name))
}

fn display(schema: &str, name: &str) -> String {
    if schema.is_empty() { name.to_owned() } else { format!("{schema}.{name}") }
}

fn rows(table: &TableCount) -> String {
    if table.rows == 1 { "1 row".to_owned() } else { format!("{} rows", table.rows) }
}

fn position(value: Option<i64>) -> String {
    value.map_or_else(|| "unused".to_owned(), |value| value.to_string())
}

fn range(sequence: &SequenceRange) -> String {
    if sequence.before == sequence.after || sequence.after.is_none() {
        return position(sequence.before);
    }
    format!("{} to {}", position(sequence.before), position(sequence.after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::database::RowsDigest;

    fn table(name: &str, rows: u64) -> TableCount {
        TableCount { schema: "public".to_owned(), name: name.to_owned(), rows, content: None }
    }

    fn sequence(before: Option<i64>, after: Option<i64>) -> Fingerprint {
        let sequence = SequenceRange { schema: "public".to_owned(), name: "s".to_owned(), before, after };
        Fingerprint { sequences: vec![sequence], ..Fingerprint::default() }
    }

    #[test]
    fn missing_rows_missing_tables_and_strangers_are_named() {
        let of = |tables: Vec<TableCount>| Fingerprint { tables, ..Fingerprint::default() };
        let expected = of(vec![table("a", 2), table("b", 1), table("v", 9)]);
        let found = of(vec![table("a", 1), table("c", 0), table("v", 7)]);
        let differences = differences(&expected, &found, |_, name| name == "v");
        let told: Vec<String> = differences
            .iter()
            .map(|difference| format!("{}: {} -> {}", difference.subject, difference.expected, difference.found))
            .collect();
        assert_eq!(
            told,
            [
                "table public.a: 2 rows -> 1 row",
                "table public.b: 1 row -> no such table",
                "table public.c: no such table -> 0 rows"
            ]
        );
    }

    #[test]
    fn as_many_rows_must_be_the_same_rows_where_both_are_known() {
        let content = |sum| Some(TableContent { columns: vec!["id".to_owned()], digest: RowsDigest::new(sum) });
        let with =
            |content| Fingerprint { tables: vec![TableCount { content, ..table("a", 2) }], ..Fingerprint::default() };
        let compared = |expected, found| differences(&with(expected), &with(found), |_, _| false);
        assert_eq!(compared(content(7), content(7)), []);
        assert_eq!(compared(content(7), None), []);
        assert_eq!(compared(None, content(7)), []);
        let [only] = compared(content(7), content(8)).try_into().unwrap();
        assert_eq!(only.subject, "table public.a");
    }

    #[test]
    fn lost_large_objects_are_told() {
        let with = |large_objects| Fingerprint { large_objects, ..Fingerprint::default() };
        let compared = |expected, found| differences(&with(expected), &with(found), |_, _| false).len();
        assert_eq!((compared(Some(2), Some(2)), compared(None, Some(2)), compared(Some(2), Some(1))), (0, 0, 1));
    }

    #[test]
    fn a_sequence_lies_between_its_two_readings() {
        let agree =
            |expected: &Fingerprint, value| differences(expected, &sequence(value, None), |_, _| false).is_empty();
        let rising = sequence(Some(3), Some(7));
        assert!(agree(&rising, Some(3)) && agree(&rising, Some(7)));
        assert!(!agree(&rising, Some(2)) && !agree(&rising, Some(8)) && !agree(&rising, None));
        assert!(agree(&sequence(Some(-3), Some(-7)), Some(-5)));
        let unused = sequence(None, None);
        assert!(agree(&unused, None) && !agree(&unused, Some(1)));
        assert!(agree(&sequence(None, Some(4)), None) && agree(&sequence(None, Some(4)), Some(2)));
    }
}
