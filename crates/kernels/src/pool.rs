//! Max-pool and global average pool of maps `[N, C, H, W]`.

mod kernel;
mod reference;
#[cfg(test)]
mod tests;

use std::{iter::repeat_n, ops::Range};

use candle_core::{Result, Tensor, WithDType, bail};
use rayon::prelude::*;

use crate::element::{Element, dispatch, hold};

/// Windows of a max-pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSpec {
    /// Side of the window.
    pub side: usize,
    /// Step of the window, both ways.
    pub stride: usize,
    /// Border on every side, excluded from the maximum. Smaller than the side.
    pub padding: usize,
}

/// Sizes of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Maps, over all images and channels.
    maps: usize,
    height: usize,
    width: usize,
    /// Of the result.
    rows: usize,
    cols: usize,
    spec: PoolSpec,
}

impl Size {
    /// Of `x` `[N, C, H, W]`.
    pub fn new(x: &Tensor, spec: PoolSpec) -> Result<Self> {
        let (images, channels, height, width) = x.dims4()?;
        let PoolSpec { side, stride, padding } = spec;
        let fits = side <= height.min(width) + 2 * padding && padding < side;
        if stride == 0 || !fits || u32::try_from(height * width).is_err() {
            bail!("max-pool: {spec:?} of {height}x{width} maps");
        }
        let after = |size: usize| (size + 2 * padding - side) / stride + 1;
        let (rows, cols) = (after(height), after(width));
        Ok(Self { maps: images * channels, height, width, rows, cols, spec })
    }

    /// Rows, or columns, of the window at `at` in a map of `size` rows, or columns.
    fn window(&self, at: usize, size: usize) -> Range<usize> {
        let PoolSpec { side, stride, padding } = self.spec;
        let end = (at * stride + side).saturating_sub(padding).min(size);
        (at * stride).saturating_sub(padding)..end
    }
}

/// The parts with a definition in f64 and kernels in f32.
trait Compute: Element {
    /// Largest value of each window, and its index in the map; of equal ones the first, and NaN before any number.
    fn largest(size: &Size, x: &[Self]) -> (Vec<Self>, Vec<u32>);

    /// Mean over each of the maps of `plane` values.
    fn means(plane: usize, x: &[Self]) -> Vec<Self>;
}

/// A max-pool that was applied.
pub(crate) struct MaxPool {
    size: Size,
    winners: Vec<u32>,
}

impl MaxPool {
    /// The operation and its result, see [`Applied::max_pool`](crate::Applied::max_pool).
    pub fn apply(x: &Tensor, size: Size) -> Result<(Self, Tensor)> {
        let (images, channels, ..) = x.dims4()?;
        let (rows, cols) = (size.rows, size.cols);
        let x = x.contiguous()?;
        let (y, winners) = dispatch!(x.dtype(), T => {
            let (y, winners) = T::largest(&size, hold(&x).values()?);
            (Tensor::from_vec(y, (images, channels, rows, cols), x.device())?, winners)
        });
        Ok((Self { size, winners }, y))
    }

    /// Gradient of the input for the gradient of the result, which goes to the largest value of each window.
    pub fn gradient(&self, grad: &Tensor) -> Result<Tensor> {
        let (images, channels, _, _) = grad.dims4()?;
        let Size { height, width, .. } = self.size;
        let grad = grad.contiguous()?;
        dispatch!(grad.dtype(), T => {
            let dx = self.scatter::<T>(hold(&grad).values()?)?;
            Tensor::from_vec(dx, (images, channels, height, width), grad.device())
        })
    }

    fn scatter<T: Element>(&self, dy: &[T]) -> Result<Vec<T>> {
        let (map, pooled) = (self.size.height * self.size.width, self.size.rows * self.size.cols);
        if dy.len() != self.winners.len() {
            bail!("max-pool: {} gradients of {} values", dy.len(), self.winners.len());
        }
        let mut dx = vec![T::zero(); self.size.maps * map];
        let results = dy.par_chunks_exact(pooled).zip(self.winners.par_chunks_exact(pooled));
        // Windows may overlap: the gradients of a map are added in order.
        dx.par_chunks_mut(map).zip(results).for_each(|(dx, (dy, winners))| {
            dy.iter().zip(winners).for_each(|(&dy, &winner)| dx[winner as usize] += dy);
        });
        Ok(dx)
    }
}

/// A global average pool that was applied.
pub(crate) struct AveragePool {
    shape: (usize, usize, usize, usize),
}

impl AveragePool {
    /// The operation and its result, see [`Applied::average_pool`](crate::Applied::average_pool).
    pub fn apply(x: &Tensor) -> Result<(Self, Tensor)> {
        let shape @ (images, channels, height, width) = x.dims4()?;
        let x = x.contiguous()?;
        let y = dispatch!(x.dtype(), T => {
            let means = T::means(height * width, hold(&x).values()?);
            Tensor::from_vec(means, (images, channels, 1, 1), x.device())?
        });
        Ok((Self { shape }, y))
    }

    /// Gradient of the input for the gradient of the result.
    pub fn gradient(&self, grad: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = self.shape;
        let plane = height * width;
        let grad = grad.contiguous()?;
        dispatch!(grad.dtype(), T => {
            let held = hold(&grad);
            let each = held.values::<T>()?.iter();
            let each = each.map(|&dy| dy / <T as WithDType>::from_f64(plane as f64));
            let dx: Vec<T> = each.flat_map(|share| repeat_n(share, plane)).collect();
            Tensor::from_vec(dx, self.shape, grad.device())
        })
    }
}
