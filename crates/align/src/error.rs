//! What can go wrong in an analysis.

use randlab_moments::MomentsError;

/// An error about numbers that an analysis cannot use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// Moments or a basis cannot be formed.
    #[error(transparent)]
    Moments(#[from] MomentsError),
    /// A covariance has no inverse.
    #[error(
        "weight covariance in {0} dimensions is singular: too few filters, or filters that span too little"
    )]
    Singular(usize),
}
