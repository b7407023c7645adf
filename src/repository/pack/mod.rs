//! Packs: where the contents of objects lie, many to a file, shared by all backups.
//!
//! A pack is an ordinary `.tar.gz`, or `.tar.zst`, of about 64 MiB in which every tar entry is a gzip member or zstd
//! frame of its own, or several where it is large. So an entry is a range of bytes that is read alone, and damage costs
//! only what lies on it. A pack is never changed once it is written, and no row of an index names one that the store has
//! not confirmed.

pub mod bulk;
pub mod list;
mod members;
pub mod object;
mod range;
pub mod reader;
mod sound;
mod upload;
pub mod writer;

pub use bulk::{Fetched, read_many};
pub use list::{PackInfo, read_pack_list};
pub use object::{NewObject, Prepared, prepare_small};
pub use range::read_range;
pub use reader::read_object;
pub use sound::read_sound;
pub use writer::{Finished, PackOptions, PackWriter, Placed};

/// Raw bytes of an object in one piece at most; a larger object is cut.
pub const PIECE_BYTES: u64 = 64 << 20;

/// Objects up to this size are one gzip member, and may be prepared and read whole.
pub const SMALL_BYTES: u64 = crate::archive::gzip::MEMBER_BYTES as u64;
