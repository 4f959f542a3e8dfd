use super::Norm;
use crate::Starts;

/// As large as it takes for the output to have the root mean square it has in the net with copied weights at their
/// fresh norms. With fresh weights, a control that has lost the same signal and nothing else.
pub struct CopyOutput;

impl Norm for CopyOutput {
    fn needs_parent(&self) -> bool {
        true
    }

    fn outputs_of(&self) -> Option<Starts> {
        Some(Starts::Copy)
    }
}
