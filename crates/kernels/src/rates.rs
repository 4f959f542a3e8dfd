//! What an optimiser step is told and what it reports.

/// l2 norms of what one step saw and did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norms {
    /// Of the gradient, without weight decay.
    pub grad: f64,
    /// Of the change of the parameter.
    pub update: f64,
}

/// Rates of a step of stochastic gradient descent.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    pub lr: f64,
    pub momentum: f64,
    pub decay: f64,
}

/// Shares that Adam keeps of its running means of gradients and of their squares.
pub(crate) const ADAM: (f64, f64) = (0.9, 0.999);
