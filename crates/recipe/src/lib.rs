//! Experiments in TOML.
//!
//! An experiment file says what to vary. It is checked here; the stages multiply it out over panels, seeds, tasks and variants.

mod check;
mod error;
mod experiment;
mod merge;

pub use error::RecipeError;
pub use experiment::{AlignSpec, DataSpec, Dataset, Experiment, Panel, Task, Variant};
