//! A week of cron on a machine whose clock is set for each run, with things that go wrong in it: what each run ends with, who
//! is told, what the metrics and the history say at the end, and which backups are left.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::Receiver;
use crate::machine::Machine;

/// A Monday, far enough ahead for nothing on this machine to be of its future.
const BEGIN: &str = "2031-01-06T00:00:00Z";
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What ends otherwise than with 0: day, time, command, exit code, and what whoever watches is told.
const FORETOLD: &[(&str, &str, &str, i32, &str)] = &[
    // The folder of the books is away for two hours.
    ("Tue", "10:05", "backup files", 20, "failure"),
    ("Tue", "11:05", "backup files", 20, "failure"),
    ("Tue", "12:05", "backup files", 0, "recovery"),
    // The database is away for a night.
    ("Wed", "02:15", "backup db", 21, "failure"),
    ("Thu", "02:15", "backup db", 0, "recovery"),
    // Most books are deleted; it takes till noon until somebody says that this is right.
    ("Thu", "09:05", "backup files", 3, "problems"),
    ("Thu", "10:05", "backup files", 3, "problems"),
    ("Thu", "10:20", "backup prune", 3, "problems"),
    ("Thu", "11:05", "backup files", 3, "problems"),
    ("Thu", "12:05", "backup files", 0, "recovery"),
    ("Fri", "10:20", "backup prune", 0, "recovery"),
    // A pack is damaged on Saturday, and found on Sunday.
    ("Sun", "05:40", "verify", 4, "failure"),
];

/// The crontab.
fn due(day: usize, hour: usize) -> Vec<(usize, Vec<&'static str>)> {
    let mut due = vec![(5, vec!["backup", "files"])];
    match hour {
        2 => due.push((15, vec!["backup", "db"])),
        4 if day == 6 => due.push((40, vec!["backup", "complete"])),
        5 if day == 6 => due.push((40, vec!["verify", "latest", "--level", "checksum"])),
        10 => due.push((20, vec!["backup", "prune", "--yes"])),
        _ => {}
    }
    due
}

impl Machine {
    /// What goes wrong, or is mended, before the runs of an hour.
    fn befall(&self, day: &str, hour: usize) {
        let (books, away) = (self.path("live/books"), self.path("live/away"));
        match (day, hour) {
            ("Tue", 10) => fs::rename(&books, &away).unwrap(),
            ("Tue", 12) => fs::rename(&away, &books).unwrap(),
            ("Wed", 0) => fs::rename(self.path("dream.db"), self.path("away.db")).unwrap(),
            ("Wed", 12) => fs::rename(self.path("away.db"), self.path("dream.db")).unwrap(),
            ("Thu", 9) => (0..20).for_each(|book| fs::remove_file(books.join(format!("book {book}"))).unwrap()),
            ("Thu", 12) => drop(self.at(day, "11:50").run(&["backup", "accept", &self.newest("files")]).ok()),
            ("Sat", 12) => {
                let packs: Vec<_> = crate::system::files(&self.path("vault/dcs/packs")).into_keys().collect();
                for pack in packs {
                    let path = self.path("vault/dcs/packs").join(pack);
                    let mut bytes = fs::read(&path).unwrap();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    fs::write(&path, bytes).unwrap();
                }
            }
            _ => {}
        }
    }

    /// dcs on that day of the week, at that time.
    fn at(&self, day: &str, time: &str) -> crate::cli::Dcs {
        let day = 6 + DAYS.iter().position(|name| *name == day).unwrap();
        let time = format!("@2031-01-{day:02} {time}:00");
        self.dcs().with("TZ", "UTC").through(&["faketime", "-f", &time])
    }

    fn listed(&self, kind: &str) -> Vec<String> {
        let listed = self.dcs().run(&["backup", "list", "--json", "--kind", kind]).ok().json();
        listed.as_array().unwrap().iter().map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
    }

    fn newest(&self, kind: &str) -> String {
        self.listed(kind).pop().unwrap()
    }
}

fn has_faketime() -> bool {
    let found = Command::new("faketime").arg("--version").output().is_ok();
    assert!(found || std::env::var_os("DCS_TEST_REQUIRE").is_none(), "faketime is required, and not installed");
    found
}

#[test]
fn a_week_of_cron_ends_as_foretold() {
    if !has_faketime() {
        return;
    }
    let machine = Machine::new();
    (0..20).for_each(|book| fs::write(machine.path(&format!("live/books/book {book}")), format!("{book}")).unwrap());
    let told = Receiver::start("http", &machine.path(""), None);
    let metrics = machine.path("dcs.prom");
    machine.configure(&format!(
        "[backup.keep]\ndaily = 3\n[backup.keep.files]\nhourly = 4\ndaily = 2\n\
         [alerts.webhook]\nurl = \"http://127.0.0.1:{}/canary-path\"\n[metrics]\ntextfile = \"{}\"\n",
        told.port,
        metrics.display()
    ));

    // Each run, and what it ends with.
    let mut ended = BTreeMap::new();
    for (day, name) in DAYS.iter().enumerate() {
        for hour in 0..24 {
            machine.befall(name, hour);
            for (minute, command) in due(day, hour) {
                let time = format!("{hour:02}:{minute:02}");
                let run = machine.at(name, &time).run(&[&["--quiet"][..], &command].concat());
                let words = if command[0] == "verify" { "verify".to_owned() } else { command[..2].join(" ") };
                let foretold = FORETOLD.iter().find(|told| (told.0, told.1, told.2) == (*name, &time, &words));
                let code = foretold.map_or(0, |told| told.3);
                assert_eq!(run.code, Some(code), "{name} {time}: {run}");
                // Cron mails what is printed.
                assert_eq!(run.stderr.is_empty(), code == 0, "{name} {time}: {run}");
                *ended.entry((words, code == 0)).or_insert(0_u64) += 1;
            }
        }
    }

    // Who watches was told of these, in this order, and of nothing else.
    let received = told.received();
    let alerts: Vec<(String, String, i64, String)> = received
        .iter()
        .map(|request| serde_json::from_str::<serde_json::Value>(request["body"].as_str().unwrap()).unwrap())
        .map(|told| {
            let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            (
                text("started_at")[8..16].to_owned(),
                text("command"),
                told["exit_code"].as_i64().unwrap(),
                text("occasion"),
            )
        })
        .collect();
    let expected: Vec<_> = FORETOLD
        .iter()
        .map(|(day, time, command, code, occasion)| {
            let day = 6 + DAYS.iter().position(|name| name == day).unwrap();
            (format!("{day:02}T{time}"), (*command).to_owned(), i64::from(*code), (*occasion).to_owned())
        })
        .collect();
    assert_eq!(alerts, expected);

    // What Prometheus reads.
    let metrics = fs::read_to_string(metrics).unwrap();
    for (command, code) in
        [("backup files", 0), ("backup db", 0), ("backup prune", 0), ("backup complete", 0), ("verify", 4)]
    {
        let sample = format!("dcs_last_exit_code{{command=\"{command}\"}} {code}\n");
        assert!(metrics.contains(&sample), "{sample}{metrics}");
    }
    assert!(!metrics.contains("dcs_last_success_timestamp_seconds{command=\"verify\"}"), "{metrics}");

    // What is on record.
    let history = |arguments: &[&str]| {
        let all = [&["history", "--json", "-n", "0", "--since", BEGIN], arguments].concat();
        machine.dcs().run(&all).ok().json()
    };
    for command in ["backup files", "backup db", "backup prune", "backup complete", "verify"] {
        let (good, bad) = (ended.get(&(command.to_owned(), true)), ended.get(&(command.to_owned(), false)));
        let (good, bad) = (good.copied().unwrap_or_default(), bad.copied().unwrap_or_default());
        let totals = &history(&["--command", command])["totals"];
        assert_eq!(
            (totals["runs"].as_u64(), totals["succeeded"].as_u64()),
            (Some(good + bad), Some(good)),
            "{command}"
        );
    }
    let failed = FORETOLD.iter().filter(|told| told.3 != 0).count();
    assert_eq!(history(&["--failed"])["runs"].as_array().unwrap().len(), failed);

    // What is left: by the last prune, on Sunday at 10:20, and made since.
    let times = |kind: &str| -> Vec<String> {
        machine.listed(kind).iter().map(|id| format!("{} {}:{}", &id[6..8], &id[9..11], &id[11..13])).collect()
    };
    assert_eq!(times("db"), ["10 02:15", "11 02:15", "12 02:15"]);
    assert_eq!(times("complete"), ["12 04:40"]);
    let with_problems = ["09 09:05", "09 10:05"].map(str::to_owned);
    let hourly = (7..24).map(|hour| format!("12 {hour:02}:05"));
    let kept: Vec<String> = with_problems.into_iter().chain(["11 23:05".to_owned()]).chain(hourly).collect();
    assert_eq!(times("files"), kept);
}
