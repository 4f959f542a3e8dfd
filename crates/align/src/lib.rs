//! Covariance alignment in f64: patch moments, misalignment, transfer function, energy profile.
