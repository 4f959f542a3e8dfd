//! Training: one loop for both phases, what it starts from, what it records, and how it resumes after a kill.
//!
//! [`train`] takes a resolved configuration and leaves a folder of checkpoints and tables. Pre-training and fine-tuning
//! differ in their inputs alone. A run that was stopped, however it was stopped, resumes from its last saved state and
//! ends with the same bytes as one that was not.

mod activity;
mod batches;
mod config;
mod error;
mod evaluate;
mod examples;
mod hooks;
mod learner;
mod log;
mod log_steps;
pub mod norm;
mod recorder;
mod resume;
mod rows;
mod run;
pub mod start;
mod transfer;

pub use config::{Checkpoints, Phase, TrainConfig, Transfer};
pub use error::TrainError;
pub use examples::epoch_order;
pub use hooks::{Hooks, Progress};
pub use norm::{Norm, Norms};
pub use run::{Inputs, Outcome, train};
pub use start::{Start, Starts};

use randlab_nn::checkpoint;

/// Version of the numbers this crate produces; part of every fingerprint.
pub const STAGE_VERSION: u32 = 3;
