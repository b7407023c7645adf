//! Streaming tar, gzip members in parallel, SHA-256. The only folder that names tar, flate2 and sha2.

pub mod digest;

pub use digest::{Hasher, sha256};
