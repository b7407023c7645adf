//! From the file, `--repo` and the environment to checked [`Settings`].

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::target::folder;
use super::{
    BackupSettings, DEFAULT_PATHS, DatabaseSettings, Environment, RepositoryTarget, RestoreSettings, Settings,
    SettingsError, StoreSettings, alerts, file, items, objectives, retention, verify,
};
use crate::model::format::{parse_bytes, parse_duration};
use crate::model::{BucketName, Compression, FileSource, Glob, InvalidCompression, Patterns, Prefix};

impl Settings {
    /// Loads the file at `path`, or the first of the default places. Without a file, `repo` alone makes settings that
    /// can list, verify and restore.
    pub fn load(path: Option<&Path>, repo: Option<&str>, environment: Environment) -> Result<Self, SettingsError> {
        let found = match path {
            Some(path) => Some(path.to_owned()),
            None => DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| path.exists()),
        };
        let mut settings = match found {
            Some(path) => Self::read(&path, environment)?,
            None if repo.is_some() => Self { environment, ..Self::default() },
            None => return Err(SettingsError::Missing { looked_at: DEFAULT_PATHS.map(str::to_owned).to_vec() }),
        };
        if let Some(repo) = repo {
            settings.repository = Some(RepositoryTarget::parse(repo, &settings.environment)?);
        }
        Ok(settings)
    }

    fn read(path: &Path, environment: Environment) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
        let invalid = |reason: String| SettingsError::Invalid { path: path.to_owned(), reason };
        let raw = file::File::parse(&text).map_err(invalid)?;
        let settings = Self::resolve(raw, environment).map_err(|error| match error {
            SettingsError::Option { option, reason } => invalid(format!("{option}: {reason}")),
            other => other,
        })?;
        Ok(Self { path: Some(path.to_owned()), ..settings })
    }

    pub(super) fn resolve(raw: file::File, environment: Environment) -> Result<Self, SettingsError> {
        check_names("stores", raw.stores.keys())?;
        check_names("databases", raw.databases.keys())?;
        let mut settings = Self { state_dir: raw.state_dir.clone(), ..Self::default() };
        settings.holds_passwords = raw.databases.values().any(|database| holds_password(&database.url));
        let of_stores = raw.stores.values().filter_map(|store| store.secret_access_key_file.clone());
        let of_databases = raw.databases.values().filter_map(|database| database.password_file.clone());
        settings.secret_files = of_stores.chain(of_databases).collect();
        for (name, store) in &raw.stores {
            settings.stores.insert(name.clone(), StoreSettings::resolve(name, store, &environment)?);
        }
        for (name, database) in &raw.databases {
            settings.databases.insert(name.clone(), DatabaseSettings::resolve(name, database, &environment)?);
        }
        items::resolve(&raw, &mut settings)?;
        verify::resolve(&raw, &mut settings)?;
        if let Some(backup) = &raw.backup {
            settings.repository = Some(resolve_repository(backup, &settings)?);
            settings.backup = resolve_backup(backup, &settings)?;
        }
        settings.objectives = objectives::resolve(raw.objectives.as_ref())?;
        settings.restore = resolve_restore(raw.restore.as_ref())?;
        settings.alerts = alerts::resolve(raw.alerts.as_ref(), &environment)?;
        settings.metrics = alerts::resolve_metrics(raw.metrics.as_ref())?;
        settings.hooks = alerts::resolve_hooks(raw.hooks.as_ref())?;
        if let Some(folder) = &settings.state_dir
            && !folder.is_absolute()
        {
            return Err(option("state_dir", "the path must be absolute"));
        }
        settings.environment = environment;
        Ok(settings)
    }
}

/// Whether a password stands before the `@` of a URL.
fn holds_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    login.is_some_and(|(login, _)| login.contains(':'))
}

pub(super) fn option(name: impl Into<String>, reason: impl Into<String>) -> SettingsError {
    SettingsError::Option { option: name.into(), reason: reason.into() }
}

fn check_names<'a>(section: &str, names: impl Iterator<Item = &'a String>) -> Result<(), SettingsError> {
    for name in names {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(option(format!("[{section}.{name:?}]"), "a name has letters, digits, '-' and '_' only"));
        }
    }
    Ok(())
}

pub(super) fn known_store(place: &str, name: &str, settings: &Settings) -> Result<(), SettingsError> {
    if settings.stores.contains_key(name) {
        return Ok(());
    }
    let known: Vec<&str> = settings.stores.keys().map(String::as_str).collect();
    Err(option(place, format!("there is no store {name:?}; known stores: {}", list(&known))))
}

pub(super) fn known_database(place: &str, name: &str, settings: &Settings) -> Result<(), SettingsError> {
    if settings.databases.contains_key(name) {
        return Ok(());
    }
    let known: Vec<&str> = settings.databases.keys().map(String::as_str).collect();
    Err(option(place, format!("there is no database {name:?}; known databases: {}", list(&known))))
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub(super) fn bucket(place: &str, name: &str) -> Result<BucketName, SettingsError> {
    BucketName::new(name).map_err(|error| option(place, error.to_string()))
}

fn resolve_repository(backup: &file::Backup, settings: &Settings) -> Result<RepositoryTarget, SettingsError> {
    known_store("[backup].store", &backup.store, settings)?;
    Ok(RepositoryTarget {
        store: settings.stores[&backup.store].clone(),
        bucket: bucket("[backup].bucket", &backup.bucket)?,
        prefix: folder(&backup.prefix).map_err(|error| option("[backup].prefix", error.to_string()))?,
    })
}

fn resolve_backup(backup: &file::Backup, settings: &Settings) -> Result<BackupSettings, SettingsError> {
    for (index, name) in backup.databases.iter().enumerate() {
        known_database("[backup].databases", name, settings)?;
        if backup.databases[..index].contains(name) {
            return Err(option("[backup].databases", format!("{name:?} stands there twice")));
        }
    }
    let files = backup.files.iter().map(|text| file_source(text, settings)).collect::<Result<Vec<_>, _>>()?;
    check_overlaps(&files, &backup.files)?;
    for source in &files {
        check_own_bucket(source, backup)?;
    }
    if let Some(path) = backup.config.iter().find(|path| !path.is_absolute()) {
        return Err(option("[backup].config", format!("{} must be an absolute path", path.display())));
    }
    let is_odd =
        |path: &&PathBuf| path.parent().is_none() || path.components().any(|part| part == Component::ParentDir);
    if let Some(path) = backup.config.iter().find(is_odd) {
        return Err(option(
            "[backup].config",
            format!("{} must name a file or folder, without \"..\"", path.display()),
        ));
    }
    Ok(BackupSettings {
        databases: backup.databases.clone(),
        files,
        patterns: Patterns {
            include: globs("[backup].include", &backup.include)?,
            exclude: globs("[backup].exclude", &backup.exclude)?,
        },
        config: backup.config.clone(),
        capture: backup.capture.clone(),
        compression: compression(backup.compression.as_deref())?,
        shrink_guard: shrink_guard(backup.shrink_guard)?,
        grace: grace(backup.grace.as_deref())?,
        keep: retention::resolve(backup)?,
        budget: budget(backup.budget.as_deref())?,
    })
}

fn resolve_restore(restore: Option<&file::Restore>) -> Result<RestoreSettings, SettingsError> {
    let Some(restore) = restore else { return Ok(RestoreSettings::default()) };
    let jobs = restore.jobs.unwrap_or(1);
    if !(1..=64).contains(&jobs) {
        return Err(option("[restore].jobs", format!("{jobs} is not from 1 to 64")));
    }
    let hook_timeout = restore.hook_timeout.as_deref().map(parse_duration).transpose();
    Ok(RestoreSettings {
        before: restore.before.clone(),
        after: restore.after.clone(),
        hook_timeout: hook_timeout.map_err(|reason| option("[restore].hook_timeout", reason))?,
        jobs,
    })
}

/// `store/*`, `store/bucket` or `store/bucket/prefix/`.
fn globs(place: &str, texts: &[String]) -> Result<Vec<Glob>, SettingsError> {
    texts.iter().map(|text| text.parse().map_err(|error| option(place, format!("{text:?}: {error}")))).collect()
}

fn shrink_guard(percent: Option<u8>) -> Result<u8, SettingsError> {
    match percent.unwrap_or(50) {
        percent @ 0..=100 => Ok(percent),
        other => Err(option("[backup].shrink_guard", format!("{other} is not a percentage from 0 to 100"))),
    }
}

fn file_source(text: &str, settings: &Settings) -> Result<FileSource, SettingsError> {
    let place = "[backup].files";
    let (store, rest) = text.split_once('/').ok_or_else(|| {
        option(place, format!("{text:?} is neither `store/*`, `store/bucket` nor `store/bucket/prefix/`"))
    })?;
    known_store(place, store, settings)?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let source = match name {
        "*" if prefix.is_empty() => FileSource { store: store.to_owned(), bucket: None, prefix: Prefix::root() },
        "*" => return Err(option(place, format!("{text:?}: a prefix needs a bucket"))),
        name => FileSource {
            store: store.to_owned(),
            bucket: Some(bucket(place, name)?),
            prefix: folder(prefix).map_err(|error| option(place, error.to_string()))?,
        },
    };
    Ok(source)
}

fn check_overlaps(sources: &[FileSource], texts: &[String]) -> Result<(), SettingsError> {
    for (index, one) in sources.iter().enumerate() {
        for (other_index, other) in sources.iter().enumerate().skip(index + 1) {
            let same_bucket = one.bucket.is_none() || other.bucket.is_none() || one.bucket == other.bucket;
            if one.store == other.store && same_bucket && one.prefix.overlaps(&other.prefix) {
                let reason = format!("{:?} and {:?} overlap", texts[index], texts[other_index]);
                return Err(option("[backup].files", reason));
            }
        }
    }
    Ok(())
}

/// A repository that backs itself up would grow with every run.
fn check_own_bucket(source: &FileSource, backup: &file::Backup) -> Result<(), SettingsError> {
    let own =
        source.bucket.as_ref().is_some_and(|bucket| bucket.as_str() == backup.bucket) && source.store == backup.store;
    let overlaps = own && folder(&backup.prefix).is_ok_and(|prefix| prefix.overlaps(&source.prefix));
    if overlaps { Err(option("[backup].files", "the backup bucket cannot back up itself")) } else { Ok(()) }
}

fn compression(text: Option<&str>) -> Result<Compression, SettingsError> {
    let parse = |text: &str| {
        text.parse().map_err(|error: InvalidCompression| option("[backup].compression", error.to_string()))
    };
    text.map_or_else(|| Ok(Compression::default()), parse)
}

fn grace(text: Option<&str>) -> Result<Option<Duration>, SettingsError> {
    text.map(parse_duration).transpose().map_err(|reason| option("[backup].grace", reason))
}

fn budget(text: Option<&str>) -> Result<Option<u64>, SettingsError> {
    text.map(parse_bytes).transpose().map_err(|reason| option("[backup].budget", reason))
}

/// The host's name, as manifests and locks show it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Where dcs itself lies, for those who write down how to run it.
pub fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("dcs"))
}

/// Who runs dcs, as the trash shows it; behind `sudo`, who called it.
pub fn user_name(environment: &Environment) -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| environment.get(name));
    named.map_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "[stores.live]\npath = \"/srv\"\n[databases.dream]\nurl = \"sqlite:/srv/dream.db\"\n";

    fn resolve(backup: &str) -> Result<Settings, SettingsError> {
        let raw = file::File::parse(&format!("{BASE}[backup]\n{backup}")).unwrap();
        Settings::resolve(raw, Environment::default())
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        for (backup, said) in [
            ("store=\"vault\"\nbucket=\"b\"", "no store \"vault\""),
            ("store=\"live\"\nbucket=\"b\"\ndatabases=[\"other\"]", "no database \"other\""),
            ("store=\"live\"\nbucket=\"b\"\nfiles=[\"live/*\",\"live/books\"]", "overlap"),
            ("store=\"live\"\nbucket=\"b\"\nfiles=[\"live/books/a\",\"live/books/a/b/\"]", "overlap"),
            ("store=\"live\"\nbucket=\"b\"\nfiles=[\"live/b\"]", "cannot back up itself"),
            ("store=\"live\"\nbucket=\"b\"\nfiles=[\"live\"]", "is neither"),
            ("store=\"live\"\nbucket=\"b\"\ncompression=\"gzip:0\"", "gzip:0"),
            ("store=\"live\"\nbucket=\"b\"\ngrace=\"1\"", "[backup].grace"),
            ("store=\"live\"\nbucket=\"../b\"", "bucket"),
        ] {
            let error = resolve(backup).expect_err(backup).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn neighbours_do_not_overlap() {
        let settings =
            resolve("store=\"live\"\nbucket=\"b\"\nfiles=[\"live/books/a\",\"live/books/ab\",\"live/apps\"]").unwrap();
        assert_eq!(settings.backup.files.len(), 3);
    }

    #[test]
    fn a_missing_file_is_told_from_an_unreadable_one() {
        let missing = Settings::load(Some(Path::new("/nowhere/dcs.toml")), None, Environment::default());
        assert!(matches!(missing, Err(SettingsError::Unreadable { .. })));
    }
}
