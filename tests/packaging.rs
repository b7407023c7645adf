//! The Debian package: every file that its description names is there, and nothing that belongs into it is left out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use toml::Value;

/// Source, destination and mode of a file of the package.
struct Asset {
    source: String,
    to: String,
    mode: String,
}

fn metadata() -> toml::Table {
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().expect("Cargo.toml is TOML");
    manifest["package"]["metadata"]["deb"].as_table().expect("there is a package").clone()
}

fn assets() -> Vec<Asset> {
    let metadata = metadata();
    let text = |value: &Value| value.as_str().expect("an asset is three texts").to_owned();
    let asset = |asset: &Value| Asset { source: text(&asset[0]), to: text(&asset[1]), mode: text(&asset[2]) };
    metadata["assets"].as_array().expect("it has assets").iter().map(asset).collect()
}

/// The files that a source means, of which any part may be a pattern such as `*.1`.
fn files(source: &str) -> BTreeSet<String> {
    let mut found = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    for part in source.split('/') {
        let is_meant = |name: &str| match part.split_once('*') {
            Some((begin, end)) => name.starts_with(begin) && name.ends_with(end),
            None => name == part,
        };
        let inside = found.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        found =
            inside.filter(|entry| is_meant(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect();
    }
    let relative =
        |path: &PathBuf| path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below it").display().to_string();
    found.iter().filter(|path| path.is_file()).map(relative).collect()
}

#[test]
fn every_file_that_the_package_names_is_there() {
    for Asset { source, to, mode } in assets() {
        assert!(!to.starts_with('/') && ["644", "755"].contains(&mode.as_str()), "{source}: {to} {mode}");
        // The program is built when the package is.
        assert!(source == "target/release/dcs" || !files(&source).is_empty(), "there is no {source}");
    }
    let licence = metadata()["license-file"][0].as_str().expect("a path").to_owned();
    assert!(!files(&licence).is_empty(), "there is no {licence}");
}

#[test]
fn what_is_for_the_user_is_in_the_package() {
    let packed: BTreeSet<String> = assets().iter().flat_map(|asset| files(&asset.source)).collect();
    for folder in ["man", "completions", "cron", "examples", "examples/*"] {
        for file in files(&format!("{folder}/*")) {
            // The quick start builds from the sources, which are not in the package.
            assert!(file == "examples/quickstart.sh" || packed.contains(&file), "{file} is in no package");
        }
    }
}

#[test]
fn pages_are_where_man_looks_and_scripts_can_be_run() {
    for Asset { source, to, mode } in assets() {
        let is_script = source.starts_with("target/") || source.rsplit('.').next() == Some("sh");
        assert_eq!(mode == "755", is_script, "{source}");
        if let Some(section) = source.strip_prefix("man/*.") {
            assert_eq!(to, format!("usr/share/man/man{section}/"));
        }
    }
}

/// Installing a package must not start to back up what nobody has configured.
#[test]
fn the_schedule_is_not_switched_on() {
    let on = ["etc/cron", "lib/systemd", "etc/systemd", "usr/lib/systemd"];
    assert!(assets().iter().all(|asset| on.iter().all(|folder| !asset.to.starts_with(folder))));
}
