use randlab_nn::Parameter;

use super::Norm;

/// The l2 norm of the trained tensor.
pub struct Trained;

impl Norm for Trained {
    fn needs_parent(&self) -> bool {
        true
    }

    fn like<'a>(&self, _fresh: &'a Parameter, trained: &'a Parameter) -> &'a Parameter {
        trained
    }
}
