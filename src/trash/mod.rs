//! The trash bucket: entries, each a folder with its own journal, a list of its objects, and the objects.

mod displace;
mod entry;

pub use displace::Displacement;
pub use entry::{Entry, EntryState};
