//! Experiments in TOML, and the resolved configurations of runs.
//!
//! An experiment file says what to vary. It is checked here; the stages multiply it out over panels, seeds, tasks and variants.

mod check;
mod config;
mod error;
mod experiment;
mod merge;

pub use config::*;
pub use error::RecipeError;
pub use experiment::{AlignSpec, DataSpec, Dataset, Experiment, Panel, Phase, Task, Variant};
