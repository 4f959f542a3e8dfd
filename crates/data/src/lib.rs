//! Sources of images and vectors, and the prepared dataset that training and analysis read.
//!
//! [`prepare`] turns raw files into one layout: inputs, labels and statistics, split into images for the first phase, images
//! for the second, and images never trained on. [`Dataset`] reads it back.

mod dataset;
mod error;
mod pool;
mod prepare;
mod source;

pub use dataset::{Dataset, Population};
pub use error::DataError;
pub use prepare::{Inputs, Prepared, prepare, raw_inputs};

/// Version of the numbers `prepare` produces; part of every fingerprint.
pub const STAGE_VERSION: u32 = 1;
