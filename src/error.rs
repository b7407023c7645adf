//! The boundary error: what a command failed with, its exit code, and what to do next.
//!
//! Every layer has its own narrow error; blame and hints are decided here, by the first cause in the chain that decides.

use std::error::Error;

use serde::Serialize;

use crate::database::{self, DatabaseError};
use crate::exit::ExitCode;
use crate::model::BackupId;
use crate::repository::error::{ErrorKind as RepositoryKind, RepositoryError};
use crate::settings::SettingsError;
use crate::steps::StepError;
use crate::store::{self, StoreError};
use crate::trash::TrashError;

/// A failed command, ready to be shown.
#[derive(Debug, Serialize)]
pub struct CommandError {
    pub code: ExitCode,
    /// Lowercase, no final period, naming the subject.
    pub message: String,
    /// The chain of causes, outermost first.
    pub causes: Vec<String>,
    /// Full sentences, each naming the next command, option or file.
    pub hints: Vec<String>,
}

impl CommandError {
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts the backup at stake into the hints, or all of them where none was chosen.
    #[must_use]
    pub fn about(mut self, backup: Option<&BackupId>) -> Self {
        let verify = format!("dcs verify {}", backup.map_or("all", BackupId::as_str));
        self.hints.iter_mut().for_each(|hint| *hint = hint.replace("dcs verify ID", &verify));
        self
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut chain = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next {
            chain.push(error);
            next = error.source();
        }
        let (code, hints) = chain.iter().find_map(|error| classify(*error)).unwrap_or((ExitCode::Failed, Vec::new()));
        let mut texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
        // A transparent error repeats its cause's words.
        texts.dedup();
        let message = texts.remove(0);
        Self { code, message, causes: texts, hints }
    }
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> Self {
        Self::of(&error)
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::of(&error)
    }
}

impl From<DatabaseError> for CommandError {
    fn from(error: DatabaseError) -> Self {
        Self::of(&error)
    }
}

impl From<RepositoryError> for CommandError {
    fn from(error: RepositoryError) -> Self {
        Self::of(&error)
    }
}

impl From<StepError> for CommandError {
    fn from(error: StepError) -> Self {
        Self::of(&error)
    }
}

type Verdict = (ExitCode, Vec<String>);

/// Decides about one error of a chain; `None` leaves it to its cause.
fn classify(error: &(dyn Error + 'static)) -> Option<Verdict> {
    if let Some(error) = error.downcast_ref::<SettingsError>() {
        return Some((ExitCode::Usage, hints(settings_hints(error))));
    }
    if let Some(error) = error.downcast_ref::<StepError>() {
        return step(error);
    }
    if let Some(error) = error.downcast_ref::<RepositoryError>() {
        return repository(error.kind);
    }
    if let Some(error) = error.downcast_ref::<DatabaseError>() {
        return database(error);
    }
    error.downcast_ref::<StoreError>().and_then(|error| store(error.kind))
}

fn hints(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn settings_hints(error: &SettingsError) -> &'static [&'static str] {
    match error {
        SettingsError::Missing { .. } => &[
            "Write one to begin with: `dcs config example > dcs.toml`.",
            "On a new machine, name the backup bucket instead: `dcs --repo URL backup list`.",
        ],
        SettingsError::Unreadable { .. } => &["Name another file with `--config FILE`, or set DCS_CONFIG."],
        SettingsError::Invalid { .. } => &["`dcs config example` prints a complete file with every key explained."],
        SettingsError::Option { .. } => &["See `dcs help`."],
        SettingsError::Secret { .. } => &["Check that the file or command works for the user dcs runs as."],
    }
}

fn step(error: &StepError) -> Option<Verdict> {
    match error {
        // Transparent: the inner error stands in the chain's place of this one.
        StepError::Store(error) => classify(error),
        StepError::Database(error) => classify(error),
        StepError::Repository(error) => classify(error),
        StepError::Trash(error) => trash(error),
        StepError::Refused { hint, .. } => Some((ExitCode::Refused, hint.iter().cloned().collect())),
        StepError::Damaged { .. } => {
            Some((ExitCode::Damage, hints(&["Nothing was changed. Choose another backup: `dcs backup list`."])))
        }
        StepError::DamagedFiles { .. } => Some((
            ExitCode::Damage,
            hints(&[
                "Nothing was changed. Restore all the rest with `--skip-damaged`, or choose another backup: `dcs backup list`.",
                "See all damage: `dcs verify ID --level contents`.",
            ]),
        )),
        StepError::NotFound { hint, .. } => Some((ExitCode::NotFound, vec![hint.clone()])),
        StepError::NoTrash { hint, .. } => Some((ExitCode::Store, vec![hint.clone()])),
        StepError::Usage { hint, .. } => Some((ExitCode::Usage, vec![hint.clone()])),
        StepError::Configuration(_) => {
            Some((ExitCode::Usage, hints(&["Mend the configuration and check it: `dcs config check`."])))
        }
        // Neither is it true that nothing was changed, nor that all is left to do.
        StepError::Halfway { source, .. } => {
            let code = classify(source.as_ref()).map_or(ExitCode::Failed, |(code, _)| code);
            let code = if code == ExitCode::Refused { ExitCode::Database } else { code };
            Some((code, hints(&["Mend the cause and run the same command again: it restores the rest."])))
        }
        StepError::Hook { which: "before_step", .. } => Some((
            ExitCode::Failed,
            hints(&["No backup was made. Mend `before_step` in [hooks], and run the same command again."]),
        )),
        StepError::Hook { which: "after", .. } => Some((
            ExitCode::Problems,
            hints(&["The databases are restored: run by hand what `after` in [restore] was to do."]),
        )),
        StepError::Hook { .. } => Some((
            ExitCode::Failed,
            hints(&["No database was touched. Mend `before` in [restore], and run the same command again."]),
        )),
        StepError::Io { .. } => Some((ExitCode::Failed, Vec::new())),
    }
}

fn trash(error: &TrashError) -> Option<Verdict> {
    match error {
        TrashError::Store(error) => classify(error),
        TrashError::Damaged { .. } => Some((
            ExitCode::Damage,
            hints(&["Its objects lie below it, by their whole paths: copy them back with your S3 tool."]),
        )),
        TrashError::Unsupported { .. } => Some((ExitCode::Refused, hints(&["Install a newer dcs."]))),
        TrashError::Unproven { .. } => {
            Some((ExitCode::Failed, hints(&["The originals are where they were. Run the same command again."])))
        }
        TrashError::Restless { .. } => {
            Some((ExitCode::Problems, hints(&["Stop what writes there, then run the same command again."])))
        }
        TrashError::Lease { source, .. } => classify(source.as_ref()),
        TrashError::Spool { .. } => {
            Some((ExitCode::Failed, hints(&["Free space in `state_dir`, then run the same command again."])))
        }
    }
}

fn repository(kind: RepositoryKind) -> Option<Verdict> {
    use RepositoryKind as Kind;
    let verdict = match kind {
        Kind::Store | Kind::Source => return None,
        Kind::Changed | Kind::Unordered => (ExitCode::Failed, hints(&["Run the same command again."])),
        Kind::Spool => (ExitCode::Failed, hints(&["Free space in `state_dir`, then run the same command again."])),
        Kind::NotFound => (ExitCode::NotFound, hints(&["List what there is: `dcs backup list`."])),
        Kind::NotARepository => (
            ExitCode::Refused,
            hints(&[
                "If this is the right place and it is new, make the repository: `dcs init`.",
                "If it should be there, check that the disk is mounted and the bucket is the right one.",
            ]),
        ),
        Kind::Unsupported => (ExitCode::Refused, hints(&["Install a newer dcs."])),
        Kind::Refused => (ExitCode::Refused, hints(&["Check store, bucket and prefix in [backup], or `--repo`."])),
        Kind::Damaged => (
            ExitCode::Damage,
            hints(&["See all damage: `dcs verify ID --level checksum`.", "Choose another backup: `dcs backup list`."]),
        ),
        Kind::Locked => (ExitCode::Locked, hints(&["Wait for it with `--lock-wait 30m`, or run this again later."])),
        Kind::LockLost => (ExitCode::Locked, hints(&["Run the same command again."])),
        Kind::Clock => (ExitCode::Refused, hints(&["Set this host's clock (NTP), then run the same command again."])),
    };
    Some(verdict)
}

fn database(error: &DatabaseError) -> Option<Verdict> {
    use database::ErrorKind as Kind;
    let (code, hint) = match error.kind {
        Kind::Source => return None,
        Kind::Unreachable => {
            (ExitCode::Database, "Check host and port in [databases] and that the server runs: `dcs config check`.")
        }
        Kind::Denied => (ExitCode::Database, "Check user, password and rights: `dcs config check`."),
        Kind::NotFound => (ExitCode::Database, "Check the name in [databases]: `dcs config check`."),
        Kind::NoTool => (ExitCode::Database, "Install the client tools of the server's major version."),
        Kind::ToolFailed | Kind::Other => {
            (ExitCode::Database, "Nothing live was changed; mend the cause and run the same command again.")
        }
        Kind::Lacking => (ExitCode::Database, "Install on the server what it lacks, then run the same command again."),
        Kind::Rejected => (
            ExitCode::Database,
            "Nothing live was changed. See whether the backup restores anywhere: `dcs verify ID --level restore`.",
        ),
        Kind::Refused => (ExitCode::Refused, "Nothing was changed; mend the cause and run the same command again."),
        Kind::Damaged => (
            ExitCode::Damage,
            "Choose another backup: `dcs backup list`; check this one: `dcs verify ID --level contents`.",
        ),
        Kind::Full => (ExitCode::Failed, "Free space, then run the same command again."),
    };
    Some((code, vec![error.hint.clone().unwrap_or_else(|| hint.to_owned())]))
}

fn store(kind: store::ErrorKind) -> Option<Verdict> {
    use store::ErrorKind as Kind;
    let (code, hint) = match kind {
        Kind::Source => return None,
        Kind::NotFound => (ExitCode::NotFound, ""),
        Kind::Other | Kind::Truncated => (ExitCode::Failed, "Run the same command again; with `-vv` it says more."),
        Kind::Full => (ExitCode::Failed, "Free space on the target, then run the same command again."),
        Kind::Precondition => (ExitCode::Refused, "Another run works on the same objects; run the same command again."),
        Kind::Unaddressable => (ExitCode::Refused, "Rename the object, or use a store that can hold its key."),
        Kind::Unsupported => (ExitCode::Refused, "Use a store that can do this."),
        Kind::ReadOnly => (ExitCode::Failed, "This is a fault in dcs: a dry run tried to write. Please report it."),
        Kind::NoBucket => (
            ExitCode::Store,
            "Check the name and that the disk is mounted. A new folder is made with `mkdir`, the backup bucket with `dcs init`.",
        ),
        Kind::Denied => (ExitCode::Store, "Check the access key and its rights on the bucket: `dcs config check`."),
        Kind::Transient => (ExitCode::Store, "Run the same command again."),
        Kind::Unreachable => {
            (ExitCode::Store, "Check the endpoint in [stores] and that the server runs: `dcs config check`.")
        }
    };
    Some((code, hints(&[hint]).into_iter().filter(|hint| !hint.is_empty()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_cause_decides_where_the_outer_ones_only_pass_it_on() {
        let cause = DatabaseError::new(database::ErrorKind::ToolFailed, "dump", "dream");
        let upload = StoreError::new(store::ErrorKind::Source, "put", "vault/x").with_source(cause);
        let error = CommandError::from(StepError::from(RepositoryError::from_store(upload, "store", "x")));
        assert_eq!(error.code, ExitCode::Database);
        assert_eq!(error.causes.len(), 2, "{error:?}");
        assert!(error.hints[0].contains("run the same command again"), "{error:?}");
    }

    #[test]
    fn what_could_not_be_checked_is_never_called_damage() {
        for kind in [store::ErrorKind::Unreachable, store::ErrorKind::Denied, store::ErrorKind::Transient] {
            let error = RepositoryError::from_store(StoreError::new(kind, "get", "x"), "read", "x");
            assert_eq!(CommandError::from(error).code, ExitCode::Store);
        }
    }
}
