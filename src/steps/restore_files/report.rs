//! What a restore of files did.

use std::fmt;

use serde::Serialize;

use crate::model::{Report, format};

/// What was restored.
#[derive(Debug, Default, Serialize)]
pub struct FilesRestored {
    pub added_objects: u64,
    pub replaced_objects: u64,
    pub same_objects: u64,
    /// Objects that are not in the backup, and were removed because that was asked for.
    pub removed_objects: u64,
    pub restored_bytes: u64,
    /// Objects that are damaged in the backup. Whatever is live in their places was left as it was.
    pub damaged: Report,
    /// Trash entries that hold what was replaced.
    pub displaced_to: Vec<String>,
    #[serde(flatten)]
    pub report: Report,
}

impl FilesRestored {
    /// Whether anything live is other than it was.
    pub(in crate::steps) fn has_changed(&self) -> bool {
        self.added_objects + self.replaced_objects + self.removed_objects > 0
    }

    /// Whether every object of the backup could be read.
    pub fn is_undamaged(&self) -> bool {
        self.damaged.is_clean()
    }
}

impl fmt::Display for FilesRestored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = format::count(self.added_objects, "object");
        let (replaced, same) = (self.replaced_objects, self.same_objects);
        write!(formatter, "restored files: {added} added, {replaced} replaced, {same} the same")?;
        if self.removed_objects > 0 {
            write!(formatter, ", {} removed", self.removed_objects)?;
        }
        if !self.displaced_to.is_empty() {
            let what = if self.removed_objects > 0 { "replaced or removed" } else { "replaced" };
            write!(formatter, "; what was {what} is in the trash as {}", self.displaced_to.join(", "))?;
        }
        if !self.damaged.is_clean() {
            write!(formatter, "; {} damaged in the backup and left as they were", self.damaged.problem_count)?;
        }
        if !self.report.is_clean() {
            write!(formatter, "; {} not restored", self.report.problem_count)?;
        }
        Ok(())
    }
}
