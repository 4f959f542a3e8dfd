//! The batch norm by its definition, in f64: for gradient checks, and as the reference of the f32 kernels.

use super::{Coefficients, Compute, Moments, Size, Sums};

impl Compute for f64 {
    fn moments(size: Size, x: &[f64]) -> Moments {
        let count = size.count() as f64;
        let mut mean = vec![0.0; size.channels];
        each(size, |c, i| mean[c] += x[i] / count);
        let mut var = vec![0.0; size.channels];
        each(size, |c, i| var[c] += (x[i] - mean[c]).powi(2) / count);
        Moments { mean, var }
    }

    fn normalise(
        size: Size,
        x: &[f64],
        by: &Coefficients<f64>,
        plus: Option<&[f64]>,
        relu: bool,
    ) -> Vec<f64> {
        let mut y = Vec::with_capacity(x.len());
        each(size, |c, i| {
            let normal = by.scale[c] * (x[i] - by.mean[c]) + by.shift[c];
            let sum = normal + plus.map_or(0.0, |plus| plus[i]);
            // Written so that NaN stays NaN.
            y.push(if relu && sum < 0.0 { 0.0 } else { sum });
        });
        y
    }

    fn gate(_: Size, dy: &[f64], y: &[f64]) -> Vec<f64> {
        dy.iter().zip(y).map(|(&dy, &y)| if y > 0.0 { dy } else { 0.0 }).collect()
    }

    fn sums(size: Size, dz: &[f64], x: &[f64], mean: &[f64]) -> Sums {
        let mut sums = vec![[0.0; 2]; size.channels];
        each(size, |c, i| {
            sums[c][0] += dz[i];
            sums[c][1] += dz[i] * (x[i] - mean[c]);
        });
        sums
    }

    fn input_gradient(size: Size, dz: &[f64], x: &[f64], by: &[[f64; 4]]) -> Vec<f64> {
        let mut dx = Vec::with_capacity(x.len());
        each(size, |c, i| {
            let [mean, scale, shift, slope] = by[c];
            dx.push(scale * (dz[i] - shift - slope * (x[i] - mean)));
        });
        dx
    }
}

/// Calls `f(channel, index)` for every value in order.
fn each(size: Size, mut f: impl FnMut(usize, usize)) {
    (0..size.images * size.image()).for_each(|i| f(i / size.plane % size.channels, i));
}
