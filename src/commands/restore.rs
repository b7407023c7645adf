//! What the restoring commands share: choosing a backup, and naming other places to restore to.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Session;
use super::open::Places;
use crate::database::RestoreChoices;
use crate::error::CommandError;
use crate::model::manifest::Origins;
use crate::model::{BackupId, Manifest};
use crate::repository::{Repository, Selector};
use crate::settings::{DatabaseSettings, StoreSettings};
use crate::steps::restore_database::DatabaseRestorePlan;

/// Which backup to restore from.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID", default_value = "latest")]
    id: Selector,

    /// The newest good backup that ended by then: `2026-11-20T02:00:00Z`, or a date, which means its end in UTC
    #[arg(long, value_name = "TIME", conflicts_with = "id", value_parser = time)]
    at: Option<Timestamp>,
}

impl Choice {
    /// Whether the backup is given by its id.
    pub(super) fn names_one(&self) -> bool {
        matches!(self.selector(), Selector::Id(_))
    }

    pub(super) fn selector(&self) -> Selector {
        self.at.map_or_else(|| self.id.clone(), Selector::At)
    }
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    // A date is parsed out of a time without a zone, too, of which nobody can say when it is.
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    let end =
        date.and_then(|date| date.at(23, 59, 59, 999_999_999).to_zoned(TimeZone::UTC).ok().map(|end| end.timestamp()));
    end.ok_or_else(|| "write a time as in 2026-11-20T02:00:00Z, or a date as in 2026-11-20".to_owned())
}

/// Reads the chosen backup, and says what is wrong with it, or which newer ones were passed over.
pub(super) async fn choose(
    session: &Session,
    repository: &Repository,
    selector: &Selector,
    needed: &str,
    holds: impl Fn(&Manifest) -> bool + Send,
) -> Result<Manifest, CommandError> {
    if let Selector::Id(id) = selector {
        session.choose(id);
    }
    let selected = repository.select(selector, needed, holds).await?;
    session.choose(&selected.manifest.id);
    selected.skipped.iter().for_each(|skipped| session.ui().warn(&skipped.to_string()));
    if let Some(remark) = selected.remark {
        session.ui().warn(&format!("backup {} is not good: {remark}", selected.manifest.id));
    }
    Ok(selected.manifest)
}

/// Shows what a restore will do: a dry run's answer, else a word to whoever looks on.
pub(super) fn show(session: &Session, id: &BackupId, plan: &str, dry_run: bool) -> Result<(), CommandError> {
    show_with_databases(session, id, plan, &[], dry_run)
}

/// The same, with what scripts want to know of databases.
pub(super) fn show_with_databases(
    session: &Session,
    id: &BackupId,
    plan: &str,
    databases: &[DatabaseRestorePlan],
    dry_run: bool,
) -> Result<(), CommandError> {
    if !dry_run {
        session.ui().note(plan);
        return Ok(());
    }
    let mut json = serde_json::json!({ "backup": id, "plan": plan.lines().collect::<Vec<_>>() });
    if !databases.is_empty() {
        json["databases"] = serde_json::json!(databases.iter().map(DatabaseRestorePlan::told).collect::<Vec<_>>());
    }
    session.ui().answer(&plan, &json)
}

/// Other places to restore to than those of the configuration or of the backup.
#[derive(Debug, Args)]
pub(super) struct Targets {
    /// Where a store of the backup is now: `NAME=http://HOST:PORT` or `NAME=/FOLDER`; may be given more than once
    #[arg(long = "store", value_name = "NAME=URL", value_parser = pair)]
    stores: Vec<(String, String)>,

    /// Where a database of the backup is now: `NAME=postgres://USER@HOST/DB` or `NAME=sqlite:/FILE`; no passwords here
    #[arg(long = "database", value_name = "NAME=URL", value_parser = pair)]
    databases: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, url) = text.split_once('=').ok_or("write NAME=URL")?;
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    // What is on the command line, everybody on the machine can read.
    if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || url.contains("password=") {
        return Err("passwords do not belong on the command line; use PGPASSWORD or ~/.pgpass".to_owned());
    }
    Ok((name.to_owned(), url.to_owned()))
}

impl Targets {
    /// Whether a database's place is given here.
    pub(super) fn names_databases(&self) -> bool {
        !self.databases.is_empty()
    }

    /// Lays these places over the configuration's and the backup's.
    pub(super) fn places(&self, origins: &Origins, session: &Session) -> Result<Places, CommandError> {
        let environment = &session.settings()?.environment;
        let mut places = Places { origins: origins.clone(), ..Places::default() };
        for (name, url) in &self.stores {
            places.stores.insert(name.clone(), StoreSettings::parse(name, url, environment)?);
        }
        for (name, url) in &self.databases {
            places.databases.insert(name.clone(), DatabaseSettings::parse(name, url, environment)?);
        }
        Ok(places)
    }
}

/// How databases are loaded.
#[derive(Debug, Args)]
pub(super) struct Loading {
    /// Let everything belong to the role that restores, with no rights for others: roles of the backup are not needed
    #[arg(long)]
    no_owner: bool,

    /// Do not look whether the PostgreSQL server has room
    #[arg(long)]
    assume_space: bool,

    /// Load so many tables, and make so many indexes, at once; spools the dump to `state_dir` first
    ///
    /// `[restore].jobs` by default, or 1. Each job is a connection to the server. SQLite takes no notice.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), env = "DCS_JOBS")]
    jobs: Option<u32>,
}

impl Loading {
    pub(super) fn choices(&self, session: &Session) -> Result<RestoreChoices, CommandError> {
        let jobs = self.jobs.unwrap_or(session.settings()?.restore.jobs);
        let (no_owner, assume_space) = (self.no_owner, self.assume_space);
        Ok(RestoreChoices { no_owner, assume_space, jobs, ..RestoreChoices::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_moment_and_a_date_its_end() {
        assert_eq!(time("2026-11-20T02:00:00Z").unwrap().to_string(), "2026-11-20T02:00:00Z");
        assert_eq!(time("2026-11-20T02:00:00+02:00").unwrap().to_string(), "2026-11-20T00:00:00Z");
        assert_eq!(time("2026-11-20").unwrap().to_string(), "2026-11-20T23:59:59.999999999Z");
        for bad in ["", "yesterday", "2026-11-20T02:00:00", "2026-13-01"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_and_not_repeated() {
        let error = pair("dream=postgres://me:hunter2@host/db").unwrap_err();
        assert!(!error.contains("hunter2"));
        assert!(pair("dream=postgres://me@host/db?sslmode=require&password=hunter2").is_err());
        assert!(pair("dream=postgres://me@host:5432/db").is_ok());
        assert!(pair("dream").is_err());
    }
}
