//! Optimiser steps in place.

use candle_core::{
    CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, WithDType, backend::BackendStorage,
};

use crate::element::{Element, dispatch, slice};

/// One step of stochastic gradient descent with momentum: `v = momentum v + g + decay w`, then `w -= lr v`. All tensors have
/// one shape and element type; `v` and `w` change in place.
pub fn sgd_step(
    w: &Tensor,
    v: &Tensor,
    g: &Tensor,
    lr: f64,
    momentum: f64,
    decay: f64,
) -> Result<()> {
    let g = g.contiguous()?;
    v.inplace_op3(&g, w, &Accumulate { keep: momentum, add: 1.0, decay })?;
    w.inplace_op2(v, &Descend { lr })
}

/// One step of Adam: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `w -= lr m' / (sqrt(v') + 1e-8)` with bias-corrected
/// `m'` and `v'`; b1 = .9, b2 = .999. `step` counts from 1.
pub fn adam_step(w: &Tensor, m: &Tensor, v: &Tensor, g: &Tensor, lr: f64, step: u64) -> Result<()> {
    const B1: f64 = 0.9;
    const B2: f64 = 0.999;
    let g = g.contiguous()?;
    m.inplace_op3(&g, w, &Accumulate { keep: B1, add: 1.0 - B1, decay: 0.0 })?;
    v.inplace_op3(&g.sqr()?, w, &Accumulate { keep: B2, add: 1.0 - B2, decay: 0.0 })?;
    let power = |b: f64| b.powf(step as f64);
    let rate = lr / (1.0 - power(B1));
    w.inplace_op3(m, v, &AdamDescend { rate, correction: 1.0 - power(B2) })
}

/// `a = keep a + add g + decay w`.
struct Accumulate {
    keep: f64,
    add: f64,
    decay: f64,
}

impl InplaceOp3 for Accumulate {
    fn name(&self) -> &'static str {
        "accumulate"
    }

    fn cpu_fwd(
        &self,
        a: &mut CpuStorage,
        la: &Layout,
        g: &CpuStorage,
        lg: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<()> {
        dispatch!(g.dtype(), T => {
            let (keep, add, decay) = (T::from_f64(self.keep), T::from_f64(self.add), T::from_f64(self.decay));
            let (g, w) = (slice::<T>(g, lg)?, slice::<T>(w, lw)?);
            for ((a, &g), &w) in values_mut::<T>(a, la)?.iter_mut().zip(g).zip(w) {
                *a = keep * *a + add * g + decay * w;
            }
        });
        Ok(())
    }
}

/// `w -= lr v`.
struct Descend {
    lr: f64,
}

impl InplaceOp2 for Descend {
    fn name(&self) -> &'static str {
        "descend"
    }

    fn cpu_fwd(&self, w: &mut CpuStorage, lw: &Layout, v: &CpuStorage, lv: &Layout) -> Result<()> {
        dispatch!(v.dtype(), T => {
            let lr = T::from_f64(self.lr);
            for (w, &v) in values_mut::<T>(w, lw)?.iter_mut().zip(slice::<T>(v, lv)?) {
                *w -= lr * v;
            }
        });
        Ok(())
    }
}

/// `w -= rate m / (sqrt(v / correction) + epsilon)`.
struct AdamDescend {
    rate: f64,
    correction: f64,
}

impl InplaceOp3 for AdamDescend {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        lw: &Layout,
        m: &CpuStorage,
        lm: &Layout,
        v: &CpuStorage,
        lv: &Layout,
    ) -> Result<()> {
        dispatch!(m.dtype(), T => {
            let (m, v) = (slice::<T>(m, lm)?, slice::<T>(v, lv)?);
            for ((w, m), v) in values_mut::<T>(w, lw)?.iter_mut().zip(m).zip(v) {
                let scale = (WithDType::to_f64(*v) / self.correction).sqrt() + 1e-8;
                *w -= T::from_f64(self.rate * WithDType::to_f64(*m) / scale);
            }
        });
        Ok(())
    }
}

/// The values of a contiguous tensor being changed.
fn values_mut<'a, T: Element>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [T]> {
    let refused =
        || candle_core::Error::Msg("updated tensor is not contiguous or of another type".into());
    let (start, end) = layout.contiguous_offsets().ok_or_else(refused)?;
    Ok(&mut T::values_mut(storage).ok_or_else(refused)?[start..end])
}
