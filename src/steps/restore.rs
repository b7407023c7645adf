//! The restore of a whole system, in the order that keeps a way back at every line.

use super::restore_database::{self, DatabaseRestorePlan, Restored};
use super::restore_files::{self, FilesRestorePlan, FilesRestored};
use super::{Context, Result};

/// What a complete restore will do, planned component by component.
pub struct CompletePlan {
    pub databases: Vec<DatabaseRestorePlan>,
    pub files: Option<FilesRestorePlan>,
    /// Whether the databases change places though files are damaged.
    pub skip_damaged: bool,
}

/// What it did.
pub struct CompleteRestored {
    pub databases: Vec<Restored>,
    /// Databases that were proven and not swapped in, because files turned out to be damaged.
    pub held_back: Vec<String>,
    pub files: Option<FilesRestored>,
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
        return Ok(CompleteRestored { databases: Vec::new(), held_back, files });
    }

    // 3. The databases change places last: their rows point to objects that are back by now.
    let done = files.iter().filter(|files| files.has_changed()).map(|_| "files".to_owned()).collect();
    let databases = restore_database::swap_all(proven, done).await?;
    Ok(CompleteRestored { databases, held_back: Vec::new(), files })
}
