use randlab_moments::MomentsError;

use super::{Material, Start};

/// As `covariance`, with the same parent, but the last of the layers from `N(0, S)`: a control for the mean.
pub struct ZeroMeanCovariance;

impl Start for ZeroMeanCovariance {
    fn on_drawn(&self) -> bool {
        true
    }

    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        material.drawn(&material.filters()?.second_moment())
    }
}
