//! Networks, their seeded initial weights, optimisers and learning-rate schedules.
//!
//! A net is described by [`randlab_recipe::ModelSpec`] and built once, here. Its parameters are kept in name order and travel
//! as plain arrays ([`Parameters`]), so that checkpoints and tables do not depend on candle.

mod error;
mod init;
mod net;
mod optim;
mod schedule;
mod shape;

pub use error::NnError;
pub use init::init;
pub use net::{Net, Pass};
pub use optim::{Optim, StepNorms};
pub use schedule::lr_at;
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

/// Tensors by name: `conv1.weight` `[out, in, k, k]`, `fc1.weight` `[out, in]`, `conv1.bias` `[out]` and the like.
pub type Parameters = BTreeMap<String, Parameter>;
