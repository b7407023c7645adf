//! The head of an archive, and the table of its contents.

use super::cursor::{Cursor, Result, Stop};

/// What of the head the rest depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head {
    minor: u8,
    pub(super) int_size: usize,
    offset_size: usize,
    /// Entries that follow.
    pub(super) entries: u64,
}

/// The custom format, and the two ways of saying "not compressed".
const CUSTOM: u8 = 1;
const UNCOMPRESSED: i64 = 0;
/// Before the offset of what an entry holds: it is known.
const PLACED: u8 = 2;
/// PostgreSQL 10 to 18. What came with later ones is not known here.
const VERSIONS: std::ops::RangeInclusive<u8> = 12..=16;

impl Head {
    /// Reads the head, up to the first entry.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        if cursor.take(5)? != b"PGDMP" {
            return Err(Stop::Unknown);
        }
        let (major, minor, _revision) = (cursor.byte()?, cursor.byte()?, cursor.byte()?);
        if major != 1 || !VERSIONS.contains(&minor) {
            return Err(Stop::Unknown);
        }
        cursor.int_size = cursor.byte()?.into();
        let offset_size = cursor.byte()?.into();
        if !(1..=8).contains(&cursor.int_size) || cursor.byte()? != CUSTOM {
            return Err(Stop::Unknown);
        }
        // With 1.15 the level gave way to the name of an algorithm.
        let compression = if minor >= 15 { cursor.byte()?.into() } else { cursor.int()? };
        if compression != UNCOMPRESSED {
            return Err(Stop::Unknown);
        }
        for _second_to_daylight_saving in 0..7 {
            cursor.int()?;
        }
        for _database_and_versions in 0..3 {
            cursor.text()?;
        }
        let entries = u64::try_from(cursor.int()?).map_err(|_| Stop::Unknown)?;
        Ok(Self { minor, int_size: cursor.int_size, offset_size, entries })
    }

    /// Reads one entry.
    pub(super) fn entry(&self, cursor: &mut Cursor<'_>) -> Result<Entry> {
        let (id, _has_rows) = (cursor.int()?, cursor.int()?);
        let [_table_oid, _oid, tag, description] = texts(cursor)?;
        let _section = cursor.int()?;
        let [_definition, _drop, copy, schema, _tablespace] = texts(cursor)?;
        if self.minor >= 14 {
            cursor.text()?; // access method
        }
        if self.minor >= 16 {
            cursor.int()?; // kind of relation
        }
        let [_owner, _with_oids] = texts(cursor)?;
        while cursor.text()?.is_some() {} // what it depends on
        let is_placed = cursor.take(1 + self.offset_size)?[0] == PLACED;
        let utf8 = |text: Option<&[u8]>| text.and_then(|text| str::from_utf8(text).ok().map(str::to_owned));
        let (Some(schema), Some(name)) = (utf8(schema), utf8(tag)) else { return Ok(Entry::Other) };
        Ok(match description {
            Some(b"TABLE" | b"MATERIALIZED VIEW") => Entry::Table(schema, name),
            Some(b"SEQUENCE") => Entry::Sequence(schema, name),
            Some(b"SEQUENCE SET") => Entry::SequenceValue(schema, name),
            Some(b"TABLE DATA") => {
                let columns = utf8(copy).as_deref().and_then(columns);
                Entry::Rows(Table { id, schema, name, columns, is_placed })
            }
            _ => Entry::Other,
        })
    }
}

/// What an entry stands for.
pub(super) enum Entry {
    /// The definition of a table or of a materialised view: schema and name.
    Table(String, String),
    Sequence(String, String),
    SequenceValue(String, String),
    Rows(Table),
    Other,
}

fn texts<'a, const N: usize>(cursor: &mut Cursor<'a>) -> Result<[Option<&'a [u8]>; N]> {
    let mut read = [None; N];
    for text in &mut read {
        *text = cursor.text()?;
    }
    Ok(read)
}

/// A table whose rows are in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) id: i64,
    pub(super) schema: String,
    pub(super) name: String,
    /// None where they are not told.
    pub(super) columns: Option<Vec<String>>,
    /// Whether the archive says where in it they lie.
    pub(super) is_placed: bool,
}

/// The columns in `COPY public.books (id, "the title") FROM stdin;`. None where there is no list: a table without columns,
/// or rows as INSERT statements.
fn columns(copy: &str) -> Option<Vec<String>> {
    let (_schema, rest) = identifier(copy.strip_prefix("COPY ")?)?;
    let (_table, rest) = identifier(rest.strip_prefix('.')?)?;
    let mut rest = rest.trim_start().strip_prefix('(')?;
    let mut columns = Vec::new();
    loop {
        let (column, after) = identifier(rest)?;
        columns.push(column);
        if after.starts_with(')') {
            return Some(columns);
        }
        rest = after.strip_prefix(", ")?;
    }
}

/// A name at the begin of `text`, without its quotes, and what follows it.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|letter: char| !(letter.is_alphanumeric() || "_$".contains(letter)))?;
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let (mut name, mut rest) = (String::new(), quoted);
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        let Some(more) = rest.strip_prefix('"') else { return Some((name, rest)) };
        name.push('"');
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_the_statement() {
        let of = |copy: &str| columns(copy).map(|columns| columns.join("|"));
        assert_eq!(of("COPY public.books (id, title) FROM stdin;\n").as_deref(), Some("id|title"));
        let odd = "COPY \"My (s.chema\".\"ta\"\"ble\" (\"a, b\", \"c)\", d$1) FROM stdin;\n";
        assert_eq!(of(odd).as_deref(), Some("a, b|c)|d$1"));
        assert_eq!(of("COPY public.nothing  FROM stdin;\n"), None);
        assert_eq!(of("COPY public.books (id, title"), None);
    }
}
