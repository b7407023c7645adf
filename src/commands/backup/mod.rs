//! `dcs backup db | files | config | complete | list | show | cat | ls | diff | export | protect | unprotect | accept | tag |
//! delete | prune`

use clap::Subcommand;

use super::{Outcome, Session};

mod cat;
mod create;
mod delete;
mod diff;
mod export;
mod list;
mod look;
mod ls;
mod prune;
mod show;
mod state;

pub(super) use create::summary_line;
pub(super) use list::kind;

/// Make backups and look at them
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    Db(create::DbArgs),
    Files(create::FilesArgs),
    Config(create::ConfigArgs),
    Complete(create::CompleteArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Ls(ls::LsArgs),
    Cat(cat::CatArgs),
    Diff(diff::DiffArgs),
    Export(export::ExportArgs),
    Protect(state::ProtectArgs),
    Unprotect(state::UnprotectArgs),
    Accept(state::AcceptArgs),
    Tag(state::TagArgs),
    Delete(delete::DeleteArgs),
    Prune(prune::PruneArgs),
}

pub(super) async fn run(command: BackupCommand, session: &Session) -> Outcome {
    match command {
        BackupCommand::Db(args) => args.run(session).await,
        BackupCommand::Files(args) => args.run(session).await,
        BackupCommand::Config(args) => args.run(session).await,
        BackupCommand::Complete(args) => args.run(session).await,
        BackupCommand::List(args) => list::run(args, session).await,
        BackupCommand::Show(args) => show::run(args, session).await,
        BackupCommand::Ls(args) => ls::run(args, session).await,
        BackupCommand::Cat(args) => cat::run(args, session).await,
        BackupCommand::Diff(args) => diff::run(args, session).await,
        BackupCommand::Export(args) => export::run(args, session).await,
        BackupCommand::Protect(args) => args.run(session).await,
        BackupCommand::Unprotect(args) => args.run(session).await,
        BackupCommand::Accept(args) => args.run(session).await,
        BackupCommand::Tag(args) => args.run(session).await,
        BackupCommand::Delete(args) => delete::run(args, session).await,
        BackupCommand::Prune(args) => prune::run(args, session).await,
    }
}
