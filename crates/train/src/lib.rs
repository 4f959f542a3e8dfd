//! Training: one loop for both phases, what it starts from, what it records, and how it goes on after a kill.
//!
//! [`train`] takes a resolved configuration and leaves a folder of checkpoints and tables. Pre-training and fine-tuning
//! differ in their inputs alone. A run that was stopped, however it was stopped, goes on from its last saved state and
//! ends with the same bytes as one that was not.

mod activity;
mod checkpoint;
mod error;
mod evaluate;
mod examples;
mod hooks;
mod kept;
mod log;
mod resume;
mod rows;
mod session;
mod transfer;

pub use checkpoint::Checkpoint;
pub use error::TrainError;
pub use examples::epoch_order;
pub use hooks::{Hooks, Progress};
pub use session::{Inputs, Outcome, train};

/// Version of the numbers this crate produces; part of every fingerprint.
pub const STAGE_VERSION: u32 = 2;
