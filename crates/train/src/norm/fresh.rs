use super::Norm;

/// The l2 norm of the fresh initial tensor (paper).
pub struct Fresh;

impl Norm for Fresh {}
