//! `dcs trash adopt`

use clap::Args;

use crate::commands::{Outcome, Session};
use crate::exit::ExitCode;
use crate::model::Prefix;
use crate::steps::items;

/// Make an entry of a folder that others put into the trash bucket
///
/// For what a web interface moved there: `books/42/...` becomes an entry that `dcs restore` brings back. Databases are left
/// alone.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// A folder of the trash bucket: the bucket it belongs to, and the path below, as in `books/42/`
    #[arg(value_name = "PREFIX", value_parser = folder)]
    folder: Prefix,

    /// Why, for those who find it in the trash
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

fn folder(text: &str) -> Result<Prefix, String> {
    let text = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
    Prefix::new(text).map_err(|error| error.to_string())
}

pub(super) async fn run(args: AdoptArgs, session: &Session) -> Outcome {
    let items = session.items(false)?;
    let adopted = items::adopt(&items, &args.folder, &args.reason).await?;
    session.ui().report(&format!("adopted {adopted}"), &adopted)?;
    Ok(ExitCode::Done)
}
