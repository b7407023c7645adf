//! Would we survive? What there is to lose, how old the newest backup of it is and whether that was shown to restore; and
//! what stands around: the trash, the room, runs, and what nobody backs up.
//!
//! Looks only: takes no lock, writes nothing. What of the live system does not answer is a problem, and the rest is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::Result;
use crate::database::Database;
use crate::model::{FileSource, Objectives, Problem};
use crate::repository::Repository;
use crate::repository::locks::{Held, Holder};
use crate::store::ObjectStore;
use crate::trash::TrashBucket;

mod around;
mod components;
mod objectives;
mod protection;
mod runs;
mod space;
mod walk;

pub use around::{Interrupted, TrashState};
pub use components::{Component, Failures, Good, PassedOver, Proven, Standing};
pub use objectives::Judged;
pub use space::{Largest, Space, Usage, usage};

/// What of the configuration says what there is to lose.
#[derive(Debug, Default)]
pub struct Live {
    /// The databases to back up, by their names.
    pub databases: Vec<String>,
    pub files: Vec<FileSource>,
    pub config: bool,
    /// Every database of the configuration, by its name.
    pub known_databases: BTreeMap<String, Arc<dyn Database>>,
    /// Stores with live things in them, by their names.
    pub stores: BTreeMap<String, Arc<dyn ObjectStore>>,
    pub trash: Option<TrashBucket>,
    pub trash_keep: Option<std::time::Duration>,
}

/// What to look at.
#[derive(Debug)]
pub struct StatusOptions {
    /// `None` where there is no configuration: then what the backups hold is all that is known.
    pub live: Option<Live>,
    pub objectives: Objectives,
    /// This process, to tell which locks are of dead ones.
    pub holder: Holder,
    /// Whether only the objectives are asked for.
    pub only_objectives: bool,
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Status {
    pub repository: String,
    /// By the backup store's clock.
    pub at: Timestamp,
    pub components: Vec<Standing>,
    pub objectives: Vec<Judged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trash: Option<TrashState>,
    /// What is running, or waits for what is.
    pub running: Vec<Held>,
    /// What was begun and did not come to its end, with what mends it.
    pub interrupted: Vec<Interrupted>,
    /// Buckets and databases that exist and are in no backup.
    pub unprotected: Vec<String>,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
}

impl Status {
    pub fn missed(&self) -> impl Iterator<Item = &Judged> {
        self.objectives.iter().filter(|judged| !judged.met)
    }
}

/// Looks at everything.
pub async fn look(repository: &Repository, options: StatusOptions, problems: Vec<Problem>) -> Result<Status> {
    let now = repository.now().await?;
    let mut status = Status {
        repository: repository.describe(),
        at: now,
        components: Vec::new(),
        objectives: Vec::new(),
        space: None,
        trash: None,
        running: Vec::new(),
        interrupted: Vec::new(),
        unprotected: Vec::new(),
        problems,
    };
    let is_whole = !options.only_objectives;
    let buckets = match &options.live {
        Some(live) => protection::buckets(repository, live, is_whole, &mut status.problems).await,
        None => BTreeMap::new(),
    };
    let wanted = components::wanted(options.live.as_ref(), &buckets, &options.objectives);
    status.components = walk::walk(repository, wanted, now).await?;
    runs::count_failures(repository, &mut status.components, now).await?;
    if is_whole || options.objectives.disk_used.is_some() {
        status.space = Some(space::of(repository, now).await?);
    }
    status.objectives = objectives::judge(&options.objectives, &status.components, status.space.as_ref());
    if is_whole {
        around::look(repository, &options, &mut status).await;
        if let Some(live) = &options.live {
            status.unprotected = protection::unprotected(live, &buckets, &mut status.problems).await;
        }
    }
    Ok(status)
}
