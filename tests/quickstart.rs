//! The quick start works, and the README shows what it prints.

use std::path::Path;
use std::process::Command;

/// What differs from run to run: ids, times, compressed sizes, the folder.
fn normalised(text: &str, folder: &Path) -> Vec<String> {
    let text = text.replace(&folder.display().to_string(), "/tmp/dcs-quickstart");
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ")).collect()
}

fn word(word: &str) -> String {
    if let Some((before, _)) = word.split_once(".before-") {
        return format!("{before}.before-RRRR");
    }
    let folder = word.starts_with("dcs-restored-");
    let id = word.trim_start_matches("dcs-restored-").trim_end_matches(':');
    if id.parse::<dcs::model::BackupId>().is_ok() {
        return if folder { "dcs-restored-ID".to_owned() } else { "ID".to_owned() };
    }
    if word.trim_end_matches(',').parse::<jiff::Timestamp>().is_ok() {
        return "TIME".to_owned();
    }
    let is_number = word.parse::<f64>().is_ok() && word.contains(|digit: char| digit.is_ascii_digit());
    if is_number { "N".to_owned() } else { word.to_owned() }
}

fn transcript(output: &str) -> &str {
    let start = output.find("# A live system").expect("the transcript begins with the live system");
    let end = output.find("\nIt works.").unwrap_or(output.len());
    output[start..end].trim_end()
}

#[test]
fn the_readme_shows_what_the_quick_start_prints() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("quickstart");
    let output = Command::new("bash")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.sh"))
        .arg(&folder)
        .env("DCS_BIN", env!("CARGO_BIN_EXE_dcs"))
        .output()
        .unwrap();
    // The conversation goes to stderr, the answers to stdout; the README shows both, so they are held apart here.
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");

    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let start = readme.find("<!-- quickstart -->").unwrap();
    let end = readme.find("<!-- /quickstart -->").unwrap();
    let shown =
        readme[start..end].trim_start_matches("<!-- quickstart -->\n```console\n").trim_end().trim_end_matches("```");
    let shown = normalised(shown.trim_end(), &folder);
    let said: Vec<String> = normalised(&stderr, &folder).into_iter().filter(|line| !line.is_empty()).collect();
    let (told, answered): (Vec<String>, Vec<String>) = shown.into_iter().partition(|line| said.contains(line));
    assert_eq!(answered, normalised(transcript(&stdout), &folder));
    assert!(told.iter().any(|line| line.contains("restore databases of")), "the plan is shown: {told:?}");
}
