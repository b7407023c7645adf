//! dcs: the operations toolkit of Dream Central Storage.
//!
//! Layers, each using only those after it:
//! commands, steps, repository, store and database, archive, model.

pub mod archive;
pub mod database;
pub mod exit;
pub mod model;
pub mod repository;
pub mod settings;
pub mod steps;
pub mod store;
