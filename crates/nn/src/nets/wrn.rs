use randlab_core::range;
use serde::{Deserialize, Serialize};

use super::{
    Architecture,
    blocks::{Block, groups},
};
use crate::{
    NetPlan, NnError,
    plan::{Conv, Output},
};

/// Wide residual net for small images (Zagoruyko and Komodakis 2016, Table 1, with blocks B(3, 3) and no dropout): batch norm and
/// ReLU before each convolution, three groups of basic blocks with 16, 32 and 64 filters times `width`, a global average pool
/// and one linear layer. Names follow those of [`super::ResNet`]: `conv1`, `layer1.0.bn1`, `layer1.0.conv1`,
/// `layer1.0.shortcut`, `bn` before the pool, `head`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrn {
    /// Layers with weights in the residual path: 6 n + 4 with n blocks per group.
    pub depth: usize,
    /// Factor on the width of the blocks; the first convolution has 16 filters.
    pub width: usize,
    /// Side of the first convolution's kernel, 3 or 5 (paper, Figure 3).
    pub kernel: usize,
}

impl Architecture for Wrn {
    fn check(&self) -> Result<(), String> {
        range::one_of("kernel", self.kernel, &[3, 5])?;
        if self.depth < 10 || self.depth % 6 != 4 {
            return Err(format!("depth = {} is not supported; use 10, 16, 22 ..", self.depth));
        }
        range::size("depth", self.depth)?;
        range::size("width", self.width)
    }

    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError> {
        let conv = Conv { filters: 16, kernel: self.kernel, stride: 1, bias: false };
        let first = plan.conv("conv1", 0, conv)?;
        let widths = [16, 32, 64].map(|width| width * self.width);
        let blocks = (self.depth - 4) / 6;
        let last = groups(&widths, blocks, first, |from, block| wide_block(plan, from, block))?;
        let normed = plan.norm_relu("bn", last, None);
        let pooled = plan.average_pool(normed);
        plan.linear("head", pooled, outputs, false);
        Ok(())
    }
}

/// Two 3x3 convolutions, with norm and ReLU before each, whose result is added to the input. Where the size changes the shortcut,
/// too, starts from what the first norm gives.
fn wide_block(plan: &mut NetPlan, from: Output, block: &Block) -> Result<Output, NnError> {
    let &Block { ref name, filters, stride } = block;
    let spec = Conv { filters, kernel: 3, stride, bias: false };
    let normed = plan.norm_relu(&format!("{name}.bn1"), from, None);
    let mut shortcut = from.value;
    if plan.channels(from.value) != filters {
        let conv = Conv { kernel: 1, ..spec };
        shortcut = plan.conv(&format!("{name}.shortcut"), normed, conv)?.value;
    }
    let conv = plan.conv(&format!("{name}.conv1"), normed, spec)?;
    let inner = plan.norm_relu(&format!("{name}.bn2"), conv, None);
    let conv = plan.conv(&format!("{name}.conv2"), inner, Conv { stride: 1, ..spec })?;
    Ok(Output { value: plan.sum(conv.value, shortcut), ..conv })
}
