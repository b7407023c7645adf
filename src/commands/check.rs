//! `dcs check`

use std::fmt::Write;

use clap::Args;

use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::steps::check::{Checked, check};

/// Compare the rows of all items with their folders and the trash
///
/// Finds rows without objects, folders without a row, archived items that are still in their bucket, and items in the trash
/// that are not archived; names the command that mends each. Looks at the live system, and changes nothing. Differences are
/// exit code 3.
#[derive(Debug, Args)]
pub struct CheckArgs {}

pub(super) async fn run(_args: CheckArgs, session: &Session) -> Outcome {
    let items = session.items(true)?;
    items.require_trash().await?;
    if items.kinds.values().all(|kind| kind.table.is_none()) {
        let message = "no kind of items has a table to compare its folders with";
        return Err(CommandError::new(ExitCode::Usage, message)
            .hint("Add `database` and `table` to a section [items.KIND]. See `dcs config example`."));
    }
    let checked = check(&items).await?;
    if checked.differences == 0 {
        session.ui().report(&text(&checked), &checked)?;
        return Ok(ExitCode::Done);
    }
    session.ui().answer(&text(&checked), &checked)?;
    let message = format!("{} between rows, folders and trash", format::count(checked.differences, "difference"));
    Err(CommandError::new(ExitCode::Problems, message).hint("Mend each as it says, and run `dcs check` again."))
}

fn text(checked: &Checked) -> String {
    let (rows, objects) = (format::count(checked.rows, "row"), format::count(checked.objects, "object"));
    let mut text = format!("compared {rows} with {objects}: ");
    match checked.differences {
        0 => text.push_str("no differences"),
        count => text.push_str(&format::count(count, "difference")),
    }
    for finding in &checked.findings {
        // Writing to a string does not fail.
        write!(text, "\n  {}: {}\n      mend it: {}", finding.subject, finding.what, finding.mend).ok();
    }
    let untold = checked.differences - checked.findings.len() as u64;
    if untold > 0 {
        write!(text, "\n  and {untold} more").ok();
    }
    text
}
