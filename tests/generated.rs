//! What is written down twice must say the same: the example configuration and its parser.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use dcs::settings::{Environment, Settings};

const EXAMPLE: &str = include_str!("../examples/dcs.toml");

/// Loads a configuration whose `/etc/dcs` is a folder of this test, with a secret in each file that it names.
fn load(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    for secret in ["live.secret", "dream.password"] {
        std::fs::write(folder.path().join(secret), "a secret\n").unwrap();
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
    assert_eq!(settings.backup.gzip_level, 6);
    assert_eq!(settings.repository.unwrap().prefix.as_str(), "dream/");
}

#[test]
fn the_example_shows_every_key_there_is() {
    let shown: toml::Table = uncommented(EXAMPLE).parse().unwrap();
    let keys = |section: &str| -> Vec<String> {
        let table = section.split('.').fold(&shown, |table, name| table[name].as_table().unwrap());
        table.keys().cloned().collect()
    };
    // The parser names the keys that a section may have when it meets one that it does not know.
    for section in ["stores.live", "databases.dream", "items.books", "trash", "backup"] {
        let mut shown = keys(section);
        if section == "stores.live" {
            shown.push("path".to_owned());
        }
        shown.sort();
        assert_eq!(shown, allowed(section), "[{section}]");
    }
}

/// The keys that a section may have, in the words of the parser's own error.
fn allowed(section: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("dcs.toml");
    std::fs::write(path, format!("[{section}]\nno-such-key = 1\n")).unwrap();
    let error = Settings::load(Some(path), None, Environment::default()).unwrap_err().to_string();
    let expected = error.split("expected one of ").nth(1).unwrap_or_else(|| panic!("{error}"));
    let mut keys: Vec<String> =
        expected.lines().next().unwrap().split(", ").map(|key| key.trim_matches('`').to_owned()).collect();
    keys.sort();
    keys
}
