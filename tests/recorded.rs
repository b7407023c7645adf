//! Every run that changes something leaves a record in the backup bucket, whatever came of it, and `history` reads them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;

use machine::Machine;
use serde_json::Value;

#[path = "support/cli.rs"]
mod cli;
#[path = "recorded/history.rs"]
mod history;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "recorded/records.rs"]
mod records;
mod support;
#[path = "support/system.rs"]
mod system;

impl Machine {
    /// Every record in the bucket, in order of time.
    fn records(&self) -> Vec<Value> {
        let folder = self.path("vault/dcs/runs");
        let read = |name: &String| serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
        let mut records: Vec<Value> =
            system::files(&folder).keys().filter(|name| name.contains(".json")).map(read).collect();
        records.sort_by_key(|record| record["started_at"].as_str().unwrap().to_owned());
        records
    }

    fn last_record(&self) -> Value {
        self.records().pop().unwrap()
    }

    /// The files that wait in the state directory.
    fn waiting(&self) -> usize {
        let runs = self.path("state/runs");
        let is_record = |name: &&String| name.contains(".json");
        if runs.exists() { system::files(&runs).keys().filter(is_record).count() } else { 0 }
    }

    fn forget(&self) {
        fs::remove_dir_all(self.path("vault/dcs/runs")).unwrap();
    }
}
