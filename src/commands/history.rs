//! `dcs history`

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Outcome, Session};
use crate::catalog::{Catalog, CatalogError, Query, Totals};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{RunRecord, format};
use crate::repository::Repository;
use crate::steps::history;

/// What was done, when, and what came of it
///
/// Every run that changes something, makes a backup or verifies one leaves a record in the backup bucket, failed or not,
/// from whatever machine. The newest come last; below them is what all that were asked for come to.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only runs that began then or later: `2026-11-20T02:00:00Z`, a date, or a time before now, as in `7d`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,

    /// Only runs that began before: the same; a date means its beginning in UTC
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,

    /// Only this command: `"backup db"`, or `backup` for all that begin so
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,

    /// Only runs that did not end with 0
    #[arg(long)]
    failed: bool,

    /// Show the newest so many; 0 for all
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Some(date) = text.parse::<Date>().ok().filter(|date| date.to_string() == text) {
        let begin = date.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
        return Ok(begin.timestamp());
    }
    let ago = format::parse_duration(text).ok().and_then(|ago| SignedDuration::try_from(ago).ok());
    let time = ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    time.ok_or_else(|| "write a time as in 2026-11-20T02:00:00Z, a date as in 2026-11-20, or 7d".to_owned())
}

#[derive(Serialize)]
struct Answer<'a> {
    runs: &'a [RunRecord],
    totals: Totals,
}

pub(super) async fn run(args: HistoryArgs, session: &Session) -> Outcome {
    let repository = session.repository(true).await?;
    let query = Query {
        repository: repository.id.clone(),
        since: args.since.map(Timestamp::as_second),
        until: args.until.map(Timestamp::as_second),
        command: args.command,
        failed: args.failed,
        limit: (args.limit > 0).then_some(args.limit),
    };

    // Through the catalogue; where that fails, without.
    let (runs, totals) = match session.catalog().await? {
        Some(catalog) => match ask(&repository, &catalog, &query, session).await? {
            Ok(found) => found,
            Err(error) => {
                session.ui().warn(&format!("the catalogue is not used: {error}"));
                without(&repository, &query, session).await?
            }
        },
        None => without(&repository, &query, session).await?,
    };
    if runs.is_empty() {
        session.ui().note("no run is on record that fits");
    }
    session.ui().answer(&table(&runs, &totals), &Answer { runs: &runs, totals })?;
    Ok(ExitCode::Done)
}

type Found = (Vec<RunRecord>, Totals);

/// Reads everything into a catalogue that is gone afterwards.
async fn without(repository: &Repository, query: &Query, session: &Session) -> Result<Found, CommandError> {
    let unusable = |error: CatalogError| {
        CommandError::new(ExitCode::Failed, format!("no temporary catalogue can be made: {error}"))
            .hint("Free space in $TMPDIR, or set `state_dir` in the configuration.")
    };
    let catalog = Catalog::temporary().await.map_err(unusable)?;
    ask(repository, &catalog, query, session).await?.map_err(unusable)
}

/// Brings the catalogue up to date and asks it. A failure of the bucket is the command's, one of the catalogue is not.
async fn ask(
    repository: &Repository,
    catalog: &Catalog,
    query: &Query,
    session: &Session,
) -> Result<Result<Found, CatalogError>, CommandError> {
    match history::sync(repository, catalog).await {
        Ok(synced) => {
            synced.unreadable.iter().for_each(|error| session.ui().warn(&format!("a record is left out: {error}")));
        }
        Err(error) => return Ok(Err(history::of_the_bucket(error)?)),
    }
    let runs = match catalog.runs(query.clone()).await {
        Ok(runs) => runs,
        Err(error) => return Ok(Err(error)),
    };
    Ok(catalog.totals(query.clone()).await.map(|totals| (runs, totals)))
}

/// A line a run, under it why it failed; and what all come to. Fits 80 columns.
fn table(runs: &[RunRecord], totals: &Totals) -> String {
    let mut text = String::new();
    if runs.is_empty() {
        return text;
    }
    writeln!(text, "{:<16}  {:<16}  {:>6}  {:>4}  BACKUP", "WHEN (UTC)", "COMMAND", "TOOK", "EXIT").ok();
    for run in runs {
        let when = run.started_at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string();
        let backup = run.backup.as_ref().map_or("-", |backup| backup.as_str());
        let (took, code) = (short(run.seconds()), run.exit_code);
        writeln!(text, "{when:<16}  {:<16}  {took:>6}  {code:>4}  {backup}", run.command).ok();
        if let Some(message) = &run.message {
            writeln!(text, "    {}", cut(message, 76)).ok();
        }
    }
    let rate = totals.succeeded * 100 / totals.runs.max(1);
    let took = format::duration(Duration::from_secs_f64(totals.seconds.max(0.0)));
    let all = format::count(totals.runs, "run");
    let failed = totals.runs - totals.succeeded - totals.with_problems;
    let stored = format::bytes(totals.stored_bytes);
    writeln!(text, "{all}: {rate} % succeeded, {} with problems, {failed} failed", totals.with_problems).ok();
    writeln!(text, "{took} in all, {stored} stored by backups").ok();
    text
}

/// `0.4s`, `59s`, `12m05s`, `3h20m`, `4d01h`: six characters.
fn short(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    let whole = Duration::from_secs_f64(seconds.min(8e9)).as_secs();
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// One line of so many characters at most.
fn cut(text: &str, most: usize) -> String {
    let line: String = crate::ui::plain(text);
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_six_characters() {
        let told = [0.04, 59.0, 725.0, 12_000.0, 90_000.0].map(short);
        assert_eq!(told, ["0.0s", "59s", "12m05s", "3h20m", "1d01h"]);
        assert!(told.iter().all(|text| text.len() <= 6));
    }

    #[test]
    fn a_moment_is_a_time_a_date_or_ago() {
        assert_eq!(moment("2026-11-20").unwrap().to_string(), "2026-11-20T00:00:00Z");
        assert!(moment("1d").unwrap() < Timestamp::now());
        for bad in ["", "yesterday", "2026-11-20T02:00:00"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
