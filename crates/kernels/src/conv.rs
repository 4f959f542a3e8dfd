//! Convolution, bias, ReLU and max-pool in one operation, and the convolution and bias alone.

mod backward;
mod canvas;
mod forward;
mod geometry;
mod patches;
mod pixels;
mod simple;
#[cfg(test)]
mod tests;
mod thin;
mod winners;
mod winograd;

use std::sync::OnceLock;

use candle_core::{
    CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType,
    backend::BackendStorage, bail,
};

use crate::{
    element::{common_dtype, hold, slice},
    gradients::TensorGradients,
    isa::Isa,
};
use geometry::Geometry;

/// Images one task works on, if it has no reason for more.
const SHARD: usize = 8;
/// Channels on both sides from which on they are worth to be made innermost.
const MANY: usize = 16;

/// Geometry of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvSpec {
    /// Step of the window, both ways.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
    /// Side and stride of the max-pool after the ReLU; 1 for none. Rows and columns that do not fill a window are cut off.
    pub pool: usize,
}

/// `max_pool(relu(conv(x, w) + b))`. Shapes: x `[N, C, H, W]`, w `[O, C, k, k]`, b `[O]`; the result is `[N, O, H', W']` with
/// `H' = ((H + 2 padding - k) / stride + 1) / pool`, rounded down. f32 or f64.
///
/// The gradient of a pooled value goes to the first largest value of its window, and to no other.
///
/// # Errors
/// When shapes or element types do not fit, or a window is larger than what it slides over.
pub fn conv2d_relu_pool(x: &Tensor, w: &Tensor, b: &Tensor, spec: ConvSpec) -> Result<Tensor> {
    let op = Conv::new(x, w, b, spec, true)?;
    x.contiguous()?.apply_op3(&w.contiguous()?, &b.contiguous()?, op)
}

/// How a convolution is computed in f32. The numbers of channels decide, as they decide which way is the fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By tiles of 2x2 results.
    Tiles,
    /// Pixel by pixel, a product of channels for each place of the filter.
    Pixels,
    /// By a matrix of what each window sees.
    Windows,
}

impl Geometry {
    fn way(&self) -> Way {
        if winograd::fits(self) {
            Way::Tiles
        } else if pixels::fits(self) {
            Way::Pixels
        } else {
            Way::Windows
        }
    }

    /// Images of a task. Gradients of weights are summed over tasks in order.
    fn shard(&self) -> usize {
        match self.way() {
            Way::Tiles => winograd::shard(self),
            Way::Pixels | Way::Windows => SHARD,
        }
    }
}

pub(crate) struct Conv {
    shape: Geometry,
    /// For a pool: the place in its window of each pooled value.
    winners: OnceLock<Vec<u16>>,
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv2d-relu-pool"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let g = &self.shape;
        let (y, winners) = match x.dtype() {
            DType::F32 => {
                let (x, w, b) = (slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
                let (y, winners) = forward::forward(Isa::best(), g, x, w, b);
                (f32::to_cpu_storage_owned(y), winners)
            }
            DType::F64 => {
                let (x, w, b) = (slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
                let (y, winners) = simple::forward(g, x, w, b);
                (f64::to_cpu_storage_owned(y), winners)
            }
            other => bail!("convolution: element type {other:?}, expected f32 or f64"),
        };
        // A second call of the same op finds the same winners.
        let _ = self.winners.set(winners);
        Ok((y, (g.images, g.outputs, g.pooled_rows, g.pooled_cols).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let TensorGradients { x, w, b, .. } = self.gradients(x, w, y, grad, x.track_op())?;
        Ok((x, w, b))
    }
}

impl Conv {
    /// The operation for arguments of these shapes; without `relu` sums stay as they are.
    pub fn new(x: &Tensor, w: &Tensor, b: &Tensor, spec: ConvSpec, relu: bool) -> Result<Self> {
        common_dtype(&[x, w, b])?;
        let shape = Geometry::new(x.dims4()?, w.dims4()?, b.dims(), spec, relu)?;
        Ok(Self { shape, winners: OnceLock::new() })
    }

    /// Gradients given that of the result `y`; that of `x` only if `wanted`.
    pub fn gradients(
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
            let gradients = simple::backward(g, (hx.values()?, hw.values()?), results);
            return gradients.into_tensors(x, w);
        }
        let seen = backward::Seen { x: hx.values()?, y: hy.values()?, dy: hg.values()?, winners };
        backward::backward(Isa::best(), g, seen, hw.values()?, wanted).into_tensors(x, w)
    }
}
