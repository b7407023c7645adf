//! The configuration file as it is written: TOML, unknown keys refused with the nearest known one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::alert::AlertOn;

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub state_dir: Option<PathBuf>,
    pub stores: BTreeMap<String, Store>,
    pub databases: BTreeMap<String, Database>,
    pub items: BTreeMap<String, Items>,
    pub trash: Option<Trash>,
    pub backup: Option<Backup>,
    pub restore: Option<Restore>,
    pub verify: Option<Verify>,
    pub alerts: Option<Alerts>,
    pub metrics: Option<Metrics>,
    pub hooks: Option<Hooks>,
    pub objectives: Option<Objectives>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressing: Option<Addressing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key_command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// `http://host/bucket/key`
    #[default]
    Path,
    /// `http://bucket.host/key`
    Virtual,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Database {
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_command: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The server as the tools see it, where that is not `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools_url: Option<String>,
    // Durations; `0s` is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalives_idle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_user_timeout: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Items {
    pub store: String,
    pub bucket: String,
    #[serde(default = "default_item_prefix")]
    pub prefix: String,
    pub database: Option<String>,
    pub table: Option<String>,
    pub id: Option<String>,
    pub status: Option<String>,
}

fn default_item_prefix() -> String {
    "{id}/".to_owned()
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trash {
    pub store: String,
    pub bucket: String,
    pub keep: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Backup {
    pub store: String,
    pub bucket: String,
    /// A folder of the bucket that holds the repository; empty: the whole bucket.
    pub prefix: String,
    pub databases: Vec<String>,
    pub files: Vec<String>,
    /// Patterns for `STORE/BUCKET/KEY`: only what fits one of these, and nothing that fits one of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    pub config: Vec<PathBuf>,
    pub capture: Vec<String>,
    /// `gzip:1` to `gzip:9`, `zstd:1` to `zstd:19`, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// Percent of its objects or bytes that a source may lose before its backup is not good; 0 for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrink_guard: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// Which backups stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Room that the repository should not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
}

/// Which backups stay: of all kinds, or of one.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Keep {
    pub last: u32,
    pub hourly: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Instead of these, for one kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db: Option<Box<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Box<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<Box<Self>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Restore {
    /// Shell commands around the swap of databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How long each may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_timeout: Option<String>,
    /// Tables that are loaded at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Verify {
    /// The database of the configuration on whose server a proof restores; without it, a private server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<Sql>,
}

/// What `dcs status --check` asks of the backups.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Objectives {
    pub db: Option<String>,
    pub files: Option<String>,
    pub config: Option<String>,
    pub complete: Option<String>,
    pub proven: Option<String>,
    pub backup_time: Option<String>,
    pub restore_time: Option<String>,
    pub disk_used: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sql {
    pub database: String,
    pub statement: String,
    pub expect: String,
}

/// One value, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Alerts {
    /// `failure`, `problems`, `recovery`, `always`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<OneOrMore<AlertOn>>,
    /// How long each may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Which commands ping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_commands: Option<Vec<String>>,
    /// Whether addresses beyond this machine may go without TLS.
    pub plaintext: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<SecretUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping: Option<SecretUrl>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Email {
    pub to: OneOrMore<String>,
    pub from: String,
    /// `smtps://HOST`, `smtp+starttls://HOST`, `smtp://HOST`.
    pub smtp: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub password_file: Option<PathBuf>,
    pub password_command: Option<String>,
    pub ca_file: Option<PathBuf>,
}

/// An address that is a secret.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SecretUrl {
    pub url: Option<String>,
    pub url_file: Option<PathBuf>,
    pub url_command: Option<String>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    pub textfile: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hooks {
    pub before: Option<String>,
    pub after: Option<String>,
    pub on_failure: Option<String>,
    /// Around each step of a backup.
    pub before_step: Option<String>,
    pub after_step: Option<String>,
    /// How long each may take.
    pub timeout: Option<String>,
    /// Around which commands.
    pub commands: Option<Vec<String>>,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| match nearest_key(error.message()) {
            Some(key) => format!("{error}did you mean `{key}`?"),
            None => error.to_string(),
        })
    }
}

/// Of a message such as "unknown field `a`, expected `b` or `c`", the key most like the unknown one, if any is near.
fn nearest_key(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let scored = names.map(|known| (strsim::jaro_winkler(unknown, known), known));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest_known_one() {
        let error = File::parse("[stores.live]\nendpont = \"http://x\"\n").unwrap_err();
        assert!(error.contains("endpont") && error.contains("did you mean `endpoint`?"), "{error}");
    }

    #[test]
    fn a_key_of_another_section_is_not_offered() {
        let error = File::parse("[backup]\ndatabase = [\"dream\"]\n").unwrap_err();
        assert!(error.contains("did you mean `databases`?"), "{error}");
    }

    #[test]
    fn a_misspelt_section_is_an_error_too() {
        let error = File::parse("[bakup]\nstore = \"x\"\n").unwrap_err();
        assert!(error.contains("did you mean `backup`?"), "{error}");
    }
}
