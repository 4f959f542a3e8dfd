use randlab_nn::Parameter;

use super::Norm;

/// All transferred tensors scaled by one factor, so that together they have the l2 norm of the fresh ones: another
/// reading of the paper's reset.
pub struct FreshTotal;

impl Norm for FreshTotal {
    fn needs_parent(&self) -> bool {
        true
    }

    fn like<'a>(&self, _fresh: &'a Parameter, trained: &'a Parameter) -> &'a Parameter {
        trained
    }

    fn by_one_factor(&self) -> bool {
        true
    }
}
