use randlab_kernels::{Norms, sgd_step};
use serde::{Deserialize, Serialize};

use super::{Optimizer, Update};
use crate::NnError;

/// Gradient descent with momentum: `v = momentum v + g + decay w; w -= lr v`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Momentum, 0 for none.
    pub momentum: f64,
    /// Weight decay, on the weights of layers and not on biases or batch norms.
    pub weight_decay: f64,
}

impl Optimizer for Sgd {
    fn check(&self) -> Result<(), String> {
        let Self { momentum, weight_decay } = self;
        if !(0.0..1.0).contains(momentum) {
            return Err(format!("momentum = {momentum} is out of range (0 to below 1)"));
        }
        if !(weight_decay.is_finite() && *weight_decay >= 0.0) {
            return Err(format!("weight_decay = {weight_decay} is out of range (0 or more)"));
        }
        Ok(())
    }

    fn state(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn step(&self, update: &Update<'_>) -> Result<Norms, NnError> {
        let &Update { var, grad, lr, .. } = update;
        let decay = if var.rank() > 1 { self.weight_decay } else { 0.0 };
        Ok(sgd_step(var, update.state("momentum")?, grad, lr, self.momentum, decay)?)
    }

    fn momentum(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn weight_decay(&self) -> Option<f64> {
        Some(self.weight_decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_and_decay_have_their_ranges() {
        let sgd = |momentum, weight_decay| Sgd { momentum, weight_decay }.check();
        assert!(sgd(0.0, 0.0).is_ok() && sgd(0.99, 1e-3).is_ok());
        for (momentum, decay) in [(1.0, 0.0), (-0.1, 0.0), (0.9, -1e-3), (0.9, f64::INFINITY)] {
            assert!(sgd(momentum, decay).is_err(), "{momentum} {decay}");
        }
    }
}
