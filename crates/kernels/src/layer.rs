//! Layers run forward and backward without a tape.
//!
//! candle's tape adds every gradient to a tensor of zeros, which for large layers costs as much memory traffic as the
//! layer itself. A net of known layers needs no tape.

use candle_core::{Result, Tensor, bail};

use crate::{
    ConvSpec, PoolSpec, Statistics,
    conv::Conv,
    device_fallback::Fallback,
    gradients::TensorGradients,
    linear::Linear,
    norm::{self, Norm},
    pool::{self, AveragePool, MaxPool},
    weighted::{Taped, Weighted},
};

/// A layer applied to one batch, with what its gradients need. On the CPU kernels compute it, on other devices candle's own
/// operations.
pub struct Applied {
    op: Op,
    /// The result.
    y: Tensor,
}

enum Op {
    Conv { op: Taped<Conv>, x: Tensor, w: Tensor, bias: bool },
    Linear { op: Taped<Linear>, x: Tensor, w: Tensor },
    Norm(Norm),
    MaxPool(MaxPool),
    AveragePool(AveragePool),
    Sum,
    Fallback(Fallback),
}

impl Applied {
    /// [`conv2d_relu_pool`](crate::conv2d_relu_pool), recorded here and not on the tape.
    pub fn conv2d_relu_pool(x: &Tensor, w: &Tensor, b: &Tensor, spec: ConvSpec) -> Result<Self> {
        Self::conv(x, w, Some(b), spec, true)
    }

    /// `conv(x, w) + b`, the sum alone. Shapes: x `[N, C, H, W]`, w `[O, C, k, k]`, b `[O]`; the result is `[N, O, H', W']` with
    /// `H' = (H + 2 padding - k) / stride + 1`, rounded down. f32 or f64.
    ///
    /// # Errors
    /// When shapes or element types do not match, or the kernel is larger than the padded image.
    pub fn conv2d(
        x: &Tensor,
        w: &Tensor,
        b: Option<&Tensor>,
        stride: usize,
        padding: usize,
    ) -> Result<Self> {
        Self::conv(x, w, b, ConvSpec { stride, padding, pool: 1 }, false)
    }

    fn conv(
        x: &Tensor,
        w: &Tensor,
        b: Option<&Tensor>,
        spec: ConvSpec,
        relu: bool,
    ) -> Result<Self> {
        let bias = b.is_some();
        // A bias of 0 costs one number per map.
        let zeros = || Tensor::zeros(w.dim(0)?, w.dtype(), w.device());
        let b_or_zeros = b.map_or_else(zeros, |b| Ok(b.clone()))?;
        let op = Taped(Conv::new(x, w, &b_or_zeros, spec, relu)?);
        if !x.device().is_cpu() {
            return Ok(Fallback::conv(x, w, b, spec, relu)?.into());
        }
        let (x, w) = (x.contiguous()?.detach(), w.contiguous()?.detach());
        let y = x.apply_op3_no_bwd(&w, &b_or_zeros.contiguous()?.detach(), &op)?;
        Ok(Self { op: Op::Conv { op, x, w, bias }, y })
    }

    /// [`linear`](crate::linear()), recorded here and not on the tape.
    pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Self> {
        if !x.device().is_cpu() {
            return Ok(Fallback::linear(x, w, b, relu)?.into());
        }
        Self::linear_by(Linear::new(x, w, b, relu)?, x, w, b)
    }

    /// The same for an `x` that comes from a ReLU, which makes about half of it 0. Large layers skip the zeros: the result is the
    /// same up to rounding, except that 0 times an infinite or NaN weight is skipped, too.
    pub fn linear_behind_relu(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Self> {
        if !x.device().is_cpu() {
            return Self::linear(x, w, b, relu);
        }
        Self::linear_by(Linear::new(x, w, b, relu)?.behind_relu(), x, w, b)
    }

    fn linear_by(op: Linear, x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Self> {
        let op = Taped(op);
        let (x, w) = (x.contiguous()?.detach(), w.contiguous()?.detach());
        let y = x.apply_op3_no_bwd(&w, &b.contiguous()?.detach(), &op)?;
        Ok(Self { op: Op::Linear { op, x, w }, y })
    }

    /// `w (x - mean) / sqrt(var + 1e-5) + b + plus`, with negative values set to 0 if `relu`. Shapes: x, plus and the result
    /// `[N, C, H, W]`; w and b `[C]`; f32 or f64. Mean and variance are those of each channel, the variance of the batch
    /// being the sum of squares divided by the count.
    ///
    /// # Errors
    /// When shapes or element types do not match, or the variance of one value is asked for.
    pub fn batch_norm(
        x: &Tensor,
        (w, b): (&Tensor, &Tensor),
        plus: Option<&Tensor>,
        relu: bool,
        statistics: Statistics<'_>,
    ) -> Result<Self> {
        norm::check(x, (w, b), plus, statistics)?;
        if !x.device().is_cpu() {
            return Ok(Fallback::batch_norm(x, (w, b), plus, relu, statistics)?.into());
        }
        let (op, y) = Norm::apply(x, (w, b), plus, relu, statistics)?;
        Ok(Self { op: Op::Norm(op), y })
    }

    /// Largest value of each window. Shapes: x `[N, C, H, W]`, the result `[N, C, H', W']` with
    /// `H' = (H + 2 padding - side) / stride + 1`, rounded down. f32 or f64. The gradient goes to the first largest value of
    /// a window, and to no other; NaN counts as larger than any number.
    ///
    /// # Errors
    /// When a window is larger than the padded map, or could lie in the border entirely.
    pub fn max_pool(x: &Tensor, spec: PoolSpec) -> Result<Self> {
        let size = pool::Size::new(x, spec)?;
        if !x.device().is_cpu() {
            return Ok(Fallback::max_pool(x, spec)?.into());
        }
        let (op, y) = MaxPool::apply(x, size)?;
        Ok(Self { op: Op::MaxPool(op), y })
    }

    /// Mean of each map: x `[N, C, H, W]`, result `[N, C, 1, 1]`; f32 or f64.
    ///
    /// # Errors
    /// When a map is empty.
    pub fn average_pool(x: &Tensor) -> Result<Self> {
        let (_, _, height, width) = x.dims4()?;
        if height * width == 0 {
            bail!("average pool: {height}x{width} maps");
        }
        if !x.device().is_cpu() {
            return Ok(Fallback::average_pool(x)?.into());
        }
        let (op, y) = AveragePool::apply(x)?;
        Ok(Self { op: Op::AveragePool(op), y })
    }

    /// `x + plus`, both of one shape.
    ///
    /// # Errors
    /// When shapes or element types do not match.
    pub fn sum(x: &Tensor, plus: &Tensor) -> Result<Self> {
        Ok(Self { op: Op::Sum, y: (x.detach() + plus.detach())? })
    }

    /// The result.
    pub const fn y(&self) -> &Tensor {
        &self.y
    }

    /// For a batch norm of the batch's own statistics: mean and variance `[C]`, the sum of squares divided by the count less
    /// one, for running means of them.
    pub fn batch_statistics(&self) -> Result<Option<(Tensor, Tensor)>> {
        match &self.op {
            Op::Norm(op) => op.batch_statistics(),
            Op::Fallback(op) => Ok(op.statistics.clone()),
            _ => Ok(None),
        }
    }

    /// Gradients for the gradient of the result; of the input only if `wanted`.
    pub fn gradients(&self, grad: &Tensor, wanted: bool) -> Result<TensorGradients> {
        if grad.shape() != self.y.shape() {
            bail!("gradient {:?} of a result {:?}", grad.shape(), self.y.shape());
        }
        Ok(match &self.op {
            Op::Conv { op, x, w, bias } => {
                let all = op.0.gradients(x, w, &self.y, grad, wanted)?;
                TensorGradients { b: all.b.filter(|_| *bias), ..all }
            }
            Op::Linear { op, x, w } => op.0.gradients(x, w, &self.y, grad, wanted)?,
            Op::Norm(op) => op.gradients(&self.y, grad, wanted)?,
            Op::Fallback(op) => op.gradients(grad)?,
            Op::MaxPool(op) => of_input(wanted.then(|| op.gradient(grad)).transpose()?),
            Op::AveragePool(op) => of_input(wanted.then(|| op.gradient(grad)).transpose()?),
            Op::Sum => TensorGradients {
                plus: Some(grad.clone()),
                ..of_input(wanted.then(|| grad.clone()))
            },
        })
    }
}

impl From<Fallback> for Applied {
    fn from(op: Fallback) -> Self {
        let y = op.y();
        Self { op: Op::Fallback(op), y }
    }
}

/// Gradients of a layer that has an input only.
fn of_input(x: Option<Tensor>) -> TensorGradients {
    TensorGradients { x, ..TensorGradients::default() }
}
