//! The schedule: what is configured is scheduled, as cron, systemd and logrotate take it, and its lines do what they say.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Parser;
use cli::{Dcs, Output};
use tempfile::TempDir;

#[path = "support/cli.rs"]
mod cli;
mod support;

/// The one that the repository has, made of the example configuration (tests/generated.rs).
const CRONTAB: &str = include_str!("../cron/dcs");
const LOGROTATE: &str = include_str!("../cron/logrotate");
/// What every command of a crontab begins with.
const DELAY: &str = "sleep $(shuf -i 0-$DELAY -n 1); ";

/// A job of a crontab: its times, its user, its command without the delay.
#[derive(Debug)]
struct Line<'a> {
    times: Vec<&'a str>,
    user: &'a str,
    command: &'a str,
}

fn lines(crontab: &str) -> Vec<Line<'_>> {
    let is_command = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit() || first == '*');
    crontab
        .lines()
        .filter(is_command)
        .map(|line| parse(line).unwrap_or_else(|fault| panic!("{line}: {fault}")))
        .collect()
}

/// A line of a crontab in `/etc/cron.d`, or what is wrong with it.
fn parse(line: &str) -> Result<Line<'_>, String> {
    let mut words = line.splitn(6, ' ');
    let times: Vec<&str> = words.by_ref().take(5).collect();
    let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    if let Some((time, _)) = times.iter().zip(ranges).find(|(time, (least, most))| !is_time(time, *least, *most)) {
        return Err(format!("{time} is no time"));
    }
    let (user, command) = words.next().unwrap_or_default().trim().split_once("  ").ok_or("there is no user")?;
    if user.is_empty() || !user.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(format!("{user:?} is no user"));
    }
    if command.replace("\\%", "").contains('%') {
        return Err("cron takes a percent sign for the end of the line".to_owned());
    }
    let command = command.strip_prefix(DELAY).ok_or("it does not wait at random")?;
    Ok(Line { times, user, command })
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

/// The settings of a crontab, as cron gives them to its commands.
fn settings(crontab: &str) -> Vec<(&str, &str)> {
    let is_setting = |(name, _): &(&str, &str)| name.bytes().all(|byte| byte.is_ascii_uppercase());
    crontab.lines().filter_map(|line| line.split_once('=')).filter(is_setting).collect()
}

/// What a command line asks of dcs, without the options that all have.
fn job(command: &str) -> String {
    let (_, job) = command.split_once(" --lock-wait ").unwrap_or_else(|| panic!("{command} does not wait for locks"));
    job.split_once(' ').unwrap().1.to_owned()
}

#[test]
fn every_line_of_the_crontab_is_one_that_cron_and_dcs_take() {
    let lines = lines(CRONTAB);
    assert!(lines.len() >= 6, "{lines:?}");
    for Line { times, user, command } in &lines {
        assert_eq!((times.len(), *user), (5, "root"), "{command}");
        let cli =
            dcs::cli::Cli::try_parse_from(command.split(' ')).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(cli.global.quiet && cli.global.log_file.is_some() && !cli.global.lock_wait.is_zero(), "{command}");
    }
    assert!(CRONTAB.ends_with('\n'), "cron ignores a last line without its end");
    let is_known = |line: &str| line.is_empty() || line.starts_with('#') || parse(line).is_ok();
    let others: Vec<&str> = CRONTAB.lines().filter(|line| !is_known(line)).collect();
    let names: Vec<&str> = settings(CRONTAB).iter().map(|(name, _)| *name).collect();
    assert_eq!((others.len(), names.as_slice()), (4, &["SHELL", "PATH", "MAILTO", "DELAY"][..]), "{others:?}");
}

#[test]
fn a_wrong_line_is_found() {
    for line in [
        "15 2 * * root  sleep $(shuf -i 0-$DELAY -n 1); dcs backup complete",
        "60 2 * * * root  sleep $(shuf -i 0-$DELAY -n 1); dcs backup complete",
        "15 2 0 * *  root  sleep $(shuf -i 0-$DELAY -n 1); dcs backup complete",
        "15 2 * * */0  root  sleep $(shuf -i 0-$DELAY -n 1); dcs backup complete",
        "15 2 * * *  sleep $(shuf -i 0-$DELAY -n 1); dcs backup complete",
        "15 2 * * *  root  sleep $(shuf -i 0-$DELAY -n 1); dcs --log-file %F.log backup complete",
        "15 2 * * *  root  dcs backup complete",
    ] {
        parse(line).expect_err(line);
    }
    parse("*/15 0-6,12 * * 1-5  root  sleep $(shuf -i 0-$DELAY -n 1); dcs backup complete").unwrap();
}

/// Debian's cron looks itself at a crontab that was made for a user, which is one without the names of users.
#[test]
fn debian_takes_the_crontab() {
    if !support::has_tool("crontab") {
        return;
    }
    let takes = |text: &str| {
        let folder = support::folder();
        let path = folder.path().join("crontab");
        fs::write(&path, text).unwrap();
        Command::new("crontab").arg("-n").arg(&path).stderr(Stdio::null()).status().unwrap().success()
    };
    let text = CRONTAB.replace("  root  ", "  ");
    assert!(takes(&text));
    assert!(!takes(&text.replace("15 2 * * *", "15 32 * * *")), "it does look");
}

/// A system of two objects and two rows in a folder, whose schedule has everything.
fn system() -> TempDir {
    let folder = support::folder();
    let root = folder.path();
    for id in ["1", "2"] {
        fs::create_dir_all(root.join("live/books").join(id)).unwrap();
        fs::write(root.join("live/books").join(id).join("text"), id).unwrap();
    }
    for name in ["live/trash", "vault", "log"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let database = rusqlite::Connection::open(root.join("dream.db")).unwrap();
    let sql = "CREATE TABLE books (id INTEGER PRIMARY KEY, status TEXT); INSERT INTO books VALUES (1, 'published'), (2, 'draft')";
    database.execute_batch(sql).unwrap();
    configure(root, "databases = [\"dream\"]\nfiles = [\"live/books\"]\n[backup.keep]\ndaily = 3\n", EVERYTHING);
    folder
}

const EVERYTHING: &str = "[trash]\nstore = \"live\"\nbucket = \"trash\"\nkeep = \"30d\"\n\
    [items.books]\nstore = \"live\"\nbucket = \"books\"\ndatabase = \"dream\"\ntable = \"books\"\n";

fn configure(root: &Path, backup: &str, more: &str) {
    let here = root.display();
    let text = format!(
        "state_dir = \"{here}/state\"\n[stores.live]\npath = \"{here}/live\"\n[stores.vault]\npath = \"{here}/vault\"\n\
         [databases.dream]\nurl = \"sqlite:{here}/dream.db\"\n{more}[backup]\nstore = \"vault\"\nbucket = \"backups\"\n{backup}"
    );
    fs::write(root.join("dcs.toml"), text).unwrap();
}

fn printed(root: &Path) -> String {
    Dcs::new(root).run(&["schedule", "print"]).ok().stdout
}

#[test]
fn what_is_configured_is_scheduled_and_nothing_else() {
    let folder = system();
    let jobs = |backup: &str, more: &str| -> Vec<String> {
        configure(folder.path(), backup, more);
        lines(&printed(folder.path())).iter().map(|line| job(line.command)).collect()
    };
    let (complete, proof, prune) = ("backup complete", "verify --kind complete --level restore", "backup prune --yes");
    let all = jobs("databases = [\"dream\"]\nfiles = [\"live/*\"]\n", EVERYTHING);
    let purge = "trash purge --older-than 30d --yes";
    assert_eq!(all, ["backup db", "backup files", complete, proof, "check", purge, prune]);
    assert_eq!(jobs("databases = [\"dream\"]\n", ""), ["backup db", complete, proof, prune]);
    assert_eq!(jobs("files = [\"live/*\"]\n", ""), ["backup files", complete, proof, prune]);
    assert_eq!(jobs("config = [\"/etc/hostname\"]\n", ""), [complete, proof, prune]);
    let trash = "[trash]\nstore = \"live\"\nbucket = \"trash\"\n[items.apps]\nstore = \"live\"\nbucket = \"books\"\n";
    assert_eq!(jobs("files = [\"live/*\"]\n", trash), ["backup files", complete, proof, prune]);

    configure(folder.path(), "", "");
    Dcs::new(folder.path()).run(&["schedule", "print"]).fails(2, "nothing to back up");
    configure(folder.path(), "files = [\"live/*\"]\n", &EVERYTHING.replace("30d", "a month"));
    Dcs::new(folder.path()).run(&["schedule", "print"]).fails(2, "[trash].keep");
    let vault = folder.path().join("vault/backups").display().to_string();
    let elsewhere = folder.path().join("state");
    fs::create_dir_all(&elsewhere).unwrap();
    Dcs::new(elsewhere).run(&["--repo", &vault, "schedule", "print"]).fails(2, "no configuration");
}

/// Runs a command of a crontab as cron does: by its shell, with its settings and nothing else.
fn by_cron(root: &Path, crontab: &str, command: &str) -> Output {
    let settings = settings(crontab);
    let mut dcs = Dcs::new(root).binary("/bin/sh").with("LOGNAME", "root");
    for (name, value) in settings {
        dcs = dcs.with(name, if name == "DELAY" { "0" } else { value });
    }
    let command = format!("{DELAY}{command}").replace("\\%", "%");
    dcs.run(&["-c", &command.replace("/var/log/dcs", root.join("log").to_str().unwrap())])
}

#[test]
fn the_lines_of_a_crontab_do_what_they_say_and_are_quiet() {
    let folder = system();
    let root = folder.path();
    let dcs = Dcs::new(root);
    dcs.run(&["init"]).ok();
    let crontab = printed(root);
    for line in lines(&crontab) {
        by_cron(root, &crontab, line.command).ok().silent();
    }
    let listed = dcs.run(&["backup", "list", "--json"]).ok().json();
    let kinds: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["db", "files", "complete"]);
    let complete = &listed[2];
    assert_eq!(complete["proof"]["state"], "proven", "{complete}");
    let log = fs::read_to_string(root.join("log/dcs.log")).unwrap();
    assert_eq!(log.matches("ended").count(), lines(&crontab).len(), "every run left its lines: {log}");

    // The proof is of the complete backup, whatever came since.
    dcs.run(&["backup", "files"]).ok();
    let proven =
        |arguments: &[&str]| dcs.run(&[&["verify", "--json"], arguments].concat()).ok().json()[0]["id"].clone();
    assert_ne!(proven(&["--level", "presence"]), complete["id"]);
    assert_eq!(proven(&["--level", "presence", "--kind", "complete"]), complete["id"]);
    let all = dcs.run(&["verify", "all", "--kind", "files", "--level", "presence", "--json"]).ok().json();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    dcs.run(&["verify", "--kind", "config"]).fails(10, "--kind");

    // What fails is told, and its code is that of the line.
    fs::rename(root.join("vault"), root.join("lost")).unwrap();
    for line in lines(&crontab).iter().filter(|line| line.command.contains("backup")) {
        by_cron(root, &crontab, line.command).fails(20, "vault");
    }
}

#[test]
fn the_next_runs_are_told_by_the_clock_on_the_wall() {
    let folder = system();
    let next = |zone: &str, arguments: &[&str]| -> Vec<String> {
        let dcs = Dcs::new(folder.path()).with("TZ", zone);
        let output = dcs.run(&[&["schedule", "print"], arguments].concat()).ok();
        output.stdout.lines().filter_map(|line| line.strip_prefix("# Next: ")).map(str::to_owned).collect()
    };
    let told = next("XYZ-3", &[]);
    assert_eq!(told.len(), 7);
    assert!(told.iter().all(|line| line.matches(" XYZ").count() == 3), "{told:?}");
    assert!(told[0].contains(" 02:15 XYZ") && told[2].starts_with("Sun ") && told[4].starts_with("Mon "), "{told:?}");
    assert_eq!(next("UTC", &["--next", "1"])[1].matches(" UTC").count(), 1);
    assert!(next("UTC", &["--next", "0"]).is_empty());
    assert_eq!(next("UTC", &["--format", "systemd"]).len(), 7);
}

#[test]
fn systemd_takes_the_units() {
    let folder = system();
    let root = folder.path();
    let units = root.join("units");
    let arguments = ["schedule", "print", "--format", "systemd", "--to", units.to_str().unwrap()];
    Dcs::new(root).run(&arguments).fails(1, "units");
    fs::create_dir(&units).unwrap();
    Dcs::new(root).run(&arguments).ok().answers("dcs-backup-db.service, dcs-backup-db.timer");
    Dcs::new(root).run(&[&["-q"], &arguments[..]].concat()).ok().silent();
    let paths: Vec<_> = fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), 14, "a service and a timer for each of seven jobs");
    let wants = ["OnCalendar=*-*-* 02:15:00\n", "RandomizedDelaySec=10min\n", "Persistent=true\n"];
    let timer = fs::read_to_string(units.join("dcs-backup-db.timer")).unwrap();
    assert!(wants.iter().all(|want| timer.contains(want)), "{timer}");
    let service = fs::read_to_string(units.join("dcs-verify.service")).unwrap();
    assert!(service.contains("--lock-wait 6h verify --kind complete --level restore\n"), "{service}");

    // What is printed is what is written.
    let text = Dcs::new(root).run(&arguments[..4]).ok().stdout;
    assert!(text.contains("# == /etc/systemd/system/dcs-verify.service\n") && text.contains(&service), "{text}");
    let other = Dcs::new(root).run(&[&arguments[..4], &["--user", "backup"]].concat()).ok();
    assert_eq!(other.stdout.matches("\nUser=backup\n").count(), 7);
    Dcs::new(root).run(&["schedule", "print", "--user", "no body"]).code(2);

    if Command::new("systemd-analyze").arg("--version").output().is_ok() {
        let mut analyze = Command::new("systemd-analyze");
        let output = analyze.args(["verify", "--man=no"]).args(&paths).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_ours = told.lines().any(|line| line.contains("dcs-"));
        assert!(output.status.success() && !is_ours, "{told}");
    }
}

/// The container makes its crontab when it starts, and sends what runs say to its own log.
#[test]
fn the_container_makes_its_crontab() {
    let folder = system();
    let root = folder.path();
    let compose = include_str!("../examples/compose.yaml");
    let (_, script) = compose.split_once("- |\n        dcs").unwrap();
    let (script, _) = script.split_once("exec cron -f").unwrap();
    let command = format!("dcs{}", script.replace("$$", "$").replace("/etc/cron.d", root.to_str().unwrap()));
    let programs = Path::new(env!("CARGO_BIN_EXE_dcs")).parent().unwrap().display();
    let shell = Dcs::new(root).binary("/bin/sh").with("PATH", format!("{programs}:/usr/bin:/bin"));
    shell.run(&["-ec", &command]).ok().silent();
    let crontab = fs::read_to_string(root.join("dcs")).unwrap();
    let lines = lines(&crontab);
    assert_eq!(lines.len(), 7);
    assert!(lines.iter().all(|line| line.command.ends_with(" >/proc/1/fd/1 2>&1")), "{lines:?}");
    // Without a schedule there is no container that looks as if it were well.
    fs::write(root.join("dcs.toml"), "no = 1").unwrap();
    shell.run(&["-ec", &command]).code(2).says("dcs.toml");
}

#[test]
fn the_log_is_rotated() {
    if Command::new("logrotate").arg("--version").output().is_err() {
        return;
    }
    let folder = support::folder();
    let root = folder.path();
    fs::create_dir(root.join("log")).unwrap();
    let (config, log) = (root.join("logrotate"), root.join("log/dcs.log"));
    fs::write(&config, LOGROTATE.replace("/var/log/dcs", root.join("log").to_str().unwrap())).unwrap();
    let rotate = || {
        let mut command = Command::new("logrotate");
        command.arg("--force").arg("--state").arg(root.join("state")).arg(&config);
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    };
    rotate();
    for text in ["first", "second"] {
        fs::write(&log, text).unwrap();
        rotate();
        assert_eq!(fs::read(&log).unwrap(), b"", "a new one is there");
    }
    assert_eq!(fs::read_to_string(root.join("log/dcs.log.1")).unwrap(), "second", "a run may still write to it");
    assert!(root.join("log/dcs.log.2.gz").is_file());
}
