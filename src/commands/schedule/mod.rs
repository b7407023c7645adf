//! `dcs schedule print`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Zoned;
use jiff::civil::Weekday;
use serde::Serialize;

use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::schedule::When;
use crate::settings::{DEFAULT_PATHS, Settings, program};

mod cron;
mod systemd;

/// What to run when, from the configuration
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    Print(PrintArgs),
}

/// Print a crontab, or services and timers of systemd, for what is configured
///
/// Databases every night, objects every hour, all of it every Sunday, restored for proof afterwards; on Mondays old backups
/// and old trash go, where `[backup.keep]` and `[trash].keep` say so, and rows are compared with folders. What is not
/// configured is left out. A run that goes well is quiet; one that does not is told by mail (cron), or is a failed unit.
#[derive(Debug, Args)]
pub struct PrintArgs {
    /// For whom
    #[arg(long, value_name = "FORMAT", default_value = "cron")]
    format: Format,

    /// The user to run as
    #[arg(long, value_name = "NAME", default_value = "root", value_parser = user)]
    user: String,

    /// Tell so many of the next runs of each job, in comments
    #[arg(long, value_name = "N", default_value = "3")]
    next: u8,

    /// Write the files into this folder, such as /etc/cron.d or /etc/systemd/system, instead of printing them
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A crontab for /etc/cron.d
    Cron,
    /// A service and a timer for each job
    Systemd,
}

fn user(text: &str) -> Result<String, String> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let begins = text.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
    if begins && text.bytes().all(is_fit) { Ok(text.to_owned()) } else { Err(format!("{text:?} is no user")) }
}

/// Something to run again and again.
struct Job {
    name: &'static str,
    when: When,
    /// How long it waits for another run's lock.
    wait: &'static str,
    arguments: String,
    /// What it is for, as the end of a sentence.
    what: &'static str,
}

/// What the jobs have in common.
struct Common {
    program: PathBuf,
    /// Given to dcs where it would not find it by itself.
    config: Option<PathBuf>,
    /// What the schedule is made from.
    made_from: PathBuf,
    user: String,
    now: Zoned,
    next: usize,
}

impl Common {
    /// A comment that tells the next runs, or nothing.
    fn next_runs(&self, job: &Job) -> String {
        let times = job.when.next(&self.now, self.next);
        let times: Vec<String> = times.iter().map(|at| at.strftime("%a %F %H:%M %Z").to_string()).collect();
        if times.is_empty() { String::new() } else { format!("# Next: {}\n", times.join(", ")) }
    }
}

/// A file of a schedule.
#[derive(Debug, Serialize)]
struct Planned {
    name: String,
    text: String,
}

pub(super) fn run(command: ScheduleCommand, session: &Session) -> Outcome {
    let ScheduleCommand::Print(args) = command;
    let settings = session.settings()?;
    let Some(path) = &settings.path else {
        let message = "cannot make a schedule: there is no configuration that says what to run";
        return Err(CommandError::new(ExitCode::Usage, message)
            .hint("Write one, as `dcs config example` shows, and name it with `--config`."));
    };
    let jobs = jobs(settings);
    if jobs.is_empty() {
        let message = format!("cannot make a schedule: {} names nothing to back up", path.display());
        return Err(CommandError::new(ExitCode::Usage, message)
            .hint("Name `databases`, `files` or `config` in [backup]. See `dcs config example`."));
    }

    let made_from = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let config = Some(made_from.clone()).filter(|path| path != Path::new(DEFAULT_PATHS[1]));
    let next = usize::from(args.next);
    let common = Common { program: program(), config, made_from, user: args.user, now: Zoned::now(), next };
    let files = match args.format {
        Format::Cron => vec![cron::file(&jobs, &common)],
        Format::Systemd => systemd::files(&jobs, &common),
    };
    if let Some(folder) = &args.to {
        return write(&files, folder, session);
    }
    session.ui().answer(&text(&files, args.format), &files)?;
    Ok(ExitCode::Done)
}

fn text(files: &[Planned], format: Format) -> String {
    let units = files.iter().map(|file| format!("# == /etc/systemd/system/{}\n\n{}", file.name, file.text));
    match (files, format) {
        ([file], Format::Cron) => file.text.clone(),
        _ => units.collect::<Vec<_>>().join("\n"),
    }
}

/// Replaces what an earlier schedule left there under the same names.
fn write(files: &[Planned], folder: &Path, session: &Session) -> Outcome {
    for file in files {
        let path = folder.join(&file.name);
        std::fs::write(&path, &file.text).map_err(|error| {
            CommandError::new(ExitCode::Failed, format!("cannot write {}: {error}", path.display()))
                .hint("Name a folder that exists and may be written: `--to FOLDER`.")
        })?;
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let text = format!("wrote {} to {}", names.join(", "), folder.display());
    session.ui().report(&text, &serde_json::json!({ "folder": folder, "files": names }))?;
    Ok(ExitCode::Done)
}

/// A duration as options take it: `30d`, or in seconds what is no whole day.
fn option(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        seconds => format!("{seconds}s"),
    }
}

/// What is configured is scheduled, and nothing else.
fn jobs(settings: &Settings) -> Vec<Job> {
    let backup = &settings.backup;
    let (databases, files) = (!backup.databases.is_empty(), !backup.files.is_empty());
    if !databases && !files && backup.config.is_empty() && backup.capture.is_empty() {
        return Vec::new();
    }
    let on = |day, hour, minute| When::Weekly { day, hour, minute };
    let job = |name, when, wait, arguments: &str, what| Job { name, when, wait, arguments: arguments.to_owned(), what };
    let mut jobs = Vec::new();
    if databases {
        let when = When::Daily { hour: 2, minute: 15 };
        jobs.push(job("backup-db", when, "2h", "backup db", "the databases"));
    }
    if files {
        let what = "the objects; what is unchanged costs its line in a listing";
        jobs.push(job("backup-files", When::Hourly { minute: 5 }, "30m", "backup files", what));
    }
    let what = "databases, objects and configuration in one backup, which brings a machine back";
    jobs.push(job("backup-complete", on(Weekday::Sunday, 3, 15), "6h", "backup complete", what));
    let what = "that backup, restored somewhere disposable and compared; it needs room below state_dir";
    let arguments = "verify --kind complete --level restore";
    jobs.push(job("verify", on(Weekday::Sunday, 5, 40), "6h", arguments, what));
    if settings.trash.is_some() && settings.items.values().any(|kind| kind.table.is_some()) {
        let what = "rows without objects, folders without a row, and what mends each";
        jobs.push(job("check", on(Weekday::Monday, 6, 10), "1h", "check", what));
    }
    if let Some(keep) = settings.trash.as_ref().and_then(|trash| trash.keep) {
        let arguments = format!("trash purge --older-than {} --yes", option(keep));
        let what = "what was in the trash for so long goes for good";
        jobs.push(job("trash-purge", on(Weekday::Monday, 6, 50), "1h", &arguments, what));
    }
    let what = if backup.keep.is_some() {
        "backups that no rule of [backup.keep] keeps go, and what no backup needs any more"
    } else {
        "what no backup needs any more goes; without [backup.keep] every backup stays"
    };
    jobs.push(job("backup-prune", on(Weekday::Monday, 7, 20), "6h", "backup prune --yes", what));
    jobs
}
