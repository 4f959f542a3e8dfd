//! The operations built from candle's own, for devices that the kernels do not support.
//!
//! Slower, but the same functions with the same gradients: of equal values in a window the first gets the gradient, and the
//! derivative of the ReLU at 0 is 0. The caller has checked the sizes.

#[cfg(test)]
mod tests;

use candle_core::{D, DType, Device, Result, Tensor, Var};

use crate::{
    ConvSpec, PoolSpec, Statistics,
    gradients::TensorGradients,
    norm::EPSILON,
    rates::{ADAM, Norms, Rates},
};

/// A layer on a tape of candle that starts at its arguments.
pub(crate) struct Fallback {
    x: Var,
    plus: Option<Var>,
    w: Option<Var>,
    b: Option<Var>,
    y: Tensor,
    /// Mean and unbiased variance of the batch, for a batch norm that took them.
    pub statistics: Option<(Tensor, Tensor)>,
}

impl Fallback {
    /// See [`Applied::conv2d_relu_pool`](crate::Applied::conv2d_relu_pool).
    pub fn conv(
        x: &Tensor,
        w: &Tensor,
        b: Option<&Tensor>,
        spec: ConvSpec,
        relu: bool,
    ) -> Result<Self> {
        let (x, w, b) = (leaf(x)?, leaf(w)?, b.map(leaf).transpose()?);
        let ConvSpec { stride, padding, pool } = spec;
        let kernel = w.dim(D::Minus1)?;
        // Pad, and drop rows and columns outside of every window, beforehand: candle's input gradient assumes that as many rows
        // as columns remain.
        let mut seen = x.as_tensor().clone();
        for dim in [2, 3] {
            let padded = seen.pad_with_zeros(dim, padding, padding)?;
            let steps = (padded.dim(dim)? - kernel) / stride;
            seen = padded.narrow(dim, 0, steps * stride + kernel)?;
        }
        let mut y = seen.contiguous()?.conv2d(&w, 0, stride, 1, 1)?;
        if let Some(b) = &b {
            y = y.broadcast_add(&b.reshape((1, (), 1, 1))?)?;
        }
        if relu {
            y = cut(&y)?;
        }
        if pool > 1 {
            y = largest(&y, PoolSpec { side: pool, stride: pool, padding: 0 })?;
        }
        Ok(Self { w: Some(w), b, ..Self::new(x, y) })
    }

    /// See [`Applied::linear`](crate::Applied::linear).
    pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Self> {
        let (x, w, b) = (leaf(x)?, leaf(w)?, leaf(b)?);
        let sum = x.matmul(&w.t()?)?.broadcast_add(&b)?;
        let y = if relu { cut(&sum)? } else { sum };
        Ok(Self { w: Some(w), b: Some(b), ..Self::new(x, y) })
    }

    /// See [`Applied::batch_norm`](crate::Applied::batch_norm).
    pub fn batch_norm(
        x: &Tensor,
        (w, b): (&Tensor, &Tensor),
        plus: Option<&Tensor>,
        relu: bool,
        statistics: Statistics<'_>,
    ) -> Result<Self> {
        let (x, w, b, plus) = (leaf(x)?, leaf(w)?, leaf(b)?, plus.map(leaf).transpose()?);
        let along = |vector: &Tensor| vector.reshape((1, (), 1, 1));
        let mut of_batch = None;
        let (mean, var) = match statistics {
            Statistics::Given { mean, var } => (along(&mean.detach())?, along(&var.detach())?),
            Statistics::Batch => {
                let mean = x.mean_keepdim((0, 2, 3))?;
                let var = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim((0, 2, 3))?;
                let count = (x.elem_count() / x.dim(1)?) as f64;
                let flat = |t: &Tensor| t.detach().flatten_all();
                of_batch = Some((flat(&mean)?, flat(&var)?.affine(count / (count - 1.0), 0.0)?));
                (mean, var)
            }
        };
        let scale = along(&w)?.broadcast_div(&(var + EPSILON)?.sqrt()?)?;
        let normal = x.broadcast_sub(&mean)?.broadcast_mul(&scale)?.broadcast_add(&along(&b)?)?;
        let sum =
            plus.as_ref().map_or_else(|| Ok(normal.clone()), |plus| &normal + plus.as_tensor())?;
        let y = if relu { cut(&sum)? } else { sum };
        Ok(Self { plus, w: Some(w), b: Some(b), statistics: of_batch, ..Self::new(x, y) })
    }

    /// See [`Applied::max_pool`](crate::Applied::max_pool).
    pub fn max_pool(x: &Tensor, spec: PoolSpec) -> Result<Self> {
        let x = leaf(x)?;
        let y = largest(&x, spec)?;
        Ok(Self::new(x, y))
    }

    /// See [`Applied::average_pool`](crate::Applied::average_pool).
    pub fn average_pool(x: &Tensor) -> Result<Self> {
        let x = leaf(x)?;
        let y = x.mean_keepdim((2, 3))?;
        Ok(Self::new(x, y))
    }

    fn new(x: Var, y: Tensor) -> Self {
        Self { x, plus: None, w: None, b: None, y, statistics: None }
    }

    /// The result, off the tape.
    pub fn y(&self) -> Tensor {
        self.y.detach()
    }

    /// Gradients for the gradient of the result.
    pub fn gradients(&self, grad: &Tensor) -> Result<TensorGradients> {
        let grads = (&self.y * grad)?.sum_all()?.backward()?;
        let of = |var: &Option<Var>| var.as_ref().and_then(|var| grads.get(var).cloned());
        Ok(TensorGradients {
            x: grads.get(&self.x).cloned(),
            plus: of(&self.plus),
            w: of(&self.w),
            b: of(&self.b),
        })
    }
}

/// An end of the tape with the values of `tensor`.
fn leaf(tensor: &Tensor) -> Result<Var> {
    Var::from_tensor(&tensor.detach())
}

/// ReLU: values up to 0 pass no gradient; NaN stays NaN.
fn cut(x: &Tensor) -> Result<Tensor> {
    x.le(0.0)?.where_cond(&x.zeros_like()?, x)
}

/// Largest value of each window, for all windows one place at a time. A place in the border is replaced by the nearest one inside,
/// which belongs to the same window and comes no later, so the result does not change.
fn largest(x: &Tensor, spec: PoolSpec) -> Result<Tensor> {
    let PoolSpec { side, stride, padding } = spec;
    let places = |size: usize, tap: usize| {
        let steps = (size + 2 * padding - side) / stride + 1;
        let inside = |at: usize| (at * stride + tap).saturating_sub(padding).min(size - 1);
        let places: Vec<u32> = (0..steps).map(|at| index(inside(at))).collect();
        Tensor::from_vec(places, steps, x.device())
    };
    let (_, _, height, width) = x.dims4()?;
    let mut best: Option<Tensor> = None;
    for row in 0..side {
        let rows = x.index_select(&places(height, row)?, 2)?;
        for column in 0..side {
            let seen = rows.index_select(&places(width, column)?, 3)?;
            best = Some(match best {
                None => seen,
                Some(best) => {
                    // "Not less or equal" holds for NaN, too; a NaN that was there stays.
                    let larger = seen.le(&best)?.eq(0u8)?.mul(&best.eq(&best)?)?;
                    larger.where_cond(&seen, &best)?
                }
            });
        }
    }
    best.ok_or_else(|| candle_core::Error::Msg("max-pool: windows without places".into()))
}

#[expect(clippy::cast_possible_truncation, reason = "maps were seen to have at most 2^32 values")]
const fn index(at: usize) -> u32 {
    at as u32
}

/// See [`sgd_step`](crate::sgd_step).
pub(crate) fn sgd_step(w: &Tensor, v: &Tensor, g: &Tensor, rates: Rates) -> Result<Norms> {
    let Rates { lr, momentum, decay } = rates;
    let (old, g) = (w.detach(), g.detach());
    let velocity = ((v.detach().affine(momentum, 0.0)? + &g)? + old.affine(decay, 0.0)?)?;
    v.slice_set(&velocity, 0, 0)?;
    w.slice_set(&(old - velocity.affine(lr, 0.0)?)?, 0, 0)?;
    Ok(Norms { grad: l2_norm(&g)?, update: lr * l2_norm(&velocity)? })
}

/// See [`adam_step`](crate::adam_step); `rate` and `correction` include the bias corrections of the step.
pub(crate) fn adam_step(
    w: &Tensor,
    (m, v): (&Tensor, &Tensor),
    g: &Tensor,
    (rate, correction): (f64, f64),
) -> Result<()> {
    let (old, g) = (w.detach(), g.detach());
    let mixed = |old: &Tensor, new: &Tensor, keep: f64| {
        old.detach().affine(keep, 0.0)? + new.affine(1.0 - keep, 0.0)?
    };
    let (mean, square) = (mixed(m, &g, ADAM.0)?, mixed(v, &g.sqr()?, ADAM.1)?);
    m.slice_set(&mean, 0, 0)?;
    v.slice_set(&square, 0, 0)?;
    let scale = square.affine(1.0 / correction, 0.0)?.sqrt()?.affine(1.0, 1e-8)?;
    w.slice_set(&(old - (mean / scale)?.affine(rate, 0.0)?)?, 0, 0)
}

/// See [`l2_norm`](crate::l2_norm); summed in the tensor's own type.
pub(crate) fn l2_norm(tensor: &Tensor) -> Result<f64> {
    // Metal has no f64.
    let sum = tensor.detach().sqr()?.sum_all()?.to_device(&Device::Cpu)?;
    Ok(sum.to_dtype(DType::F64)?.to_scalar::<f64>()?.sqrt())
}
