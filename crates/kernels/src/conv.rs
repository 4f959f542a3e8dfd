//! Convolution, bias, ReLU and max-pool in one operation.

use std::sync::OnceLock;

use candle_core::{
    CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, WithDType, backend::BackendStorage, bail,
};
use faer::Accum;
use rayon::prelude::*;

use crate::element::{Element, add, common_dtype, dispatch, hold, matrix, product, slice};

/// Images one task works on. Weight gradients of tasks are added in order.
const SHARD: usize = 8;

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
    common_dtype(&[x, w, b])?;
    let shape = Geometry::new(x.dims4()?, w.dims4()?, b.dims(), spec)?;
    let op = Conv { shape, winners: OnceLock::new() };
    x.contiguous()?.apply_op3(&w.contiguous()?, &b.contiguous()?, op)
}

/// All sizes of one call.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    images: usize,
    channels: usize,
    height: usize,
    width: usize,
    outputs: usize,
    kernel: usize,
    spec: ConvSpec,
    /// Size of the convolution's result.
    rows: usize,
    cols: usize,
    /// Size after the pool.
    pooled_rows: usize,
    pooled_cols: usize,
}

impl Geometry {
    fn new(
        (images, channels, height, width): (usize, usize, usize, usize),
        (outputs, expected, kernel, other): (usize, usize, usize, usize),
        bias: &[usize],
        spec: ConvSpec,
    ) -> Result<Self> {
        let ConvSpec { stride, padding, pool } = spec;
        let fits = kernel > 0 && kernel <= height.min(width) + 2 * padding;
        if channels != expected
            || kernel != other
            || bias != [outputs]
            || stride * pool == 0
            || !fits
        {
            bail!(
                "convolution: images {channels}x{height}x{width}, filters {outputs}x{expected}x{kernel}x{other}, \
                 bias {bias:?}, stride {stride}, padding {padding}, pool {pool}"
            );
        }
        let rows = (height + 2 * padding - kernel) / stride + 1;
        let cols = (width + 2 * padding - kernel) / stride + 1;
        if pool > rows.min(cols) {
            bail!("convolution: pool {pool} is larger than the {rows}x{cols} map");
        }
        let (pooled_rows, pooled_cols) = (rows / pool, cols / pool);
        Ok(Self {
            images,
            channels,
            height,
            width,
            outputs,
            kernel,
            spec,
            rows,
            cols,
            pooled_rows,
            pooled_cols,
        })
    }

    /// Values per image.
    const fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Values per filter.
    const fn filter(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Positions of the window.
    const fn positions(&self) -> usize {
        self.rows * self.cols
    }

    /// Values per channel of the result.
    const fn pooled(&self) -> usize {
        self.pooled_rows * self.pooled_cols
    }

    /// Calls `f(index in a patch matrix [filter, positions], index in the image)` for every entry that lies in the image.
    fn for_each_patch_entry(&self, mut f: impl FnMut(usize, usize)) {
        let ConvSpec { stride, padding, .. } = self.spec;
        for c in 0..self.channels {
            for ky in 0..self.kernel {
                for kx in 0..self.kernel {
                    let row = (c * self.kernel + ky) * self.kernel + kx;
                    for y in 0..self.rows {
                        let Some(iy) = inside(y * stride + ky, padding, self.height) else {
                            continue;
                        };
                        for x in 0..self.cols {
                            let Some(ix) = inside(x * stride + kx, padding, self.width) else {
                                continue;
                            };
                            let patch = row * self.positions() + y * self.cols + x;
                            f(patch, (c * self.height + iy) * self.width + ix);
                        }
                    }
                }
            }
        }
    }
}

/// Coordinate without padding, if it lies in the image.
const fn inside(padded: usize, padding: usize, size: usize) -> Option<usize> {
    if padded < padding || padded - padding >= size { None } else { Some(padded - padding) }
}

struct Conv {
    shape: Geometry,
    /// For a pool: index, in the map before the pool, of each pooled value.
    winners: OnceLock<Vec<u32>>,
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
        let y = dispatch!(x.dtype(), T => {
            let (x, w, b) = (slice::<T>(x, lx)?, slice::<T>(w, lw)?, slice::<T>(b, lb)?);
            T::to_cpu_storage_owned(self.forward(x, w, b))
        });
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
        dispatch!(x.dtype(), T => self.gradients::<T>(x, w, y, grad))
    }
}

/// Sums over the images of one shard, and the input gradient of those images if asked for.
struct Partial<T> {
    dw: Vec<T>,
    db: Vec<T>,
    dx: Vec<T>,
}

impl Conv {
    fn forward<T: Element>(&self, x: &[T], w: &[T], b: &[T]) -> Vec<T> {
        let g = &self.shape;
        let zero = T::from_f64(0.0);
        let size = g.outputs * g.pooled();
        let mut y = vec![zero; g.images * size];
        let mut winners = vec![0; if g.spec.pool > 1 { y.len() } else { 0 }];
        let winners_per_shard = if g.spec.pool > 1 { SHARD * size } else { 1 };
        // Without a pool there is nothing to remember, but the shards still need a slice each.
        let mut none = vec![0; g.images.div_ceil(SHARD)];
        let memory = if g.spec.pool > 1 { &mut winners } else { &mut none };
        y.par_chunks_mut(SHARD * size)
            .zip(x.par_chunks(SHARD * g.image()))
            .zip(memory.par_chunks_mut(winners_per_shard))
            .for_each(|((y, x), winners)| self.forward_shard(y, x, w, b, winners));
        if g.spec.pool > 1 {
            // A second call of the same op finds the same winners.
            let _ = self.winners.set(winners);
        }
        y
    }

    fn forward_shard<T: Element>(
        &self,
        y: &mut [T],
        x: &[T],
        w: &[T],
        b: &[T],
        winners: &mut [u32],
    ) {
        let g = &self.shape;
        let zero = T::from_f64(0.0);
        let size = g.outputs * g.pooled();
        let mut patches = vec![zero; g.filter() * g.positions()];
        let filters = matrix(w, g.outputs, g.filter());
        let mut map = vec![zero; if g.spec.pool > 1 { g.outputs * g.positions() } else { 0 }];
        for (i, (y, x)) in y.chunks_exact_mut(size).zip(x.chunks_exact(g.image())).enumerate() {
            g.for_each_patch_entry(|p, at| patches[p] = x[at]);
            let patches = matrix(&patches, g.filter(), g.positions());
            if g.spec.pool == 1 {
                product(y, Accum::Replace, filters, patches);
                bias_relu(y, b, g.positions());
            } else {
                product(&mut map, Accum::Replace, filters, patches);
                bias_relu(&mut map, b, g.positions());
                self.pool(&map, y, &mut winners[i * size..(i + 1) * size]);
            }
        }
    }

    /// Largest value of each window and where it stands; of equal values the first in reading order.
    fn pool<T: Element>(&self, map: &[T], y: &mut [T], winners: &mut [u32]) {
        let g = &self.shape;
        let pool = g.spec.pool;
        let mut out = y.iter_mut().zip(winners);
        for o in 0..g.outputs {
            for row in 0..g.pooled_rows {
                for col in 0..g.pooled_cols {
                    let corner = (o * g.rows + row * pool) * g.cols + col * pool;
                    let window =
                        (0..pool).flat_map(|r| (0..pool).map(move |c| corner + r * g.cols + c));
                    let best =
                        window.fold(corner, |best, i| if map[i] > map[best] { i } else { best });
                    if let Some((y, winner)) = out.next() {
                        *y = map[best];
                        *winner = u32::try_from(best).unwrap_or(u32::MAX);
                    }
                }
            }
        }
    }

    fn gradients<T: Element>(
        &self,
        x: &Tensor,
        w: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let wanted = x.track_op();
        let grad = grad.contiguous()?;
        let [hx, hw, hy, hg] = [x, w, y, &grad].map(hold);
        let (x_, w_) = (hx.values::<T>()?, hw.values()?);
        let partials = self.backward(x_, w_, hy.values()?, hg.values()?, wanted)?;
        let g = &self.shape;
        let zero = T::from_f64(0.0);
        let mut dw = vec![zero; g.outputs * g.filter()];
        let mut db = vec![zero; g.outputs];
        let mut dx = Vec::with_capacity(if wanted { g.images * g.image() } else { 0 });
        for part in partials {
            add(&mut dw, &part.dw);
            add(&mut db, &part.db);
            dx.extend(part.dx);
        }
        let device = x.device();
        let dx = if wanted { Some(Tensor::from_vec(dx, x.shape(), device)?) } else { None };
        let dw = Tensor::from_vec(dw, w.shape(), device)?;
        Ok((dx, Some(dw), Some(Tensor::from_vec(db, g.outputs, device)?)))
    }

    fn backward<T: Element>(
        &self,
        x: &[T],
        w: &[T],
        y: &[T],
        dy: &[T],
        wanted: bool,
    ) -> Result<Vec<Partial<T>>> {
        let g = &self.shape;
        let size = SHARD * g.outputs * g.pooled();
        let shards =
            x.par_chunks(SHARD * g.image()).zip(y.par_chunks(size)).zip(dy.par_chunks(size));
        let winners = self.winners.get().map_or(&[][..], |w| w);
        if g.spec.pool > 1 && winners.len() != y.len() {
            bail!("convolution: gradient asked for before the value");
        }
        Ok(shards
            .enumerate()
            .map(|(i, ((x, y), dy))| {
                let first = if g.spec.pool > 1 { i * size } else { 0 };
                self.backward_shard(x, w, y, dy, &winners[first..], wanted)
            })
            .collect())
    }

    fn backward_shard<T: Element>(
        &self,
        x: &[T],
        w: &[T],
        y: &[T],
        dy: &[T],
        winners: &[u32],
        wanted: bool,
    ) -> Partial<T> {
        let g = &self.shape;
        let zero = T::from_f64(0.0);
        let size = g.outputs * g.pooled();
        let mut part = Partial {
            dw: vec![zero; g.outputs * g.filter()],
            db: vec![zero; g.outputs],
            dx: vec![zero; if wanted { x.len() } else { 0 }],
        };
        let mut patches = vec![zero; g.filter() * g.positions()];
        let mut map = vec![zero; g.outputs * g.positions()];
        for (i, x) in x.chunks_exact(g.image()).enumerate() {
            let span = i * size..(i + 1) * size;
            self.map_gradient(&mut map, &y[span.clone()], &dy[span], winners, i * size);
            g.for_each_patch_entry(|p, at| patches[p] = x[at]);
            let grad = matrix(&map, g.outputs, g.positions());
            let seen = matrix(&patches, g.filter(), g.positions()).transpose();
            product(&mut part.dw, Accum::Add, grad, seen);
            for (sum, row) in part.db.iter_mut().zip(map.chunks_exact(g.positions())) {
                for &v in row {
                    *sum += v;
                }
            }
            if wanted {
                let mut back = vec![zero; patches.len()];
                let filters = matrix(w, g.outputs, g.filter()).transpose();
                product(&mut back, Accum::Replace, filters, grad);
                let dx = &mut part.dx[i * g.image()..(i + 1) * g.image()];
                g.for_each_patch_entry(|p, at| dx[at] += back[p]);
            }
        }
        part
    }

    /// Gradient of one image's map before bias and ReLU. The derivative of the ReLU at 0 is taken as 0.
    fn map_gradient<T: Element>(
        &self,
        map: &mut [T],
        y: &[T],
        dy: &[T],
        winners: &[u32],
        first: usize,
    ) {
        let zero = T::from_f64(0.0);
        let passed = |(&dy, &y): (&T, &T)| if y > zero { dy } else { zero };
        if self.shape.spec.pool == 1 {
            map.iter_mut().zip(dy.iter().zip(y)).for_each(|(m, pair)| *m = passed(pair));
            return;
        }
        map.fill(zero);
        for (&at, pair) in winners[first..].iter().zip(dy.iter().zip(y)) {
            map[at as usize] += passed(pair);
        }
    }
}

/// Adds each channel's bias and sets negative values to 0.
fn bias_relu<T: Element>(map: &mut [T], b: &[T], positions: usize) {
    let zero = T::from_f64(0.0);
    for (channel, &b) in map.chunks_exact_mut(positions).zip(b) {
        for v in channel {
            let sum = *v + b;
            // Written so that NaN stays NaN.
            *v = if sum < zero { zero } else { sum };
        }
    }
}
