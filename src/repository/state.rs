//! `backups/ID/state/*.json`: what may be said of a backup after it was made.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Result;
use super::{Repository, layout};
use crate::model::{BackupId, Manifest};
use crate::store::Precondition;

const TAGS: &str = "tags";

/// Something that may be said of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It must not be deleted.
    Protected,
    /// Its problems are known, and it is good in spite of them.
    Accepted,
}

impl Mark {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::Accepted => "accepted",
        }
    }
}

/// Who said it, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub by: String,
    pub host: String,
    /// By the store's clock.
    pub at: Timestamp,
}

/// The tags of a backup, once somebody changed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    pub tags: BTreeSet<String>,
    #[serde(flatten)]
    pub said: Said,
}

impl Repository {
    /// The tags of a backup: what was said last of them.
    pub async fn tags(&self, manifest: &Manifest) -> Result<BTreeSet<String>> {
        let said: Option<Tags> = self.get_json(&layout::state(&manifest.id, TAGS)).await?;
        Ok(said.map_or_else(|| manifest.tags.iter().cloned().collect(), |said| said.tags))
    }

    pub async fn set_tags(&self, id: &BackupId, tags: &Tags) -> Result<()> {
        self.put_json(&layout::state(id, TAGS), tags, Precondition::Overwrite).await
    }

    /// Who said so of a backup; `None` where nobody did.
    pub async fn said(&self, id: &BackupId, mark: Mark) -> Result<Option<Said>> {
        self.get_json(&layout::state(id, mark.as_str())).await
    }

    /// Whether somebody said so, legibly or not: what cannot be read still counts.
    pub async fn is_said(&self, id: &BackupId, mark: Mark) -> Result<bool> {
        Ok(self.get(&layout::state(id, mark.as_str())).await?.is_some())
    }

    pub async fn say(&self, id: &BackupId, mark: Mark, said: &Said) -> Result<()> {
        self.put_json(&layout::state(id, mark.as_str()), said, Precondition::Overwrite).await
    }

    pub async fn unsay(&self, id: &BackupId, mark: Mark) -> Result<()> {
        self.remove(&layout::state(id, mark.as_str())).await
    }
}
