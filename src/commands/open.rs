//! From settings to open stores and databases: the one place that knows every kind there is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::database::{Database, PostgresDatabase, PostgresOptions, SqliteDatabase};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::FileSource;
use crate::model::manifest::{Origins, StoreOrigin};
use crate::settings::{Addressing, DatabaseSettings, Settings, StoreSettings};
use crate::store::dir::DirectoryStore;
use crate::store::read_only::ReadOnlyStore;
use crate::store::retry::{RetryPolicy, RetryStore};
use crate::store::s3::{self, S3Options, S3Store};
use crate::store::{ObjectStore, StoreError};

/// Opens a store, with retries; for a dry run every write to it fails.
pub(super) fn store(settings: &StoreSettings, dry_run: bool) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let store: Arc<dyn ObjectStore> = match settings {
        StoreSettings::Directory { path } => Arc::new(DirectoryStore::open(path.clone())?),
        StoreSettings::S3(settings) => {
            let mut options = S3Options::new(settings.endpoint.clone(), settings.region.clone());
            if let Some(found) = settings.credentials.clone() {
                options.access_key = Some(found.access_key_id);
                options.secret_key = found.secret_access_key;
                options.session_token = found.session_token;
            }
            options.ca_file.clone_from(&settings.ca_file);
            options.addressing = match settings.addressing {
                Addressing::Path => s3::Addressing::Path,
                Addressing::Virtual => s3::Addressing::VirtualHost,
            };
            S3Store::open(options)?
        }
    };
    let store: Arc<dyn ObjectStore> = Arc::new(RetryStore::new(store, RetryPolicy::default()));
    Ok(if dry_run { Arc::new(ReadOnlyStore::new(store)) } else { store })
}

/// Makes the folder of a directory store that was named on the command line. One that is only configured is never made: a
/// disk that is not mounted looks just like it.
pub(super) fn make_folder(settings: &StoreSettings) -> Result<(), StoreError> {
    match settings {
        StoreSettings::Directory { path } if !path.exists() => DirectoryStore::create(path.clone()).map(drop),
        _ => Ok(()),
    }
}

/// Makes the folder that a restore goes to, where its parent is there.
pub(super) fn make_target(folder: &Path) -> Result<(), CommandError> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            let message = format!("cannot make the folder {}: {error}", folder.display());
            Err(CommandError::new(ExitCode::Usage, message)
                .hint("Name a folder whose parent there is, and may be written to."))
        }
        _ => Ok(()),
    }
}

/// Opens a database; nothing is connected yet.
pub(super) fn database(found: &DatabaseSettings, settings: &Settings) -> Result<Arc<dyn Database>, CommandError> {
    Ok(match found {
        DatabaseSettings::Sqlite(sqlite) => Arc::new(SqliteDatabase::open(sqlite.path.clone())),
        DatabaseSettings::Postgres { url, password, tools, tools_url, limits } => {
            let mut options = PostgresOptions::new(url.clone());
            options.password.clone_from(password);
            options.tools = (!tools.is_empty()).then(|| tools.clone());
            options.tools_url.clone_from(tools_url);
            options.limits.clone_from(limits);
            options.search_path = settings.environment.search_path();
            Arc::new(PostgresDatabase::open(options)?)
        }
    })
}

/// Where the live things are: as an option says, else the configuration, else the backup itself.
#[derive(Debug, Clone, Default)]
pub struct Places {
    pub(super) stores: BTreeMap<String, StoreSettings>,
    pub(super) databases: BTreeMap<String, DatabaseSettings>,
    pub(super) origins: Origins,
}

impl Places {
    /// Whether the store's place was given by an option.
    pub(super) fn is_named(&self, store: &str) -> bool {
        self.stores.contains_key(store)
    }

    pub(super) fn store(&self, name: &str, settings: &Settings) -> Result<StoreSettings, CommandError> {
        if let Some(found) = self.stores.get(name).or_else(|| settings.stores.get(name)) {
            return Ok(found.clone());
        }
        let Some(origin) = self.origins.stores.get(name) else {
            return Err(unknown("store", name));
        };
        let mut found = StoreSettings::parse(name, &origin.location, &settings.environment)?;
        if let StoreSettings::S3(s3) = &mut found {
            s3.region = origin.region.clone().unwrap_or_else(|| s3.region.clone());
            if origin.addressing.as_deref() == Some("virtual") {
                s3.addressing = Addressing::Virtual;
            }
        }
        Ok(found)
    }

    pub(super) fn database(&self, name: &str, settings: &Settings) -> Result<DatabaseSettings, CommandError> {
        if let Some(found) = self.databases.get(name).or_else(|| settings.databases.get(name)) {
            return Ok(found.clone());
        }
        let url = self.origins.databases.get(name).ok_or_else(|| unknown("database", name))?;
        Ok(DatabaseSettings::parse(name, url, &settings.environment)?)
    }
}

fn unknown(what: &str, name: &str) -> CommandError {
    CommandError::new(ExitCode::Usage, format!("there is no {what} \"{name}\" in the configuration"))
        .hint(format!("Say where it is: `--{what} {name}=URL`."))
}

/// What a backup writes down of where the live things are.
pub(super) fn origins(settings: &Settings) -> Origins {
    let stores = settings.stores.iter().map(|(name, store)| {
        let mut origin = StoreOrigin { location: store.location(), ..StoreOrigin::default() };
        if let StoreSettings::S3(s3) = store {
            origin.region = Some(s3.region.clone());
            origin.addressing = (s3.addressing == Addressing::Virtual).then(|| "virtual".to_owned());
        }
        (name.clone(), origin)
    });
    let databases = settings.databases.iter().map(|(name, database)| (name.clone(), database.location()));
    Origins { stores: stores.collect(), databases: databases.collect() }
}

/// A source as the configuration writes it.
pub(super) fn source_text(source: &FileSource) -> String {
    match &source.bucket {
        None => format!("{}/*", source.store),
        Some(bucket) => format!("{}/{bucket}/{}", source.store, source.prefix).trim_end_matches('/').to_owned(),
    }
}

/// Makes the spool folder, for this user alone: dumps lie there for a while.
pub(super) fn make_spool(folder: &Path) -> Result<(), CommandError> {
    use std::os::unix::fs::DirBuilderExt;
    // Others may pass through what is above it: the private server of a proof, which does not run as root.
    let above =
        folder.parent().map_or(Ok(()), |above| std::fs::DirBuilder::new().recursive(true).mode(0o711).create(above));
    let made = above.and_then(|()| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder));
    made.map_err(|error| {
        CommandError::new(ExitCode::Usage, format!("cannot make the spool folder {}: {error}", folder.display()))
            .hint("Set `state_dir` in the configuration to a folder that dcs may write to.")
    })
}
