use super::Norm;
use crate::Starts;

/// As large as it takes for the layer's output on held-out images to have the root mean square it has in the fresh
/// net: a control for signal that `fresh` loses in deep nets.
pub struct FreshOutput;

impl Norm for FreshOutput {
    fn outputs_of(&self) -> Option<Starts> {
        Some(Starts::Fresh)
    }
}
