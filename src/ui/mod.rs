//! The only folder that prints: the answer to stdout, the conversation to stderr.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;

use serde::Serialize;

use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::Progress;

mod out;
mod progress;
mod table;

pub use out::{Out, Reader, plain};
pub use table::Table;

/// How to talk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub no_progress: bool,
}

/// Where a command's words go.
pub struct Ui {
    options: Options,
    progress: Arc<dyn Progress>,
}

impl Ui {
    pub fn new(options: Options) -> Self {
        Self { options, progress: progress::create(options) }
    }

    pub fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.progress)
    }

    /// Prints the answer of a command that was asked a question: as text, or with `--json` as one document.
    pub fn answer(&self, text: &impl Display, json: &impl Serialize) -> Result<(), CommandError> {
        let text = if self.options.json {
            let json = serde_json::to_string_pretty(json);
            json.map_err(|error| CommandError::new(ExitCode::Failed, format!("cannot write JSON: {error}")))?
        } else {
            text.to_string()
        };
        print(&text)
    }

    /// Takes standard output for an answer that comes bit by bit.
    pub fn out(&self) -> Out {
        Out::new(self.options.json)
    }

    /// Prints what a command did; quiet says nothing.
    pub fn report(&self, text: &impl Display, json: &impl Serialize) -> Result<(), CommandError> {
        if self.options.quiet && !self.options.json { Ok(()) } else { self.answer(text, json) }
    }

    /// Says a sentence to whoever looks on.
    pub fn note(&self, text: &str) {
        self.progress.note(text);
    }

    /// Says what needs attention, in quiet too.
    pub fn warn(&self, text: &str) {
        tracing::warn!("{text}");
    }

    /// Asks before what destroys. Without a terminal and without `yes` it refuses.
    pub async fn confirm(&self, yes: bool, question: &str) -> Result<(), CommandError> {
        if yes {
            return Ok(());
        }
        let is_yes = |answer: &str| matches!(answer, "y" | "Y" | "yes" | "Yes");
        ask(&format!("{question} [y/N] "), is_yes, "Say `--yes` to carry the plan out.").await
    }

    /// Asks before live databases are replaced: whoever types a name has read which it is. Of several, `all` is typed,
    /// the name of what replaces them; of none there is nothing to ask.
    pub async fn confirm_name(
        &self,
        yes: bool,
        doing: &str,
        names: &[&str],
        all: &(dyn Display + Sync),
    ) -> Result<(), CommandError> {
        let wanted = match names {
            [] => return Ok(()),
            _ if yes => return Ok(()),
            [name] => (*name).to_owned(),
            _ => all.to_string(),
        };
        let question = format!("To {doing}, type {wanted}: ");
        let hint = format!("Type {wanted}, or say `--yes`, to carry the plan out.");
        ask(&question, |answer| answer == wanted, &hint).await
    }
}

/// Puts a question, and refuses unless the answer is the right one.
async fn ask(question: &str, is_right: impl Fn(&str) -> bool, hint: &str) -> Result<(), CommandError> {
    let refused = |message: &str| CommandError::new(ExitCode::Refused, message);
    if !io::stdin().is_terminal() {
        return Err(refused("a confirmation is missing and there is no terminal to ask on; nothing was changed")
            .hint("Look at the plan with `--dry-run`, then say `--yes`."));
    }
    stderr(question);
    let read = || io::stdin().lock().lines().next().transpose().ok().flatten();
    let answer = line(read).await;
    if !io::stderr().is_terminal() {
        // Whoever typed it ended the line on the terminal only.
        stderr("\n");
    }
    match answer {
        Some(answer) if is_right(answer.trim()) => Ok(()),
        _ => Err(refused("not confirmed; nothing was changed").hint(hint)),
    }
}

/// Reads a line on a thread of its own: whoever sits before the question may also answer with Ctrl-C.
async fn line(read: impl FnOnce() -> Option<String> + Send + 'static) -> Option<String> {
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

/// Prints the final error: text, or a JSON object.
pub fn show_error(error: &CommandError, json: bool) {
    if json {
        let text = serde_json::to_string(error).unwrap_or_else(|_| error.message.clone());
        stderr(&format!("{text}\n"));
        return;
    }
    let mut text = format!("dcs: error: {}\n", error.message);
    error.causes.iter().for_each(|cause| text.push_str(&format!("  because: {cause}\n")));
    error.hints.iter().for_each(|hint| text.push_str(&format!("  hint: {hint}\n")));
    stderr(&text);
}

fn stderr(text: &str) {
    // Nobody is left to tell when stderr is gone.
    io::stderr().lock().write_all(text.as_bytes()).ok();
}

fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(newline.as_bytes()));
    match written.and_then(|()| stdout.flush()) {
        // The reader (`head`, say) has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CommandError::new(ExitCode::Failed, format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_that_is_not_answered_does_not_hold_up_a_signal() {
        let (answer, never) = std::sync::mpsc::channel::<String>();
        let signal = std::future::ready("interrupted");
        let first = tokio::select! {
            biased;
            _ = line(move || never.recv().ok()) => "answered",
            signal = signal => signal,
        };
        assert_eq!(first, "interrupted");
        drop(answer);
    }
}
