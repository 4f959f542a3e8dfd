use randlab_moments::{Filters, MomentsError};

use super::{Material, Start, ZeroMeanCovariance};

/// The trained weights, and for the last of the layers drawn filters: a first layer from `N(0, S)`, a later one, whose
/// inputs are outputs of a ReLU and have a mean, from `N(m, C)`. With several layers the parent is not the panel's net but
/// one trained on top of layers drawn and frozen in the same way (paper, section 2.5).
pub struct Covariance;

impl Start for Covariance {
    fn on_drawn(&self) -> bool {
        true
    }

    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
        if material.behind {
            around_mean(&material.filters()?, material)
        } else {
            ZeroMeanCovariance.weights(material)
        }
    }
}

/// As many filters as there are, from the normal distribution of their mean and covariance.
fn around_mean(filters: &Filters, material: &Material<'_>) -> Result<Vec<f64>, MomentsError> {
    let mut drawn = material.drawn(&filters.covariance())?;
    let mean = filters.mean();
    for filter in drawn.chunks_exact_mut(mean.len()) {
        filter.iter_mut().zip(&mean).for_each(|(x, m)| *x += m);
    }
    Ok(drawn)
}
