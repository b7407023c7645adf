//! What clap refuses, in the words and the form of every other error.

use clap::error::ErrorKind;

use crate::cli::passwords::hide_passwords;
use crate::error::CommandError;
use crate::exit::ExitCode;

/// The error for a person or a script; `None` where clap's own text is the answer, as with `--help`.
pub fn usage_error(error: &clap::Error) -> Option<CommandError> {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return None;
    }
    let text = hide_passwords(&error.render().to_string());
    let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message: Vec<&str> = first.trim_start_matches("error: ").lines().map(str::trim).collect();
    let mut refused = CommandError::new(ExitCode::Usage, message.join(" "));
    for line in rest.lines().map(str::trim) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            refused = refused.hint(format!("Maybe {tip}."));
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            refused = refused.hint(format!("It is used so: `{usage}`."));
        }
    }
    Some(refused.hint("For more, say `--help` after the command."))
}
