//! `dcs status`

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::open::{self, Places};
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{Problem, format};
use crate::repository::Repository;
use crate::settings::{Settings, StoreSettings};
use crate::steps::status::{self, Live, Status, StatusOptions, Usage};
use crate::steps::with_causes;
use crate::store::ObjectStore;
use crate::trash::TrashBucket;

mod text;

/// Tell whether all would survive a loss now, and what to do where it would not
///
/// For each database, each bucket and the configuration: the newest good backup, its age, when one was last proven to
/// restore, and how many runs failed since. Then the objectives of the configuration, the room that the backups take, the
/// trash, what is running, what was interrupted, and which buckets and databases are in no backup. Takes no lock and changes
/// nothing. What could not be looked at is exit code 3. With `--repo` alone, what only a configuration knows is left out.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Tell of the objectives only, and end with exit code 30 where one is missed: for a monitor
    #[arg(long, conflicts_with = "usage")]
    check: bool,

    /// Tell also what each bucket of the stores holds: objects, bytes, the largest object; lists all of them
    #[arg(long)]
    usage: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    /// `yes`, `unproven` or `no`.
    survives: &'static str,
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Vec<Usage>>,
}

pub(super) async fn run(args: StatusArgs, session: &Session) -> Outcome {
    let settings = session.settings()?;
    if args.check && settings.objectives.is_empty() {
        let message =
            format!("the configuration {} has no [objectives] to check", settings.path_or_default().display());
        return Err(CommandError::new(ExitCode::Usage, message)
            .hint("Say what you want, as `db = \"26h\"` under [objectives]. See `dcs config example`."));
    }
    let repository = session.repository(true).await?;
    let mut problems = Vec::new();
    let live = live(settings, &mut problems)?;
    let options = StatusOptions {
        live,
        objectives: settings.objectives.clone(),
        holder: session.holder(),
        only_objectives: args.check,
    };
    let mut status = Box::pin(status::look(&repository, options, problems)).await?;
    let mut counted = None;
    if args.usage {
        counted = Some(usage(settings, &repository, &mut status.problems).await);
    }
    let survives = text::survives(&status);
    if args.check {
        session.ui().report(&text::objectives(&status), &Answer { survives, status: &status, usage: counted })?;
        return check(&status);
    }
    let text = text::screen(&status, counted.as_deref(), settings.path.is_some());
    session.ui().answer(&text, &Answer { survives, status: &status, usage: counted })?;
    unseen(&status)
}

/// What the configuration knows of the live system; `None` without one. A store that is not there is a problem.
fn live(settings: &Settings, problems: &mut Vec<Problem>) -> Result<Option<Live>, CommandError> {
    if settings.path.is_none() {
        return Ok(None);
    }
    let backup = &settings.backup;
    let mut live = Live {
        databases: backup.databases.clone(),
        files: backup.files.clone(),
        config: !backup.config.is_empty() || !backup.capture.is_empty(),
        ..Live::default()
    };
    for name in settings.databases.keys() {
        let found = Places::default().database(name, settings)?;
        live.known_databases.insert(name.clone(), open::database(&found, settings)?);
    }
    let is_live = |(name, store): &(&String, &StoreSettings)| {
        let is_named = backup.files.iter().any(|source| source.store == **name)
            || settings.items.values().any(|kind| kind.store == **name)
            || settings.trash.as_ref().is_some_and(|trash| trash.store == **name);
        is_named || settings.repository.as_ref().is_none_or(|target| target.store != **store)
    };
    live.stores = open_all(settings.stores.iter().filter(is_live), problems);
    if let Some(trash) = &settings.trash {
        live.trash_keep = trash.keep;
        let store = live.stores.get(&trash.store);
        live.trash = store.map(|store| TrashBucket { store: Arc::clone(store), bucket: trash.bucket.clone() });
    }
    Ok(Some(live))
}

fn open_all<'a>(
    stores: impl Iterator<Item = (&'a String, &'a StoreSettings)>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Arc<dyn ObjectStore>> {
    let mut opened = BTreeMap::new();
    for (name, settings) in stores {
        match open::store(settings, true) {
            Ok(store) => drop(opened.insert(name.clone(), store)),
            Err(error) => problems.push(Problem::new(format!("store {name}"), with_causes(&error))),
        }
    }
    opened
}

async fn usage(settings: &Settings, repository: &Repository, problems: &mut Vec<Problem>) -> Vec<Usage> {
    // What was not there a moment ago is a problem already.
    let mut stores = open_all(settings.stores.iter(), &mut Vec::new());
    if stores.is_empty() {
        stores.insert("repository".to_owned(), Arc::clone(&repository.store));
    }
    status::usage(&stores, problems).await
}

/// The exit code of what could not be looked at.
fn unseen(status: &Status) -> Outcome {
    let Some(first) = status.problems.first() else { return Ok(ExitCode::Done) };
    let count = format::count(status.problems.len() as u64, "thing");
    let message = format!("{count} could not be looked at, first {}", first.subject);
    let mut error =
        CommandError::new(ExitCode::Problems, message).hint("See what does not answer: `dcs config check`.");
    error.causes.push(first.reason.clone());
    Err(error)
}

fn check(status: &Status) -> Outcome {
    let missed: Vec<String> =
        status.missed().map(|judged| format!("{} of {}", judged.objective, judged.subject)).collect();
    if missed.is_empty() {
        return unseen(status);
    }
    let all = format::count(status.objectives.len() as u64, "objective");
    let message = format!("{} of {all} missed: {}", missed.len(), missed.join(", "));
    let mut error = CommandError::new(ExitCode::Stale, message);
    let mut commands: Vec<&String> = status.missed().filter_map(|judged| judged.next.as_ref()).collect();
    commands.dedup();
    for command in commands {
        error = error.hint(format!("Run `{command}`, and see why it was not run in time."));
    }
    Err(error)
}
