//! How errors about rows of items read: they name the database, the table and the column, and the key of the
//! configuration to look at.

use super::{DatabaseError, ErrorKind};
use crate::model::ItemTable;

pub(super) const READ: &str = "read an item of";
pub(super) const SET: &str = "set a status in";
pub(super) const COMPARE: &str = "read the items of";
pub(super) const LOOK_AROUND: &str = "look for other items in";

/// The table that a call is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) attempted: &'static str,
    pub(super) table: &'a ItemTable,
    /// The database as a person names it.
    pub(super) database: &'a str,
}

impl Subject<'_> {
    fn name(&self) -> String {
        format!("the table {:?} of {}", self.table.table, self.database)
    }

    fn error(&self, kind: ErrorKind) -> DatabaseError {
        DatabaseError::new(kind, self.attempted, self.name())
    }

    /// The same error about the table instead of the database.
    pub(super) fn about(&self, error: DatabaseError) -> DatabaseError {
        DatabaseError { subject: self.name(), ..error }
    }

    pub(super) fn no_table(&self) -> DatabaseError {
        self.error(ErrorKind::NotFound).with_hint(
            "Look at `table` in the section [items.KIND] of the configuration; it has to be the table's name to the letter.",
        )
    }

    pub(super) fn no_column(&self, column: &str) -> DatabaseError {
        let key = match column {
            id if id == self.table.id => "id",
            status if status == self.table.status => "status",
            _ => "prefix",
        };
        let subject = format!("the column {column:?} of {}", self.name());
        DatabaseError::new(ErrorKind::NotFound, "find", subject).with_hint(format!(
            "Look at `{key}` in the section [items.KIND] of the configuration; it has to be the column's name to the letter."
        ))
    }

    pub(super) fn not_unique(&self, id: &str) -> DatabaseError {
        self.error(ErrorKind::Refused)
            .with_detail(format!("several rows have {id:?} in the column {:?}, which is not unique", self.table.id))
            .with_hint("Set `id` in the section [items.KIND] of the configuration to a column that is unique.")
    }

    /// The database would not take the status; `error` has its words.
    pub(super) fn refused(&self, status: &str, error: DatabaseError) -> DatabaseError {
        let hint = format!("Let the column {:?} take {status:?}; nothing was changed.", self.table.status);
        DatabaseError { kind: ErrorKind::Refused, hint: Some(hint), ..self.about(error) }
    }

    /// The change went through and is not what was asked for; it was undone.
    pub(super) fn not_set(&self, changed: usize, now: Option<&str>) -> DatabaseError {
        let found = now.map_or_else(|| "NULL".to_owned(), |status| format!("{status:?}"));
        self.error(ErrorKind::Refused)
            .with_detail(format!(
                "the change reached {changed} rows instead of one, or left {found} in the column {:?}; it was undone",
                self.table.status
            ))
            .with_hint("Look at the triggers and rules of the table.")
    }
}
