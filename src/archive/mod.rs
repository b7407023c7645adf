//! Streaming tar, gzip members and zstd frames in parallel, SHA-256, sums of rows. The only folder that names tar,
//! flate2, libdeflater, zstd, sha2, xxhash_rust and memchr.

mod ahead;
mod buffers;
pub mod chunks;
pub mod codec;
pub mod digest;
pub mod error;
pub mod folder;
pub mod gzip;
mod lines;
mod rows;
pub mod tar;
pub mod zstd;

pub use ahead::ahead;
pub use buffers::Buffers;
pub use codec::{Codec, Format};
pub use digest::{Hasher, sha256};
pub use error::{Corrupt, DecodeError};
pub use lines::lines;
pub use rows::RowsHasher;

/// Runs work that would hold up the runtime on a thread made for that.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // The only other error is a cancelled task, and nothing holds its handle to cancel it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
