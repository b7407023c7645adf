//! What of a dump a restore takes, and how.

use crate::model::database::{Fingerprint, TableCount};

/// Everything of it, into the live one's place, unless chosen otherwise.
#[derive(Debug, Clone, Default)]
pub struct RestoreChoices {
    pub extent: Extent,
    /// Everything belongs to the role that restores, and nobody else has rights on it.
    pub no_owner: bool,
    /// Nothing may answer by the name: no live database is touched.
    pub must_be_new: bool,
    /// The operator knows that there is room.
    pub assume_space: bool,
    /// So many tables are loaded, and indexes made, at once: the dump is spooled first. One, where it is 0.
    pub jobs: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Extent {
    #[default]
    Everything,
    /// The rows of some tables. The definitions of all come along, for the types and functions that they need, but no
    /// indexes and constraints, which the rows of other tables might have to meet.
    Rows(SelectedTables),
    /// All definitions, no rows.
    Definitions,
}

/// The tables of these names in these schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectedTables {
    pub schemas: Vec<String>,
    /// All tables where there is no name.
    pub names: Vec<String>,
}

impl SelectedTables {
    pub fn takes(&self, schema: &str, name: &str) -> bool {
        self.schemas.iter().any(|known| known == schema)
            && (self.names.is_empty() || self.names.iter().any(|known| known == name))
    }
}

impl Extent {
    /// What of a dump's tables will have rows.
    pub fn tables<'a>(&'a self, fingerprint: &'a Fingerprint) -> impl Iterator<Item = &'a TableCount> {
        fingerprint.tables.iter().filter(move |table| match self {
            Self::Everything => true,
            Self::Rows(selected) => selected.takes(&table.schema, &table.name),
            Self::Definitions => false,
        })
    }
}
