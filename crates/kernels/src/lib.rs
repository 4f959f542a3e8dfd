//! Differentiable CPU operations for candle, with explicit gradients.
//!
//! Each operation is a candle custom op for f32 and f64 (training and gradient checks run the same code). Work is cut
//! into shards whose size does not depend on the machine, and partial results are added in shard order: the bits are the
//! same at any number of threads. Gradients of inputs are computed only where somebody asked for them.

mod conv;
mod element;
mod heap;
mod linear;
mod loss;
mod update;

pub use conv::{ConvSpec, conv2d_relu_pool};
pub use element::l2_norm;
pub use heap::keep_heap;
pub use linear::linear;
pub use loss::{correct, softmax_cross_entropy};
pub use update::{adam_step, sgd_step};
