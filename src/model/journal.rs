//! `restores/RUN.json`: what a complete restore was going to do, and how far it has come.
//!
//! Written before anything is touched and again at each step, so that a later run knows what a dead one left.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::manifest::{self, Origins};
use super::{BackupId, IndexRow, RunId, SourceName, TrashId};

/// How far a restore has come as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestoreState {
    /// Under way, or killed.
    Running,
    /// It came to its end; `error` says what went wrong all the same.
    Finished,
    /// It gave up half way; `error` says why.
    Failed,
    /// It is being taken back, or that was interrupted.
    Undoing,
    /// It was taken back.
    Undone,
}

impl RestoreState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "unfinished",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Undoing => "half undone",
            Self::Undone => "undone",
        }
    }
}

/// How far one database has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseState {
    Planned,
    /// A side database is being made and filled.
    Loading,
    /// It holds what the backup counted.
    Proven,
    /// It is about to take the live one's place.
    Swapping,
    Swapped,
    /// What was live before is live again.
    Undone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseRecord {
    /// As the configuration calls it.
    pub name: String,
    /// Where it is, without secrets.
    pub target: String,
    pub state: DatabaseState,
    /// The run that loads it: this one, or the one that this one goes on with.
    pub run: RunId,
    /// What it is loaded into beside the live one, where that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<String>,
    /// What tells the restored database from any other that answers by that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Whether there was a live one when it was planned.
    pub displaces: bool,
    /// What that is called now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_as: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesRecord {
    pub source: SourceName,
    /// Its store, without secrets.
    pub target: String,
    /// Trash entries that hold what gave way, in the order of time.
    #[serde(default)]
    pub displaced: Vec<TrashId>,
    pub done: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRecord {
    /// On the host of the run.
    pub folder: String,
    pub done: bool,
}

/// How far one of the operator's own commands has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookState {
    /// There is none, or it was not its turn yet.
    #[default]
    Not,
    /// It was begun, and may have run.
    Begun,
    /// It has come to its end, however that was.
    Done,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksRecord {
    pub before: HookState,
    pub after: HookState,
}

impl HooksRecord {
    /// Whether the application was stopped, perhaps, and not started again.
    pub fn is_open(self) -> bool {
        self.before != HookState::Not && self.after != HookState::Done
    }
}

/// The undo of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRecord {
    pub run: RunId,
    /// By the backup store's clock.
    pub began_at: Timestamp,
    /// Trash entries that hold what the restore had put there.
    #[serde(default)]
    pub entries: Vec<(SourceName, TrashId)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreJournal {
    pub format: u32,
    pub run: RunId,
    /// The run whose unfinished work this one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<RunId>,
    pub backup: BackupId,
    pub host: String,
    pub user: String,
    pub command: String,
    pub dcs_version: String,
    /// By the backup store's clock.
    pub began_at: Timestamp,
    pub state: RestoreState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default)]
    pub databases: Vec<DatabaseRecord>,
    #[serde(default)]
    pub files: Vec<FilesRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigRecord>,
    #[serde(default)]
    pub hooks: HooksRecord,
    /// Every time it was begun to be taken back, the last one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undos: Vec<UndoRecord>,
    /// Where the backup says that everything was.
    #[serde(default)]
    pub origins: Origins,
}

impl RestoreJournal {
    /// Whether that run takes, or took, this restore back.
    pub fn is_undone_by(&self, run: &RunId) -> bool {
        self.undos.iter().any(|undo| undo.run == *run)
    }

    pub const FORMAT: u32 = manifest::FORMAT;

    pub fn database(&self, name: &str) -> Option<&DatabaseRecord> {
        self.databases.iter().find(|record| record.name == name)
    }
}

/// What a restore does to the place of an object that it is about to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing is there.
    Add,
    /// What is there goes to the trash first.
    Replace,
}

/// A line of `restores/RUN/written.NNNN.tsv.gz`: the change, and the object as in the index, without pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRow {
    pub change: Change,
    pub row: IndexRow,
}

impl WrittenRow {
    /// The line, without its newline.
    pub fn line(change: Change, row: &IndexRow) -> String {
        let change = match change {
            Change::Add => "add",
            Change::Replace => "replace",
        };
        let row = IndexRow { pieces: Vec::new(), ..row.clone() };
        format!("{change}\t{row}")
    }

    pub fn parse(line: &str) -> Option<Self> {
        let (change, row) = line.split_once('\t')?;
        let change = match change {
            "add" => Change::Add,
            "replace" => Change::Replace,
            _ => return None,
        };
        Some(Self { change, row: row.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::sha256;
    use crate::model::{Attributes, Key, Piece};

    #[test]
    fn a_line_says_what_was_written_and_not_where_it_lies_in_the_backup() {
        let row = IndexRow {
            source: SourceName::try_from("live/books".to_owned()).unwrap(),
            key: Key::new("42/a b\t%.txt").unwrap(),
            size: 3,
            etag: "e".to_owned(),
            modified: Timestamp::UNIX_EPOCH,
            sha256: sha256(b"abc"),
            attributes: Attributes::default(),
            pieces: vec![Piece { pack: "k3x9bcdf".to_owned(), offset: 0, length: 9 }],
        };
        for change in [Change::Add, Change::Replace] {
            let read = WrittenRow::parse(&WrittenRow::line(change, &row)).unwrap();
            assert_eq!((read.change, &read.row), (change, &IndexRow { pieces: Vec::new(), ..row.clone() }));
        }
        assert_eq!(WrittenRow::parse(&format!("take\t{row}")), None);
    }

    #[test]
    fn an_application_counts_as_stopped_until_the_second_hook_has_come_to_its_end() {
        let hooks = |before, after| HooksRecord { before, after }.is_open();
        assert!(!hooks(HookState::Not, HookState::Not));
        assert!(hooks(HookState::Begun, HookState::Not) && hooks(HookState::Begun, HookState::Begun));
        assert!(!hooks(HookState::Begun, HookState::Done));
    }
}
