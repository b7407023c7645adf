//! The trash bucket: entries, each a folder with its own journal, a list of its objects, and the objects.

mod back;
mod bucket;
mod copying;
mod displace;
mod entry;
mod error;
mod kept;
mod moving;
mod objects;
mod source;

pub use back::Destination;
pub use bucket::{Found, LOCKS, TrashBucket};
pub use displace::Displacement;
pub use entry::{Entry, EntryState, Maker, Origin, Row};
pub use error::{Result, TrashError};
pub use kept::{Copies, Copy};
pub use moving::{Lease, Mover};
pub use objects::ObjectRow;
