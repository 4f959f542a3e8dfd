use randlab_core::range;
use randlab_kernels::ConvSpec;
use serde::{Deserialize, Serialize};

use super::{Architecture, blocks::hidden_and_head};
use crate::{NetPlan, NnError};

/// 3x3 convolutions with padding 1, then hidden layers: `conv1`.., `fc1`.. and `head`, with a ReLU after each layer but the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cnn {
    /// The convolutions, from the input.
    pub convs: Vec<ConvLayer>,
    /// Units of each hidden layer after them.
    pub hidden: Vec<usize>,
}

/// A 3x3 convolution of a [`Cnn`], with padding 1 and a ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvLayer {
    /// Filters.
    pub filters: usize,
    /// Stride.
    pub stride: usize,
    /// Side of the max-pool after the ReLU; 1 for none.
    pub pool: usize,
}

impl Architecture for Cnn {
    fn check(&self) -> Result<(), String> {
        for conv in &self.convs {
            range::size("filters", conv.filters)?;
            range::size("stride", conv.stride)?;
            range::size("pool", conv.pool)?;
        }
        self.hidden.iter().try_for_each(|&units| range::size("hidden", units))
    }

    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError> {
        let mut map = 0;
        for (i, &ConvLayer { filters, stride, pool }) in self.convs.iter().enumerate() {
            let spec = ConvSpec { stride, padding: 1, pool };
            map = plan.conv_relu_pool(&format!("conv{}", i + 1), map, (filters, 3), spec)?;
        }
        hidden_and_head(plan, map, &self.hidden, outputs);
        Ok(())
    }
}
