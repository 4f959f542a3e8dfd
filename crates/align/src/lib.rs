//! Alignment between the covariance of first-layer weights and that of their inputs.
//!
//! Pure f64 mathematics on slices and matrices. A *patch* is a `k x k` window of all channels flattened channel-major to `d`
//! values, the memory order of a filter `[C, k, k]`, so both covariances share one basis. For fully connected nets a
//! whole input takes the place of a patch.

mod basis;
mod error;
mod filters;
mod misalignment;
mod moments;
mod profile;
mod resample;

pub use basis::{Eigenbasis, haar};
pub use error::AlignError;
pub use faer::Mat;
pub use filters::Filters;
pub use misalignment::{
    Null, Pooled, misalignment, misalignment_floor, pooled_misalignment, random_bases, sphericity,
};
pub use moments::{Moments, PatchShape, patch_energies};
pub use profile::{Fit, closed_form, energy_profile, fit_closed_form, transfer_variances};
pub use resample::{diagonal, resample, rotated};
