//! Ways to start: what takes the place of initial weights.

mod closed_form;
mod copy;
mod covariance;
mod data_covariance;
mod diagonal_covariance;
mod fresh;
mod independent_covariance;
mod rotated_covariance;
mod shuffled;
mod zero_mean_covariance;

pub use closed_form::ClosedForm;
pub use copy::Copy;
pub use covariance::Covariance;
pub use data_covariance::DataCovariance;
pub use diagonal_covariance::DiagonalCovariance;
pub use fresh::Fresh;
pub use independent_covariance::IndependentCovariance;
pub use rotated_covariance::RotatedCovariance;
pub use shuffled::Shuffled;
pub use zero_mean_covariance::ZeroMeanCovariance;

use rand::Rng;
use randlab_core::{Purpose, Seed, name_index, stream};
use randlab_moments::{Filters, Mat, Moments, MomentsError, resample};
use randlab_nn::Parameter;

/// What a way to start does.
pub trait Start {
    /// Refuses settings out of range.
    ///
    /// # Errors
    /// What is wrong, in one line.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether there must be a trained net.
    fn needs_parent(&self) -> bool {
        true
    }

    /// Whether it can replace the first layer only.
    fn first_layer_only(&self) -> bool {
        false
    }

    /// Whether only the last of the layers is drawn, and the parent was trained on top of layers drawn and frozen before.
    fn on_drawn(&self) -> bool {
        false
    }

    /// The weights of one layer before they are rescaled, one filter after the other.
    ///
    /// # Errors
    /// When a moment of the filters or of the data cannot be decomposed.
    fn weights(&self, material: &Material<'_>) -> Result<Vec<f64>, MomentsError>;
}

randlab_core::words! {
    /// Source of transferred weights. S is the second moment of a layer's trained filters, m and C are their mean and
    /// covariance; X is the second moment of the patches of the upstream images, its eigenvalues l.
    pub enum Starts: Start {
        "copy" => Copy, "the trained weights";
        "covariance" => Covariance, "the trained weights, the last layer drawn from `N(0, S)`, or `N(m, C)` behind another";
        "zero-mean-covariance" => ZeroMeanCovariance, "the trained weights, the last layer drawn from `N(0, S)`";
        "independent-covariance" => IndependentCovariance, "all layers drawn as `covariance` draws the last";
        "rotated-covariance" => RotatedCovariance, "`N(0, S)` with the eigenvectors of S turned at random; first layer only";
        "diagonal-covariance" => DiagonalCovariance, "`N(0, S)` with the diagonal of S alone; first layer only";
        "shuffled" => Shuffled, "the trained entries, shuffled inside each filter";
        "fresh" => Fresh, "the fresh initial weights";
        "data-covariance" => DataCovariance, "`N(0, X)`, without a trained net; first layer only";
        "closed-form" => ClosedForm(ClosedForm), "the filters linear dynamics would learn, without a trained net; first layer only";
    }
}

/// What the weights of one layer can be made from.
pub struct Material<'a> {
    /// The trained tensor; the fresh one when there is no trained net.
    pub(crate) source: &'a Parameter,
    /// The fresh tensor, of the same shape.
    pub(crate) fresh: &'a Parameter,
    /// Name of the tensor; keys the random streams.
    pub(crate) name: &'a str,
    /// Whether the layer is behind another one.
    pub(crate) behind: bool,
    pub(crate) seed: Seed,
    /// Moments of what a first layer with kernels of this side, or without any, looks at.
    pub(crate) seen: &'a dyn Fn(Option<usize>) -> Result<Moments, MomentsError>,
}

impl Material<'_> {
    /// Number of filters: outputs are first in a shape.
    fn count(&self) -> usize {
        self.source.shape[0]
    }

    /// Weights per filter.
    fn width(&self) -> usize {
        self.source.values.len() / self.count()
    }

    /// The random numbers of this tensor for `purpose`, from the first one on.
    fn stream(&self, purpose: Purpose) -> impl Rng + use<> {
        stream(self.seed, purpose, name_index(self.name))
    }

    /// The trained filters.
    fn filters(&self) -> Result<Filters, MomentsError> {
        Filters::of(&self.source.values, self.width())
    }

    /// Second moment of the patches the layer looks at.
    fn seen(&self) -> Result<Mat<f64>, MomentsError> {
        Ok((self.seen)(self.fresh.shape.get(2).copied())?.second_moment())
    }

    /// As many filters as there are, from `N(0, second)`.
    fn drawn(&self, second: &Mat<f64>) -> Result<Vec<f64>, MomentsError> {
        resample(second, self.count(), &mut self.stream(Purpose::Resample))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ClosedForm, Starts};

    #[test]
    fn a_start_is_a_word_and_one_with_settings_a_table() {
        let closed_form = Starts::ClosedForm(ClosedForm { rate: 1.0 });
        let written = json!(["copy", { "closed-form": { "rate": 1.0 } }]);
        assert_eq!(json!([Starts::Copy, closed_form]), written);
        assert_eq!(serde_json::from_value::<Vec<Starts>>(written).unwrap()[1], closed_form);
        let unknown = json!({ "closed-form": { "rate": 1.0, "steps": 2 } });
        assert!(serde_json::from_value::<Starts>(unknown).is_err());
        let negative = Starts::ClosedForm(ClosedForm { rate: -1.0 });
        assert!(negative.as_ref().check().unwrap_err().starts_with("rate"));
    }
}
