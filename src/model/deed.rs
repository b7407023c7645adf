//! The commands whose runs are recorded and told: those that change something, make a backup, or verify one.

/// Every command that is one, as it is called.
pub const DEEDS: &[&str] = &[
    "backup accept",
    "backup complete",
    "backup config",
    "backup db",
    "backup delete",
    "backup files",
    "backup protect",
    "backup prune",
    "backup tag",
    "backup unprotect",
    "delete",
    "init",
    "restore",
    "restore-complete",
    "restore-db",
    "restore-files",
    "trash adopt",
    "trash purge",
    "verify",
];

/// Every way to make a backup.
pub const BACKUPS: [&str; 4] = ["backup complete", "backup config", "backup db", "backup files"];

/// Whether a command is one of `names`, or of a group that is: `backup` is every `backup ...`.
pub fn is_one_of(command: &str, names: &[String]) -> bool {
    let is_meant = |name: &str| command.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    names.iter().any(|name| is_meant(name))
}

/// The first of `names` that means no command at all.
pub fn unknown(names: &[String]) -> Option<&String> {
    names.iter().find(|name| !DEEDS.iter().any(|deed| is_one_of(deed, std::slice::from_ref(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_a_command_or_a_group_of_them() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(is_one_of("backup files", &names(&["verify", "backup"])));
        assert!(!is_one_of("restore-db", &names(&["restore"])));
        assert_eq!(unknown(&names(&["backup", "verify", "backup fils"])), Some(&"backup fils".to_owned()));
        assert_eq!(unknown(&BACKUPS.map(str::to_owned)), None);
    }
}
