//! `[objectives]`: what `dcs status --check` asks of the backups.

use super::resolve::option;
use super::{SettingsError, file};
use crate::model::Objectives;
use crate::model::format::{parse_bytes, parse_duration};

pub(super) fn resolve(raw: Option<&file::Objectives>) -> Result<Objectives, SettingsError> {
    let Some(raw) = raw else { return Ok(Objectives::default()) };
    let time = |name: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(parse_duration).transpose();
        parsed.map_err(|reason| option(format!("[objectives].{name}"), reason))
    };
    let disk_used = raw.disk_used.as_deref().map(parse_bytes).transpose();
    Ok(Objectives {
        db: time("db", &raw.db)?,
        files: time("files", &raw.files)?,
        config: time("config", &raw.config)?,
        complete: time("complete", &raw.complete)?,
        proven: time("proven", &raw.proven)?,
        backup_time: time("backup_time", &raw.backup_time)?,
        restore_time: time("restore_time", &raw.restore_time)?,
        disk_used: disk_used.map_err(|reason| option("[objectives].disk_used", reason))?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn objectives(text: &str) -> Result<Objectives, String> {
        let raw = file::File::parse(text)?;
        resolve(raw.objectives.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn objectives_are_read_and_what_is_none_is_refused_by_name() {
        let found = objectives("[objectives]\ndb = \"26h\"\ndisk_used = \"500GB\"\n").unwrap();
        assert_eq!(found.db, Some(Duration::from_secs(26 * 3600)));
        assert_eq!((found.files, found.disk_used), (None, Some(500_000_000_000)));
        assert!(objectives("").unwrap().is_empty());
        for (text, said) in [
            ("db = \"soon\"", "[objectives].db"),
            ("disk_used = \"7\"", "[objectives].disk_used"),
            ("prove = \"8d\"", "did you mean `proven`?"),
        ] {
            let error = objectives(&format!("[objectives]\n{text}")).expect_err(text);
            assert!(error.contains(said), "{error}");
        }
    }
}
