//! Warnings to stderr in plain words; everything from `info` on to the log file.

use std::fs::OpenOptions;
use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::cli::passwords::hide_passwords;
use crate::cli::{Color, Global, LogFormat};
use crate::error::CommandError;
use crate::exit::ExitCode;

/// Starts logging as the global options say; the first line of the log file names the attempt.
pub fn start(global: &Global) -> Result<(), CommandError> {
    let level = match global.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let ansi = match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    };
    let own = |level: LevelFilter| EnvFilter::new(format!("warn,dcs={level}"));
    let stderr = layer().event_format(Plain).with_ansi(ansi).with_writer(std::io::stderr).with_filter(own(level));
    let file = global.log_file.as_ref().map(|path| {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map_err(|error| {
            CommandError::new(ExitCode::Usage, format!("cannot open the log file {}: {error}", path.display()))
                .hint("Name another with `--log-file FILE`, or make its folder first.")
        })
    });
    let file = file.transpose()?.map(|file| {
        let filter = own(level.max(LevelFilter::INFO));
        let base = layer().with_ansi(false).with_writer(file);
        match global.log_format {
            LogFormat::Text => base.with_target(false).with_filter(filter).boxed(),
            LogFormat::Json => base.json().with_filter(filter).boxed(),
        }
    });
    let started = tracing_subscriber::registry().with(stderr).with(file).try_init();
    started.map_err(|error| CommandError::new(ExitCode::Failed, format!("cannot start logging: {error}")))?;
    let command: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    tracing::info!(
        pid = std::process::id(),
        command = hide_passwords(&command.join(" ")),
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    Ok(())
}

/// `warning: text`: a person reads it, not a log collector.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let (name, colour) = match *event.metadata().level() {
            tracing::Level::ERROR => ("error", 31),
            tracing::Level::WARN => ("warning", 33),
            tracing::Level::INFO => ("info", 36),
            _ => ("debug", 90),
        };
        if writer.has_ansi_escapes() {
            write!(writer, "\u{1b}[{colour}m{name}:\u{1b}[0m ")?;
        } else {
            write!(writer, "{name}: ")?;
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
