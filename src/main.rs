//! Parses, logs, handles signals, exits; nothing else.

use std::ffi::OsStr;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::{CommandFactory, FromArgMatches};
use dcs::cli::Cli;
use dcs::commands::{Session, usage_error};
use dcs::error::CommandError;
use dcs::{commands, exit, logging, memory, signals, ui};
use futures_util::FutureExt;

fn main() -> ExitCode {
    memory::return_what_is_freed();
    let (cli, deed) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let json = cli.global.json;
    let code = match logging::start(&cli.global).and_then(|()| run(cli, deed)) {
        Ok(code) => code,
        Err(error) => {
            ui::show_error(&error, json);
            error.code
        }
    };
    tracing::info!(code = code.number(), "ended");
    code.into()
}

/// The command line, and the deed that it asks for.
fn parse() -> Result<(Cli, Option<&'static str>), clap::Error> {
    let matches = Cli::command().try_get_matches()?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))?;
    Ok((cli, commands::deed(&matches)))
}

fn run(cli: Cli, deed: Option<&'static str>) -> Result<exit::ExitCode, CommandError> {
    let failed = |reason: String| CommandError::new(exit::ExitCode::Failed, reason);
    // Few threads: each keeps memory of its own, and more of them than cores do not compress faster. Blocking ones must
    // outnumber the listings that may wait on theirs, which are three at most.
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(cores + 6)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(supervise(cli, deed));
    // A listing or a file being read on a blocking thread must not hold the process.
    runtime.shutdown_background();
    result
}

/// Runs the command until it ends or a signal comes; either way what it holds is given back.
async fn supervise(cli: Cli, deed: Option<&'static str>) -> Result<exit::ExitCode, CommandError> {
    let session = Session::new(cli.global);
    // A panic is a fault of dcs: it must not look like an exit code of its own, and is told as any failure is.
    let command = AssertUnwindSafe(async {
        session.begin(deed).await?;
        cli.command.run(&session).await
    });
    let result = tokio::select! {
        result = command.catch_unwind() => result.unwrap_or_else(|_| Err(commands::fault())),
        code = signals::received() => {
            let interrupted = CommandError::new(code, "stopped by a signal; what was begun is undone or will be resumed");
            Err(interrupted.hint("Run the same command again."))
        }
    };
    session.finish(deed, result).await
}

/// Whether JSON was asked for, where the command line as a whole could not be read.
fn wants_json() -> bool {
    let is_true = |value: &OsStr| BoolishValueParser::new().parse_ref(&Cli::command(), None, value).unwrap_or(false);
    std::env::args_os().any(|argument| argument == "--json")
        || std::env::var_os("DCS_JSON").is_some_and(|value| is_true(&value))
}

/// Clap's own answers: help and version are no error.
fn usage(error: &clap::Error) -> ExitCode {
    if let Some(refused) = usage_error(error) {
        ui::show_error(&refused, wants_json());
        return refused.code.into();
    }
    // Nobody is left to tell when the output is gone.
    error.print().ok();
    if error.use_stderr() { exit::ExitCode::Usage.into() } else { ExitCode::SUCCESS }
}
