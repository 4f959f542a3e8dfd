//! What first-layer filters look at, and its principal directions.

use randlab_data::Dataset;
use randlab_moments::{Eigenbasis, Mat, Moments, MomentsError};

/// Statistics of what first-layer filters look at.
pub(super) enum Seen {
    /// Patches of images, or whole inputs of a fully connected net.
    Sample(Moments),
    /// The law the inputs were drawn from.
    Population(Eigenbasis, Mat<f64>),
}

impl Seen {
    /// Of the upstream inputs; `kernel` is the side of a patch, for a convolution.
    pub fn of(data: &Dataset, kernel: Option<usize>) -> Result<Self, MomentsError> {
        if let Some(law) = data.population() {
            let d = law.std.len();
            let directions = Mat::from_fn(d, d, |i, j| law.directions[i * d + j]);
            let variances =
                Mat::from_fn(d, d, |i, j| if i == j { law.std[i].powi(2) } else { 0.0 });
            let covariance = &directions * variances * directions.transpose();
            return Ok(Self::Population(
                Eigenbasis::population(&law.std, &directions)?,
                covariance,
            ));
        }
        Ok(Self::Sample(data.patch_moments(kernel)?))
    }

    /// What several nets looked at together.
    pub fn pool<'a>(parts: impl Iterator<Item = &'a Self>) -> Result<Data, MomentsError> {
        let mut all: Option<Moments> = None;
        for part in parts {
            match (part, &mut all) {
                (Self::Population(basis, covariance), _) => {
                    return Ok(Data {
                        basis: basis.clone(),
                        uncentred: basis.clone(),
                        mean: vec![0.0; basis.dim()],
                        covariance: covariance.clone(),
                        count: None,
                    });
                }
                (Self::Sample(moments), Some(all)) => all.merge(moments),
                (Self::Sample(moments), none) => *none = Some(moments.clone()),
            }
        }
        let all = all.ok_or(MomentsError::Size { what: "nets", found: 0, expected: 1 })?;
        Ok(Data {
            basis: Eigenbasis::of(&all.covariance())?,
            uncentred: Eigenbasis::of(&all.second_moment())?,
            mean: all.mean(),
            covariance: all.covariance(),
            count: Some(all.count()),
        })
    }
}

/// Principal directions of the data.
pub(super) struct Data {
    pub basis: Eigenbasis,
    /// Of the second moment, mean not removed: what energy profiles refer to.
    pub uncentred: Eigenbasis,
    pub mean: Vec<f64>,
    pub covariance: Mat<f64>,
    /// Vectors behind it; none where the law itself is known.
    pub count: Option<u64>,
}
