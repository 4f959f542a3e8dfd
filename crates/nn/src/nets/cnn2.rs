use randlab_core::range;
use randlab_kernels::ConvSpec;
use serde::{Deserialize, Serialize};

use super::{Architecture, blocks::hidden_and_head};
use crate::{NetPlan, NnError};

/// One convolution and one hidden layer (paper, Figures 2, 4 and 5): `conv1`, `fc1` and `head`, with a ReLU after each layer but
/// the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cnn2 {
    /// Side of the square kernel.
    pub kernel: usize,
    /// Filters.
    pub filters: usize,
    /// Stride of the convolution.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
    /// Side of the max-pool after the ReLU; 1 for none.
    pub pool: usize,
    /// Units of the hidden layer.
    pub hidden: usize,
}

impl Architecture for Cnn2 {
    fn check(&self) -> Result<(), String> {
        let sizes = [("kernel", self.kernel), ("filters", self.filters), ("stride", self.stride)];
        let sizes = sizes.into_iter().chain([("pool", self.pool), ("hidden", self.hidden)]);
        for (name, value) in sizes {
            range::size(name, value)?;
        }
        // Wider padding would add windows that see nothing of the image.
        if self.padding >= self.kernel {
            let Self { padding, kernel, .. } = self;
            return Err(format!("padding = {padding} must be smaller than kernel = {kernel}"));
        }
        Ok(())
    }

    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError> {
        let &Self { kernel, filters, stride, padding, pool, hidden } = self;
        let spec = ConvSpec { stride, padding, pool };
        let map = plan.conv_relu_pool("conv1", 0, (filters, kernel), spec)?;
        hidden_and_head(plan, map, &[hidden], outputs);
        Ok(())
    }
}
