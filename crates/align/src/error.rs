//! What can go wrong in an analysis.

/// An error about numbers that an analysis cannot use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
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
    /// Patches have fewer principal components than the one asked for.
    #[error(
        "there is no component {component} of {kernel}x{kernel} patches: the last one is {last}"
    )]
    Component {
        /// The one asked for, counted from 0.
        component: usize,
        /// Side of the patches.
        kernel: usize,
        /// The last one they have.
        last: usize,
    },
    /// A covariance has no inverse.
    #[error(
        "weight covariance in {0} dimensions is singular: too few filters, or filters that span too little"
    )]
    Singular(usize),
    /// The eigenvalue solver did not converge, which needs numbers that are not finite.
    #[error("eigenvalues of a {0}x{0} matrix not found")]
    Eigen(usize),
}
