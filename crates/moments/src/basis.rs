//! Orthonormal bases.

use std::ops::Range;

use faer::{Mat, Side};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::MomentsError;

/// Eigenvectors of a covariance, grouped into eigenspaces.
#[derive(Debug, Clone)]
pub struct Eigenbasis {
    /// Eigenvalues, falling.
    pub values: Vec<f64>,
    /// Eigenvectors `[d, d]`, one per column, in the order of the values; the entry of largest size is positive.
    pub vectors: Mat<f64>,
    /// Indices of equal eigenvalues. Those of a sample are all distinct.
    pub spaces: Vec<Range<usize>>,
}

impl Eigenbasis {
    /// Eigenbasis of a symmetric matrix; only its lower triangle is read.
    ///
    /// # Errors
    /// [`MomentsError::Eigen`] when the solver fails.
    pub fn of(matrix: &Mat<f64>) -> Result<Self, MomentsError> {
        let d = matrix.nrows();
        let found = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| MomentsError::Eigen(d))?;
        let (values, vectors) = (found.S().column_vector(), found.U());
        // The solver sorts upwards.
        let values: Vec<f64> = (0..d).map(|i| values[d - 1 - i]).collect();
        let vectors = Mat::from_fn(d, d, |i, j| vectors[(i, d - 1 - j)]);
        let spaces = (0..d).map(|i| i..i + 1).collect();
        Ok(Self { values, vectors: positive(vectors), spaces })
    }

    /// Eigenbasis of a known covariance: standard deviations along the columns of `directions` `[d, d]`. Equal ones share an
    /// eigenspace.
    ///
    /// # Errors
    /// [`MomentsError::Size`] when the two do not fit.
    pub fn population(std: &[f64], directions: &Mat<f64>) -> Result<Self, MomentsError> {
        let d = std.len();
        if directions.nrows() != d || directions.ncols() != d {
            let found = directions.ncols();
            return Err(MomentsError::Size { what: "directions", found, expected: d });
        }
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|&a, &b| std[b].total_cmp(&std[a]).then(a.cmp(&b)));
        let values: Vec<f64> = order.iter().map(|&i| std[i].powi(2)).collect();
        let vectors = Mat::from_fn(d, d, |i, j| directions[(i, order[j])]);
        let mut spaces: Vec<Range<usize>> = Vec::new();
        for i in 0..d {
            match spaces.last_mut() {
                Some(space) if (values[space.start] - values[i]).abs() <= 1e-9 * values[i] => {
                    space.end = i + 1;
                }
                _ => spaces.push(i..i + 1),
            }
        }
        Ok(Self { values, vectors: positive(vectors), spaces })
    }

    /// Number of dimensions.
    pub const fn dim(&self) -> usize {
        self.values.len()
    }

    /// `v_i^T S v_i` for every basis vector.
    pub fn quadratic(&self, matrix: &Mat<f64>) -> Vec<f64> {
        quadratic(&self.vectors, matrix)
    }
}

/// `v^T S v` for every column v of `vectors` `[d, m]`; S is `matrix` `[d, d]`.
pub fn quadratic(vectors: &Mat<f64>, matrix: &Mat<f64>) -> Vec<f64> {
    let product = matrix * vectors;
    let column = |j| (0..vectors.nrows()).map(|i| vectors[(i, j)] * product[(i, j)]).sum();
    (0..vectors.ncols()).map(column).collect()
}

/// Turns columns so that their entry of largest size is positive: a sign is otherwise the solver's choice.
fn positive(mut vectors: Mat<f64>) -> Mat<f64> {
    for j in 0..vectors.ncols() {
        let largest = (0..vectors.nrows()).map(|i| vectors[(i, j)]).fold(0.0_f64, |m, x| {
            // Clearly larger: rounding must not decide between two entries of the same size.
            if x.abs() > m.abs() * (1.0 + 1e-9) { x } else { m }
        });
        if largest < 0.0 {
            for i in 0..vectors.nrows() {
                vectors[(i, j)] = -vectors[(i, j)];
            }
        }
    }
    vectors
}

/// An orthogonal matrix `[d, d]` from the uniform (Haar) law: Gaussian columns made orthonormal one after another, each twice
/// against rounding.
pub fn haar(d: usize, rng: &mut impl Rng) -> Mat<f64> {
    let mut columns: Vec<Vec<f64>> = Vec::with_capacity(d);
    for _ in 0..d {
        let mut v: Vec<f64> = (0..d).map(|_| StandardNormal.sample(rng)).collect();
        for _ in 0..2 {
            for u in &columns {
                let dot: f64 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= dot * u);
            }
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        for x in &mut v {
            *x /= norm;
        }
        columns.push(v);
    }
    Mat::from_fn(d, d, |i, j| columns[j][i])
}
