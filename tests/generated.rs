//! What is written down twice must say the same: README, man pages, completions, and the example configuration are held
//! against the code.
//!
//! `DCS_TEST_REWRITE=1` writes the generated files anew instead of comparing them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use dcs::cli::Cli;
use dcs::exit::ExitCode;
use dcs::model::Compression;
use dcs::settings::{Environment, Settings};

#[path = "generated/config_page.rs"]
mod config_page;

const EXAMPLE: &str = include_str!("../examples/dcs.toml");
const README: &str = include_str!("../README.md");

/// Compares a committed file with what it should be, or writes it.
fn compare(path: &str, wanted: &str) {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("DCS_TEST_REWRITE").is_some() {
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        return std::fs::write(&full, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&full).unwrap_or_default();
    let differing = wanted.lines().zip(found.lines()).position(|(wanted, found)| wanted != found);
    let line = differing.unwrap_or_else(|| wanted.lines().count().min(found.lines().count())) + 1;
    let hint = "write it anew with DCS_TEST_REWRITE=1 cargo test --test generated";
    assert!(found == wanted, "{path} is not what the code says, from line {line} on; {hint}");
}

/// The files of a folder of the repository.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The whole tree of commands, global options included, each with its words, as in `dcs backup list`.
fn commands() -> Vec<(String, Command)> {
    fn collect(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
        found.push((words.to_owned(), command.clone()));
        for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
            collect(child, &format!("{words} {}", child.get_name()), found);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    collect(&root, "dcs", &mut found);
    found
}

#[test]
fn the_man_pages_are_those_of_the_commands() {
    let pages = dcs::commands::pages();
    for (name, text) in &pages {
        compare(&format!("man/{name}"), &String::from_utf8(text.clone()).unwrap());
    }
    compare("man/dcs.toml.5", &config_page::page(EXAMPLE));
    let mut wanted: BTreeSet<String> = pages.into_iter().map(|(name, _)| name).collect();
    wanted.extend(dcs::commands::OTHER_PAGES.map(|(name, _)| name.to_owned()));
    assert_eq!(names("man"), wanted);
}

#[test]
fn the_pages_are_written_where_man_looks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    for (named, places) in [("man1", ["man5", "man7", "man7"]), ("pages", ["pages"; 3])] {
        let named = folder.path().join(named);
        assert_eq!(run_bare(&["man", named.to_str().unwrap()], &[]).status.code(), Some(1), "there is no such folder");
        std::fs::create_dir(&named).unwrap();
        let output = run_bare(&["man", named.to_str().unwrap()], &[]);
        assert!(output.status.success(), "{output:?}");
        assert!(named.join("dcs-backup.1").is_file());
        for (place, (name, text)) in places.into_iter().zip(dcs::commands::OTHER_PAGES) {
            let page = folder.path().join(place).join(name);
            assert_eq!(std::fs::read_to_string(&page).unwrap(), text, "{}", page.display());
        }
    }
}

#[test]
fn every_page_is_one_that_man_can_show() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let pages = names("man").into_iter().map(|name| folder.join(name));
    // -z makes no output; every warning is on stderr. The test runner installs groff where it can.
    let output = match Process::new("groff").args(["-man", "-ww", "-z", "-Tutf8"]).args(pages).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("DCS_TEST_REQUIRE").is_none(), "groff is required, and not installed");
            return;
        }
        other => other.unwrap(),
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_key_of_the_example_is_in_the_page_of_the_configuration() {
    let page = config_page::page(EXAMPLE).replace("\\-", "-");
    let is_key = |line: &&str| line.contains(" = ") && line.starts_with(|first: char| first.is_ascii_lowercase());
    let everything = uncommented(EXAMPLE);
    let keys: Vec<&str> = everything.lines().filter(is_key).map(|line| line.split_once(" = ").unwrap().0).collect();
    assert!(keys.len() > 50, "{keys:?}");
    for key in keys {
        assert!(page.contains(&format!("\\fB{key}\\fR = ")), "{key}");
    }
}

#[test]
fn the_commands_of_the_page_on_recovery_are_ones_that_dcs_takes() {
    let page = dcs::commands::OTHER_PAGES[1].1.replace("\\-", "-");
    let lines =
        page.lines().filter_map(|line| line.strip_prefix(".B dcs ").or_else(|| line.strip_prefix(".BR \"dcs ")));
    let commands: Vec<String> = lines.map(|line| line.split('"').next().unwrap().to_owned()).collect();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        let command = command.replace("KIND/ID", "books/42").replace("ENTRY", "20261120T021500Z-k3x9");
        let words = std::iter::once("dcs").chain(command.split_whitespace());
        if let Err(error) = <Cli as clap::Parser>::try_parse_from(words) {
            panic!("dcs {command}: {error}");
        }
    }
}

#[test]
fn the_completions_are_those_of_the_commands() {
    let files = [("dcs.bash", Shell::Bash), ("_dcs", Shell::Zsh), ("dcs.fish", Shell::Fish)];
    for (name, shell) in files {
        compare(&format!("completions/{name}"), &dcs::commands::script(shell));
    }
    assert_eq!(names("completions"), files.map(|(name, _)| name.to_owned()).into());
}

#[test]
fn every_man_page_lists_every_exit_code() {
    for (name, text) in dcs::commands::pages() {
        let text = String::from_utf8(text).unwrap().replace("\\-", "-");
        for (code, meaning) in ExitCode::TABLE {
            let entry = format!("\\fB{}\\fR\n{meaning}\n", code.number());
            assert!(text.contains(&entry), "{name} lacks {} {meaning}", code.number());
        }
    }
}

#[test]
fn every_command_and_option_has_a_help_that_reads_like_the_others() {
    let mut wrong = Vec::new();
    for (words, command) in commands() {
        let mut check = |subject: String, help: Option<String>| match help {
            None => wrong.push(format!("{subject} has no help")),
            Some(help) if help.starts_with(char::is_lowercase) => wrong.push(format!("{subject} begins small: {help}")),
            Some(help) if help.ends_with('.') => wrong.push(format!("{subject} ends with a period: {help}")),
            Some(_) => {}
        };
        check(words.clone(), command.get_about().map(ToString::to_string));
        for argument in command.get_arguments().filter(|argument| !argument.is_global_set() || words == "dcs") {
            check(format!("{words}, {}", argument.get_id()), argument.get_help().map(ToString::to_string));
            for value in argument.get_possible_values().iter().filter(|_| argument.get_id() == "level") {
                check(format!("{words}, {}", value.get_name()), value.get_help().map(ToString::to_string));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_global_option_has_its_twin_in_the_environment() {
    let root = Cli::command();
    let globals: Vec<_> = root.get_arguments().filter(|argument| argument.is_global_set()).collect();
    assert!(globals.len() > 5, "there are global options");
    for argument in globals {
        let Some(long) = argument.get_long() else { panic!("{} has no long form", argument.get_id()) };
        if matches!(long, "help" | "version") {
            continue;
        }
        let twin = argument.get_env().and_then(|name| name.to_str());
        // `-v` counts; its twin is a number.
        let wanted = format!("DCS_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(twin, Some(wanted.as_str()), "--{long}");
    }
}

/// Runs dcs in an empty folder and an empty environment.
fn run_bare(arguments: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::new(env!("CARGO_BIN_EXE_dcs"));
    process.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(folder.path());
    process.output().unwrap()
}

#[test]
fn help_completions_and_the_example_need_no_configuration() {
    for arguments in [
        &["--help"][..],
        &["help", "backup", "complete"],
        &["verify", "-h"],
        &["--version"],
        &["completions", "bash"],
        &["config", "example"],
    ] {
        let output = run_bare(arguments, &[]);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    assert_eq!(run_bare(&["config", "example"], &[]).stdout, EXAMPLE.as_bytes());
}

#[test]
fn a_wrong_value_in_the_environment_is_a_usage_error() {
    for (name, value) in [("DCS_LOCK_WAIT", "soon"), ("DCS_COLOR", "pink"), ("DCS_JSON", "perhaps")] {
        let output = run_bare(&["config", "example"], &[(name, value)]);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {output:?}");
    }
}

/// What stands in the README between `<!-- NAME -->` and `<!-- /NAME -->`.
fn part(name: &str) -> &'static str {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let rest = README.split_once(&begin).unwrap_or_else(|| panic!("the README has no {begin}")).1;
    rest.split_once(&end).unwrap_or_else(|| panic!("the README has no {end}")).0
}

#[test]
fn the_readme_has_the_exit_codes() {
    let row = |(code, meaning): (ExitCode, &str)| format!("| {} | {meaning} |\n", code.number());
    let wanted: String = ExitCode::TABLE.into_iter().map(row).collect();
    assert_eq!(part("exit codes"), format!("| code | meaning |\n|---|---|\n{wanted}"));
}

#[test]
fn the_readme_names_every_command() {
    let table = part("commands");
    for (words, command) in commands() {
        let is_group = command.has_subcommands();
        let (group, name) = words.rsplit_once(' ').unwrap_or(("", &words));
        let alternatives = table.lines().any(|line| {
            let one = line.contains(&format!("`{words}"));
            one || (line.contains(&format!("`{group} ")) && line.split(['\\', '|', '`', ' ']).any(|word| word == name))
        });
        assert!(is_group || alternatives, "the README does not list `{words}`");
    }
}

/// The lines of the README's indented blocks that run dcs, continued ones joined.
fn readme_commands() -> Vec<String> {
    let joined = README.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("    dcs "));
    lines.map(|line| line.split(['#', '>']).next().unwrap().trim().to_owned()).collect()
}

#[test]
fn the_commands_in_the_readme_are_ones_that_dcs_takes() {
    let commands = readme_commands();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let words = std::iter::once("dcs").chain(command.split_whitespace());
        if let Err(error) = <Cli as clap::Parser>::try_parse_from(words) {
            panic!("dcs {command}: {error}");
        }
    }
}

#[test]
fn the_transcript_in_the_readme_runs_the_commands_of_the_quick_start() {
    let script = include_str!("../examples/quickstart.sh");
    let script = script.lines().filter_map(|line| line.strip_prefix("run '")?.strip_suffix('\''));
    let transcript = part("quickstart").lines().filter_map(|line| line.strip_prefix("$ "));
    assert_eq!(transcript.collect::<Vec<_>>(), script.collect::<Vec<_>>());
}

/// Loads a configuration whose `/etc/dcs` is a folder of this test, with a secret in each file that it names.
fn load(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    for secret in ["live.secret", "dream.password", "smtp.password"] {
        std::fs::write(folder.path().join(secret), "a secret\n").unwrap();
    }
    for address in ["webhook.url", "ping.url"] {
        std::fs::write(folder.path().join(address), "https://example.org/secret\n").unwrap();
    }
    let path = folder.path().join("dcs.toml");
    std::fs::write(&path, text.replace("/etc/dcs", folder.path().to_str().unwrap())).unwrap();
    Settings::load(Some(&path), None, Environment::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A key that is commented out has no space after its `#`; a comment has.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_configuration_in_the_readme_is_one_that_dcs_takes() {
    let text = README.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(load(text).repository.unwrap().bucket.as_str(), "dcs-backups");
}

#[test]
fn the_example_configuration_is_one_that_dcs_takes() {
    let settings = load(EXAMPLE);
    assert_eq!(settings.stores.keys().collect::<Vec<_>>(), ["live", "vault"]);
    assert_eq!(settings.backup.databases, ["dream"]);
    assert_eq!(settings.repository.unwrap().bucket.as_str(), "dcs-backups");
}

#[test]
fn every_key_that_the_example_comments_out_is_one_that_dcs_takes() {
    let everything = uncommented(EXAMPLE);
    let settings = load(&everything);
    assert!(settings.databases.contains_key("notes"), "the commented-out database is there");
    assert_eq!(settings.backup.compression, Compression::Gzip(6));
    assert_eq!(settings.repository.unwrap().prefix.as_str(), "dream/");
}

#[test]
fn the_example_shows_every_key_there_is() {
    let shown: toml::Table = uncommented(EXAMPLE).parse().unwrap();
    for section in ["stores.live", "databases.dream", "items.books", "trash", "backup", "restore"].into_iter().chain([
        "alerts.email",
        "alerts.webhook",
        "alerts.ping",
        "metrics",
        "hooks",
        "objectives",
    ]) {
        let table = section.split('.').fold(&shown, |table, name| table[name].as_table().unwrap());
        let mut keys: BTreeSet<String> = table.keys().cloned().collect();
        if section == "stores.live" {
            // A store has either an endpoint or a path.
            keys.insert("path".to_owned());
        }
        assert_eq!(keys, known_keys(section), "[{section}]");
    }
    let alerts = shown["alerts"].as_table().unwrap();
    assert_eq!(alerts.keys().cloned().collect::<BTreeSet<_>>(), known_keys("alerts"));
    let verify = shown["verify"].as_table().unwrap();
    assert_eq!(verify.keys().cloned().collect::<BTreeSet<_>>(), known_keys("verify"));
    let sql = verify["sql"][0].as_table().unwrap();
    assert_eq!(sql.keys().cloned().collect::<BTreeSet<_>>(), known_keys("[verify.sql]"));
}

/// What `dcs schedule print` makes of the example configuration, as if both lay where they are installed.
#[test]
fn the_crontab_is_that_of_the_example_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    for secret in ["live.secret", "dream.password"] {
        std::fs::write(folder.path().join(secret), "a secret\n").unwrap();
    }
    let path = format!("{here}/dcs.toml");
    std::fs::write(&path, EXAMPLE.replace("/etc/dcs", here)).unwrap();
    let output = run_bare(&["--config", &path, "schedule", "print", "--next", "0"], &[]);
    let text = String::from_utf8(output.stdout).unwrap().replace(&format!(" --config {path}"), "");
    compare("cron/dcs", &text.replace(here, "/etc/dcs").replace(env!("CARGO_BIN_EXE_dcs"), "dcs"));
}

/// The keys that a section may have, in the words of the parser's own error about one that it does not know.
fn known_keys(section: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("dcs.toml");
    std::fs::write(&path, format!("[{section}]\nno-such-key = 1\n")).unwrap();
    let error = Settings::load(Some(&path), None, Environment::default()).unwrap_err().to_string();
    let expected = error.split("expected ").nth(1).unwrap_or_else(|| panic!("{error}"));
    let expected = expected.lines().next().unwrap().trim_start_matches("one of ").replace(" or ", ", ");
    expected.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}
