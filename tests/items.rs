//! Items: into the trash and back, by the library, on every kind of store and database, with everything going wrong.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking; its modules are its own")]

#[path = "items/checked.rs"]
mod checked;
#[path = "items/conflicts.rs"]
mod conflicts;
#[path = "items/faults.rs"]
mod faults;
#[path = "support/faulty_database.rs"]
mod faulty_database;
#[path = "items/killed.rs"]
mod killed;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "items/round_trip.rs"]
mod round_trip;
mod support;
#[path = "items/world.rs"]
mod world;
#[path = "items/writers.rs"]
mod writers;
