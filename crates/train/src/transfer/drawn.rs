//! Weights copied from a trained net, drawn from its filters' moments, or made from the data.

use rand::{Rng, seq::SliceRandom};
use randlab_core::{Purpose, name_index, stream};
use randlab_moments::{
    Eigenbasis, Filters, Mat, MomentsError, closed_form, diagonal, haar, resample, rotated,
};
use randlab_nn::Parameter;

use crate::TransferWeights;

use super::{Sources, TransferError, size::widen};

impl Sources<'_> {
    /// `behind`: behind another layer.
    pub(super) fn weights(
        &self,
        kind: TransferWeights,
        (source, fresh): (&Parameter, &Parameter),
        name: &str,
        behind: bool,
    ) -> Result<Vec<f64>, TransferError> {
        // Each filter is a row: outputs first, then what they look at.
        let n = source.shape[0];
        let d = source.values.len() / n;
        let mut rng = stream(self.seed, Purpose::Resample, name_index(name));
        let moment = || Ok(Filters::of(&source.values, d)?.second_moment());
        let kernel = fresh.shape.get(2).copied();
        let seen = || Ok((self.seen)(kernel)?.second_moment());
        let drawn: Result<Mat<f64>, MomentsError> = match kind {
            TransferWeights::Copy => return Ok(widen(&source.values)),
            TransferWeights::Fresh => return Ok(widen(&fresh.values)),
            TransferWeights::Shuffled => {
                let mut values = widen(&source.values);
                values.chunks_exact_mut(d).for_each(|filter| filter.shuffle(&mut rng));
                return Ok(values);
            }
            TransferWeights::Covariance | TransferWeights::IndependentCovariance if behind => {
                let filters = Filters::of(&source.values, d).map_err(TransferError::Moments)?;
                return around_mean(&filters, &mut rng).map_err(TransferError::Moments);
            }
            TransferWeights::Covariance
            | TransferWeights::ZeroMeanCovariance
            | TransferWeights::IndependentCovariance => moment(),
            TransferWeights::DiagonalCovariance => moment().map(|s| diagonal(&s)),
            TransferWeights::RotatedCovariance => {
                let q = haar(d, &mut stream(self.seed, Purpose::Rotation, name_index(name)));
                moment().map(|s| rotated(&s, &q))
            }
            TransferWeights::DataCovariance => seen(),
            TransferWeights::ClosedForm { rate } => seen().and_then(|s| learnt(&s, rate)),
        };
        drawn.and_then(|s| resample(&s, n, &mut rng)).map_err(TransferError::Moments)
    }
}

/// As many filters as there are, from the normal distribution of their mean and covariance.
fn around_mean(filters: &Filters, rng: &mut impl Rng) -> Result<Vec<f64>, MomentsError> {
    let mut drawn = resample(&filters.covariance(), filters.count(), rng)?;
    let mean = filters.mean();
    for filter in drawn.chunks_exact_mut(mean.len()) {
        filter.iter_mut().zip(&mean).for_each(|(x, m)| *x += m);
    }
    Ok(drawn)
}

/// The second moment of filters along the eigenvectors of the patches' `second`, with the standard deviations of the closed
/// form of Chowers and Weiss.
fn learnt(second: &Mat<f64>, rate: f64) -> Result<Mat<f64>, MomentsError> {
    let basis = Eigenbasis::of(second)?;
    let d = basis.dim();
    // A direction the data do not have teaches nothing.
    let std = |&l: &f64| if l > 0.0 { closed_form(l, rate) } else { 0.0 };
    let std: Vec<f64> = basis.values.iter().map(std).collect();
    let scaled = Mat::from_fn(d, d, |i, j| basis.vectors[(i, j)] * std[j].powi(2));
    Ok(scaled * basis.vectors.transpose())
}
