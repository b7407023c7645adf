//! `TRASH-ID/entry.json`: what an entry is, and how far the move has come.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{BucketName, ItemName, Key, RunId, TrashId, manifest};
use crate::store::Address;

/// The entry is the journal of its own moves: each state says what is where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// Copies are being made; the originals are all in place.
    Moving,
    /// Every copy is proven and listed, the row is archived; originals are being removed.
    Archived,
    /// The entry holds the objects, and nothing else does.
    Complete,
    /// Objects are being copied back; the entry holds all of them.
    Restoring,
    /// All objects are back; the entry is being emptied.
    Restored,
    /// The objects are being destroyed.
    Purging,
}

impl EntryState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Archived => "archived",
            Self::Complete => "complete",
            Self::Restoring => "restoring",
            Self::Restored => "restored",
            Self::Purging => "purging",
        }
    }
}

/// How the objects came here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Origin {
    /// `dcs delete`.
    Deleted,
    /// They were written into a folder while it was deleted: a part of that entry.
    Late { of: TrashId },
    /// A restore put others in their place.
    Displaced,
    /// Others put them into the trash bucket, and `dcs trash adopt` made an entry of them.
    Adopted,
}

/// What happened to the item's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Row {
    /// The kind has no table, or the entry is no item's.
    None,
    /// Its status was, or is going to be, archived; `prior` is what it was.
    Archived { prior: Option<String> },
    /// It was left alone: `--skip-db`.
    Skipped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub format: u32,
    pub id: TrashId,
    pub state: EntryState,
    pub origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemName>,
    pub row: Row,
    /// Whether the objects come from the trash bucket itself, from a folder named as their bucket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Where the objects belong.
    pub bucket: BucketName,
    pub prefix: String,
    /// Known from the state `archived` on.
    pub objects: u64,
    pub bytes: u64,
    /// Who made it, and how.
    pub host: String,
    pub user: String,
    pub run: RunId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub created_at: Timestamp,
    /// The entry of what a restore of this one found in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displaced: Option<TrashId>,
    /// Entries of what was written while this one was made, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<TrashId>,
}

/// Who makes an entry.
#[derive(Debug, Clone)]
pub struct Maker {
    pub host: String,
    pub user: String,
    pub run: RunId,
    pub reason: String,
}

impl Entry {
    pub fn new(at: Timestamp, origin: Origin, bucket: BucketName, prefix: &str, maker: Maker) -> Self {
        Self {
            format: manifest::FORMAT,
            id: TrashId::create(at),
            state: EntryState::Moving,
            item: None,
            row: Row::None,
            adopted: origin == Origin::Adopted,
            origin,
            bucket,
            prefix: prefix.to_owned(),
            objects: 0,
            bytes: 0,
            host: maker.host,
            user: maker.user,
            run: maker.run,
            reason: maker.reason,
            created_at: at,
            displaced: None,
            late: Vec::new(),
        }
    }

    /// Where an object of this key belongs.
    pub fn place(&self, key: &Key) -> Address {
        Address::new(self.bucket.clone(), key.clone())
    }

    /// The folder that the objects belong to, for people: `books/42/`.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.bucket, self.prefix.escape_debug())
    }

    /// The command that finishes what was begun.
    pub fn next_command(&self) -> String {
        match (self.state, &self.origin, &self.item) {
            (EntryState::Moving | EntryState::Archived, Origin::Adopted, _) => {
                format!("dcs trash adopt {}", self.folder())
            }
            (EntryState::Moving | EntryState::Archived, Origin::Deleted | Origin::Late { .. }, Some(item)) => {
                format!("dcs delete {item}")
            }
            (EntryState::Moving | EntryState::Archived, ..) => "the restore that made it, once more".to_owned(),
            (EntryState::Purging, ..) => format!("dcs trash purge {}", self.id),
            (EntryState::Complete | EntryState::Restoring | EntryState::Restored, ..) => {
                format!("dcs restore {}", self.id)
            }
        }
    }

    /// Whether a delete or a restore was begun and not finished.
    pub fn is_unfinished(&self) -> bool {
        self.state != EntryState::Complete
    }
}
