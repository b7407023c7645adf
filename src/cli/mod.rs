//! The command line: global options and the tree of subcommands. Parses only.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, ValueEnum};

use crate::commands::Command;
pub use crate::model::format::parse_duration as duration;

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
