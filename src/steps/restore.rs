//! The restore of a whole system, in the order that keeps a way back at every line.

use super::hooks::Hooks;
use super::restore_database::{self, DatabaseRestorePlan, Restored};
use super::restore_files::{self, FilesRestorePlan, FilesRestored};
use super::{Context, Result, StepError};

/// What a complete restore will do, planned component by component.
pub struct CompletePlan {
    pub databases: Vec<DatabaseRestorePlan>,
    pub files: Option<FilesRestorePlan>,
    /// Whether the databases change places though files are damaged.
    pub skip_damaged: bool,
    pub hooks: Hooks,
}

/// What it did.
pub struct CompleteRestored {
    pub databases: Vec<Restored>,
    /// Databases that were proven and not swapped in, because files turned out to be damaged.
    pub held_back: Vec<String>,
    pub files: Option<FilesRestored>,
    /// Why the hook after the swap failed.
    pub after: Option<StepError>,
}

/// Carries the plan out. Run again after any interruption, it finishes: objects that are back count as the same, and
/// databases are restored anew.
pub async fn execute(context: &Context, plan: CompletePlan) -> Result<CompleteRestored> {
    // 1. Databases beside the live ones. A crash leaves side databases, named after this run; the live ones answer.
    let proven = restore_database::prove_all(context, plan.databases).await?;

    // 2. Objects: adding harms nobody, and what differs goes to the trash first. A crash leaves some back and some not.
    let files = match plan.files {
        Some(files) => restore_files::execute(context, files).await.map(Some),
        None => Ok(None),
    };
    let files = match files {
        Ok(files) => files,
        Err(error) => {
            restore_database::discard_all(proven).await;
            return Err(error);
        }
    };

    // Rows would point to objects that are not back, which nobody has agreed to.
    if !plan.skip_damaged && files.as_ref().is_some_and(|files| !files.is_undamaged()) {
        let held_back = proven.iter().map(|loaded| loaded.name().to_owned()).collect();
        restore_database::discard_all(proven).await;
        return Ok(CompleteRestored { databases: Vec::new(), held_back, files, after: None });
    }

    // 3. The databases change places last, with the application stopped: their rows point to objects that are back by now.
    let done = files.iter().filter(|files| files.has_changed()).map(|_| "files".to_owned()).collect();
    let swapped = restore_database::swap_all(proven, done, &plan.hooks).await?;
    Ok(CompleteRestored { databases: swapped.done, held_back: Vec::new(), files, after: swapped.after })
}
