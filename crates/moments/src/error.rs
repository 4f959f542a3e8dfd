//! What can go wrong with moments.

/// An error about numbers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MomentsError {
    /// Sizes do not fit together.
    #[error("{what}: size {found}, expected {expected}")]
    Size {
        /// Which argument.
        what: &'static str,
        /// Its size.
        found: usize,
        /// What it should be, or a multiple of it.
        expected: usize,
    },
    /// The eigenvalue solver did not converge, which needs numbers that are not finite.
    #[error("eigenvalues of a {0}x{0} matrix not found")]
    Eigen(usize),
}
