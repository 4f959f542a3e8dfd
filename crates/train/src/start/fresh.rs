use randlab_moments::MomentsError;

use super::{Material, Start};
use crate::transfer::widen;

/// The fresh initial weights: a control for their size.
pub struct Fresh;

impl Start for Fresh {
    fn needs_parent(&self) -> bool {
        false
    }

    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        Ok(widen(&material.fresh.values))
    }
}
