//! SQL as text: quoting, and taking the scripts apart that dumps carry beside them.
//!
//! Understands exactly what `pg_dumpall` and [`super::properties`] write: quotes are doubled inside quotes, comments run
//! to the end of their line, lines of psql's own (`\restrict`) begin with a backslash. No dollar quotes.

/// The variable that stands for the database's name in a properties script, as psql knows it: `-v dbname=NAME`.
pub(super) const DBNAME: &str = ":\"dbname\"";

pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// Cuts a script into statements without their semicolons, with `database` put in for [`DBNAME`].
pub(super) fn statements(script: &str, database: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut rest = script;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("--") || (first == '\\' && current.trim().is_empty()) {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(after) = rest.strip_prefix(DBNAME) {
            current.push_str(&identifier(database));
            rest = after;
        } else if first == '\'' || first == '"' {
            // A doubled quote reads as one quoted text ending where the next begins: both are copied.
            let end = rest[1..].find(first).map_or(rest.len(), |at| at + 2);
            current.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if first == ';' {
            push_statement(&mut found, &mut current);
            rest = &rest[1..];
        } else {
            current.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    push_statement(&mut found, &mut current);
    found
}

fn push_statement(found: &mut Vec<String>, current: &mut String) {
    let statement = current.trim();
    if !statement.is_empty() {
        found.push(statement.to_owned());
    }
    current.clear();
}

/// The words of a statement; names without their quotes. Literals come as words of no use.
pub(super) fn words(statement: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = statement.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut tail = quoted;
            while let Some(end) = tail.find('"') {
                name.push_str(&tail[..end]);
                tail = &tail[end + 1..];
                let Some(more) = tail.strip_prefix('"') else { break };
                name.push('"');
                tail = more;
            }
            found.push(name);
            rest = tail;
        } else {
            let end = rest.find(|letter: char| letter.is_whitespace() || letter == ',').unwrap_or(rest.len());
            if end > 0 {
                found.push(rest[..end].to_owned());
            }
            rest = rest[end..].trim_start_matches(',');
        }
        rest = rest.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_falls_apart_at_semicolons_outside_of_quotes() {
        let script = "-- a; comment\n\\restrict abc;\nCREATE ROLE \"a;\"\"b\";\n\nCOMMENT ON ROLE x IS 'it''s; -- no';\n\\unrestrict abc\n";
        assert_eq!(statements(script, ""), ["CREATE ROLE \"a;\"\"b\"", "COMMENT ON ROLE x IS 'it''s; -- no'"]);
    }

    #[test]
    fn the_name_is_put_in_only_where_psql_would_put_it_in() {
        let script = "COMMENT ON DATABASE :\"dbname\" IS ':\"dbname\"';";
        assert_eq!(statements(script, "a\"b"), ["COMMENT ON DATABASE \"a\"\"b\" IS ':\"dbname\"'"]);
    }

    #[test]
    fn words_come_without_quotes() {
        assert_eq!(words("GRANT \"we \"\"ird\", b TO c"), ["GRANT", "we \"ird", "b", "TO", "c"]);
    }

    #[test]
    fn literals_survive_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b'"), "E'a\\\\b'''");
    }
}
