//! `README.txt` and `RECOVERY.txt`: how to restore without dcs.

use super::Repository;

/// The text that lies in the repository's root.
pub fn readme(_repository: &Repository) -> String {
    "This is a backup repository made by dcs. How to restore a backup without dcs is written in backups/ID/RECOVERY.txt.\n"
        .to_owned()
}
