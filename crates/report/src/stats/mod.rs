//! Interval estimates and correlations, on plain slices.

mod fieller;
mod holm;
mod jackknife;
mod student;

pub(crate) use fieller::fieller;
pub(crate) use holm::holm;
pub(crate) use jackknife::jackknife;
pub use student::Mean;
pub(crate) use student::{p_two_sided, seeds_needed, t_quantile};

/// Arithmetic mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample covariance, divisor n - 1; NaN below two pairs.
pub fn covariance(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    let sum: f64 = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum();
    sum / (x.len() as f64 - 1.0)
}
