//! What a URL or a section of the file names: a store, a database, a repository.

use std::path::PathBuf;

use super::secrets::{self, PgpassQuery};
use super::{Addressing, Environment, SettingsError, file, limits};
use crate::model::{BucketName, Limits, Prefix, Secret, percent};

/// A store, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSettings {
    S3(S3Settings),
    Directory { path: PathBuf },
}

/// An S3 endpoint and how to sign for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    pub endpoint: String,
    pub region: String,
    pub addressing: Addressing,
    /// None where no credentials were found: requests go unsigned.
    pub credentials: Option<S3Credentials>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

impl StoreSettings {
    pub(super) fn resolve(name: &str, raw: &file::Store, environment: &Environment) -> Result<Self, SettingsError> {
        let invalid = |reason: &str| option_error(format!("[stores.{name}]"), reason);
        match (&raw.endpoint, &raw.path) {
            (Some(_), Some(_)) => Err(invalid("it has both `endpoint` and `path`; a store is one or the other")),
            (None, None) => Err(invalid("it has neither `endpoint` nor `path`")),
            (None, Some(path)) => Self::directory(&format!("[stores.{name}].path"), path.clone()),
            (Some(endpoint), None) => {
                let endpoint = check_endpoint(&format!("[stores.{name}].endpoint"), endpoint)?;
                Ok(Self::S3(S3Settings {
                    endpoint,
                    region: raw.region.clone().unwrap_or_else(|| default_region(environment)),
                    addressing: raw.addressing.unwrap_or_default(),
                    credentials: resolve_credentials(name, raw, environment)?,
                    ca_file: raw.ca_file.clone(),
                }))
            }
        }
    }

    fn directory(option: &str, path: PathBuf) -> Result<Self, SettingsError> {
        if path.is_absolute() {
            Ok(Self::Directory { path })
        } else {
            Err(option_error(option, "the path must be absolute"))
        }
    }

    /// A store as an argument or a manifest writes it: `http://host:port`, `https://host`, or an absolute path.
    pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Self, SettingsError> {
        let raw = match text.strip_prefix("file://").unwrap_or(text) {
            path if path.starts_with('/') => file::Store { path: Some(path.into()), ..file::Store::default() },
            _ => file::Store { endpoint: Some(text.to_owned()), ..file::Store::default() },
        };
        Self::resolve(name, &raw, environment)
    }

    /// The text that [`Self::parse`] takes; no secrets.
    pub fn location(&self) -> String {
        match self {
            Self::S3(s3) => s3.endpoint.clone(),
            Self::Directory { path } => path.display().to_string(),
        }
    }
}

fn option_error(option: impl Into<String>, reason: impl Into<String>) -> SettingsError {
    SettingsError::Option { option: option.into(), reason: reason.into() }
}

fn check_endpoint(option: &str, text: &str) -> Result<String, SettingsError> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(host) = rest.map(|rest| rest.trim_end_matches('/')) else {
        return Err(option_error(option, format!("{text:?} does not begin with http:// or https://")));
    };
    if host.is_empty() || host.contains(['@', '?', '#', ' ']) {
        return Err(option_error(option, format!("{:?} is no endpoint such as http://127.0.0.1:9000", redact(text))));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Hides what stands before an `@`.
fn redact(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        _ => url.to_owned(),
    }
}

fn default_region(environment: &Environment) -> String {
    let region = environment.get("AWS_REGION").or_else(|| environment.get("AWS_DEFAULT_REGION"));
    region.unwrap_or("us-east-1").to_owned()
}

fn resolve_credentials(
    name: &str,
    raw: &file::Store,
    environment: &Environment,
) -> Result<Option<S3Credentials>, SettingsError> {
    let own = format!("DCS_STORE_{}", name.to_uppercase().replace('-', "_"));
    let variable = |own_suffix: &str, aws: &str| {
        let value = environment.get(&format!("{own}_{own_suffix}")).or_else(|| environment.get(aws));
        value.map(str::to_owned)
    };
    let subject = format!("store {name:?}");
    let secret = secrets::read(
        &subject,
        raw.secret_access_key_file.as_deref(),
        raw.secret_access_key_command.as_deref(),
        &format!("{name}.secret_access_key"),
        environment,
    )?;
    let secret = secret.or_else(|| variable("SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY").map(Secret::new));
    let access_key_id = raw.access_key_id.clone().or_else(|| variable("ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"));
    match (access_key_id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => {
            let session_token = variable("SESSION_TOKEN", "AWS_SESSION_TOKEN").map(Secret::new);
            Ok(Some(S3Credentials { access_key_id, secret_access_key, session_token }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(option_error(format!("[stores.{name}]"), "it has an access key id but no secret access key"))
        }
        (None, Some(_)) => {
            Err(option_error(format!("[stores.{name}]"), "it has a secret access key but no access key id"))
        }
    }
}

/// A database, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseSettings {
    Postgres {
        /// Without password.
        url: String,
        password: Option<Secret>,
        tools: Vec<String>,
        tools_url: Option<String>,
        limits: Limits,
    },
    Sqlite(SqliteSettings),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteSettings {
    pub path: PathBuf,
}

impl DatabaseSettings {
    pub(super) fn resolve(name: &str, raw: &file::Database, environment: &Environment) -> Result<Self, SettingsError> {
        let option = format!("[databases.{name}].url");
        let limits = limits::resolve(name, raw)?;
        if let Some(path) = raw.url.strip_prefix("sqlite:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            if !path.is_absolute() {
                return Err(option_error(option, "the path after `sqlite:` must be absolute"));
            }
            return Ok(Self::Sqlite(SqliteSettings { path }));
        }
        let url = PostgresUrl::parse(&raw.url, environment).map_err(|reason| option_error(option, reason))?;
        let subject = format!("database {name:?}");
        let credential = format!("{name}.password");
        let file = raw.password_file.as_deref();
        let password = secrets::read(&subject, file, raw.password_command.as_deref(), &credential, environment)?
            .or_else(|| url.password.clone())
            .or_else(|| environment.get("PGPASSWORD").map(Secret::new))
            .or_else(|| secrets::pgpass(&url.query(), environment));
        Ok(Self::Postgres {
            url: url.without_password(),
            password,
            tools: raw.tools.clone(),
            tools_url: raw.tools_url.clone(),
            limits,
        })
    }

    /// A database as an argument or a manifest writes it.
    pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Self, SettingsError> {
        let raw = file::Database { url: text.to_owned(), ..file::Database::default() };
        Self::resolve(name, &raw, environment)
    }

    /// Another database on the same server, or a file beside this one.
    pub fn with_database(&self, database: &str) -> Result<Self, SettingsError> {
        let invalid = |reason: String| option_error("--into", reason);
        let renamed = |url: &str| -> Result<String, SettingsError> {
            let url = PostgresUrl::parse(url, &Environment::default()).map_err(invalid)?;
            Ok(PostgresUrl { database: database.to_owned(), ..url }.without_password())
        };
        Ok(match self {
            _ if database.is_empty() => return Err(invalid("the name is empty".to_owned())),
            Self::Postgres { url, password, tools, tools_url, limits } => Self::Postgres {
                url: renamed(url)?,
                password: password.clone(),
                tools: tools.clone(),
                tools_url: tools_url.as_deref().map(renamed).transpose()?,
                limits: limits.clone(),
            },
            Self::Sqlite(_) if database.contains('/') => {
                return Err(invalid(format!("{database:?} is no name of a file: it stays beside the live one")));
            }
            Self::Sqlite(SqliteSettings { path }) => {
                Self::Sqlite(SqliteSettings { path: path.with_file_name(database) })
            }
        })
    }

    /// The text that [`Self::parse`] takes; no secrets.
    pub fn location(&self) -> String {
        match self {
            Self::Postgres { url, .. } => url.clone(),
            Self::Sqlite(SqliteSettings { path }) => format!("sqlite:{}", path.display()),
        }
    }
}

/// The fields of `postgres://user:password@host:port/database?parameters`, absent ones from `PG*`, then libpq's defaults.
struct PostgresUrl {
    user: String,
    password: Option<Secret>,
    host: String,
    port: u16,
    database: String,
    parameters: String,
}

impl PostgresUrl {
    fn parse(text: &str, environment: &Environment) -> Result<Self, String> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or("it must begin with postgres:// or sqlite:")?;
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (address, ""),
        };
        let decode = |part: &str| percent::decode(part).ok_or_else(|| "a percent escape is not UTF-8".to_owned());
        let or = |part: String, variable: &str, default: &str| match part.as_str() {
            "" => environment.get(variable).unwrap_or(default).to_owned(),
            _ => part,
        };
        let user = or(decode(user)?, "PGUSER", environment.get("USER").unwrap_or("postgres"));
        let port = or(port.to_owned(), "PGPORT", "5432");
        let (passwords, parameters): (Vec<&str>, Vec<&str>) =
            parameters.split('&').partition(|parameter| parameter.starts_with("password="));
        let password = password.or_else(|| passwords.last().and_then(|parameter| parameter.strip_prefix("password=")));
        Ok(Self {
            password: password.map(decode).transpose()?.map(Secret::new),
            host: or(decode(host)?, "PGHOST", "127.0.0.1"),
            port: port.parse().map_err(|_| format!("{port:?} is no port"))?,
            database: or(decode(database)?, "PGDATABASE", &user),
            parameters: parameters.join("&"),
            user,
        })
    }

    fn query(&self) -> PgpassQuery<'_> {
        let host = if self.host.starts_with('/') { "localhost" } else { &self.host };
        PgpassQuery { host, port: self.port, database: &self.database, user: &self.user }
    }

    fn without_password(&self) -> String {
        let host = if self.host.starts_with('[') { self.host.clone() } else { percent::encode_name(&self.host) };
        let (user, database) = (percent::encode_name(&self.user), percent::encode_name(&self.database));
        let parameters = if self.parameters.is_empty() { String::new() } else { format!("?{}", self.parameters) };
        format!("postgres://{user}@{host}:{}/{database}{parameters}", self.port)
    }
}

/// The backup bucket: a store, a bucket and a folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryTarget {
    pub store: StoreSettings,
    pub bucket: BucketName,
    pub prefix: Prefix,
}

impl RepositoryTarget {
    /// Parses `--repo`: `http(s)://HOST[:PORT]/BUCKET[/PREFIX]`, `s3://BUCKET[/PREFIX]` (AWS), or `/FOLDER/BUCKET`.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, SettingsError> {
        let invalid = |reason: String| option_error("--repo", reason);
        if let Some(path) = text.strip_prefix("file://").or_else(|| text.starts_with('/').then_some(text)) {
            let path = PathBuf::from(path.trim_end_matches('/'));
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(invalid(format!("{text:?} is no folder of a bucket")));
            };
            let bucket = BucketName::new(name.to_string_lossy()).map_err(|error| invalid(error.to_string()))?;
            let store = StoreSettings::Directory { path: parent.to_owned() };
            return Ok(Self { store, bucket, prefix: Prefix::root() });
        }
        let (endpoint, addressing, path) = split_url(text, environment).map_err(invalid)?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((&path, ""));
        let raw = file::Store { endpoint: Some(endpoint), addressing: Some(addressing), ..file::Store::default() };
        Ok(Self {
            store: StoreSettings::resolve("repo", &raw, environment)?,
            bucket: BucketName::new(bucket).map_err(|error| invalid(error.to_string()))?,
            prefix: folder(prefix).map_err(|error| invalid(error.to_string()))?,
        })
    }
}

fn split_url(text: &str, environment: &Environment) -> Result<(String, Addressing, String), String> {
    if let Some(path) = text.strip_prefix("s3://") {
        let endpoint = match environment.get("AWS_ENDPOINT_URL") {
            Some(endpoint) => return Ok((endpoint.to_owned(), Addressing::Path, path.to_owned())),
            None => format!("https://s3.{}.amazonaws.com", default_region(environment)),
        };
        return Ok((endpoint, Addressing::Virtual, path.to_owned()));
    }
    let form = || format!("{:?} is no URL such as https://HOST/BUCKET, s3://BUCKET, or a path", redact(text));
    let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
    let (host, path) = rest.split_once('/').ok_or_else(form)?;
    Ok((format!("{scheme}://{host}"), Addressing::Path, path.to_owned()))
}

/// A prefix out of a text that may lack its last slash.
pub(super) fn folder(text: &str) -> Result<Prefix, crate::model::InvalidKey> {
    match text.trim_end_matches('/') {
        "" => Ok(Prefix::root()),
        text => Prefix::new(format!("{text}/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_leaves_it() {
        let parsed = DatabaseSettings::parse(
            "x",
            "postgres://me:se%40cret@db:5433/na%20me?sslmode=require",
            &Environment::default(),
        );
        let DatabaseSettings::Postgres { url, password, .. } = parsed.unwrap() else { panic!("not PostgreSQL") };
        assert_eq!(url, "postgres://me@db:5433/na%20me?sslmode=require");
        assert_eq!(password.unwrap().expose(), "se@cret");
        let text = "postgres://me@db/x?password=se%40cret&sslmode=require";
        let DatabaseSettings::Postgres { url, password, .. } =
            DatabaseSettings::parse("x", text, &Environment::default()).unwrap()
        else {
            panic!("not PostgreSQL")
        };
        assert_eq!(url, "postgres://me@db:5432/x?sslmode=require");
        assert_eq!(password.unwrap().expose(), "se@cret");
    }

    #[test]
    fn another_database_of_the_server_keeps_all_but_the_name() {
        let environment = Environment::from_pairs([("PGPASSWORD", "secret")]);
        let live = DatabaseSettings::parse("x", "postgres://me@db:5433/a?sslmode=require", &environment).unwrap();
        let other = live.with_database("L\u{fc}k \"x\"/").unwrap();
        let text = other.location();
        assert_eq!(text, "postgres://me@db:5433/L%C3%BCk%20%22x%22%2F?sslmode=require");
        assert_eq!(DatabaseSettings::parse("x", &text, &environment).unwrap(), other);
        let file = DatabaseSettings::parse("x", "sqlite:/srv/a.db", &environment).unwrap();
        assert_eq!(file.with_database("b.db").unwrap().location(), "sqlite:/srv/b.db");
        assert!(file.with_database("../b.db").is_err() && live.with_database("").is_err());
    }

    #[test]
    fn a_repository_is_a_url_or_a_folder() {
        let parse = |text: &str| RepositoryTarget::parse(text, &Environment::default());
        let target = parse("http://127.0.0.1:9000/dcs/one/two").unwrap();
        assert_eq!((target.bucket.as_str(), target.prefix.as_str()), ("dcs", "one/two/"));
        assert_eq!(target.store.location(), "http://127.0.0.1:9000");
        let target = parse("/mnt/backups/dcs/").unwrap();
        assert_eq!((target.bucket.as_str(), target.store.location().as_str()), ("dcs", "/mnt/backups"));
        for bad in ["", "dcs", "http://host", "ftp://host/bucket", "/", "http://user:pw@host/bucket"] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(!error.contains("user:pw"), "{error}");
        }
    }
}
