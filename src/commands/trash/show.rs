//! `dcs trash show`

use std::fmt::Write;

use clap::Args;

use crate::commands::{Outcome, Session};
use crate::exit::ExitCode;
use crate::model::{TrashId, format};
use crate::trash::{Entry, Origin, Row};

/// Tell what an entry of the trash is: who, when, why, from where, how much
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A trash entry, as `dcs trash list` shows it
    #[arg(value_name = "ENTRY")]
    entry: TrashId,
}

pub(super) async fn run(args: ShowArgs, session: &Session) -> Outcome {
    let items = session.items(true)?;
    let entry = items.entry(&args.entry).await?;
    session.ui().answer(&text(&entry), &entry)?;
    Ok(ExitCode::Done)
}

fn text(entry: &Entry) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name:<10} {value}").expect("writing to a string");
    line("entry", entry.id.as_str());
    if let Some(item) = &entry.item {
        line("item", &item.to_string());
    }
    line("folder", &entry.folder());
    line("state", entry.state.as_str());
    line("objects", &format!("{}, {}", format::count(entry.objects, "object"), format::bytes(entry.bytes)));
    line("made", &format!("{:.0} by {} on {}, run {}", entry.created_at, entry.user, entry.host, entry.run));
    line("because", if entry.reason.is_empty() { "-" } else { &entry.reason });
    let origin = match &entry.origin {
        Origin::Deleted => "deleted".to_owned(),
        Origin::Late { of } => format!("written while {of} was made"),
        Origin::Displaced => "displaced by a restore".to_owned(),
        Origin::Adopted => "put into the trash by others, and adopted".to_owned(),
    };
    line("origin", &origin);
    match &entry.row {
        Row::None => line("row", "-"),
        Row::Skipped => line("row", "left alone (--skip-db)"),
        Row::Archived { prior } => line("row", &format!("archived; it was {}", prior.as_deref().unwrap_or("unknown"))),
    }
    for late in &entry.late {
        line("late", late.as_str());
    }
    line("next", &format!("`{}`", entry.next_command()));
    text
}
