//! Fully connected layer with an optional ReLU.

use candle_core::{
    CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, WithDType, backend::BackendStorage, bail,
};
use faer::Accum;
use rayon::prelude::*;

use crate::element::{Element, common_dtype, dispatch, hold, matrix, product, slice};

/// Rows of the batch, and columns of the weight gradient, that one task works on.
const ROWS: usize = 64;
const COLUMNS: usize = 4096;

/// `y = x w^T + b`, with negative values set to 0 if `relu`. Shapes: x `[N, I]`, w `[O, I]`, b `[O]`, y `[N, O]`; f32 or f64.
///
/// # Errors
/// When shapes or element types do not fit.
pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Tensor> {
    let (_, inputs) = x.dims2()?;
    let (outputs, expected) = w.dims2()?;
    if inputs != expected || b.dims() != [outputs] {
        bail!("linear: x {:?}, w {:?}, b {:?}", x.shape(), w.shape(), b.shape());
    }
    common_dtype(&[x, w, b])?;
    x.contiguous()?.apply_op3(&w.contiguous()?, &b.contiguous()?, Linear { relu })
}

struct Linear {
    relu: bool,
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
        let (n, i) = lx.shape().dims2()?;
        let (o, _) = lw.shape().dims2()?;
        let y = dispatch!(x.dtype(), T => {
            let (x, w, b) = (slice::<T>(x, lx)?, slice::<T>(w, lw)?, slice::<T>(b, lb)?);
            T::to_cpu_storage_owned(forward(x, w, b, (n, i, o), self.relu))
        });
        Ok((y, (n, o).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        dispatch!(x.dtype(), T => self.gradients::<T>(x, w, y, grad))
    }
}

impl Linear {
    fn gradients<T: Element>(
        &self,
        x: &Tensor,
        w: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, i), (o, _)) = (x.dims2()?, w.dims2()?);
        let grad = grad.contiguous()?;
        let [hx, hw, hy, hg] = [x, w, y, &grad].map(hold);
        let dy = hg.values::<T>()?;
        let dy = if self.relu { masked(dy, hy.values()?) } else { dy.to_vec() };
        let dw = weight_gradient(&dy, hx.values()?, (n, i, o));
        let dx = if x.track_op() {
            let dx = input_gradient(&dy, hw.values()?, (i, o));
            Some(Tensor::from_vec(dx, (n, i), x.device())?)
        } else {
            None
        };
        let mut db = vec![<T as WithDType>::from_f64(0.0); o];
        dy.chunks_exact(o).for_each(|row| crate::element::add(&mut db, row));
        let dw = Tensor::from_vec(dw, (o, i), x.device())?;
        Ok((dx, Some(dw), Some(Tensor::from_vec(db, o, x.device())?)))
    }
}

fn forward<T: Element>(
    x: &[T],
    w: &[T],
    b: &[T],
    (n, i, o): (usize, usize, usize),
    relu: bool,
) -> Vec<T> {
    let zero = T::from_f64(0.0);
    let mut y = vec![zero; n * o];
    y.par_chunks_mut(ROWS * o).zip(x.par_chunks(ROWS * i)).for_each(|(y, x)| {
        product(y, Accum::Replace, matrix(x, x.len() / i, i), matrix(w, o, i).transpose());
        for row in y.chunks_exact_mut(o) {
            for (y, &b) in row.iter_mut().zip(b) {
                let sum = *y + b;
                // Written so that NaN stays NaN.
                *y = if relu && sum < zero { zero } else { sum };
            }
        }
    });
    y
}

/// Gradient before the ReLU, whose derivative at 0 is taken as 0.
fn masked<T: Element>(grad: &[T], y: &[T]) -> Vec<T> {
    let zero = T::from_f64(0.0);
    grad.iter().zip(y).map(|(&g, &y)| if y > zero { g } else { zero }).collect()
}

/// `dy^T x`, cut by input columns, so that no partial sums have to be added.
fn weight_gradient<T: Element>(dy: &[T], x: &[T], (n, i, o): (usize, usize, usize)) -> Vec<T> {
    let dy = matrix(dy, n, o).transpose();
    let x = matrix(x, n, i);
    let zero = T::from_f64(0.0);
    if i <= COLUMNS {
        let mut dw = vec![zero; o * i];
        product(&mut dw, Accum::Replace, dy, x);
        return dw;
    }
    let starts: Vec<usize> = (0..i).step_by(COLUMNS).collect();
    let parts: Vec<Vec<T>> = starts
        .par_iter()
        .map(|&start| {
            let width = COLUMNS.min(i - start);
            let mut part = vec![zero; o * width];
            product(&mut part, Accum::Replace, dy, x.subcols(start, width));
            part
        })
        .collect();
    let mut dw = Vec::with_capacity(o * i);
    for row in 0..o {
        for part in &parts {
            let width = part.len() / o;
            dw.extend_from_slice(&part[row * width..(row + 1) * width]);
        }
    }
    dw
}

fn input_gradient<T: Element>(dy: &[T], w: &[T], (i, o): (usize, usize)) -> Vec<T> {
    let mut dx = vec![T::from_f64(0.0); dy.len() / o * i];
    dx.par_chunks_mut(ROWS * i).zip(dy.par_chunks(ROWS * o)).for_each(|(dx, dy)| {
        product(dx, Accum::Replace, matrix(dy, dy.len() / o, o), matrix(w, o, i));
    });
    dx
}
