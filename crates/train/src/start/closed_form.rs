use randlab_core::range;
use randlab_moments::{Eigenbasis, Mat, MomentsError, closed_form};
use serde::{Deserialize, Serialize};

use super::{Material, Start};

/// Without a trained net: filters along the eigenvectors of X, with the standard deviations that small-step gradient
/// descent would give them, `(1 - exp(-rate l)) / sqrt(l)` (Chowers and Weiss 2023, Theorem 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedForm {
    /// Learning rate times steps.
    pub rate: f64,
}

impl Start for ClosedForm {
    fn check(&self) -> Result<(), String> {
        range::positive("rate", self.rate)
    }

    fn needs_parent(&self) -> bool {
        false
    }

    fn first_layer_only(&self) -> bool {
        true
    }

    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        material.drawn(&learnt(&material.seen()?, self.rate)?)
    }
}

/// The second moment of filters along the eigenvectors of the patches' `second`, with the standard deviations of the closed
/// form of Chowers and Weiss.
fn learnt(second: &Mat<f64>, rate: f64) -> Result<Mat<f64>, MomentsError> {
    let basis = Eigenbasis::of(second)?;
    let d = basis.dim();
    // A direction the data do not have teaches nothing.
    let std = |&l: &f64| if l > 0.0 { closed_form(l, rate) } else { 0.0 };
    let std: Vec<f64> = basis.values.iter().map(std).collect();
    let scaled = Mat::from_fn(d, d, |i, j| basis.vectors[(i, j)] * std[j].powi(2));
    Ok(scaled * basis.vectors.transpose())
}
