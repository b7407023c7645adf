//! Random histories of a live system and of its backups: whatever happened, every listed backup restores to exactly the
//! state of the source at its time, by dcs and by the commands of its RECOVERY.txt.
//!
//! Objects are put, changed, deleted and moved between two buckets; runs fail at a random write; backups are made and
//! deleted, room is reclaimed at once; packs are damaged and healed by the next backup. A map for each backup is the
//! oracle. `DCS_TEST_SEEDS=1000` tries more histories, `DCS_TEST_SEED=17` one.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use history::History;

#[path = "histories/damage.rs"]
mod damage;
#[path = "histories/history.rs"]
mod history;
#[path = "histories/restores.rs"]
mod restores;
mod support;
#[path = "prune/world.rs"]
mod world;

/// Steps of a history, and after how many all backups are restored.
const STEPS: usize = 60;
const LOOKS: usize = 20;

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("DCS_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DCS_TEST_SEEDS").unwrap_or(4),
    }
}

async fn live_through(seed: u64, with_damage: bool) {
    let mut history = History::begin(seed, with_damage).await;
    for step in 1..=STEPS {
        history.step().await;
        if step % LOOKS == 0 {
            history.back_up().await;
            history.look().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_backup_of_a_history_restores_to_what_there_was() {
    for seed in seeds() {
        live_through(seed, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_backup_restores_to_what_there_was_after_packs_were_damaged_and_healed() {
    for seed in seeds() {
        live_through(seed, true).await;
    }
}
