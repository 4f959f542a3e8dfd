//! First-layer weights as vectors.

use faer::Mat;

use crate::{Moments, MomentsError, moments::check};

/// Filters or units of one or more nets, one vector of `dim` weights each.
#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
    dim: usize,
    values: Vec<f32>,
}

impl Filters {
    /// From a weight tensor `[out, in...]` with `dim` inputs per output.
    ///
    /// # Errors
    /// [`MomentsError::Size`] when the values are no whole number of filters.
    pub fn of(values: &[f32], dim: usize) -> Result<Self, MomentsError> {
        check("weights", values.len(), dim)?;
        Ok(Self { dim, values: values.to_vec() })
    }

    /// All filters of several nets.
    ///
    /// # Errors
    /// [`MomentsError::Size`] when dimensions differ or there is no net.
    pub fn pool<'a>(nets: impl IntoIterator<Item = &'a Self>) -> Result<Self, MomentsError> {
        let mut pooled: Option<Self> = None;
        for net in nets {
            match &mut pooled {
                None => pooled = Some(net.clone()),
                Some(all) => {
                    same_dim(all, net)?;
                    all.values.extend_from_slice(&net.values);
                }
            }
        }
        pooled.ok_or(MomentsError::Size { what: "nets", found: 0, expected: 1 })
    }

    /// Weights less those of `start`, filter by filter.
    ///
    /// # Errors
    /// [`MomentsError::Size`] when the two differ in size.
    pub fn minus(&self, start: &Self) -> Result<Self, MomentsError> {
        same_dim(self, start)?;
        if self.values.len() != start.values.len() {
            let (found, expected) = (start.values.len(), self.values.len());
            return Err(MomentsError::Size { what: "weights", found, expected });
        }
        let values = self.values.iter().zip(&start.values).map(|(a, b)| a - b).collect();
        Ok(Self { dim: self.dim, values })
    }

    /// Inputs per filter, d.
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// Number of filters, n.
    pub const fn count(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Sample covariance, mean removed, `[d, d]`.
    pub fn covariance(&self) -> Mat<f64> {
        self.moments().covariance()
    }

    /// Second moment `W^T W / n`, mean not removed, `[d, d]`.
    pub fn second_moment(&self) -> Mat<f64> {
        self.moments().second_moment()
    }

    /// Mean filter, `[d]`.
    pub fn mean(&self) -> Vec<f64> {
        self.moments().mean()
    }

    /// Norm of the mean filter, and its standard error (root of the trace of the covariance over n).
    pub fn mean_norm(&self) -> (f64, f64) {
        let moments = self.moments();
        let norm = moments.mean().iter().map(|m| m * m).sum::<f64>().sqrt();
        let covariance = moments.covariance();
        let trace: f64 = (0..self.dim).map(|i| covariance[(i, i)]).sum();
        (norm, (trace / self.count() as f64).sqrt())
    }

    fn moments(&self) -> Moments {
        Moments::whole_rows(&self.values, self.dim)
    }
}

fn same_dim(a: &Filters, b: &Filters) -> Result<(), MomentsError> {
    if a.dim == b.dim {
        return Ok(());
    }
    Err(MomentsError::Size { what: "filters", found: b.dim, expected: a.dim })
}
