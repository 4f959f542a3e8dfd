//! Networks, their seeded initial weights, losses, optimisers, learning-rate schedules and checkpoints.
//!
//! A net is described by [`Architectures`] and built once, here. Its parameters are kept in name order and travel
//! as plain arrays ([`Parameters`]), together with the running statistics of batch norms, so that checkpoints and tables do
//! not depend on candle.

pub mod checkpoint;
mod device;
mod error;
mod init;
mod laws;
mod losses;
mod net;
mod nets;
mod optimisers;
mod plan;
mod schedules;
mod shape;

pub use checkpoint::Checkpoint;
pub use device::RunsOn;
pub use error::NnError;
pub use init::{InitSpec, init};
pub use laws::{He, Law, Laws, Lecun, TruncatedNormal};
pub use losses::*;
pub use net::{Net, Tape, Visit};
pub use nets::*;
pub use optimisers::{Adam, Optim, Optimizer, Optimizers, Sgd, StepNorms, Update};
pub use plan::NetPlan;
pub use schedules::{Constant, Cosine, Divide, Schedule, Schedules};
pub use shape::{Layer, layers};

use std::collections::BTreeMap;

/// An array of numbers with its shape, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

/// Tensors by name: `conv1.weight` `[out, in, k, k]`, `fc1.weight` `[out, in]`, `conv1.bias` and `bn1.running_mean` `[out]` and the
/// like. Names and layouts of `vgg` and `resnet` are those of a state dict of torchvision, which also has counters
/// `num_batches_tracked` that no result depends on.
pub type Parameters = BTreeMap<String, Parameter>;
