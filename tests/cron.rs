//! The crontab: each line is one that cron takes and whose command dcs takes, those that wait to be uncommented too.

use clap::Parser;
use dcs::cli::Cli;

const CRONTAB: &str = include_str!("../cron/dcs");

/// What is wrong with a line of a crontab in `/etc/cron.d`.
fn fault(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.len() < 7 {
        return Some("a line has five fields of time, a user and a command".to_owned());
    }
    let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    if let Some((field, _)) = fields.iter().zip(ranges).find(|(field, (least, most))| !is_time(field, *least, *most)) {
        return Some(format!("{field} is no time"));
    }
    if !fields[5].bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Some(format!("{} is no user", fields[5]));
    }
    if line.contains('%') {
        return Some("cron takes a percent sign for the end of the line".to_owned());
    }
    if fields[6] != "dcs" {
        return Some(format!("{} is not dcs", fields[6]));
    }
    Cli::try_parse_from(&fields[6..]).err().map(|error| error.to_string())
}

/// `*`, `3`, `1-5`, `*/15`, or several with commas.
fn is_time(field: &str, least: u32, most: u32) -> bool {
    let is_number = |text: &str| text.parse().is_ok_and(|number: u32| (least..=most).contains(&number));
    field.split(',').all(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let is_range = range == "*" || range.split('-').count() <= 2 && range.split('-').all(is_number);
        is_range && step.parse().is_ok_and(|step: u32| step > 0)
    })
}

/// The lines that run something, and those that would once their `#` is gone.
fn lines() -> Vec<&'static str> {
    let is_command = |line: &&str| {
        let begins = line.starts_with(|first: char| first.is_ascii_digit() || first == '*');
        begins && line.contains("dcs")
    };
    CRONTAB.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).filter(is_command).collect()
}

#[test]
fn every_line_is_one_that_cron_and_dcs_take() {
    let lines = lines();
    assert!(lines.len() >= 2, "{lines:?}");
    for line in lines {
        if let Some(fault) = fault(line) {
            panic!("{line}\n{fault}");
        }
    }
}

#[test]
fn nothing_else_stands_in_the_crontab() {
    for line in CRONTAB.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let is_setting =
            line.split_once('=').is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase()));
        assert!(is_setting || lines().contains(&line), "{line}");
    }
    assert!(CRONTAB.ends_with('\n'), "cron ignores a last line without its end");
}

#[test]
fn a_backup_and_a_verification_are_switched_on() {
    let on: Vec<&str> = CRONTAB.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())).collect();
    for command in [" backup complete", " verify "] {
        assert!(on.iter().any(|line| line.contains(command)), "{on:?}");
    }
}

#[test]
fn a_wrong_line_is_found() {
    for line in [
        "15 2 * * root dcs backup complete",
        "60 2 * * * root dcs backup complete",
        "15 2 0 * * root dcs backup complete",
        "15 2 * * */0 root dcs backup complete",
        "15 2 * * * dcs --quiet backup complete",
        "15 2 * * * root dcs backup everything",
        "15 2 * * * root dcs --log-file /var/log/dcs-%F.log backup complete",
    ] {
        fault(line).expect(line);
    }
    assert_eq!(fault("*/15 0-6,12 * * 1-5 root dcs --quiet backup complete"), None);
}

#[test]
fn the_runs_that_the_crontab_starts_are_quiet_and_leave_a_log() {
    for line in lines() {
        let words = line.split_whitespace().skip(6);
        let cli = Cli::try_parse_from(words).unwrap();
        assert!(cli.global.quiet && cli.global.log_file.is_some(), "{line}");
    }
}
