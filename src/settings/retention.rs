//! `[backup.keep]`: which backups `dcs backup prune` keeps.

use super::resolve::option;
use super::{SettingsError, file};
use crate::model::BackupKind;
use crate::model::format::parse_duration;
use crate::model::retention::{Retention, Rules};

/// The rules for all kinds and those of single kinds; `None` where there are none, and so no backup goes by itself.
pub(super) fn resolve(backup: &file::Backup) -> Result<Option<Retention>, SettingsError> {
    let Some(keep) = &backup.keep else { return Ok(None) };
    let place = "[backup.keep]";
    let mut retention = Retention { all: rules(place, keep)?, ..Retention::default() };
    for (kind, section) in kinds(keep) {
        let Some(section) = section else { continue };
        let place = format!("{place}.{kind}");
        if kinds(section).iter().any(|(_, section)| section.is_some()) {
            return Err(option(place, "a kind has no kinds"));
        }
        retention.by_kind.insert(kind.as_str(), rules(&place, section)?);
    }
    Ok(Some(retention))
}

fn kinds(keep: &file::Keep) -> [(BackupKind, Option<&file::Keep>); 4] {
    [
        (BackupKind::Db, keep.db.as_deref()),
        (BackupKind::Files, keep.files.as_deref()),
        (BackupKind::Config, keep.config.as_deref()),
        (BackupKind::Complete, keep.complete.as_deref()),
    ]
}

fn rules(place: &str, keep: &file::Keep) -> Result<Rules, SettingsError> {
    let within = keep.within.as_deref().map(parse_duration).transpose();
    let rules = Rules {
        last: keep.last,
        hourly: keep.hourly,
        daily: keep.daily,
        weekly: keep.weekly,
        monthly: keep.monthly,
        yearly: keep.yearly,
        within: within.map_err(|reason| option(format!("{place}.within"), reason))?,
        tags: keep.tags.clone(),
    };
    if rules.keeps_anything() {
        return Ok(rules);
    }
    Err(option(place, "these rules keep nothing; leave the section out to keep everything"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn retention(keep: &str) -> Result<Option<Retention>, String> {
        let raw = file::File::parse(&format!("[backup]\n{keep}"))?;
        resolve(&raw.backup.unwrap_or_default()).map_err(|error| error.to_string())
    }

    #[test]
    fn rules_are_read_for_all_and_for_a_kind() {
        assert_eq!(retention(""), Ok(None));
        let text = "[backup.keep]\nlast = 3\nwithin = \"48h\"\ntags = [\"release\"]\n[backup.keep.files]\ndaily = 7\n";
        let retention = retention(text).unwrap().unwrap();
        let db = retention.of(BackupKind::Db);
        assert_eq!((db.last, db.daily, db.within), (3, None, Some(Duration::from_secs(172_800))));
        assert_eq!(db.tags, ["release"]);
        assert_eq!(retention.of(BackupKind::Files), &Rules { daily: Some(7), ..Rules::default() });
    }

    #[test]
    fn what_keeps_nothing_or_is_unknown_is_refused() {
        for (text, said) in [
            ("[backup.keep]\ndaily = 0", "keep nothing"),
            ("[backup.keep]\n[backup.keep.db]\ndaily = 0\ntags = [\"x\"]", "[backup.keep].db"),
            ("[backup.keep]\nwithin = \"long\"", "[backup.keep].within"),
            ("[backup.keep]\nlast = -1", "invalid value"),
            ("[backup.keep]\nlats = 1", "did you mean `last`?"),
            ("[backup.keep.files.db]\ndaily = 1", "a kind has no kinds"),
        ] {
            let error = retention(text).expect_err(text);
            assert!(error.contains(said), "{error}");
        }
    }
}
