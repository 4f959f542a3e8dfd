use randlab_core::Purpose;
use randlab_moments::{MomentsError, haar, rotated};

use super::{Material, Start};

/// `N(0, S)` with the eigenvectors of S turned by a Haar-random rotation, a control.
pub struct RotatedCovariance;

impl Start for RotatedCovariance {
    fn first_layer_only(&self) -> bool {
        true
    }

    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        let turn = haar(material.width(), &mut material.stream(Purpose::Rotation));
        material.drawn(&rotated(&material.filters()?.second_moment(), &turn))
    }
}
