use randlab_moments::MomentsError;

use super::{Material, Start};
use crate::transfer::widen;

/// The trained weights.
pub struct Copy;

impl Start for Copy {
    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        Ok(widen(&material.source.values))
    }
}
