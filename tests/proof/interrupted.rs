//! A proof that is stopped or killed while a database is restored: all that it made is gone at once, or after the next run.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cli::Running;
use crate::{Machine, asks, holds};

const BESIDE: &str = "[verify]\nserver = \"dream\"\n";

/// Starts a proof that a statement holds up, when the database is restored.
fn held_up(machine: &Machine, place: &str) -> Running {
    machine.configure(&format!("{place}{}", asks("SELECT pg_sleep(1000)", "")));
    let log = machine.path("log");
    fs::remove_file(&log).ok();
    let dcs = machine.dcs().with("DCS_LOG_FILE", log.display());
    let mut running = dcs.start(&["verify", "--level", "restore"]);
    assert!(running.until(|| holds(&log, "restore database dream")), "{}", running.end());
    running
}

#[tokio::test]
async fn a_proof_that_is_told_to_end_leaves_nothing() {
    let Some(machine) = Machine::served("").await else { return };
    machine.back_up();
    for place in ["", BESIDE] {
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            let running = held_up(&machine, place);
            running.signal(signal);
            running.end().fails(code, "signal");
            machine.assert_nothing_is_left().await;
        }
    }
    machine.remove().await;
}

#[tokio::test]
async fn what_a_killed_proof_leaves_ends_by_itself_or_is_removed_by_the_next() {
    let Some(machine) = Machine::served("").await else { return };
    machine.back_up();
    for place in ["", BESIDE] {
        let running = held_up(&machine, place);
        running.signal(Signal::KILL);
        assert_eq!(running.end().signal, Some(9));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !machine.servers().is_empty() {
            assert!(Instant::now() < deadline, "a private server outlives its run: {:?}", machine.servers());
            std::thread::sleep(Duration::from_millis(20));
        }
        machine.configure(place);
        machine.prove(&[]).ok();
        machine.assert_nothing_is_left().await;
    }
    machine.remove().await;
}

/// Somebody else's proof, under way at the same time, is left alone.
#[tokio::test]
async fn a_proof_does_not_disturb_another() {
    let Some(machine) = Machine::served("").await else { return };
    machine.back_up();
    for place in ["", BESIDE] {
        let held = held_up(&machine, place);
        machine.configure(place);
        machine.prove(&[]).ok();
        if place.is_empty() {
            assert!(!machine.servers().is_empty());
        } else {
            assert_eq!(machine.scratch.as_ref().unwrap().family().await.len(), 2);
        }
        held.signal(Signal::TERM);
        let _ended = held.end().code(143);
        machine.assert_nothing_is_left().await;
    }
    machine.remove().await;
}
