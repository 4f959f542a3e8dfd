use randlab_moments::{MomentsError, diagonal};

use super::{Material, Start};

/// `N(0, S)` with the diagonal of S alone, a control.
pub struct DiagonalCovariance;

impl Start for DiagonalCovariance {
    fn first_layer_only(&self) -> bool {
        true
    }

    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        material.drawn(&diagonal(&material.filters()?.second_moment()))
    }
}
