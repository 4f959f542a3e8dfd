use randlab_kernels::{Norms, adam_step, l2_norm};
use serde::{Deserialize, Serialize};

use super::{Optimizer, Update};
use crate::NnError;

/// Adam with the usual constants (beta .9 and .999, epsilon 1e-8, bias correction; Kingma and Ba 2015). A control: it is not
/// rotation-equivariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {}

impl Optimizer for Adam {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn state(&self) -> &'static [&'static str] {
        &["mean", "square"]
    }

    fn step(&self, update: &Update<'_>) -> Result<Norms, NnError> {
        let &Update { var, grad, lr, step, .. } = update;
        let before = var.copy()?;
        adam_step(var, update.state("mean")?, update.state("square")?, grad, lr, step)?;
        let moved = l2_norm(&(var.as_tensor() - before)?)?;
        Ok(Norms { grad: l2_norm(grad)?, update: moved })
    }
}
