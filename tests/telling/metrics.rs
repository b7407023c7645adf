//! The file of metrics, and what is shipped to make use of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::machine::Machine;

const RULES: &str = include_str!("../../examples/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../examples/grafana/dashboard.json");

impl Machine {
    fn with_metrics() -> Self {
        let machine = Self::new();
        let folder = machine.path("metrics");
        fs::create_dir(&folder).unwrap();
        machine.configure(&machine.metrics());
        machine
    }

    fn metrics(&self) -> String {
        format!("[metrics]\ntextfile = \"{}\"\n", self.path("metrics/dcs.prom").display())
    }

    fn value(&self, sample: &str) -> Option<f64> {
        let text = fs::read_to_string(self.path("metrics/dcs.prom")).unwrap();
        text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
    }
}

/// Runs promtool with a text on its input, or answers false where it is not installed and need not be.
fn promtool(arguments: &[&str], input: &str) -> bool {
    let file = crate::support::folder();
    let path = file.path().join("input");
    fs::write(&path, input).unwrap();
    let run = Command::new("promtool").args(arguments).stdin(fs::File::open(&path).unwrap()).output();
    let output = match run {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("DCS_TEST_REQUIRE").is_none(), "promtool is required, and not installed");
            return false;
        }
        other => other.unwrap(),
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}\n{stdout}{stderr}\n{input}");
    true
}

#[test]
fn attempts_and_successes_are_told_apart_through_failures() {
    let machine = Machine::with_metrics();
    machine.back_up();
    let good = machine.value("dcs_last_success_timestamp_seconds{command=\"backup complete\"}").unwrap();
    assert_eq!(machine.value("dcs_last_objects{command=\"backup complete\"}"), Some(2.0));
    let config = fs::read_to_string(machine.path("dcs.toml")).unwrap();
    fs::write(machine.path("dcs.toml"), config.replacen("live/books", "live/nowhere", 1)).unwrap();
    let failed = machine.dcs().run(&["backup", "complete"]);
    assert_ne!(failed.code, Some(0), "{failed}");
    assert_eq!(machine.value("dcs_last_success_timestamp_seconds{command=\"backup complete\"}"), Some(good));
    assert!(machine.value("dcs_last_attempt_timestamp_seconds{command=\"backup complete\"}").unwrap() > good);
    let code = machine.value("dcs_last_exit_code{command=\"backup complete\"}").unwrap();
    assert_eq!(Some(code), failed.code.map(f64::from));
    assert_eq!(machine.value("dcs_backup_timestamp_seconds{kind=\"db\"}"), Some(good));
    fs::write(machine.path("dcs.toml"), config).unwrap();
    machine.dcs().run(&["verify"]).ok();
    assert_eq!(machine.value("dcs_last_exit_code{command=\"verify\"}"), Some(0.0));
    assert_eq!(machine.value("dcs_last_exit_code{command=\"backup complete\"}"), Some(code), "others are kept");
    machine.dcs().run(&["backup", "list"]).ok();
    let text = fs::read_to_string(machine.path("metrics/dcs.prom")).unwrap();
    assert!(!text.contains("backup list"), "{text}");
    promtool(&["check", "metrics"], &text);
}

#[test]
fn a_folder_that_is_missing_or_closed_is_a_problem_and_the_backup_is_made() {
    let machine = Machine::with_metrics();
    fs::remove_dir(machine.path("metrics")).unwrap();
    machine.dcs().run(&["backup", "db"]).fails(3, "dcs.prom");
    fs::create_dir_all(machine.path("metrics/dcs.prom")).unwrap();
    machine.dcs().run(&["backup", "db"]).fails(3, "dcs.prom");
    machine.configure_to_fail(&machine.metrics());
    machine.dcs().run(&["backup", "db"]).says("the metrics could not be written").fails(21, "gone.db");
    machine.configure(&machine.metrics());
    let listed = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_word(character));
    words.filter(|word| word.starts_with("dcs_")).map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() {
    let written: BTreeSet<String> = dcs::metrics::FAMILIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 8);
    for (what, text) in [("rules", RULES), ("dashboard", DASHBOARD)] {
        let named = named(text);
        assert!(named.len() >= 4, "{what}: {named:?}");
        assert!(named.is_subset(&written), "{what}: {:?}", named.difference(&written));
    }
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/prometheus/alerts.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()], "");
}

#[test]
fn the_rules_fire_when_they_should_and_not_before() {
    let folder = crate::support::folder();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/prometheus/alerts.yml");
    // Time begins at 0: a backup of that moment is too old after 36 hours.
    let test = format!(
        "rule_files: [\"{}\"]\nevaluation_interval: 5m\ntests:\n  - interval: 5m\n    input_series:\n      \
         - series: 'dcs_backup_timestamp_seconds{{kind=\"db\",instance=\"vps1\"}}'\n        values: '0x600'\n      \
         - series: 'dcs_last_exit_code{{command=\"verify\",instance=\"vps1\"}}'\n        values: '0x120 20x400'\n    \
         alert_rule_test:\n      - eval_time: 35h\n        alertname: DcsBackupTooOld\n        exp_alerts: []\n      \
         - eval_time: 9h\n        alertname: DcsRunFailed\n        exp_alerts: []\n",
        rules.display()
    );
    let path = folder.path().join("test.yml");
    fs::write(&path, &test).unwrap();
    if !promtool(&["test", "rules", path.to_str().unwrap()], "") {
        return;
    }
    // The same, where both have to fire: promtool must not be content.
    fs::write(&path, test.replace("eval_time: 35h", "eval_time: 37h").replace("eval_time: 9h", "eval_time: 12h"))
        .unwrap();
    let fired = Command::new("promtool").args(["test", "rules", path.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8_lossy(&fired.stdout).into_owned() + &String::from_utf8_lossy(&fired.stderr);
    assert!(!fired.status.success() && told.contains("DcsBackupTooOld") && told.contains("DcsRunFailed"), "{told}");
}
