use randlab_moments::MomentsError;

use super::{Covariance, Material, Start};

/// All layers drawn as `covariance` draws them, but each from the panel's net: a control, since the filters of a layer
/// have nothing to do with those drawn below it.
pub struct IndependentCovariance;

impl Start for IndependentCovariance {
    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        Covariance.weights(material)
    }
}
