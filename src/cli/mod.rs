//! The command line: global options and the tree of subcommands. Parses only.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, ValueEnum};

use crate::commands::Command;

pub mod exit_table;
pub mod passwords;

/// Back up, prove and restore books and apps kept in S3 buckets and PostgreSQL
#[derive(Debug, Parser)]
#[command(name = "dcs", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
#[command(max_term_width = 100, after_long_help = exit_table::text())]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,

    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml
    #[arg(long, global = true, value_name = "FILE", env = "DCS_CONFIG")]
    pub config: Option<PathBuf>,

    /// Use the backup bucket at this URL or folder instead of the configured one; needs no configuration
    ///
    /// `https://HOST[:PORT]/BUCKET[/PREFIX]`, `s3://BUCKET[/PREFIX]` on AWS, or `/FOLDER/BUCKET` for a directory store.
    /// Credentials come from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    #[arg(long, global = true, value_name = "URL", env = "DCS_REPO")]
    pub repo: Option<String>,

    /// Print the answer as one JSON document, and a final error as a JSON object on stderr
    #[arg(long, global = true, env = "DCS_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,

    /// Say nothing on success; warnings and errors are still printed
    #[arg(short, long, global = true, env = "DCS_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,

    /// Say more: once for what is done, twice for every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "DCS_VERBOSE")]
    pub verbose: u8,

    /// Append a log of the run to this file
    #[arg(long, global = true, value_name = "FILE", env = "DCS_LOG_FILE")]
    pub log_file: Option<PathBuf>,

    /// The form of the log file
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", env = "DCS_LOG_FORMAT")]
    pub log_format: LogFormat,

    /// Show no progress bar on a terminal
    #[arg(long, global = true, env = "DCS_NO_PROGRESS", value_parser = BoolishValueParser::new())]
    pub no_progress: bool,

    /// Whether to colour messages
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", env = "DCS_COLOR")]
    pub color: Color,

    /// Wait this long for another run's lock, as in `30s`, `10m` or `2h`; not at all by default
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "0s", env = "DCS_LOCK_WAIT")]
    pub lock_wait: std::time::Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// A number and a unit: `s`, `m`, `h`, `d`.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write a number and a unit, as in 30s, 10m, 2h or 7d".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| format!("{number:?} is no whole number"))?;
    number.checked_mul(seconds).map(std::time::Duration::from_secs).ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        for bad in ["", "m", "10", "-1s", "1.5h", "10 m", "é", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
