//! Alignment between the covariance of first-layer weights and that of their inputs: misalignment with its floor and null
//! distribution, transfer function and energy profile. Pure f64 mathematics on what [`randlab_moments`] measures.

mod error;
mod misalignment;
mod profile;

pub use error::AlignError;
pub use misalignment::{
    Null, Pooled, misalignment, misalignment_floor, pooled_misalignment, random_bases, sphericity,
};
pub use profile::{Fit, energy_profile, fit_closed_form, transfer_variances};
