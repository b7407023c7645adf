//! The rules that keep the layers apart, checked on every file of `src`: who may name whom, who may name which crate, who
//! may print, read the environment, and end the process.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "layers/source.rs"]
mod source;

use std::path::{Path, PathBuf};

use source::{Named, Source};

/// For each folder or file of `src`, the others that it may name; itself always.
const LAYERS: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("main", &["cli", "commands", "error", "exit", "logging", "memory", "settings", "signals", "ui"]),
    (
        "commands",
        &[TELLING, "cli", "error", "exit", "settings", "signals", "ui", "steps", ABOVE_THE_MODEL, "archive", "model"],
    ),
    ("cli", &["commands", "exit", "model"]),
    ("ui", &["error", "exit", "model"]),
    ("logging", &["cli", "error", "exit"]),
    ("error", &["exit", "settings", "steps", ABOVE_THE_MODEL, "archive", "model"]),
    ("signals", &["exit"]),
    ("settings", &["model"]),
    ("exit", &[]),
    ("memory", &[]),
    ("steps", &[ABOVE_THE_MODEL, "archive", "model"]),
    ("repository", &[SERVICES, "archive", "model"]),
    ("trash", &[SERVICES, "archive", "model"]),
    ("store", &["archive", "model"]),
    ("database", &["archive", "model"]),
    ("catalog", &["archive", "model"]),
    ("alerts", &["model"]),
    ("metrics", &["model"]),
    ("archive", &["model"]),
    ("model", &[]),
];
const ABOVE_THE_MODEL: &str = "repository trash store database catalog";
/// What tells others of a run: they know what it was, and nothing of how.
const TELLING: &str = "alerts metrics";
const SERVICES: &str = "store database catalog";

/// Crates that one folder hides from all others. A `*` at the end takes all that begin so.
const VENDORS: &[(&str, &[&str])] = &[
    ("clap*", &["cli", "commands", "main"]),
    ("indicatif", &["ui"]),
    ("comfy_table", &["ui"]),
    ("tracing_subscriber", &["logging"]),
    ("toml", &["settings"]),
    ("libc", &["memory"]),
    ("strsim", &["settings"]),
    ("s3", &["store/s3"]),
    ("http", &["store/s3", "alerts"]),
    ("http_body*", &["store/s3", "alerts"]),
    ("hyper*", &["store/s3", "alerts"]),
    ("tower_service", &["store/s3"]),
    ("quick_xml", &["store/s3"]),
    ("base64", &["store/s3"]),
    ("hmac", &["store/s3"]),
    ("rustls*", &["store/s3", "database", "alerts"]),
    ("tokio_postgres*", &["database"]),
    ("lettre", &["alerts"]),
    ("rusqlite", &["database", "catalog"]),
    ("tar", &["archive"]),
    ("flate2", &["archive"]),
    ("libdeflater", &["archive"]),
    ("zstd", &["archive"]),
    ("sha2", &["archive"]),
    ("xxhash_rust", &["archive"]),
    ("memchr", &["archive"]),
    ("time", &["store/s3"]),
    ("md5", &["store"]),
];

/// Crates that extend the language; every layer may name them.
const GENERAL: &[&str] = &[
    "async_trait",
    "bytes",
    "futures_util",
    "jiff",
    "percent_encoding",
    "rand",
    "rustix",
    "serde",
    "serde_json",
    "tempfile",
    "thiserror",
    "tokio",
    "tracing",
];

const PRINT_MACROS: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "dbg!"];
const UNFINISHED_MACROS: &[&str] = &["todo!", "unimplemented!"];
const MOST_LINES: usize = 400;

/// Every breach of a rule in the file at `path` (below `src`), as `file:line: rule`.
fn breaches(path: &str, text: &str) -> Vec<String> {
    let source = Source::read(text);
    let mut found = Vec::new();
    for name in &source.names {
        let mut breach = |rule: String| found.push(format!("src/{path}:{}: {rule}", name.line));
        wrong_layer(path, name, &mut breach);
        wrong_vendor(path, name, &source, &mut breach);
        wrong_means(path, name, &mut breach);
    }
    if source.lines > MOST_LINES && !source.header.contains("over 400 lines") {
        let lines = source.lines;
        found.push(format!(
            "src/{path}:1: {lines} lines without the tests; split it, or say in the header why it has over 400 lines"
        ));
    }
    found
}

fn wrong_layer(path: &str, name: &Named, breach: &mut impl FnMut(String)) {
    let own = layer_of(path);
    let Some(target) = target(path, name) else { return };
    if target == "*" {
        return breach("`use crate::*` hides which layers a file needs: name them".to_owned());
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == own) else {
        return breach(format!("the layer `{own}` has no place in tests/layers.rs: give it one"));
    };
    let mut allowed = allowed.iter().flat_map(|names| names.split(' '));
    if target != own && !allowed.any(|layer| layer == target) {
        breach(format!("`{own}` must not name `{target}`: {}", name.segments.join("::")));
    }
}

/// The first folder or file of `src` on the way to `path`.
fn layer_of(path: &str) -> &str {
    path.split('/').next().expect("never empty").trim_end_matches(".rs")
}

/// The layer that a path leads to, from `crate` or through `super`.
fn target(path: &str, name: &Named) -> Option<String> {
    let mut segments = name.segments.iter().map(String::as_str).peekable();
    match segments.peek() {
        Some(&"crate" | &"dcs") => segments.nth(1).map(str::to_owned),
        Some(&"super") => {
            let depth = path.trim_end_matches("/mod.rs").split('/').count();
            let climbed = name.segments.iter().take_while(|segment| *segment == "super").count();
            if climbed < depth { None } else { name.segments.get(climbed).cloned() }
        }
        _ => None,
    }
}

fn wrong_vendor(path: &str, name: &Named, source: &Source, breach: &mut impl FnMut(String)) {
    let first = &name.segments[0];
    if !name.imported && (name.segments.len() < 2 || is_own(first, source)) {
        return;
    }
    for (vendor, folders) in VENDORS {
        let is_meant = match vendor.strip_suffix('*') {
            Some(start) => first.starts_with(start),
            None => first == vendor,
        };
        let is_home = |folder: &str| {
            let rest = path.strip_prefix(folder);
            rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
        };
        if is_meant && !folders.iter().any(|folder| is_home(folder)) {
            breach(format!("the crate `{first}` may be named in {} only", folders.join(", ")));
        }
    }
}

/// Whether the file brings in something else by that name, as in `use crate::archive::tar` or `use tokio::time`.
fn is_own(first: &str, source: &Source) -> bool {
    source.names.iter().any(|name| {
        let path = name.segments.strip_suffix(&["self".to_owned()]).unwrap_or(&name.segments);
        name.imported && path.len() > 1 && path.last().is_some_and(|last| last == first)
    })
}

fn wrong_means(path: &str, name: &Named, breach: &mut impl FnMut(String)) {
    let layer = layer_of(path);
    let segments: Vec<&str> = name.segments.iter().map(String::as_str).collect();
    let last = *segments.last().expect("a path has segments");
    if PRINT_MACROS.contains(&last) && layer != "ui" {
        breach(format!("only `ui` prints: {last}"));
    }
    let is_stream = |part: &&str| matches!(*part, "stdout" | "stderr");
    if segments.contains(&"io") && segments.iter().any(is_stream) && !matches!(layer, "ui" | "logging") {
        breach(format!("only `ui` and `logging` know the terminal: {}", segments.join("::")));
    }
    if UNFINISHED_MACROS.contains(&last) {
        breach(format!("{last} is no answer to a sysadmin: finish it"));
    }
    if segments.ends_with(&["process", "exit"]) || segments.ends_with(&["process", "abort"]) {
        breach("`main` returns the exit code, so that everything is released first: no process::exit".to_owned());
    }
    if segments.starts_with(&["std", "env"]) && !matches!(layer, "settings" | "main" | "logging") {
        breach(format!("only `settings`, `main` and `logging` read the environment: {}", segments.join("::")));
    }
}

/// Every Rust file below `src`, by its path there.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !is_test_file(&path) {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// A module `tests` in a file of its own.
fn is_test_file(path: &Path) -> bool {
    let parts: Vec<PathBuf> = path.iter().map(PathBuf::from).collect();
    parts.iter().any(|part| part == Path::new("tests.rs") || part == Path::new("tests"))
}

#[test]
fn every_file_keeps_to_its_layer() {
    let files = files();
    assert!(files.len() > 40, "only {} files were read", files.len());
    let found: Vec<String> = files.iter().flat_map(|(path, text)| breaches(path, text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_dependency_has_a_home_or_is_general() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        let crate_name = if name == "rust-s3" { "s3".to_owned() } else { name.replace('-', "_") };
        let is_hidden = VENDORS.iter().any(|(vendor, _)| match vendor.strip_suffix('*') {
            Some(start) => crate_name.starts_with(start),
            None => crate_name == *vendor,
        });
        assert!(is_hidden || GENERAL.contains(&crate_name.as_str()), "`{name}`: give it a place in tests/layers.rs");
    }
}

/// Checks a made-up file: it must break the rule that `said` is part of, on that line, and no other.
#[track_caller]
fn caught(path: &str, text: &str, line: usize, said: &str) {
    let found = breaches(path, text);
    let place = format!("src/{path}:{line}: ");
    assert!(found.len() == 1 && found[0].starts_with(&place) && found[0].contains(said), "{text}\n{found:?}");
}

#[track_caller]
fn allowed(path: &str, text: &str) {
    assert_eq!(breaches(path, text), Vec::<String>::new(), "{text}");
}

#[test]
fn a_layer_that_names_what_stands_above_it_is_caught() {
    caught("steps/pack.rs", "use crate::ui::Table;\n", 1, "`steps` must not name `ui`");
    caught("store/dir.rs", "\nuse crate::{archive, repository::Repository};\n", 2, "must not name `repository`");
    caught("model/key.rs", "fn f() -> crate::store::StoreError {}\n", 1, "`model` must not name `store`");
    caught("archive/tar.rs", "use super::super::store::ObjectStore;\n", 1, "`archive` must not name `store`");
    caught("archive/mod.rs", "use super::store::ObjectStore;\n", 1, "`archive` must not name `store`");
    caught("exit.rs", "use super::error::CommandError;\n", 1, "`exit` must not name `error`");
    caught("store/s3/mod.rs", "use crate::database::Database;\n", 1, "`store` must not name `database`");
    caught("steps/x.rs", "use crate::{\n    model::Key,\n    settings::Settings,\n};\n", 3, "`settings`");
    caught("steps/x.rs", "use crate::*;\n", 1, "hides which layers");
    caught("mailer/mod.rs", "use crate::model::Key;\n", 1, "has no place");
    allowed("steps/pack.rs", "use crate::repository::Repository;\nuse super::Context;\nuse crate::steps::x;\n");
    allowed("repository/locks/lease.rs", "use super::super::open::Repository;\n");
    allowed("main.rs", "use dcs::{exit, ui};\n");
}

#[test]
fn a_crate_outside_its_folder_is_caught() {
    caught("steps/pack.rs", "use clap::Args;\n", 1, "`clap`");
    caught("steps/pack.rs", "#[derive(clap_complete::Thing)]\nstruct S;\n", 1, "`clap_complete`");
    caught("repository/pack.rs", "fn f(_: tar::Header) {}\n", 1, "`tar`");
    caught("store/dir.rs", "use s3::Bucket;\n", 1, "store/s3 only");
    caught("settings/file.rs", "use tokio_postgres as postgres;\n", 1, "`tokio_postgres`");
    caught("steps/x.rs", "use {bytes::Bytes, rusqlite::Connection};\n", 1, "`rusqlite`");
    caught("steps/x.rs", "use ::flate2::Crc;\n", 1, "`flate2`");
    allowed("store/s3/client.rs", "use s3::Bucket;\nuse hyper_util::rt::TokioExecutor;\n");
    allowed("repository/pack.rs", "use crate::archive::{gzip, tar};\nfn f() { tar::header(); }\n");
    allowed(
        "repository/pack.rs",
        "use crate::archive::gzip::{self, Level};\nuse tokio::time;\nfn f() { time::sleep(); }\n",
    );
    allowed("repository/pack.rs", "fn f(tar: &[u8]) { tar.len(); }\n");
}

#[test]
fn printing_outside_the_ui_is_caught() {
    caught("steps/pack.rs", "fn f() {\n    println!(\"done\");\n}\n", 2, "only `ui` prints");
    caught("store/dir.rs", "fn f() { std::eprint!(\"x\") }\n", 1, "only `ui` prints");
    caught("commands/init.rs", "use std::io::{self, stdout};\n", 1, "know the terminal");
    allowed("ui/mod.rs", "fn f() { println!(); }\n");
    allowed("steps/pack.rs", "// println!(\"x\")\nconst TEXT: &str = \"println!()\";\n/* dbg!(\n) */\n");
    allowed("steps/pack.rs", "fn f(options: Options) { options.stdout(Stdio::piped()); writeln!(text); }\n");
}

#[test]
fn the_environment_the_exit_and_the_unfinished_are_caught() {
    caught("steps/pack.rs", "fn f() { std::env::var(\"HOME\"); }\n", 1, "read the environment");
    caught("commands/init.rs", "use std::{env, fs};\n", 1, "read the environment");
    caught("commands/init.rs", "fn f() { std::process::exit(1) }\n", 1, "no process::exit");
    caught("main.rs", "use std::process::{ExitCode, exit};\n", 1, "no process::exit");
    caught("store/dir.rs", "fn f() { todo!() }\n", 1, "finish it");
    caught("store/dir.rs", "fn f() { unimplemented!(\"later\") }\n", 1, "finish it");
    allowed("settings/environment.rs", "fn f() { std::env::vars_os(); }\n");
    allowed("logging.rs", "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");\n");
}

#[test]
fn a_file_that_grew_too_long_is_caught_and_a_reason_excuses_it() {
    let long = "fn f() {}\n".repeat(401);
    caught("steps/pack.rs", &long, 1, "401 lines");
    allowed("steps/pack.rs", &format!("//! One table, over 400 lines: splitting it would hide gaps.\n{long}"));
    let tests = "    fn f() {}\n".repeat(400);
    allowed("steps/pack.rs", &format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{tests}}}\n"));
}

#[test]
fn unit_tests_are_free_and_what_follows_them_is_not() {
    let tests = "#[cfg(test)]\nmod tests {\n    use crate::ui::Table;\n    fn f() { println!(\"}\"); }\n}\n";
    allowed("steps/pack.rs", tests);
    caught("steps/pack.rs", &format!("{tests}use crate::ui::Table;\n"), 6, "`ui`");
    caught("steps/pack.rs", "#[cfg(test)]\nmod tests;\nuse crate::ui::Table;\n", 3, "`ui`");
}

#[test]
fn texts_characters_and_lifetimes_do_not_hide_code() {
    for before in [
        "const A: char = '\"';",
        "const B: &str = r#\"a \" b\"#;",
        "const C: &[u8] = b\"\\\"\";",
        "fn f<'a>(x: &'a str) -> &'a str { x }",
        "const D: char = '\\'';",
        "/* a /* nested */ comment */",
        "const E: &str = r\"\\\";",
        "const F: &str = \"Träume // \";",
    ] {
        caught("steps/pack.rs", &format!("{before} use crate::ui::Table;\n"), 1, "`ui`");
    }
}
