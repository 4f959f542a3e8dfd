//! The convolution by its definition, in f64: for gradient checks, and as the reference of the f32 kernels.

use super::geometry::Geometry;
use crate::gradients::Gradients;

/// Result, and the place in its window of each pooled value.
pub(super) fn forward(g: &Geometry, x: &[f64], w: &[f64], b: &[f64]) -> (Vec<f64>, Vec<u16>) {
    let mut y = Vec::with_capacity(g.images * g.result());
    let mut winners = Vec::with_capacity(y.capacity());
    for image in 0..g.images {
        for o in 0..g.outputs {
            for pooled in 0..g.pooled() {
                let (mut best, mut winner) = (0.0, 0);
                for place in 0..g.places() {
                    let mut sum = b[o];
                    for_each_tap(g, g.before_pool(pooled, place), |tap, at| {
                        sum += w[o * g.filter() + tap] * x[image * g.image() + at];
                    });
                    // Written so that NaN stays NaN.
                    let value = if g.relu && sum < 0.0 { 0.0 } else { sum };
                    let larger = value > best || value.is_nan() && !f64::is_nan(best);
                    if place == 0 || larger {
                        (best, winner) = (value, place);
                    }
                }
                y.push(best);
                winners.push(u16::try_from(winner).unwrap_or(u16::MAX));
            }
        }
    }
    (y, winners)
}

/// Gradients of all arguments for the gradient of the result.
pub(super) fn backward(
    g: &Geometry,
    (x, w): (&[f64], &[f64]),
    (y, dy, winners): (&[f64], &[f64], &[u16]),
) -> Gradients<f64> {
    let mut dw = vec![0.0; w.len()];
    let mut db = vec![0.0; g.outputs];
    let mut dx = vec![0.0; x.len()];
    for (i, &winner) in winners.iter().enumerate() {
        // The derivative of the ReLU at 0 is taken as 0.
        if !g.relu || y[i] > 0.0 {
            let (image, o, pooled) = (i / g.result(), i % g.result() / g.pooled(), i % g.pooled());
            db[o] += dy[i];
            for_each_tap(g, g.before_pool(pooled, winner.into()), |tap, at| {
                let (tap, at) = (o * g.filter() + tap, image * g.image() + at);
                dw[tap] += dy[i] * x[at];
                dx[at] += dy[i] * w[tap];
            });
        }
    }
    Gradients { dw, db, dx: Some(dx) }
}

/// Calls `f(index in the filter, index in the image)` for every tap of the window at a position of the map that lies in the
/// image.
fn for_each_tap(g: &Geometry, (row, col): (usize, usize), mut f: impl FnMut(usize, usize)) {
    let inside = |at: usize, tap: usize, size: usize| {
        (at * g.spec.stride + tap).checked_sub(g.spec.padding).filter(|&i| i < size)
    };
    for c in 0..g.channels {
        for ky in 0..g.kernel {
            for kx in 0..g.kernel {
                if let (Some(iy), Some(ix)) = (inside(row, ky, g.height), inside(col, kx, g.width))
                {
                    f((c * g.kernel + ky) * g.kernel + kx, (c * g.height + iy) * g.width + ix);
                }
            }
        }
    }
}
