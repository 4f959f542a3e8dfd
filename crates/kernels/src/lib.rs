//! Differentiable CPU operations for candle, with explicit gradients.
//!
//! Each operation takes f32 and f64 and runs without candle's tape ([`Applied`]); convolution with ReLU, linear layer and
//! cross-entropy are custom ops for the tape as well. In f64 an operation is computed by its definition, for gradient
//! checks; in f32, for training, by kernels written for the vector instructions of the processor ([`instruction_set`]), and
//! the two are compared in tests. Work is split into shards whose size does not depend on the machine, and partial results are
//! added in shard order: the bits are the same at any number of threads. Gradients of inputs are computed only on request.

mod buffer;
#[cfg(test)]
mod compare;
mod conv;
mod device_fallback;
mod element;
mod gemm;
mod gradients;
mod isa;
mod layer;
mod linear;
mod loss;
mod norm;
mod pool;
mod process;
mod rates;
mod simd;
mod sparse_gemm;
mod update;
mod weighted;

pub use conv::{ConvSpec, conv2d_relu_pool};
pub use gradients::TensorGradients;
pub use isa::instruction_set;
pub use layer::Applied;
pub use linear::linear;
pub use loss::{correct, softmax_cross_entropy, softmax_cross_entropy_gradient};
pub use norm::Statistics;
pub use pool::PoolSpec;
pub use process::{LineAligned, prepare_process};
pub use rates::Norms;
pub use update::{adam_step, l2_norm, sgd_step};
