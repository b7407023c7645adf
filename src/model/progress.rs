//! How a step tells how far it is, without knowing who listens.

use super::Problem;

/// Receives what a step does. Called often and from many tasks: implementations are cheap and never fail.
pub trait Progress: Send + Sync {
    /// A phase begins; totals are 0 where they are not known.
    fn begin(&self, phase: &str, items: u64, bytes: u64);

    /// So much more is done.
    fn advance(&self, items: u64, bytes: u64);

    /// The phase is over.
    fn end(&self);

    /// Something failed and the rest goes on.
    fn problem(&self, problem: &Problem);

    /// A sentence for the operator.
    fn note(&self, text: &str);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _phase: &str, _items: u64, _bytes: u64) {}
    fn advance(&self, _items: u64, _bytes: u64) {}
    fn end(&self) {}
    fn problem(&self, _problem: &Problem) {}
    fn note(&self, _text: &str) {}
}
