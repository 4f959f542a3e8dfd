//! Experiments in TOML and their expansion into one resolved configuration per run.
//!
//! An experiment file says what to vary; [`expand`] multiplies it out over panels, seeds and variants into [`Plan`]: the
//! complete configuration of every run ([`config`]) and the edges between runs, which become make rules.

pub mod config;
mod error;
mod expand;
mod experiment;
mod makefile;
mod merge;

pub use config::*;
pub use error::RecipeError;
pub use expand::{Plan, expand};
pub use experiment::{Dataset, Experiment};
pub use makefile::makefile;
