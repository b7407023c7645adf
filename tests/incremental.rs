//! Backups that follow backups: what is unchanged costs nothing, what moved is not read again, what was interrupted goes
//! on, what is damaged is healed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;
#[path = "incremental/world.rs"]
mod world;

#[path = "incremental/changes.rs"]
mod changes;
#[path = "incremental/damage.rs"]
mod damage;
#[path = "incremental/interrupted.rs"]
mod interrupted;
#[path = "incremental/sources.rs"]
mod sources;
