use randlab_core::range;
use randlab_kernels::{ConvSpec, PoolSpec};
use serde::{Deserialize, Serialize};

use super::{Architecture, blocks::scaled};
use crate::{
    NetPlan, NnError,
    plan::{Conv, Value},
};

/// VGG without its average pool and hidden layers: 3x3 convolutions (padding 1) with ReLU in five groups, each followed by a 2x2
/// max-pool, and one linear layer (paper, Figures 1 and 6). The convolutions and batch norms are torchvision's `features.0` and
/// so on; the linear layer is `head`, because torchvision's `classifier.0` is a different layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vgg {
    /// Layers with weights in the original net: 16.
    pub depth: usize,
    /// Factor on the width of every convolution. Widths are rounded, and at least 1.
    pub width: f64,
    /// Whether a batch norm follows each convolution.
    pub batch_norm: bool,
}

/// Widths of the convolutions of VGG16, in groups that each end with a pool (Simonyan and Zisserman 2015, Table 1, D).
const VGG16: [&[usize]; 5] =
    [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];

impl Architecture for Vgg {
    fn check(&self) -> Result<(), String> {
        range::one_of("depth", self.depth, &[16])?;
        range::positive("width", self.width)
    }

    /// The numbers in names count torchvision's modules: convolution, batch norm if there is one, ReLU, and pool.
    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError> {
        let (mut from, mut module) = (0, 0);
        for group in VGG16 {
            for (i, &width) in group.iter().enumerate() {
                let (filters, last) = (scaled(width, self.width), i + 1 == group.len());
                from = self.convolution(plan, module, from, filters, last)?;
                module += 2 + usize::from(self.batch_norm) + usize::from(last);
            }
        }
        plan.linear("head", from, outputs, false);
        Ok(())
    }
}

impl Vgg {
    fn convolution(
        &self,
        plan: &mut NetPlan,
        module: usize,
        from: Value,
        filters: usize,
        pooled: bool,
    ) -> Result<Value, NnError> {
        let name = format!("features.{module}");
        if !self.batch_norm {
            let spec = ConvSpec { stride: 1, padding: 1, pool: if pooled { 2 } else { 1 } };
            return plan.conv_relu_pool(&name, from, (filters, 3), spec);
        }
        let conv = plan.conv(&name, from, Conv { filters, kernel: 3, stride: 1, bias: true })?;
        let normed = plan.norm_relu(&format!("features.{}", module + 1), conv, None);
        if !pooled {
            return Ok(normed);
        }
        plan.max_pool(normed, PoolSpec { side: 2, stride: 2, padding: 0 })
    }
}
