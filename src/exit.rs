//! The exit codes: one enum, one mapping. They are an API; a code that is not listed here means failure.

use serde::{Serialize, Serializer};

/// What a process of dcs ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// done
    Done,
    /// failed, for a reason with no code of its own
    Failed,
    /// usage or configuration error; nothing was done
    Usage,
    /// finished with problems: some items failed or were skipped, the rest is done
    Problems,
    /// damage found: a backup or an entry is not what its manifest says
    Damage,
    /// refused: a precondition or a confirmation is missing; nothing was changed
    Refused,
    /// not found: item, trash entry, backup
    NotFound,
    /// locked: another run holds the lock; nothing was done
    Locked,
    /// cannot decrypt: key missing or wrong
    CannotDecrypt,
    /// store unreachable or access denied
    Store,
    /// database unreachable, access denied, or its tool failed
    Database,
    /// stale: `status --check` found an objective missed
    Stale,
    /// interrupted; what was begun is undone or will be resumed
    Interrupted,
    /// terminated; what was begun is undone or will be resumed
    Terminated,
}

impl ExitCode {
    /// Every code with its meaning, in order: the table of the README and the man pages.
    pub const TABLE: [(Self, &'static str); 14] = [
        (Self::Done, "done"),
        (Self::Failed, "failed, for a reason with no code of its own"),
        (Self::Usage, "usage or configuration error; nothing was done"),
        (Self::Problems, "finished with problems: some items failed or were skipped, the rest is done"),
        (Self::Damage, "damage found: a backup or an entry is not what its manifest says"),
        (Self::Refused, "refused: a precondition or a confirmation is missing; nothing was changed"),
        (Self::NotFound, "not found: item, trash entry, backup"),
        (Self::Locked, "locked: another run holds the lock; nothing was done"),
        (Self::CannotDecrypt, "cannot decrypt: key missing or wrong"),
        (Self::Store, "store unreachable or access denied"),
        (Self::Database, "database unreachable, access denied, or its tool failed"),
        (Self::Stale, "stale: an objective was missed"),
        (Self::Interrupted, "interrupted; what was begun is undone or will be resumed"),
        (Self::Terminated, "terminated; what was begun is undone or will be resumed"),
    ];

    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Problems => 3,
            Self::Damage => 4,
            Self::Refused => 5,
            Self::NotFound => 10,
            Self::Locked => 11,
            Self::CannotDecrypt => 12,
            Self::Store => 20,
            Self::Database => 21,
            Self::Stale => 30,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl Serialize for ExitCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_in_order() {
        let numbers: Vec<u8> = ExitCode::TABLE.iter().map(|(code, _)| code.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        assert!(!numbers.contains(&101), "101 is the panic code");
    }
}
