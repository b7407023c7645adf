//! Which commands are deeds: those that change something, make a backup, or verify one. Each run of one leaves a record,
//! metrics and alerts; a look, or a dry run, leaves nothing.

use clap::ArgMatches;

use crate::model::deed::DEEDS;

/// The name of the deed that a command line asks for; `None` for a look and for a dry run.
pub fn deed(matches: &ArgMatches) -> Option<&'static str> {
    let (mut words, mut last) = (Vec::new(), matches);
    while let Some((word, next)) = last.subcommand() {
        words.push(word);
        last = next;
    }
    let is_dry = last.try_get_one::<bool>("dry_run").ok().flatten().is_some_and(|dry_run| *dry_run);
    let name = words.join(" ");
    DEEDS.iter().copied().find(|deed| *deed == name && !is_dry)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;
    use crate::cli::Cli;

    /// Every command that only looks, or touches nothing but a file that it is told to write.
    const LOOKS: &[&str] = &[
        "backup cat",
        "backup diff",
        "backup export",
        "backup list",
        "backup ls",
        "backup show",
        "catalog rebuild",
        "check",
        "completions",
        "config check",
        "config example",
        "config show",
        "doctor",
        "history",
        "man",
        "status",
        "schedule print",
        "trash list",
        "trash show",
    ];

    fn leaves(command: &Command, words: &str, found: &mut Vec<String>) {
        for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
            let words = format!("{words} {}", child.get_name()).trim().to_owned();
            if child.has_subcommands() { leaves(child, &words, found) } else { found.push(words) }
        }
    }

    #[test]
    fn every_command_is_either_a_deed_or_a_look() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        found.sort();
        let mut known: Vec<&str> = DEEDS.iter().chain(LOOKS).copied().collect();
        known.sort_unstable();
        assert_eq!(found, known, "say of a new command, in src/commands/deeds.rs, which it is");
    }

    #[test]
    fn a_dry_run_is_no_deed() {
        let deed_of = |words: &[&str]| deed(&Cli::command().try_get_matches_from(words).unwrap());
        assert_eq!(deed_of(&["dcs", "backup", "files"]), Some("backup files"));
        assert_eq!(deed_of(&["dcs", "--quiet", "delete", "books/1"]), Some("delete"));
        assert_eq!(deed_of(&["dcs", "verify"]), Some("verify"));
        for look in [&["dcs", "backup", "files", "-n"][..], &["dcs", "delete", "books/1", "-n"], &["dcs", "check"]] {
            assert_eq!(deed_of(look), None, "{look:?}");
        }
    }
}
