//! What the commands on items and on the trash share.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Outcome, Session, open};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{ItemName, Prefix};
use crate::repository::locks::Locks;
use crate::settings::{host_name, user_name};
use crate::steps::items::Items;
use crate::trash::{LOCKS, TrashBucket};

impl Session {
    /// What steps on items work with. For a dry run every write to the store fails.
    pub(super) fn items(&self, dry_run: bool) -> Result<Items, CommandError> {
        let settings = self.settings()?;
        let Some(trash) = &settings.trash else {
            let message = format!("the configuration {} has no [trash] section", settings.path_or_default().display());
            return Err(CommandError::new(ExitCode::Usage, message)
                .hint("Add it: `store` and `bucket`, another bucket of the items' store. See `dcs config example`."));
        };
        let store = open::store(&settings.stores[&trash.store], dry_run)?;
        let mut databases = BTreeMap::new();
        for name in settings.items.values().filter_map(|kind| kind.table.as_ref()).map(|(database, _)| database) {
            databases.insert(name.clone(), open::database(&settings.databases[name], settings)?);
        }
        let spool = settings.spool();
        open::make_spool(&spool)?;
        let folder = Prefix::new(LOCKS).expect("it ends in a slash");
        Ok(Items {
            run: self.run().clone(),
            host: host_name(),
            user: user_name(&settings.environment),
            trash: TrashBucket { store: Arc::clone(&store), bucket: trash.bucket.clone() },
            kinds: settings.items.clone(),
            databases,
            locks: Locks::new(store, trash.bucket.clone(), folder, self.holder()),
            lock_wait: self.lock_wait(),
            spool,
            progress: self.ui().progress(),
        })
    }

    /// The kind must be one of the configuration.
    pub(super) fn known_kind(&self, kind: Option<&String>) -> Result<(), CommandError> {
        let settings = self.settings()?;
        match kind {
            Some(kind) if !settings.items.contains_key(kind) => {
                let known: Vec<&str> = settings.items.keys().map(String::as_str).collect();
                let message = format!("there is no kind {kind:?} in the configuration");
                Err(CommandError::new(ExitCode::Usage, message).hint(format!("There are: {}.", known.join(", "))))
            }
            _ => Ok(()),
        }
    }
}

/// What could not be done with one of several.
#[derive(Serialize)]
struct Failed {
    subject: String,
    #[serde(flatten)]
    error: CommandError,
}

#[derive(Serialize)]
struct Answer<'a, T> {
    done: &'a [T],
    failed: &'a [Failed],
}

/// Collects what became of several items, each for itself.
pub(super) struct Several<T> {
    asked: usize,
    done: Vec<T>,
    failed: Vec<Failed>,
}

impl<T: Serialize + std::fmt::Display> Several<T> {
    pub(super) fn of(asked: usize) -> Self {
        Self { asked, done: Vec::new(), failed: Vec::new() }
    }

    /// Notes one. Of a single one the failure is the command's.
    pub(super) fn add(
        &mut self,
        subject: &impl ToString,
        result: Result<T, CommandError>,
        session: &Session,
    ) -> Result<(), CommandError> {
        match result {
            Ok(done) => self.done.push(done),
            Err(error) if self.asked == 1 => return Err(error),
            Err(error) => {
                let causes: Vec<&str> =
                    std::iter::once(&error.message).chain(&error.causes).map(String::as_str).collect();
                session.ui().warn(&format!("{}: {}", subject.to_string(), causes.join("; because: ")));
                error.hints.iter().for_each(|hint| session.ui().note(&format!("hint: {hint}")));
                self.failed.push(Failed { subject: subject.to_string(), error });
            }
        }
        Ok(())
    }

    /// Prints what was done, each in a line that begins with `verb`; exit 3 where some of it failed.
    pub(super) fn report(self, verb: &str, session: &Session) -> Outcome {
        let lines: Vec<String> = self.done.iter().map(|done| format!("{verb}{done}")).collect();
        session.ui().report(&lines.join("\n"), &Answer { done: &self.done, failed: &self.failed })?;
        if self.failed.is_empty() {
            return Ok(ExitCode::Done);
        }
        let names: Vec<&str> = self.failed.iter().map(|failed| failed.subject.as_str()).collect();
        let message = format!("{} of {} failed: {}", self.failed.len(), self.asked, names.join(", "));
        Err(CommandError::new(ExitCode::Problems, message)
            .hint("Mend each as its message says, and run the same command for it again."))
    }
}

/// Each item once, in the order given.
pub(super) fn once(items: Vec<ItemName>) -> Vec<ItemName> {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}
