//! New filters from a second moment, and the controls made of it.

use faer::Mat;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{Eigenbasis, MomentsError};

/// `n` draws of `N(0, S)`, `[n, d]` row-major (paper, Figure 5), by the symmetric root of S. S may be singular.
///
/// # Errors
/// [`MomentsError::Eigen`] when S has entries that are not finite.
pub fn resample(s: &Mat<f64>, n: usize, rng: &mut impl Rng) -> Result<Vec<f64>, MomentsError> {
    let d = s.nrows();
    let basis = Eigenbasis::of(s)?;
    // Rounding can leave a zero eigenvalue slightly negative.
    let std: Vec<f64> = basis.values.iter().map(|l| l.max(0.0).sqrt()).collect();
    let scaled = Mat::from_fn(d, d, |i, j| basis.vectors[(i, j)] * std[j]);
    let root = scaled * basis.vectors.transpose();
    let mut draws = Vec::with_capacity(n * d);
    for _ in 0..n {
        let z: Vec<f64> = (0..d).map(|_| StandardNormal.sample(rng)).collect();
        draws.extend((0..d).map(|i| (0..d).map(|j| root[(i, j)] * z[j]).sum::<f64>()));
    }
    Ok(draws)
}

/// `Q S Q^T`: the same eigenvalues along turned eigenvectors.
pub fn rotated(s: &Mat<f64>, q: &Mat<f64>) -> Mat<f64> {
    q * s * q.transpose()
}

/// S without its off-diagonal entries.
pub fn diagonal(s: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(s.nrows(), s.ncols(), |i, j| if i == j { s[(i, j)] } else { 0.0 })
}

/// `(1 - exp(-rate l)) / sqrt(l)` for data eigenvalue `l`: what linear dynamics learn along a direction (Chowers and Weiss
/// 2023, Theorem 4.2).
pub fn closed_form(eigenvalue: f64, rate: f64) -> f64 {
    -(-rate * eigenvalue).exp_m1() / eigenvalue.sqrt()
}
