//! `dcs completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Outcome, Session};
use crate::cli::Cli;
use crate::exit::ExitCode;

/// Print the completions of a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to complete in
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, session: &Session) -> Outcome {
    let text = script(args.shell);
    session.ui().answer(&text, &text)?;
    Ok(ExitCode::Done)
}

/// The completion script of a shell, as `completions/` has it.
pub fn script(shell: Shell) -> String {
    let mut buffer = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dcs", &mut buffer);
    String::from_utf8_lossy(&buffer).into_owned()
}
