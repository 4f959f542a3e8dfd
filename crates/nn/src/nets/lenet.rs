use randlab_core::range;
use randlab_kernels::ConvSpec;
use serde::{Deserialize, Serialize};

use super::{Architecture, blocks::hidden_and_head};
use crate::{NetPlan, NnError};

/// In the manner of LeNet-5 (`LeCun` et al. 1998, Figure 2), with ReLU and 2x2 max-pools: 5x5 convolutions of 6 and 16 filters, each
/// with a pool, hidden layers of 120 and 84 units, and one linear layer. Names: `conv1`, `conv2`, `fc1`, `fc2`, `head`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeNet {
    /// Zeros added on every side before the first convolution: 2 for images of 28x28, 0 for those of 32x32.
    pub padding: usize,
}

impl Architecture for LeNet {
    fn check(&self) -> Result<(), String> {
        range::one_of("padding", self.padding, &[0, 2])
    }

    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError> {
        let spec = ConvSpec { stride: 1, padding: self.padding, pool: 2 };
        let map = plan.conv_relu_pool("conv1", 0, (6, 5), spec)?;
        let map = plan.conv_relu_pool("conv2", map, (16, 5), ConvSpec { padding: 0, ..spec })?;
        hidden_and_head(plan, map, &[120, 84], outputs);
        Ok(())
    }
}
