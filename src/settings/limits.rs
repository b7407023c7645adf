//! The time limits of `[databases.NAME]`.

use std::time::Duration;

use super::resolve::option;
use super::{SettingsError, file};
use crate::model::Limits;
use crate::model::format::parse_duration;

pub(super) fn resolve(name: &str, raw: &file::Database) -> Result<Limits, SettingsError> {
    let limit = |key: &str, text: Option<&String>, default: Duration| match text {
        None => Ok(default),
        Some(text) => parse_duration(text).map_err(|reason| option(format!("[databases.{name}].{key}"), reason)),
    };
    let default = Limits::default();
    Ok(Limits {
        connect_timeout: limit("connect_timeout", raw.connect_timeout.as_ref(), default.connect_timeout)?,
        lock_timeout: limit("lock_timeout", raw.lock_timeout.as_ref(), default.lock_timeout)?,
        statement_timeout: limit("statement_timeout", raw.statement_timeout.as_ref(), default.statement_timeout)?,
        keepalives_idle: limit("keepalives_idle", raw.keepalives_idle.as_ref(), default.keepalives_idle)?,
        tcp_user_timeout: limit("tcp_user_timeout", raw.tcp_user_timeout.as_ref(), default.tcp_user_timeout)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_replaces_its_own_default_and_none_other() {
        let raw = file::Database { statement_timeout: Some("0s".to_owned()), ..file::Database::default() };
        let limits = resolve("dream", &raw).unwrap();
        assert_eq!(limits, Limits { statement_timeout: Duration::ZERO, ..Limits::default() });
        let raw = file::Database { lock_timeout: Some("soon".to_owned()), ..file::Database::default() };
        let error = resolve("dream", &raw).unwrap_err().to_string();
        assert!(error.contains("[databases.dream].lock_timeout"), "{error}");
    }
}
