//! `[verify]`: where a proof restores databases to, and what else it asks of them.

use super::resolve::{known_database, option};
use super::{DatabaseSettings, Settings, SettingsError, file};
use crate::model::SqlCheck;

/// How `dcs verify --level restore` proves databases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifySettings {
    /// The database on whose server scratch databases are made; without it, a private server is started.
    pub server: Option<String>,
    pub checks: Vec<SqlCheck>,
}

pub(super) fn resolve(raw: &file::File, settings: &mut Settings) -> Result<(), SettingsError> {
    let Some(verify) = &raw.verify else { return Ok(()) };
    if let Some(server) = &verify.server {
        known_database("[verify].server", server, settings)?;
        if !matches!(settings.databases[server], DatabaseSettings::Postgres { .. }) {
            return Err(option("[verify].server", format!("{server:?} is no PostgreSQL")));
        }
    }
    for sql in &verify.sql {
        known_database("[[verify.sql]].database", &sql.database, settings)?;
        if sql.statement.trim().is_empty() {
            return Err(option("[[verify.sql]].statement", format!("the one for {:?} is empty", sql.database)));
        }
    }
    let check = |sql: &file::Sql| SqlCheck {
        database: sql.database.clone(),
        statement: sql.statement.clone(),
        expect: sql.expect.clone(),
    };
    settings.verify = VerifySettings { server: verify.server.clone(), checks: verify.sql.iter().map(check).collect() };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Environment;

    fn settings(verify: &str) -> Result<VerifySettings, String> {
        let databases =
            "[databases.dream]\nurl = \"postgres://me@host/dream\"\n[databases.notes]\nurl = \"sqlite:/n.db\"\n";
        let raw = file::File::parse(&format!("{databases}{verify}"))?;
        Settings::resolve(raw, Environment::default()).map(|found| found.verify).map_err(|error| error.to_string())
    }

    #[test]
    fn checks_are_read_and_contradictions_refused() {
        let check = "[[verify.sql]]\ndatabase = \"notes\"\nstatement = \"SELECT 1\"\nexpect = \"1\"\n";
        let found = settings(&format!("[verify]\nserver = \"dream\"\n{check}")).unwrap();
        assert_eq!((found.server.as_deref(), found.checks.len()), (Some("dream"), 1));
        for (verify, said) in [
            ("[verify]\nserver = \"notes\"", "no PostgreSQL"),
            ("[verify]\nserver = \"other\"", "no database \"other\""),
            ("[[verify.sql]]\ndatabase = \"other\"\nstatement = \"SELECT 1\"", "no database \"other\""),
            ("[[verify.sql]]\ndatabase = \"notes\"", "is empty"),
            ("[[verify.sql]]\nquery = \"SELECT 1\"", "unknown field"),
        ] {
            let error = settings(verify).expect_err(verify);
            assert!(error.contains(said), "{error}");
        }
    }
}
