//! dcs: the operations toolkit of Dream Central Storage.
//!
//! Layers, each using only those after it:
//! commands, steps, repository, store and database, archive, model.

#[cfg(test)]
extern crate self as dcs;

pub mod alerts;
pub mod archive;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod database;
pub mod error;
pub mod exit;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod repository;
pub mod settings;
pub mod signals;
pub mod steps;
pub mod store;
pub mod trash;
pub mod ui;
