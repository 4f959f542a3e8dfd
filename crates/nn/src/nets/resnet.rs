use randlab_core::range;
use randlab_kernels::PoolSpec;
use serde::{Deserialize, Serialize};

use super::{
    Architecture,
    blocks::{Block, groups, scaled},
};
use crate::{
    NetPlan, NnError,
    plan::{Conv, Value},
};

/// Residual net of basic blocks with batch norm, a global average pool and one linear layer (He et al. 2016, Table 1, with
/// projections where the size changes, option B). Names are those of torchvision: `conv1`, `layer1.0.conv1`,
/// `layer2.0.downsample.0`, `fc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNet {
    /// Layers with weights, not counting shortcuts: 18.
    pub depth: usize,
    /// What comes before the blocks.
    pub stem: Stem,
    /// Factor on the width of every convolution. Widths are rounded, and at least 1.
    pub width: f64,
}

/// First layer of a [`ResNet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// For small images: a 3x3 convolution with stride 1.
    Cifar,
    /// For large ones: a 7x7 convolution with stride 2 and padding 3, and a 3x3 max-pool with stride 2 and padding 1.
    Imagenet,
}

impl Architecture for ResNet {
    fn check(&self) -> Result<(), String> {
        range::one_of("depth", self.depth, &[18])?;
        range::positive("width", self.width)
    }

    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError> {
        let (kernel, stride) = match self.stem {
            Stem::Cifar => (3, 1),
            Stem::Imagenet => (7, 2),
        };
        let filters = scaled(64, self.width);
        let conv = plan.conv("conv1", 0, Conv { filters, kernel, stride, bias: false })?;
        let mut from = plan.norm_relu("bn1", conv, None);
        if self.stem == Stem::Imagenet {
            from = plan.max_pool(from, PoolSpec { side: 3, stride: 2, padding: 1 })?;
        }
        let widths = [64, 128, 256, 512].map(|width| scaled(width, self.width));
        let from = groups(&widths, 2, from, |from, block| basic_block(plan, from, block))?;
        let pooled = plan.average_pool(from);
        plan.linear("fc", pooled, outputs, false);
        Ok(())
    }
}

/// Two 3x3 convolutions whose result is added to the input.
fn basic_block(plan: &mut NetPlan, from: Value, block: &Block) -> Result<Value, NnError> {
    let &Block { ref name, filters, stride } = block;
    let spec = Conv { filters, kernel: 3, stride, bias: false };
    let conv = plan.conv(&format!("{name}.conv1"), from, spec)?;
    let inner = plan.norm_relu(&format!("{name}.bn1"), conv, None);
    let mut shortcut = from;
    // As in torchvision; two widths may be rounded to the same number.
    if stride > 1 || plan.channels(from) != filters {
        let conv = plan.conv(&format!("{name}.downsample.0"), from, Conv { kernel: 1, ..spec })?;
        shortcut = plan.norm(&format!("{name}.downsample.1"), conv);
    }
    let conv = plan.conv(&format!("{name}.conv2"), inner, Conv { stride: 1, ..spec })?;
    Ok(plan.norm_relu(&format!("{name}.bn2"), conv, Some(shortcut)))
}
