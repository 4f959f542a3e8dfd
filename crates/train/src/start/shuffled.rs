use rand::seq::SliceRandom;
use randlab_core::Purpose;
use randlab_moments::MomentsError;

use super::{Material, Start};
use crate::transfer::widen;

/// The trained entries, shuffled inside each filter. Not a null control: it keeps each filter's mean.
pub struct Shuffled;

impl Start for Shuffled {
    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        let mut values = widen(&material.source.values);
        let mut rng = material.stream(Purpose::Resample);
        values.chunks_exact_mut(material.width()).for_each(|filter| filter.shuffle(&mut rng));
        Ok(values)
    }
}
