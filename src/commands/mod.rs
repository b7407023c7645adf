//! One file a subcommand: arguments, help, and a recipe.

use clap::Subcommand;

use crate::error::CommandError;
use crate::exit::ExitCode;

mod backup;
mod catalog;
mod check;
mod completions;
mod config;
mod deeds;
mod delete;
mod doctor;
mod finish;
mod history;
mod init;
mod items;
mod man;
mod open;
mod restore;
mod restore_complete;
mod restore_db;
mod restore_files;
mod restore_item;
mod schedule;
mod session;
mod status;
mod telling;
mod told;
mod trash;
mod usage;
mod verify;
mod waiting;

pub use completions::script;
pub use deeds::deed;
pub use finish::fault;
pub use man::{OTHER_PAGES, pages};
pub use session::Session;
pub use usage::usage_error;

/// What a command ends with.
pub type Outcome = Result<ExitCode, CommandError>;

#[derive(Debug, Subcommand)]
pub enum Command {
    Delete(delete::DeleteArgs),
    Restore(restore_item::RestoreArgs),
    #[command(subcommand)]
    Trash(trash::TrashCommand),
    Init(init::InitArgs),
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    Verify(verify::VerifyArgs),
    Check(check::CheckArgs),
    History(history::HistoryArgs),
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    RestoreDb(restore_db::RestoreDbArgs),
    RestoreFiles(restore_files::RestoreFilesArgs),
    RestoreComplete(restore_complete::RestoreCompleteArgs),
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    pub async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Delete(args) => delete::run(args, session).await,
            Self::Restore(args) => restore_item::run(args, session).await,
            Self::Trash(command) => trash::run(command, session).await,
            Self::Init(args) => init::run(args, session).await,
            Self::Backup(command) => backup::run(command, session).await,
            Self::Check(args) => check::run(args, session).await,
            Self::History(args) => history::run(args, session).await,
            Self::Catalog(command) => catalog::run(command, session).await,
            Self::Status(args) => status::run(args, session).await,
            Self::Doctor(args) => Box::pin(doctor::run(args, session)).await,
            Self::Verify(args) => verify::run(args, session).await,
            Self::RestoreDb(args) => restore_db::run(args, session).await,
            Self::RestoreFiles(args) => restore_files::run(args, session).await,
            Self::RestoreComplete(args) => restore_complete::run(args, session).await,
            Self::Schedule(command) => schedule::run(command, session),
            Self::Config(command) => config::run(command, session).await,
            Self::Completions(args) => completions::run(&args, session),
            Self::Man(args) => man::run(&args, session),
        }
    }
}
