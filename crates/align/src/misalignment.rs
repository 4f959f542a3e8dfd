//! How far a weight covariance is from having the data's eigenspaces (paper, Definition 2).

use std::ops::Range;

use faer::{Mat, Side, linalg::solvers::DenseSolveCore};
use randlab_core::{Purpose, Seed, stream};
use randlab_moments::{Eigenbasis, Filters, MomentsError, haar, quadratic};
use statrs::function::gamma::ln_gamma;

use crate::AlignError;

/// Misalignment of `weights` `[d, d]` with the eigenspaces of `basis`, in closed form:
/// `M = sum_j sqrt(tr(P_j W) tr(P_j W^-1)) - d` over projectors `P_j` on the eigenspaces (paper, Definition 2 and appendix
/// A.6). It is 0 if and only if each eigenspace of the data lies in one of the weights, and does not change when either
/// covariance is scaled, both are rotated, or the weights' is inverted.
///
/// # Errors
/// [`AlignError::Singular`] when `weights` has no inverse.
pub fn misalignment(basis: &Eigenbasis, weights: &Mat<f64>) -> Result<f64, AlignError> {
    let (direct, inverse) = (basis.quadratic(weights), basis.quadratic(&inverse(weights)?));
    let trace = |values: &[f64], space: &Range<usize>| values[space.clone()].iter().sum::<f64>();
    let term = |space| (trace(&direct, space) * trace(&inverse, space)).sqrt();
    Ok(basis.spaces.iter().map(term).sum::<f64>() - basis.dim() as f64)
}

/// The misalignment to expect of the sample covariance (mean removed) of `n` Gaussian vectors in `d` dimensions whose true
/// covariance is perfectly aligned with a basis of distinct eigenvalues. `None` when `n` is too small for it to be finite.
///
/// Each term is `1 / sqrt(1 - R^2)` with R the multiple correlation of one component with the others, and `1 - R^2` follows a
/// Beta law with parameters `(n - d) / 2` and `(d - 1) / 2`.
pub fn misalignment_floor(n: u64, d: usize) -> Option<f64> {
    let (n, d) = (n as f64, d as f64);
    if n < d + 2.0 {
        return None;
    }
    let ln = ln_gamma((n - d - 1.0) / 2.0) + ln_gamma((n - 1.0) / 2.0)
        - ln_gamma((n - d) / 2.0)
        - ln_gamma((n - 2.0) / 2.0);
    Some(d * ln.exp_m1())
}

/// The score in random bases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Null {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// 10 % point.
    pub lo: f64,
    /// 90 % point.
    pub hi: f64,
}

/// Misalignment of `weights` with `bases` Haar-random bases. They are functions of seed and dimension alone, so the same ones
/// are used at all steps of a run.
///
/// # Errors
/// [`AlignError::Singular`] when `weights` has no inverse, [`MomentsError::Size`] when there is no basis.
pub fn random_bases(weights: &Mat<f64>, bases: u32, seed: Seed) -> Result<Null, AlignError> {
    let d = weights.nrows();
    let inverse = inverse(weights)?;
    let score = |index: u32| {
        let v = haar(d, &mut stream(seed, Purpose::RandomBasis, u64::from(index)));
        let pairs = quadratic(&v, weights).into_iter().zip(quadratic(&v, &inverse));
        pairs.map(|(a, b)| (a * b).sqrt() - 1.0).sum()
    };
    let mut scores: Vec<f64> = (0..bases).map(score).collect();
    scores.sort_by(f64::total_cmp);
    if scores.is_empty() {
        return Err(MomentsError::Size { what: "random bases", found: 0, expected: 1 }.into());
    }
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let squares: f64 = scores.iter().map(|s| (s - mean).powi(2)).sum();
    let sd = (squares / (n - 1.0).max(1.0)).sqrt();
    Ok(Null { mean, sd, lo: quantile(&scores, 0.1), hi: quantile(&scores, 0.9) })
}

/// Quantile of sorted values, linear between neighbours.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let at = p * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - at.floor()) * (sorted[above] - sorted[below])
}

/// Misalignment of the filters of several nets taken together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pooled {
    /// Of all filters.
    pub misalignment: f64,
    /// Its floor; none when filters are too few or eigenvalues are repeated.
    pub floor: Option<f64>,
    /// Standard error of misalignment less floor, by leaving out one net at a time; none with a single net.
    pub se: Option<f64>,
}

/// Pools `nets` and measures their misalignment with `basis`.
///
/// # Errors
/// [`AlignError::Singular`] when the pooled covariance has no inverse.
pub fn pooled_misalignment(basis: &Eigenbasis, nets: &[Filters]) -> Result<Pooled, AlignError> {
    let all = Filters::pool(nets)?;
    let (score, floor) = (misalignment(basis, &all.covariance())?, floor_of(basis, &all));
    if nets.len() < 2 {
        return Ok(Pooled { misalignment: score, floor, se: None });
    }
    let without = |out: usize| {
        let rest = nets.iter().enumerate().filter(|(i, _)| *i != out).map(|(_, net)| net);
        let rest = Filters::pool(rest)?;
        Ok(misalignment(basis, &rest.covariance())? - floor_of(basis, &rest).unwrap_or(0.0))
    };
    // A net less may be a net too few for an inverse; then there is no error to give.
    let left: Option<Vec<f64>> =
        (0..nets.len()).map(without).collect::<Result<_, AlignError>>().ok();
    Ok(Pooled { misalignment: score, floor, se: left.map(|values| jackknife(&values)) })
}

fn floor_of(basis: &Eigenbasis, filters: &Filters) -> Option<f64> {
    let distinct = basis.spaces.iter().all(|space| space.len() == 1);
    distinct.then(|| misalignment_floor(filters.count() as u64, filters.dim())).flatten()
}

/// Jackknife standard error from the values with one part left out each.
fn jackknife(left_out: &[f64]) -> f64 {
    let n = left_out.len() as f64;
    let mean = left_out.iter().sum::<f64>() / n;
    let squares: f64 = left_out.iter().map(|x| (x - mean).powi(2)).sum();
    ((n - 1.0) / n * squares).sqrt()
}

/// Likelihood-ratio statistic of "equal variance and no correlation inside `space`" for the covariance of `n` filters, with
/// Bartlett's correction, and its degrees of freedom (Mauchly's test of sphericity). `None` for a single dimension or too few
/// filters.
pub fn sphericity(
    basis: &Eigenbasis,
    space: &Range<usize>,
    weights: &Mat<f64>,
    n: u64,
) -> Option<(f64, u32)> {
    let m = space.len();
    if m < 2 || n <= m as u64 + 1 {
        return None;
    }
    let vectors = basis.vectors.subcols(space.start, m);
    let inside = vectors.transpose() * weights * vectors;
    let eigen = inside.self_adjoint_eigenvalues(Side::Lower).ok()?;
    let p = m as f64;
    let mean = eigen.iter().sum::<f64>() / p;
    let ln_ratio: f64 = eigen.iter().map(|l| (l / mean).ln()).sum();
    let factor = (n as f64 - 1.0) - (2.0 * p * p + p + 2.0) / (6.0 * p);
    let dof = u32::try_from(m * (m + 1) / 2 - 1).ok()?;
    ln_ratio.is_finite().then_some((-factor * ln_ratio, dof))
}

/// Inverse of a covariance.
fn inverse(matrix: &Mat<f64>) -> Result<Mat<f64>, AlignError> {
    let singular = || AlignError::Singular(matrix.nrows());
    let llt = matrix.llt(Side::Lower).map_err(|_| singular())?;
    let inverse = llt.inverse();
    let finite = (0..inverse.nrows()).all(|i| inverse[(i, i)].is_finite());
    if finite { Ok(inverse) } else { Err(singular()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jackknife_of_means_is_their_standard_error() {
        // Means of 1, 2, 4 with one left out each; the standard error of their mean is sd / sqrt(3).
        let sd = (7.0_f64 / 3.0).sqrt();
        assert!((jackknife(&[3.0, 2.5, 1.5]) - sd / 3.0_f64.sqrt()).abs() < 1e-12);
    }
}
