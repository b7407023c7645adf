//! The properties of a database as a psql script: what `pg_restore` into a new name would lose.
//!
//! The script makes the database too, since encoding and locale can be given only then. It names the database only as
//! psql's variable `dbname`, so that `psql -v dbname=NEW -f SCRIPT` makes it under any name, as a restore here does.

use tokio_postgres::Row;

use super::session::Session;
use super::sql::{DBNAME, identifier, literal, statements, words};
use crate::database::Result;

/// Settings whose values are lists of quoted names, to be written as lists again.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

pub(super) async fn script(session: &Session, major: u32) -> Result<String> {
    let attempted = "read the properties of";
    let locale = match major {
        17.. => "d.datlocprovider::text, d.datlocale::text, d.daticurules::text",
        16 => "d.datlocprovider::text, d.daticulocale::text, d.daticurules::text",
        15 => "d.datlocprovider::text, d.daticulocale::text, NULL::text",
        _ => "'c'::text, NULL::text, NULL::text",
    };
    let sql = format!(
        "SELECT d.oid, pg_catalog.pg_get_userbyid(d.datdba)::text, pg_catalog.pg_encoding_to_char(d.encoding)::text, \
         d.datcollate::text, d.datctype::text, {locale}, d.datconnlimit, \
         pg_catalog.shobj_description(d.oid, 'pg_database'), d.datacl IS NOT NULL, d.datname::text, t.spcname::text \
         FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace \
         WHERE d.datname = pg_catalog.current_database()"
    );
    let database = session.row(attempted, &sql, &[]).await?;
    let oid: u32 = database.get(0);
    let settings = "SELECT r.rolname::text, pg_catalog.unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = $1 \
         AND (s.setrole = 0 OR r.oid IS NOT NULL) ORDER BY r.rolname::text COLLATE \"C\" NULLS FIRST";
    let settings = session.rows(attempted, settings, &[&oid]).await?;
    let rights = "SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END, \
         a.privilege_type, a.is_grantable FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a \
         WHERE d.oid = $1 ORDER BY 1 NULLS FIRST, 2";
    let rights = session.rows(attempted, rights, &[&oid]).await?;
    Ok(render(&database, &settings, &rights))
}

fn render(database: &Row, settings: &[Row], rights: &[Row]) -> String {
    let (owner, name, tablespace): (&str, &str, &str) = (database.get(1), database.get(11), database.get(12));
    let mut lines = vec![
        format!(
            "-- The properties of the database {}, without its contents. To make it, empty:",
            name.escape_default()
        ),
        "-- psql -X -v ON_ERROR_STOP=1 -v dbname=NAME -d postgres -f THIS_FILE".to_owned(),
    ];
    if tablespace != "pg_default" {
        lines.push(format!("-- It lay in the tablespace {}.", tablespace.escape_default()));
    }
    lines.push(create(database));
    lines.push(format!("ALTER DATABASE {DBNAME} OWNER TO {};", identifier(owner)));
    if let Some(comment) = database.get::<_, Option<&str>>(9) {
        lines.push(format!("COMMENT ON DATABASE {DBNAME} IS {};", literal(comment)));
    }
    for row in settings {
        let setting: &str = row.get(1);
        let Some((name, value)) = setting.split_once('=') else { continue };
        let whose = match row.get::<_, Option<&str>>(0) {
            Some(role) => format!("ALTER ROLE {} IN DATABASE {DBNAME}", identifier(role)),
            None => format!("ALTER DATABASE {DBNAME}"),
        };
        lines.push(format!("{whose} SET {} TO {};", setting_name(name), setting_value(name, value)));
    }
    let limit: i32 = database.get(8);
    if limit != -1 {
        lines.push(format!("ALTER DATABASE {DBNAME} CONNECTION LIMIT {limit};"));
    }
    if database.get(10) {
        lines.push(format!("REVOKE ALL ON DATABASE {DBNAME} FROM PUBLIC;"));
        lines.push(format!("REVOKE ALL ON DATABASE {DBNAME} FROM {};", identifier(owner)));
        for row in rights {
            let grantee = row.get::<_, Option<&str>>(0).map_or_else(|| "PUBLIC".to_owned(), identifier);
            let option = if row.get(2) { " WITH GRANT OPTION" } else { "" };
            let right: &str = row.get(1);
            lines.push(format!("GRANT {right} ON DATABASE {DBNAME} TO {grantee}{option};"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn create(database: &Row) -> String {
    let (encoding, collate, ctype): (&str, &str, &str) = (database.get(2), database.get(3), database.get(4));
    let provider: &str = database.get(5);
    let (locale, rules): (Option<&str>, Option<&str>) = (database.get(6), database.get(7));
    let kind = match provider {
        "i" => Some(("icu", "ICU_LOCALE")),
        "b" => Some(("builtin", "BUILTIN_LOCALE")),
        _ => None,
    };
    let mut parts = vec![
        format!("CREATE DATABASE {DBNAME} TEMPLATE template0 ENCODING {}", literal(encoding)),
        format!("LC_COLLATE {} LC_CTYPE {}", literal(collate), literal(ctype)),
    ];
    if let (Some((provider, parameter)), Some(locale)) = (kind, locale) {
        parts.push(format!("LOCALE_PROVIDER {provider} {parameter} {}", literal(locale)));
        parts.extend(rules.map(|rules| format!("ICU_RULES {}", literal(rules))));
    }
    parts.join(" ") + ";"
}

/// Custom settings have a dot between two names.
fn setting_name(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

fn setting_value(name: &str, value: &str) -> String {
    if LISTS.contains(&name) {
        let names: Vec<String> = words(value).iter().map(|word| literal(word)).collect();
        return if names.is_empty() { "''".to_owned() } else { names.join(", ") };
    }
    literal(value)
}

/// A script's statements for one database, in the order in which a restore can use them.
#[derive(Debug, Clone, Default)]
pub(super) struct Properties {
    pub(super) create: String,
    /// Owner, comment, settings: before anything is loaded.
    pub(super) early: Vec<String>,
    /// Rights and limits, which might lock out the role that loads.
    pub(super) late: Vec<String>,
    pub(super) owner: Option<String>,
    /// Roles that are named anywhere.
    pub(super) roles: Vec<String>,
}

impl Properties {
    /// Without a script: a plain database.
    pub(super) fn parse(script: Option<&str>, database: &str) -> Self {
        let mut parsed =
            Self { create: format!("CREATE DATABASE {} TEMPLATE template0", identifier(database)), ..Self::default() };
        for statement in statements(script.unwrap_or_default(), database) {
            let words = words(&statement);
            let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
            match (word(0), word(1), word(3)) {
                ("CREATE", "DATABASE", _) => parsed.create = statement,
                ("ALTER", "DATABASE", "OWNER") => {
                    parsed.owner = Some(word(5).to_owned());
                    parsed.early.push(statement);
                }
                ("ALTER", "ROLE", _) => {
                    parsed.roles.push(word(2).to_owned());
                    parsed.early.push(statement);
                }
                ("GRANT", _, _) => {
                    if word(6) != "PUBLIC" {
                        parsed.roles.push(word(6).to_owned());
                    }
                    parsed.late.push(statement);
                }
                ("REVOKE", _, _) | ("ALTER", "DATABASE", "CONNECTION") => parsed.late.push(statement),
                _ => parsed.early.push(statement),
            }
        }
        parsed.roles.sort();
        parsed.roles.dedup();
        parsed
    }

    /// Without what names a role, for a server that has none of them.
    #[must_use]
    pub(super) fn without_roles(mut self) -> Self {
        let names_none = |statement: &String| {
            let words = words(statement);
            let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
            !matches!((word(0), word(1), word(3)), ("ALTER", "ROLE", _) | (_, _, "OWNER") | ("GRANT" | "REVOKE", _, _))
        };
        self.early.retain(names_none);
        self.late.retain(names_none);
        Self { owner: None, roles: Vec::new(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_written_as_lists_and_texts_as_texts() {
        assert_eq!(setting_value("search_path", "\"$user\", public"), "'$user', 'public'");
        assert_eq!(setting_value("search_path", "\"\""), "''");
        assert_eq!(setting_value("work_mem", "64MB"), "'64MB'");
        assert_eq!(setting_name("app.tenant"), "\"app\".\"tenant\"");
    }

    #[test]
    fn a_script_is_sorted_into_before_and_after_the_load() {
        let script = "CREATE DATABASE :\"dbname\" TEMPLATE template0;\nALTER DATABASE :\"dbname\" OWNER TO \"ow ner\";\n\
             ALTER ROLE \"app\" IN DATABASE :\"dbname\" SET \"work_mem\" TO '1MB';\n\
             ALTER DATABASE :\"dbname\" CONNECTION LIMIT 3;\nGRANT CONNECT ON DATABASE :\"dbname\" TO \"reader\";\n";
        let parsed = Properties::parse(Some(script), "si de");
        assert_eq!(parsed.create, "CREATE DATABASE \"si de\" TEMPLATE template0");
        assert_eq!(parsed.owner.as_deref(), Some("ow ner"));
        assert_eq!((parsed.early.len(), parsed.late.len()), (2, 2));
        assert_eq!(parsed.roles, ["app", "reader"]);
        let bare = parsed.without_roles();
        assert_eq!((bare.owner, bare.early, bare.late.len()), (None, Vec::new(), 1));
    }
}
