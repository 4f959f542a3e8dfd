//! Optimiser steps in place, and the norm of a tensor.

use std::cell::{Cell, RefCell};

use candle_core::{
    CpuStorage, InplaceOp1, InplaceOp2, InplaceOp3, Layout, Result, Tensor, WithDType,
    backend::BackendStorage,
};
use rayon::prelude::*;

use crate::{
    device_fallback,
    element::{Element, dispatch, hold, slice, squares},
    isa::{Isa, Kernel},
    rates::{ADAM, Norms, Rates},
    simd::Lanes,
};

/// Numbers per parallel task. Sums of tasks are added in order.
const CHUNK: usize = 1 << 16;

/// l2 norm over all entries of a tensor of f32 or f64, in main memory summed in f64 in a fixed order.
pub fn l2_norm(tensor: &Tensor) -> Result<f64> {
    if !tensor.device().is_cpu() {
        return device_fallback::l2_norm(tensor);
    }
    let tensor = tensor.contiguous()?;
    let held = hold(&tensor);
    Ok(dispatch!(tensor.dtype(), T => squares(held.values::<T>()?).sqrt()))
}

/// One step of stochastic gradient descent with momentum: `v = momentum v + g + decay w`, then `w -= lr v`. All tensors have
/// one shape and element type; `v` and `w` are different tensors and change in place.
pub fn sgd_step(
    w: &Tensor,
    v: &Tensor,
    g: &Tensor,
    lr: f64,
    momentum: f64,
    decay: f64,
) -> Result<Norms> {
    let rates = Rates { lr, momentum, decay };
    if !w.device().is_cpu() {
        return device_fallback::sgd_step(w, v, g, rates);
    }
    let g = g.contiguous()?;
    let squares = Cell::new((0.0, 0.0));
    w.inplace_op1(&Sgd { v, g: &g, rates, squares: &squares })?;
    let (grad, velocity) = squares.get();
    Ok(Norms { grad: grad.sqrt(), update: lr * velocity.sqrt() })
}

/// Changes its argument `w` and `v` in one pass over memory, which takes most of the time. candle lends one tensor at a time
/// for writing, hence the nested operation.
struct Sgd<'a> {
    v: &'a Tensor,
    g: &'a Tensor,
    rates: Rates,
    /// Sums of squares of gradient and velocity.
    squares: &'a Cell<(f64, f64)>,
}

impl InplaceOp1 for Sgd<'_> {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn cpu_fwd(&self, w: &mut CpuStorage, lw: &Layout) -> Result<()> {
        let Self { v, g, rates, squares } = *self;
        dispatch!(w.dtype(), T => {
            let w = RefCell::new(values_mut::<T>(w, lw)?);
            v.inplace_op2(g, &Velocity { w: &w, rates, squares })
        })
    }
}

/// The inner operation, on `v` and `g`.
struct Velocity<'a, 'b, T> {
    w: &'a RefCell<&'b mut [T]>,
    rates: Rates,
    squares: &'a Cell<(f64, f64)>,
}

impl<T: Element> InplaceOp2 for Velocity<'_, '_, T> {
    fn name(&self) -> &'static str {
        "sgd-velocity"
    }

    fn cpu_fwd(&self, v: &mut CpuStorage, lv: &Layout, g: &CpuStorage, lg: &Layout) -> Result<()> {
        let (v, g) = (values_mut::<T>(v, lv)?, slice::<T>(g, lg)?);
        let mut w = self.w.borrow_mut();
        if w.len() != v.len() || g.len() != v.len() {
            candle_core::bail!(
                "sgd: {} weights, {} momenta, {} gradients",
                w.len(),
                v.len(),
                g.len()
            );
        }
        let chunks = w.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)).zip(g.par_chunks(CHUNK));
        let (isa, rates) = (Isa::best(), self.rates);
        let sums: Vec<(f64, f64)> = chunks
            .map(|((w, v), g)| {
                let mut sums = (0.0, 0.0);
                isa.run(Descend { w, v, g, rates, sums: &mut sums });
                sums
            })
            .collect();
        self.squares.set(sums.iter().fold((0.0, 0.0), |(g, v), s| (g + s.0, v + s.1)));
        Ok(())
    }
}

/// The step for a part of a parameter.
struct Descend<'a, T> {
    w: &'a mut [T],
    v: &'a mut [T],
    g: &'a [T],
    rates: Rates,
    sums: &'a mut (f64, f64),
}

/// Numbers updated before their squares are summed, so that they are still in the L1 cache.
const PIECE: usize = 512;

impl<T: Element> Kernel for Descend<'_, T> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Rates { lr, momentum, decay } = self.rates;
        let (lr, momentum, decay) = (T::from_f64(lr), T::from_f64(momentum), T::from_f64(decay));
        let pieces = self.w.chunks_mut(PIECE).zip(self.v.chunks_mut(PIECE));
        for ((w, v), g) in pieces.zip(self.g.chunks(PIECE)) {
            for ((w, v), &g) in w.iter_mut().zip(v.iter_mut()).zip(g) {
                *v = momentum * *v + g + decay * *w;
                *w -= lr * *v;
            }
            self.sums.0 += squares(g);
            self.sums.1 += squares(v);
        }
    }
}

/// One step of Adam: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `w -= lr m' / (sqrt(v') + 1e-8)` with bias-corrected
/// `m'` and `v'`; b1 = .9, b2 = .999. `step` counts from 1.
pub fn adam_step(w: &Tensor, m: &Tensor, v: &Tensor, g: &Tensor, lr: f64, step: u64) -> Result<()> {
    let (b1, b2) = ADAM;
    let power = |b: f64| b.powf(step as f64);
    let (rate, correction) = (lr / (1.0 - power(b1)), 1.0 - power(b2));
    if !w.device().is_cpu() {
        return device_fallback::adam_step(w, (m, v), g, (rate, correction));
    }
    let g = g.contiguous()?;
    m.inplace_op3(&g, w, &Accumulate { keep: b1, add: 1.0 - b1, decay: 0.0 })?;
    v.inplace_op3(&g.sqr()?, w, &Accumulate { keep: b2, add: 1.0 - b2, decay: 0.0 })?;
    w.inplace_op3(m, v, &AdamDescend { rate, correction })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{distance, wave, wide};

    #[test]
    fn each_instruction_set_descends_as_the_definition_says() {
        for count in [1, 7, 16, 511, 513, 1040] {
            let [w, v, g] =
                [(0.3, 0.9), (0.9, 0.3), (0.37, 1.1)].map(|(a, s)| wave(count, a, 0.1, s));
            let (old, before, grad) = (wide(&w), wide(&v), wide(&g));
            let rates = Rates { lr: 0.1, momentum: 0.9, decay: 0.01 };
            let velocity: Vec<f64> =
                (0..count).map(|k| 0.9 * before[k] + grad[k] + 0.01 * old[k]).collect();
            let moved: Vec<f64> = old.iter().zip(&velocity).map(|(w, v)| w - 0.1 * v).collect();
            for isa in Isa::all() {
                let (mut w, mut v, mut sums) = (w.clone(), v.clone(), (0.0, 0.0));
                isa.run(Descend { w: &mut w, v: &mut v, g: &g, rates, sums: &mut sums });
                let error = distance(&w, &moved).max(distance(&v, &velocity));
                assert!(error < 1e-6, "{} {count}: {error}", isa.name());
                for (sum, of) in [(sums.0, &grad), (sums.1, &velocity)] {
                    let exact: f64 = of.iter().map(|x| x * x).sum();
                    assert!((sum / exact - 1.0).abs() < 1e-6, "{} {count}", isa.name());
                }
            }
        }
    }
}
