//! Two processes that know nothing of each other: one makes backups of a folder that changes, one deletes backups and
//! reclaims their room at once; either is killed now and then. Whatever is listed is whole, at any time.
//!
//! `DCS_TEST_SECONDS=600` goes on for longer.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cli::{Dcs, Output};
use rand::Rng;
use rustix::process::Signal;
use tempfile::TempDir;

#[path = "support/cli.rs"]
mod cli;
mod support;

/// Backups that the deleting one leaves.
const KEPT: usize = 3;

struct Machine {
    home: TempDir,
    until: Instant,
}

/// What one side came to.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    killed: u64,
    /// Objects that prune removed.
    removed: u64,
}

impl Machine {
    fn new() -> Self {
        let seconds = std::env::var("DCS_TEST_SECONDS").map_or(20, |text| text.parse().unwrap());
        let machine = Self { home: support::folder(), until: Instant::now() + Duration::from_secs(seconds) };
        for folder in ["live/books", "vault"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        let home = machine.home.path().display();
        let settings = format!(
            "state_dir = '{home}/state'\n[stores.live]\npath = '{home}/live'\n[stores.vault]\npath = '{home}/vault'\n\
             [backup]\nstore = 'vault'\nbucket = 'dcs'\nfiles = ['live/books']\nshrink_guard = 0\n"
        );
        fs::write(machine.path("dcs.toml"), settings).unwrap();
        machine.dcs().run(&["init"]).ok();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn dcs(&self) -> Dcs {
        Dcs::new(self.home.path())
    }

    /// Whether there is time left.
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Runs a command, or begins it and kills it.
    fn run_or_kill(&self, arguments: &[&str], tally: &mut Tally) -> Option<Output> {
        let mut random = rand::rng();
        let running = self.dcs().start(arguments);
        let is_to_die = random.random_range(0..4) == 0;
        if is_to_die {
            std::thread::sleep(Duration::from_millis(random.random_range(1..120)));
            running.signal(Signal::KILL);
        }
        let output = running.end();
        if output.signal.is_some() {
            tally.killed += 1;
            return None;
        }
        Some(output)
    }

    /// Puts, changes and removes a few files.
    fn change(&self) {
        let mut random = rand::rng();
        for _ in 0..random.random_range(1..6) {
            let path = self.path(&format!("live/books/{}", random.random_range(0..30)));
            if random.random_range(0..3) == 0 {
                fs::remove_file(path).ok();
            } else {
                fs::write(path, support::noise(random.random_range(0..20_000))).unwrap();
            }
        }
    }

    fn make_backups(&self) -> Tally {
        let mut tally = Tally::default();
        while self.goes_on() {
            self.change();
            if let Some(output) = self.run_or_kill(&["backup", "files"], &mut tally) {
                match output.code {
                    Some(0) => tally.done += 1,
                    // A deletion was at work.
                    Some(11) => {}
                    _ => panic!("{output}"),
                }
            }
            std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..400)));
        }
        tally
    }

    fn take_away(&self) -> Tally {
        let mut tally = Tally::default();
        while self.goes_on() {
            let listed = self.dcs().run(&["backup", "list", "--json"]).ok().json();
            let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
            for id in ids.iter().take(ids.len().saturating_sub(KEPT)) {
                let delete = ["backup", "delete", id, "--yes", "--even-the-last", "--lock-wait", "2s"];
                match self.run_or_kill(&delete, &mut tally) {
                    Some(output) if !matches!(output.code, Some(0 | 11)) => panic!("{output}"),
                    _ => {}
                }
            }
            let prune = ["backup", "prune", "--yes", "--grace", "0s", "--json"];
            if let Some(output) = self.run_or_kill(&prune, &mut tally) {
                let pruned = output.ok().json();
                tally.removed += pruned["removed"]["objects"].as_u64().unwrap();
                tally.done += 1;
            }
        }
        tally
    }

    /// While the others go on, too.
    fn verify(&self) {
        self.dcs().run(&["verify", "all", "--level", "contents", "--lock-wait", "60s"]).ok();
    }
}

#[test]
fn backups_that_are_listed_are_whole_while_others_are_deleted_and_their_room_is_reclaimed() {
    let machine = Machine::new();
    let (made, taken) = std::thread::scope(|scope| {
        let making = scope.spawn(|| machine.make_backups());
        let taking = scope.spawn(|| machine.take_away());
        while machine.goes_on() {
            std::thread::sleep(Duration::from_secs(3));
            machine.verify();
        }
        (making.join().unwrap(), taking.join().unwrap())
    });
    machine.verify();
    assert!(made.done > 2 && taken.done > 2 && taken.removed > 0, "{made:?} {taken:?}");
    assert!(made.killed + taken.killed > 0, "{made:?} {taken:?}");

    // With nobody there, a backup and a prune leave nothing that is not needed.
    machine.dcs().run(&["backup", "files"]).ok();
    machine.dcs().run(&["backup", "prune", "--yes", "--grace", "0s"]).ok();
    let left = machine.dcs().run(&["backup", "prune", "--dry-run", "--grace", "0s", "--json"]).ok().json();
    assert_eq!((&left["remove"]["objects"], &left["leftovers"]), (&0.into(), &serde_json::json!([])), "{left}");
    machine.verify();
}
