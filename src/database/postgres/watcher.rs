//! Reads along a dump that is not restored, for what its rows are.

use super::custom_format::Watcher;
use crate::database::compare;
use crate::model::database::{Difference, Engine, Fingerprint};

/// What reads along a dump, and compares the rows in it with those that were dumped. The bytes of an SQLite database are
/// what was dumped: there is nothing more to compare.
pub struct DumpWatcher(Option<Watcher>);

impl DumpWatcher {
    pub fn new(engine: Engine) -> Self {
        Self((engine == Engine::Postgresql).then(Watcher::default))
    }

    /// Takes the next bytes of the dump, uncompressed.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(watcher) = &mut self.0 {
            watcher.update(bytes);
        }
    }

    /// What is not as `expected`, after the last byte. A dump that is not understood shows none.
    pub fn differences(self, expected: &Fingerprint) -> Vec<Difference> {
        let archive = self.0.and_then(Watcher::finish);
        archive.map_or_else(Vec::new, |archive| compare::archived(expected, &archive.rows))
    }
}
