//! `dcs backup db | files | config | complete | list | show`

use clap::Subcommand;

use super::{Outcome, Session};

mod create;
mod list;
mod show;

pub(super) use create::summary_line;

/// Make backups and look at them
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    Db(create::DbArgs),
    Files(create::FilesArgs),
    Config(create::ConfigArgs),
    Complete(create::CompleteArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
}

pub(super) async fn run(command: BackupCommand, session: &Session) -> Outcome {
    match command {
        BackupCommand::Db(args) => args.run(session).await,
        BackupCommand::Files(args) => args.run(session).await,
        BackupCommand::Config(args) => args.run(session).await,
        BackupCommand::Complete(args) => args.run(session).await,
        BackupCommand::List(args) => list::run(args, session).await,
        BackupCommand::Show(args) => show::run(args, session).await,
    }
}
