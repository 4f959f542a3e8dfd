//! The layer by its definition, in f64: for gradient checks, and as the reference of the f32 kernels.

use super::Size;
use crate::gradients::Gradients;

pub(super) fn forward(size: Size, (x, w, b): (&[f64], &[f64], &[f64]), relu: bool) -> Vec<f64> {
    let mut y = Vec::with_capacity(size.n * size.o);
    for x in x.chunks_exact(size.i) {
        for (w, b) in w.chunks_exact(size.i).zip(b) {
            let sum = b + x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
            // Written so that NaN stays NaN.
            y.push(if relu && sum < 0.0 { 0.0 } else { sum });
        }
    }
    y
}

/// Gradients for `dz`, the gradient before the ReLU.
pub(super) fn backward(size: Size, x: &[f64], w: &[f64], dz: &[f64]) -> Gradients<f64> {
    let mut dw = vec![0.0; w.len()];
    let mut db = vec![0.0; size.o];
    let mut dx = vec![0.0; x.len()];
    for n in 0..size.n {
        let row = n * size.i..(n + 1) * size.i;
        for o in 0..size.o {
            let (dz, from) = (dz[n * size.o + o], o * size.i);
            db[o] += dz;
            for (i, (dx, x)) in dx[row.clone()].iter_mut().zip(&x[row.clone()]).enumerate() {
                dw[from + i] += dz * x;
                *dx += dz * w[from + i];
            }
        }
    }
    Gradients { dw, db, dx: Some(dx) }
}
