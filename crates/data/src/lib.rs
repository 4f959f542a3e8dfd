//! Sources of images and vectors, and the prepared dataset that training and analysis read.
//!
//! [`prepare`] turns raw files into one layout: inputs, labels and statistics, split into images for the first phase, images
//! for the second, and images never trained on. [`Dataset`] reads it back.

mod config;
mod dataset;
mod digests;
mod error;
mod files;
pub mod labels;
mod pool;
mod prepare;
pub mod source;
mod tables;

pub use config::{PrepareConfig, SplitSizes};
pub use dataset::{Dataset, Population};
pub use error::DataError;
pub use files::raw_inputs;
pub use labels::{LabelContext, LabelScheme, Labels};
pub use prepare::{Inputs, Prepared, prepare};
pub use source::{Source, Sources};
pub use tables::LabelRow;

/// Version of the numbers `prepare` produces; part of every fingerprint.
pub const STAGE_VERSION: u32 = 3;
