//! What people say of a backup after it was made: that it must stay, that its problems are known.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::{Context, Result, StepError};
use crate::model::BackupId;
use crate::repository::state::{Mark, Said, Tags};

/// What was said of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Saying {
    Protect,
    Unprotect,
    Accept,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Stated {
    pub id: BackupId,
    pub state: Saying,
    /// False where it was so before.
    pub changed: bool,
}

impl fmt::Display for Stated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.state, self.changed) {
            (Saying::Protect, true) => "is protected: it cannot be deleted",
            (Saying::Protect, false) => "was protected before",
            (Saying::Unprotect, true) => "is no longer protected",
            (Saying::Unprotect, false) => "was not protected",
            (Saying::Accept, true) => "is accepted: its problems no longer keep it from being chosen",
            (Saying::Accept, false) => "is good as it is, or was accepted before",
        };
        write!(formatter, "backup {} {text}", self.id)
    }
}

/// Says something of a backup; with `dry_run`, answers what would come of it.
pub async fn state(context: &Context, id: &BackupId, saying: Saying, user: &str, dry_run: bool) -> Result<Stated> {
    let repository = &context.repository;
    let manifest = repository.manifest(id).await?;
    let mark = if saying == Saying::Accept { Mark::Accepted } else { Mark::Protected };
    if saying == Saying::Accept && manifest.incomplete {
        let error = StepError::refused("accept backup", id.as_str(), "a part of it is missing altogether");
        return Err(error.with_hint(format!("See what: `dcs backup show {id}`. Make another: `dcs backup complete`.")));
    }
    let is_said = repository.is_said(id, mark).await?;
    let changed = match saying {
        Saying::Protect => !is_said,
        Saying::Unprotect => is_said,
        Saying::Accept => !is_said && !manifest.is_good(),
    };
    if changed && !dry_run {
        if saying == Saying::Unprotect {
            repository.unsay(id, mark).await?;
        } else {
            let said = Said { by: user.to_owned(), host: context.host.clone(), at: repository.now().await? };
            repository.say(id, mark, &said).await?;
        }
    }
    Ok(Stated { id: id.clone(), state: saying, changed })
}

/// The tags of a backup, after a change.
#[derive(Debug, Serialize)]
pub struct Tagged {
    pub id: BackupId,
    pub tags: BTreeSet<String>,
}

impl fmt::Display for Tagged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        let tags = if tags.is_empty() { "no tags".to_owned() } else { tags.join(", ") };
        write!(formatter, "backup {}: {tags}", self.id)
    }
}

/// Adds tags to a backup, and takes some away; with `dry_run`, answers what would come of it.
pub async fn tag(
    context: &Context,
    id: &BackupId,
    (add, remove): (Vec<String>, &[String]),
    user: &str,
    dry_run: bool,
) -> Result<Tagged> {
    let repository = &context.repository;
    let before = repository.tags(&repository.manifest(id).await?).await?;
    let mut tags = before.clone();
    tags.extend(add);
    tags.retain(|tag| !remove.contains(tag));
    if tags != before && !dry_run {
        let said = Said { by: user.to_owned(), host: context.host.clone(), at: repository.now().await? };
        repository.set_tags(id, &Tags { tags: tags.clone(), said }).await?;
    }
    Ok(Tagged { id: id.clone(), tags })
}
