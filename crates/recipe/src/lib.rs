//! Experiments in TOML and their expansion into one resolved configuration per run.
//!
//! An experiment file says what to vary. [`expand`] multiplies it out over panels, seeds, tasks and variants into a
//! [`Plan`]: the complete configuration of every run and the edges between runs, which become make rules.

mod check;
mod config;
mod dag;
mod error;
mod expand;
mod experiment;
mod makefile;
mod merge;
mod model;

pub use config::*;
pub use dag::dag;
pub use error::RecipeError;
pub use expand::{Plan, expand};
pub use experiment::{AlignSpec, DataSpec, Dataset, Experiment, Panel, Phase, Task, Variant};
pub use makefile::makefile;
pub use model::{ConvLayer, InitLaw, InitSpec, ModelSpec, Stem};
pub use randlab_core::RunInfo;
