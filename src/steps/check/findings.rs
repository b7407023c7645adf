//! Differences between rows, folders and the trash, and the command that mends each.

use serde::Serialize;

use super::MOST_LISTED;
use crate::model::item::ItemKind;
use crate::model::{BucketName, ItemName, TrashId, format};
use crate::trash::Entry;

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A row whose folder is empty, and the trash has nothing of it.
    NoObjects,
    /// A row that is not archived, and its folder is in the trash.
    InTrash,
    /// An archived row whose folder has objects.
    Archived,
    /// A folder that no row names.
    NoRow,
    /// A row that gives no folder.
    NoFolder,
    /// A move that was interrupted.
    Unfinished,
    /// An entry of the trash that cannot be read.
    Unreadable,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: FindingKind,
    pub subject: String,
    pub what: String,
    /// The command that mends it, or what to do where none does.
    pub mend: String,
}

/// A finding with what is needed to look once more.
#[derive(Debug, Clone)]
pub(super) struct Suspect {
    finding: Finding,
    pub(super) about: About,
}

#[derive(Debug, Clone)]
pub(super) enum About {
    /// A row and its folder.
    Row {
        item: ItemName,
        folder: String,
    },
    Folder {
        bucket: BucketName,
        folder: String,
    },
    /// Nothing that changes under the look.
    Other,
}

/// The first findings in words, all in number.
#[derive(Debug, Default)]
pub(super) struct Findings {
    listed: Vec<Suspect>,
    unlisted: u64,
}

impl Findings {
    pub(super) fn add(&mut self, suspect: Suspect) {
        if self.listed.len() < MOST_LISTED {
            self.listed.push(suspect);
        } else {
            self.unlisted += 1;
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.unlisted += other.unlisted;
        other.listed.into_iter().for_each(|suspect| self.add(suspect));
    }

    pub(super) fn end(self) -> (Vec<Suspect>, u64) {
        (self.listed, self.unlisted)
    }
}

impl Suspect {
    fn new(kind: FindingKind, subject: String, what: String, mend: String, about: About) -> Self {
        Self { finding: Finding { kind, subject, what, mend }, about }
    }

    pub(super) fn kind(&self) -> FindingKind {
        self.finding.kind
    }

    pub(super) fn into_finding(self) -> Finding {
        self.finding
    }

    pub(super) fn unfinished(entry: &Entry) -> Self {
        let subject = format!("trash entry {}", entry.id);
        let what = format!("it is {}: what made it was interrupted, or is under way", entry.state.as_str());
        Self::new(FindingKind::Unfinished, subject, what, entry.next_command(), About::Other)
    }

    pub(super) fn broken(entry: &TrashId, reason: &str) -> Self {
        let mend = "copy its objects back with your S3 tool: they lie below it, by their whole paths".to_owned();
        Self::new(FindingKind::Unreadable, format!("trash entry {entry}"), reason.to_owned(), mend, About::Other)
    }

    pub(super) fn no_objects(kind: &ItemKind, item: ItemName, folder: String) -> Self {
        let place = format!("{}/{}/{folder}", kind.store, kind.bucket);
        let what = format!("its folder {} is empty", place.escape_debug());
        let mend = format!("dcs restore-files --only {}", quoted(&place));
        Self::new(FindingKind::NoObjects, item.to_string(), what, mend, About::Row { item, folder })
    }

    pub(super) fn in_trash(item: ItemName, folder: String, entry: &TrashId, status: Option<&str>) -> Self {
        let what = format!("its status is {}, and its folder is in the trash", told(status));
        let mend = format!("dcs restore {entry}");
        Self::new(FindingKind::InTrash, item.to_string(), what, mend, About::Row { item, folder })
    }

    pub(super) fn archived(kind: &ItemKind, item: ItemName, folder: String) -> Self {
        let what = format!("it is archived, and {}/{} has objects", kind.bucket, folder.escape_debug());
        let mend = format!("dcs delete --skip-db {}, or set its status", named(&item));
        Self::new(FindingKind::Archived, item.to_string(), what, mend, About::Row { item, folder })
    }

    pub(super) fn no_folder(kind: &str, id: Option<&str>) -> Self {
        let subject = format!("{kind}/{}", id.unwrap_or("NULL").escape_debug());
        let what = "its row gives no folder: a column is NULL or empty".to_owned();
        let mend = format!("mend the row, or `prefix` in [items.{kind}]");
        Self::new(FindingKind::NoFolder, subject, what, mend, About::Other)
    }

    /// `item` is how the folder is named as an item, where it can be.
    pub(super) fn no_row(
        kind: &ItemKind,
        folder: String,
        (objects, bytes): (u64, u64),
        item: Option<&ItemName>,
    ) -> Self {
        let place = format!("{}/{}/{}", kind.store, kind.bucket, folder.escape_debug());
        let (objects, bytes) = (format::count(objects, "object"), format::bytes(bytes));
        let what = format!("{objects} of {bytes} that no row names");
        let mend = match item {
            Some(item) => format!("dcs delete --skip-db {}, or make the row", named(item)),
            None => "make the row, or remove the objects with your S3 tool".to_owned(),
        };
        Self::new(FindingKind::NoRow, place, what, mend, About::Folder { bucket: kind.bucket.clone(), folder })
    }
}

fn told(status: Option<&str>) -> String {
    status.map_or_else(|| "NULL".to_owned(), |status| format!("{status:?}"))
}

fn named(item: &ItemName) -> String {
    quoted(&format!("{}/{}", item.kind(), item.id()))
}

/// As a shell takes it for one word; what no terminal should be sent is shown, and is to be typed by hand.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./+:@%".contains(letter);
    if text.chars().any(char::is_control) {
        return format!("'{}'", text.escape_debug());
    }
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
