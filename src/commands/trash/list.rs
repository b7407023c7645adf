//! `dcs trash list`

use std::time::Duration;

use clap::Args;

use crate::cli::duration;
use crate::commands::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::format;
use crate::steps::items::{self, Filter, Items, Listing};
use crate::trash::Entry;
use crate::ui::Table;

/// List what is in the trash, oldest first
///
/// Tells which deletes and restores were interrupted and what finishes them, and which folders others put there.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    which: Which,
}

/// Which entries.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only entries of items of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,

    /// Only entries that were made longer ago than this, as in `30d`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    older_than: Option<Duration>,
}

impl Which {
    pub(super) fn is_all(&self) -> bool {
        self.kind.is_none() && self.older_than.is_none()
    }

    /// By the store's clock.
    pub(super) async fn filter(&self, items: &Items, session: &Session) -> Result<Filter, CommandError> {
        session.known_kind(self.kind.as_ref())?;
        let before = match self.older_than {
            None => None,
            Some(age) => {
                let age = jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX);
                Some(items.trash.store.now().await?.checked_sub(age).unwrap_or(jiff::Timestamp::MIN))
            }
        };
        Ok(Filter { kind: self.kind.clone(), before })
    }
}

pub(super) async fn run(args: ListArgs, session: &Session) -> Outcome {
    let items = session.items(true)?;
    items.require_trash().await?;
    let filter = args.which.filter(&items, session).await?;
    let listing = items::list(&items, &filter).await?;
    session.ui().answer(&table(&listing), &listing)?;
    for entry in listing.entries.iter().filter(|entry| entry.is_unfinished()) {
        session.ui().warn(&format!("{} is {}; finish it: `{}`", entry.id, entry.state.as_str(), entry.next_command()));
    }
    for name in &listing.foreign {
        let name = name.escape_debug();
        session.ui().note(&format!("{name} was put there by others; make it an entry: `dcs trash adopt {name}`"));
    }
    if listing.entries.is_empty() && listing.foreign.is_empty() && listing.broken.is_empty() {
        session.ui().note("there is nothing in the trash");
    }
    let Some(broken) = listing.broken.first() else { return Ok(ExitCode::Done) };
    for broken in &listing.broken {
        session.ui().warn(&broken.reason);
    }
    let message = format!(
        "{} of the trash cannot be read: {}, ...",
        format::count(listing.broken.len() as u64, "entry"),
        broken.entry
    );
    Err(CommandError::new(ExitCode::Damage, message)
        .hint("Its objects lie below it, by their whole paths: copy them back with your S3 tool."))
}

fn table(listing: &Listing) -> String {
    if listing.entries.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["entry", "item", "when", "objects", "size", "by", "reason"]);
    for entry in &listing.entries {
        let when = entry.created_at.strftime("%Y-%m-%d %H:%M").to_string();
        let state = if entry.is_unfinished() { format!(" ({})", entry.state.as_str()) } else { String::new() };
        let (objects, size) = (entry.objects.to_string(), format::bytes(entry.bytes));
        let reason = entry.reason.escape_debug().to_string();
        table.row([entry.id.to_string(), what(entry) + &state, when, objects, size, entry.user.clone(), reason]);
    }
    table.to_string()
}

/// The item, or the folder of what is none.
pub(super) fn what(entry: &Entry) -> String {
    entry.item.as_ref().map_or_else(|| entry.folder(), ToString::to_string)
}
