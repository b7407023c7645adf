//! The exit codes as help and man pages show them.

use crate::exit::ExitCode;

/// A heading and a line a code.
pub fn text() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (code, meaning) in ExitCode::TABLE {
        text.push_str(&format!("  {:>3}  {meaning}\n", code.number()));
    }
    text
}
