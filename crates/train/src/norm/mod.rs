//! How large transferred tensors end up.

mod copy_output;
mod fresh;
mod fresh_output;
mod fresh_total;
mod trained;

pub use copy_output::CopyOutput;
pub use fresh::Fresh;
pub use fresh_output::FreshOutput;
pub use fresh_total::FreshTotal;
pub use trained::Trained;

use randlab_nn::Parameter;

use crate::Starts;

/// What a norm does.
pub trait Norm {
    /// Whether there must be a trained net.
    fn needs_parent(&self) -> bool {
        false
    }

    /// Which of the fresh and the trained tensor gives the one in its place its l2 norm.
    fn like<'a>(&self, fresh: &'a Parameter, _trained: &'a Parameter) -> &'a Parameter {
        fresh
    }

    /// Whether all transferred tensors are then scaled by one factor, to the l2 norm the fresh ones have together.
    fn by_one_factor(&self) -> bool {
        false
    }

    /// The start, at its fresh norms, whose layers say how large outputs on held-out images become; none where
    /// outputs do not matter.
    fn outputs_of(&self) -> Option<Starts> {
        None
    }
}

randlab_core::words! {
    /// Size of a transferred tensor.
    pub enum Norms: Norm {
        "fresh" => Fresh, "the l2 norm of the fresh initial tensor";
        "fresh-total" => FreshTotal, "one factor for all tensors, to the l2 norm the fresh ones have together";
        "trained" => Trained, "the l2 norm of the trained tensor";
        "fresh-output" => FreshOutput, "outputs as large as in the fresh net";
        "copy-output" => CopyOutput, "outputs as large as in the net with copied weights at their fresh norms";
    }
}
