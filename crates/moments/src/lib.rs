//! Moments of first-layer inputs and of weights, and what can be made from them.
//!
//! Pure f64 mathematics on slices and matrices. A *patch* is a `k x k` window of all channels flattened channel-major to `d`
//! values, the memory order of a filter `[C, k, k]`, so the covariances of both share one basis. For fully connected nets a
//! whole input takes the place of a patch.

mod basis;
mod error;
mod filters;
mod moments;
mod resample;

pub use basis::{Eigenbasis, haar, quadratic};
pub use error::MomentsError;
pub use faer::Mat;
pub use filters::Filters;
pub use moments::{Moments, PatchShape, patch_energies};
pub use resample::{closed_form, diagonal, resample, rotated};
