//! `dcs trash`

use clap::Subcommand;

use super::{Outcome, Session};

mod adopt;
mod list;
mod purge;
mod show;

/// Look into the trash, and empty it
#[derive(Debug, Subcommand)]
pub enum TrashCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Purge(purge::PurgeArgs),
    Adopt(adopt::AdoptArgs),
}

pub(super) async fn run(command: TrashCommand, session: &Session) -> Outcome {
    match command {
        TrashCommand::List(args) => list::run(args, session).await,
        TrashCommand::Show(args) => show::run(args, session).await,
        TrashCommand::Purge(args) => purge::run(args, session).await,
        TrashCommand::Adopt(args) => adopt::run(args, session).await,
    }
}
