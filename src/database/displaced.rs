//! What a restore displaces, and how it comes back.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{RunId, format};

/// A database that a restore put aside, or an undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Displaced {
    /// What it is called now: on the server, or as a file.
    pub name: String,
    /// The short name of the run that displaced it.
    pub run: String,
    /// Until when it was live; `None` where it no longer carries the note that says so.
    pub until: Option<Timestamp>,
    /// `None` where the role may not know.
    pub size_bytes: Option<u64>,
}

impl fmt::Display for Displaced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(size) = self.size_bytes {
            write!(formatter, ", {}", format::bytes(size))?;
        }
        match self.until {
            Some(until) => write!(formatter, ", live until {}", format::moment(until)),
            None => formatter.write_str(", live until nobody knows when"),
        }
    }
}

/// How to put one back.
#[derive(Debug, Clone)]
pub struct UndoOptions {
    /// Where an SQLite copy is spooled.
    pub spool: PathBuf,
    pub run: RunId,
}

/// What putting one back would do, known before anything is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UndoPlan {
    /// What is live now and goes aside; `None` where nothing answers by the live name.
    pub live: Option<Affected>,
    /// What it will be called.
    pub kept_as: Option<String>,
    pub warnings: Vec<String>,
}

/// A live database that is about to go aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// `None` where the role may not know.
    pub size_bytes: Option<u64>,
    /// Sessions that will be ended; SQLite knows of none.
    pub connections: Vec<Connections>,
}

/// Sessions of one role and one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connections {
    pub user: String,
    /// Empty where it gave no name.
    pub application: String,
    pub count: u64,
}

impl Affected {
    pub fn connection_count(&self) -> u64 {
        self.connections.iter().map(|connections| connections.count).sum()
    }
}

impl fmt::Display for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, application, count } = self;
        write!(formatter, "{count} of {}", user.escape_debug())?;
        if application.is_empty() { Ok(()) } else { write!(formatter, " ({})", application.escape_debug()) }
    }
}
