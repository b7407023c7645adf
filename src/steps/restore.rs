//! The restore of a whole system, in the order that keeps a way back at every line, and with a journal of it.

use std::path::PathBuf;

use super::continued::Continued;
use super::hooks::Hooks;
use super::journal::Recorder;
use super::restore_database::{self, DatabaseRestorePlan, Proven, Restored};
use super::restore_files::{self, FilesRestorePlan, FilesRestored};
use super::undo_restore::close_entries;
use super::{Context, Result, StepError, capture, with_causes};
use crate::model::journal::{ConfigRecord, DatabaseRecord, FilesRecord, HookState, HooksRecord, RestoreState};
use crate::model::manifest::{ConfigComponent, Origins};
use crate::model::{BackupId, RestoreJournal};

/// What a complete restore will do, planned component by component.
pub struct CompletePlan {
    pub backup: BackupId,
    /// Those that are to be loaded; what `continued` says to be in place is not among them.
    pub databases: Vec<DatabaseRestorePlan>,
    pub files: Option<FilesRestorePlan>,
    pub config: Option<Configuration>,
    /// Whether the databases change places though files are damaged.
    pub skip_damaged: bool,
    pub hooks: Hooks,
    /// An interrupted run of the same restore.
    pub continued: Option<Continued>,
    pub by: By,
}

/// Who restores, for those who read the journal.
#[derive(Debug, Clone, Default)]
pub struct By {
    pub user: String,
    pub command: String,
    /// Where the backup says that everything was.
    pub origins: Origins,
}

/// The configuration, and the new folder that it is unpacked into.
pub struct Configuration {
    pub component: ConfigComponent,
    pub folder: PathBuf,
}

/// What it did.
pub struct CompleteRestored {
    pub databases: Vec<Restored>,
    /// Databases that were proven and not swapped in, because files turned out to be damaged.
    pub held_back: Vec<String>,
    pub files: Option<FilesRestored>,
    /// Where the configuration lies now.
    pub config: Option<PathBuf>,
    /// Why the hook after the swap failed.
    pub after: Option<StepError>,
}

/// Carries the plan out. Run again after any interruption, it finishes: objects that are back count as the same, and
/// databases that are in place stay there. The journal is there before anything is touched.
pub async fn execute(context: &Context, plan: CompletePlan) -> Result<CompleteRestored> {
    let recorder = Recorder::begin(&context.repository, journal(context, &plan).await?).await?;
    let restored = carry_out(context, plan, &recorder).await;
    let (state, error) = match &restored {
        Ok(restored) if !restored.held_back.is_empty() => {
            (RestoreState::Failed, Some(format!("files are damaged; held back: {}", restored.held_back.join(", "))))
        }
        Ok(restored) => (RestoreState::Finished, restored.after.as_ref().map(|error| with_causes(error))),
        Err(error) => (RestoreState::Failed, Some(with_causes(error))),
    };
    recorder.end(state, error).await;
    restored
}

async fn carry_out(context: &Context, plan: CompletePlan, recorder: &Recorder) -> Result<CompleteRestored> {
    // 1. What dead runs left beside the live databases goes, and what they put into the trash gets its list: their journals
    //    name it.
    tidy_up(context, &plan).await?;

    // 2. Databases beside the live ones. A crash leaves side databases, named after this run; the live ones answer.
    let proven = restore_database::prove_all(context, plan.databases, recorder).await?;

    // 3. Objects: adding harms nobody, and what differs goes to the trash first. A crash leaves some back and some not.
    let files = match plan.files {
        Some(files) => restore_files::execute(context, files.recorded_by(recorder)).await.map(Some),
        None => Ok(None),
    };
    let files = match files {
        Ok(files) => files,
        Err(error) => {
            restore_database::discard_all(proven).await;
            return Err(error);
        }
    };
    recorder.note_after(|journal| journal.files.iter_mut().for_each(|files| files.done = true)).await;

    // Rows would point to objects that are not back, which nobody has agreed to.
    if !plan.skip_damaged && files.as_ref().is_some_and(|files| !files.is_undamaged()) {
        let held_back = proven.iter().map(|loaded| loaded.name().to_owned()).collect();
        restore_database::discard_all(proven).await;
        let (databases, config, after) = (Vec::new(), None, None);
        return Ok(CompleteRestored { databases, held_back, files, config, after });
    }

    // 4. The databases change places last, with the application stopped: their rows point to objects that are back by now.
    let done = files.iter().filter(|files| files.has_changed()).map(|_| "files".to_owned()).collect();
    let is_hook_open = plan.continued.as_ref().is_some_and(Continued::is_hook_open);
    let (databases, after) = swap(context, proven, done, &plan.hooks, is_hook_open, recorder).await?;

    // 5. The configuration, for review.
    let config = match plan.config {
        Some(config) => Some(unpack(context, config, recorder).await?),
        None => None,
    };
    Ok(CompleteRestored { databases, held_back: Vec::new(), files, config, after })
}

/// What is known before anything is done.
async fn journal(context: &Context, plan: &CompletePlan) -> Result<RestoreJournal> {
    let planned = plan.databases.iter().map(|database| database.record(context));
    let in_place = plan.continued.iter().flat_map(|continued| &continued.in_place).cloned();
    let mut files = Vec::new();
    for source in plan.files.iter().flat_map(FilesRestorePlan::sources) {
        let target = context.store(source.store())?.describe();
        files.push(FilesRecord { source: source.clone(), target, displaced: Vec::new(), done: false });
    }
    let mut databases: Vec<DatabaseRecord> = in_place.chain(planned).collect();
    databases.sort_by(|one, other| one.name.cmp(&other.name));
    let config = plan.config.as_ref();
    Ok(RestoreJournal {
        format: RestoreJournal::FORMAT,
        run: context.run.clone(),
        continues: plan.continued.as_ref().map(|continued| continued.chain.last().run.clone()),
        backup: plan.backup.clone(),
        host: context.host.clone(),
        user: plan.by.user.clone(),
        command: plan.by.command.clone(),
        dcs_version: env!("CARGO_PKG_VERSION").to_owned(),
        began_at: context.repository.now().await?,
        state: RestoreState::Running,
        error: None,
        databases,
        files,
        config: config.map(|config| ConfigRecord { folder: config.folder.display().to_string(), done: false }),
        hooks: HooksRecord::default(),
        undos: Vec::new(),
        origins: plan.by.origins.clone(),
    })
}

async fn tidy_up(context: &Context, plan: &CompletePlan) -> Result<()> {
    let Some(continued) = &plan.continued else { return Ok(()) };
    for run in continued.runs() {
        for database in &plan.databases {
            context.database(database.name())?.drop_side(run, &context.run).await?;
        }
    }
    match plan.files.as_ref().and_then(FilesRestorePlan::trash) {
        Some(trash) => close_entries(context, &continued.chain, &trash.place).await,
        None => Ok(()),
    }
}

/// Swaps between the hooks. Where a dead run did all of that but for the hook after it, only that one runs.
async fn swap(
    context: &Context,
    proven: Vec<Proven>,
    done: Vec<String>,
    hooks: &Hooks,
    is_hook_open: bool,
    recorder: &Recorder,
) -> Result<(Vec<Restored>, Option<StepError>)> {
    if proven.is_empty() && !is_hook_open {
        return Ok((Vec::new(), None));
    }
    if hooks.is_any()
        && let Err(error) = recorder.note(|journal| journal.hooks.before = HookState::Begun).await
    {
        restore_database::discard_all(proven).await;
        return Err(error.after(done));
    }
    let swapped = if proven.is_empty() {
        let after = hooks.after_all().await.err();
        Ok((Vec::new(), after))
    } else {
        let swapped = restore_database::swap_all(context, proven, done, hooks, recorder).await;
        swapped.map(|hooked| (hooked.done, hooked.after))
    };
    if hooks.is_any() {
        recorder.note_after(|journal| journal.hooks.after = HookState::Done).await;
    }
    swapped
}

async fn unpack(context: &Context, config: Configuration, recorder: &Recorder) -> Result<PathBuf> {
    capture::unpack_configuration(context, &config.component, config.folder.clone()).await?;
    recorder.note_after(|journal| journal.config.iter_mut().for_each(|config| config.done = true)).await;
    Ok(config.folder)
}
