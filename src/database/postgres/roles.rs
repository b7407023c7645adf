//! Makes the roles that a backup brings along and the server lacks. A role that exists is never changed.

use std::collections::{BTreeMap, BTreeSet};

use super::session::{Session, failed};
use super::sql::{statements, words};
use crate::database::{ErrorKind, Result};

/// What `pg_dumpall` wrote about roles, cut into statements.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// By role, in order.
    about: BTreeMap<String, Vec<String>>,
    /// `GRANT role TO member`: role, member, statement.
    memberships: Vec<(String, String, String)>,
}

impl Roles {
    pub(super) fn parse(globals: Option<&str>) -> Self {
        let mut parsed = Self::default();
        for statement in statements(globals.unwrap_or_default(), "") {
            let words = words(&statement);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                // Settings of a role in one database come with that database's properties.
                ["ALTER", "ROLE", _, "IN", "DATABASE", ..] => {}
                ["CREATE" | "ALTER", "ROLE", role, ..] | ["COMMENT", "ON", "ROLE", role, ..] => {
                    parsed.about.entry(role.to_owned()).or_default().push(statement);
                }
                ["GRANT", role, "TO", member, ..] => {
                    parsed.memberships.push((role.to_owned(), member.to_owned(), statement));
                }
                _ => {}
            }
        }
        parsed
    }

    /// The roles that the server lacks, and which of these would come without the password they need to log in.
    pub(super) fn missing(&self, existing: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
        let missing: Vec<String> = self.about.keys().filter(|role| !existing.contains(*role)).cloned().collect();
        let locked_out = missing.iter().filter(|role| {
            let says = |text: &str| self.about[*role].iter().any(|statement| statement.contains(text));
            says(" LOGIN") && !says(" PASSWORD ")
        });
        let locked_out = locked_out.cloned().collect();
        (missing, locked_out)
    }

    /// Makes the missing ones, all or none: a role without its password and rights would pass for a finished one later.
    pub(super) async fn create_missing(&self, session: &Session, superuser: bool) -> Result<Vec<String>> {
        let attempted = "make roles on";
        let (missing, _) = self.missing(&existing(session).await?);
        if missing.is_empty() {
            return Ok(missing);
        }
        session.run(attempted, "BEGIN").await?;
        let made = self.create_all(session, &missing, superuser).await;
        match made {
            Ok(()) => session.run(attempted, "COMMIT").await.map(|()| missing),
            Err(error) => {
                if let Err(other) = session.run(attempted, "ROLLBACK").await {
                    tracing::debug!(error = %other, "the rollback failed too");
                }
                Err(error)
            }
        }
    }

    async fn create_all(&self, session: &Session, missing: &[String], superuser: bool) -> Result<()> {
        let attempted = "make roles on";
        for role in missing {
            for statement in &self.about[role] {
                let statement = if superuser { statement.clone() } else { without_superuser_words(statement) };
                // The driver's error quotes no statement: a password in one stays out of every text.
                session.try_run(&statement).await.map_err(|error| {
                    let failed = failed(attempted, session.subject(), error);
                    let detail = failed.detail.clone().unwrap_or_default();
                    failed
                        .with_detail(format!("role {role:?}: {detail}"))
                        .with_hint("Make the role by hand and run the same command again.")
                })?;
            }
        }
        for (role, member, statement) in &self.memberships {
            if missing.contains(role) || missing.contains(member) {
                grant(session, role, member, statement).await?;
            }
        }
        Ok(())
    }
}

/// Grants as the backup says, or, where the grantor of old cannot, in our own name, or not at all, with a warning: a
/// membership is no reason to give up a restore.
async fn grant(session: &Session, role: &str, member: &str, statement: &str) -> Result<()> {
    let attempted = "make roles on";
    let plain = statement.split(" GRANTED BY ").next().unwrap_or(statement);
    for attempt in [statement, plain] {
        session.run(attempted, "SAVEPOINT membership").await?;
        let Err(error) = session.try_run(attempt).await else { return Ok(()) };
        if failed(attempted, session.subject(), error).kind == ErrorKind::Unreachable {
            break;
        }
        session.run(attempted, "ROLLBACK TO SAVEPOINT membership").await?;
    }
    tracing::warn!(role, member, "the membership could not be granted; grant it by hand");
    Ok(())
}

pub(super) async fn existing(session: &Session) -> Result<BTreeSet<String>> {
    let rows = session.rows("read the roles of", "SELECT rolname::text FROM pg_catalog.pg_roles", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Only a superuser may even say that a role is none of these.
fn without_superuser_words(statement: &str) -> String {
    let (head, tail) = statement.split_at(statement.find(" PASSWORD ").unwrap_or(statement.len()));
    let mut head = head.to_owned();
    for word in [" NOSUPERUSER", " NOREPLICATION", " NOBYPASSRLS"] {
        head = head.replace(word, "");
    }
    head + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOBALS: &str = "\\restrict x\n\nSET default_transaction_read_only = off;\n--\n-- Roles\n--\n\n\
         CREATE ROLE \"we ird\";\nALTER ROLE \"we ird\" WITH NOSUPERUSER INHERIT LOGIN NOREPLICATION PASSWORD 'SCRAM;x';\n\
         CREATE ROLE plain;\nALTER ROLE plain WITH NOSUPERUSER LOGIN;\nALTER ROLE plain SET work_mem TO '1MB';\n\
         ALTER ROLE plain IN DATABASE d SET work_mem TO '2MB';\n\
         GRANT plain TO \"we ird\" GRANTED BY postgres;\n\\unrestrict x\n";

    #[test]
    fn only_what_the_server_lacks_is_made() {
        let roles = Roles::parse(Some(GLOBALS));
        let (missing, locked_out) = roles.missing(&BTreeSet::from(["we ird".to_owned()]));
        assert_eq!(missing, ["plain"]);
        assert_eq!(locked_out, ["plain"]);
        assert_eq!(roles.about["plain"].len(), 3);
        assert_eq!(roles.memberships[0].1, "we ird");
    }

    #[test]
    fn a_password_is_never_cut() {
        let cut = without_superuser_words("ALTER ROLE x WITH NOSUPERUSER LOGIN PASSWORD ' NOSUPERUSER'");
        assert_eq!(cut, "ALTER ROLE x WITH LOGIN PASSWORD ' NOSUPERUSER'");
    }
}
