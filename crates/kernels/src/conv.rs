//! Convolution, bias, ReLU and max-pool in one operation, and the convolution and bias alone.

mod backward;
mod forward;
mod geometry;
mod im2col;
mod implicit_gemm;
mod nhwc;
mod pooled_weight_grad;
mod reference;
#[cfg(test)]
mod tests;
mod winograd;
mod winograd_small_in;

use std::sync::OnceLock;

use candle_core::{DType, Result, Shape, Tensor, bail};

use crate::{
    element::{common_dtype, hold},
    gradients::TensorGradients,
    isa::Isa,
    weighted::{Taped, Weighted},
};
use geometry::{Geometry, Seen};

/// Default images per parallel task.
const SHARD: usize = 8;
/// Minimum input and output channels for which a channels-last layout pays.
const MANY: usize = 16;

/// Geometry of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvSpec {
    /// Step of the window, both ways.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
    /// Side and stride of the max-pool after the ReLU; 1 for none. Rows and columns that do not fill a window are dropped.
    pub pool: usize,
}

/// `max_pool(relu(conv(x, w) + b))`. Shapes: x `[N, C, H, W]`, w `[O, C, k, k]`, b `[O]`; the result is `[N, O, H', W']` with
/// `H' = ((H + 2 padding - k) / stride + 1) / pool`, rounded down. f32 or f64.
///
/// The gradient of a pooled value goes to the first largest value of its window only.
///
/// # Errors
/// When shapes or element types do not match, or a window is larger than the padded image or the map.
pub fn conv2d_relu_pool(x: &Tensor, w: &Tensor, b: &Tensor, spec: ConvSpec) -> Result<Tensor> {
    let op = Taped(Conv::new(x, w, b, spec, true)?);
    x.contiguous()?.apply_op3(&w.contiguous()?, &b.contiguous()?, op)
}

/// The algorithms of the f32 convolution, each named after its file. Kernel, stride, pool and numbers of channels decide which
/// one computes a pass. [`Way::WinogradSmallIn`] is for values only and [`Way::PooledWeightGrad`] for weight gradients only;
/// what an algorithm leaves out is computed by im2col.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// F(2x2, 3x3) over many channels, all passes.
    Winograd,
    /// A product of channels for each tap of the filter, all passes.
    ImplicitGemm,
    /// F(2x2, 3x3) or F(2x2, 5x5) from 1 or 3 channels into a 2x2 max-pool.
    WinogradSmallIn,
    /// Weight gradient from the argmax of the max-pool.
    PooledWeightGrad,
    /// A product of filters with the matrix of all patches, all passes.
    Im2col,
}

impl Geometry {
    fn forward_way(&self) -> Way {
        match self.both_ways() {
            Some(way) => way,
            None if winograd_small_in::fits(self) => Way::WinogradSmallIn,
            None => Way::Im2col,
        }
    }

    fn backward_way(&self) -> Way {
        match self.both_ways() {
            Some(way) => way,
            None if pooled_weight_grad::pays(self) => Way::PooledWeightGrad,
            None => Way::Im2col,
        }
    }

    /// The specialised algorithm that computes both passes, if there is one.
    fn both_ways(&self) -> Option<Way> {
        if winograd::fits(self) {
            Some(Way::Winograd)
        } else {
            implicit_gemm::fits(self).then_some(Way::ImplicitGemm)
        }
    }

    /// Images of a task. Gradients of weights are summed over tasks in order.
    fn shard(&self) -> usize {
        if winograd::fits(self) { winograd::shard(self) } else { SHARD }
    }
}

pub(crate) struct Conv {
    shape: Geometry,
    /// With a pool: the argmax of each pooled value, as its place in the window.
    winners: OnceLock<Vec<u16>>,
}

impl Weighted for Conv {
    const NAME: &'static str = "conv2d-relu-pool";

    fn shape(&self) -> Shape {
        let g = &self.shape;
        (g.images, g.outputs, g.pooled_rows, g.pooled_cols).into()
    }

    fn kernel(&self, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32> {
        let (y, winners) = forward::forward(Isa::best(), &self.shape, x, w, b);
        // A second call of the same op computes the same winners.
        let _ = self.winners.set(winners);
        y
    }

    fn reference(&self, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
        let (y, winners) = reference::forward(&self.shape, x, w, b);
        let _ = self.winners.set(winners);
        y
    }

    fn gradients(
        &self,
        x: &Tensor,
        w: &Tensor,
        y: &Tensor,
        grad: &Tensor,
        wanted: bool,
    ) -> Result<TensorGradients> {
        let g = &self.shape;
        let Some(winners) = self.winners.get() else {
            bail!("convolution: gradient asked for before the value");
        };
        let grad = grad.contiguous()?;
        if grad.shape() != y.shape() {
            bail!("convolution: gradient {:?} of a result {:?}", grad.shape(), y.shape());
        }
        let [hx, hw, hy, hg] = [x, w, y, &grad].map(hold);
        if x.dtype() == DType::F64 {
            let results = (hy.values()?, hg.values()?, &winners[..]);
            let gradients = reference::backward(g, (hx.values()?, hw.values()?), results);
            return gradients.into_tensors(x, w);
        }
        let seen = Seen { x: hx.values()?, y: hy.values()?, dy: hg.values()?, winners };
        backward::backward(Isa::best(), g, seen, hw.values()?, wanted).into_tensors(x, w)
    }
}

impl Conv {
    /// The operation for arguments of these shapes; without `relu` negative sums are kept.
    pub fn new(x: &Tensor, w: &Tensor, b: &Tensor, spec: ConvSpec, relu: bool) -> Result<Self> {
        common_dtype(&[x, w, b])?;
        let shape = Geometry::new(x.dims4()?, w.dims4()?, b.dims(), spec, relu)?;
        Ok(Self { shape, winners: OnceLock::new() })
    }
}
