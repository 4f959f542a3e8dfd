use randlab_moments::MomentsError;

use super::{Material, Start};

/// Without a trained net: `N(0, X)`, so that filters look like patches.
pub struct DataCovariance;

impl Start for DataCovariance {
    fn needs_parent(&self) -> bool {
        false
    }

    fn first_layer_only(&self) -> bool {
        true
    }

    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        material.drawn(&material.seen()?)
    }
}
