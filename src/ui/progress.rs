//! Progress: a bar on a terminal, a line a minute with `-v` elsewhere, else only problems and notes.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Options, stderr};
use crate::model::{Problem, Progress, format};

pub(super) fn create(options: Options) -> Arc<dyn Progress> {
    let bars = io::stderr().is_terminal() && !options.no_progress && !options.quiet && !options.json;
    if bars { Arc::new(Bar::new()) } else { Arc::new(Lines::new(options)) }
}

/// One bar for the phase under way; bytes where their total is known, else items.
struct Bar {
    bar: Mutex<ProgressBar>,
}

impl Bar {
    fn new() -> Self {
        Self { bar: Mutex::new(ProgressBar::hidden()) }
    }

    fn current(&self) -> ProgressBar {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Progress for Bar {
    fn begin(&self, phase: &str, _items: u64, bytes: u64) {
        let template = match bytes {
            0 => "{msg}  {bytes}  {bytes_per_sec}  {elapsed}",
            _ => "{msg}  {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  ETA {eta}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style);
        bar.set_message(phase.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }

    fn advance(&self, _items: u64, bytes: u64) {
        self.current().inc(bytes);
    }

    fn end(&self) {
        self.current().finish_and_clear();
    }

    fn problem(&self, problem: &Problem) {
        self.current().suspend(|| report_problem(problem));
    }

    fn note(&self, text: &str) {
        self.current().suspend(|| stderr(&format!("{text}\n")));
    }
}

/// No bar; a line a minute where asked for.
struct Lines {
    options: Options,
    phase: Mutex<Option<Phase>>,
}

struct Phase {
    name: String,
    items: u64,
    bytes: u64,
    said: Instant,
}

impl Lines {
    fn new(options: Options) -> Self {
        Self { options, phase: Mutex::new(None) }
    }
}

impl Progress for Lines {
    fn begin(&self, phase: &str, _items: u64, _bytes: u64) {
        tracing::info!(phase, "begin");
        let phase = Phase { name: phase.to_owned(), items: 0, bytes: 0, said: Instant::now() };
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Some(phase);
    }

    fn advance(&self, items: u64, bytes: u64) {
        let mut guard = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(phase) = guard.as_mut() else { return };
        phase.items += items;
        phase.bytes += bytes;
        if self.options.verbose && phase.said.elapsed() >= Duration::from_secs(60) {
            phase.said = Instant::now();
            let done = format!("{}, {}", format::count(phase.items, "item"), format::bytes(phase.bytes));
            stderr(&format!("{}: {done}\n", phase.name));
        }
    }

    fn end(&self) {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(phase) = phase {
            tracing::info!(phase = phase.name, items = phase.items, bytes = phase.bytes, "end");
        }
    }

    fn problem(&self, problem: &Problem) {
        report_problem(problem);
    }

    fn note(&self, text: &str) {
        tracing::info!("{text}");
        if !self.options.quiet && !self.options.json {
            stderr(&format!("{text}\n"));
        }
    }
}

/// Problems are said even in quiet: cron mails them.
fn report_problem(problem: &Problem) {
    tracing::warn!("{}: {}", problem.subject.escape_debug(), problem.reason);
}
