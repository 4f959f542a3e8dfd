//! Sizes of a convolution, the results of a shard, and the gradient of one channel before bias, ReLU and pool.

use candle_core::{Result, bail};

use super::ConvSpec;
use crate::{isa::Kernel, simd::Lanes};

/// Channels of an image to prefetch ahead.
const AHEAD: usize = 2;

/// All sizes of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub images: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub spec: ConvSpec,
    /// Whether negative sums become 0.
    pub relu: bool,
    /// Size after the pool.
    pub pooled_rows: usize,
    pub pooled_cols: usize,
}

impl Geometry {
    pub fn new(
        (images, channels, height, width): (usize, usize, usize, usize),
        (outputs, expected, kernel, other): (usize, usize, usize, usize),
        bias: &[usize],
        spec: ConvSpec,
        relu: bool,
    ) -> Result<Self> {
        let ConvSpec { stride, padding, pool } = spec;
        let fits = kernel > 0 && kernel <= height.min(width) + 2 * padding;
        if channels != expected
            || kernel != other
            || bias != [outputs]
            || channels * outputs * stride * pool == 0
            || !fits
        {
            bail!(
                "convolution: images {channels}x{height}x{width}, filters {outputs}x{expected}x{kernel}x{other}, \
                 bias {bias:?}, stride {stride}, padding {padding}, pool {pool}"
            );
        }
        let rows = (height + 2 * padding - kernel) / stride + 1;
        let cols = (width + 2 * padding - kernel) / stride + 1;
        // A place in a window is stored in 16 bits.
        if pool > rows.min(cols) || pool * pool > 1 << 16 {
            bail!("convolution: pool {pool} is larger than the {rows}x{cols} map, or than 256");
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
            relu,
            pooled_rows,
            pooled_cols,
        })
    }

    /// Values per image.
    pub const fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Places in a filter.
    pub const fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Values per filter.
    pub const fn filter(&self) -> usize {
        self.channels * self.taps()
    }

    /// Values per channel of the result.
    pub const fn pooled(&self) -> usize {
        self.pooled_rows * self.pooled_cols
    }

    /// Values per image of the result.
    pub const fn result(&self) -> usize {
        self.outputs * self.pooled()
    }

    /// Places in a window of the pool.
    pub const fn places(&self) -> usize {
        self.spec.pool * self.spec.pool
    }

    /// Row and column, in the map before the pool, of a place in the window of a pooled value.
    pub const fn before_pool(&self, pooled: usize, place: usize) -> (usize, usize) {
        let pool = self.spec.pool;
        let (row, col) = (pooled / self.pooled_cols, pooled % self.pooled_cols);
        (row * pool + place / pool, col * pool + place % pool)
    }
}

/// Images of a shard, their results and the gradients of these.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub x: &'a [f32],
    pub y: &'a [f32],
    pub dy: &'a [f32],
    /// Empty without a pool.
    pub winners: &'a [u16],
}

impl<'a> Seen<'a> {
    /// `count` images of them, from the one numbered `from` on.
    pub fn images(&self, g: &Geometry, from: usize, count: usize) -> Self {
        let results = from * g.result()..(from + count) * g.result();
        let winners: &'a [u16] = if g.spec.pool > 1 { &self.winners[results.clone()] } else { &[] };
        Self {
            x: &self.x[from * g.image()..(from + count) * g.image()],
            y: &self.y[results.clone()],
            dy: &self.dy[results],
            winners,
        }
    }

    /// Results of one channel of one image.
    pub fn channel(&self, g: &Geometry, image: usize, channel: usize) -> Channel<'a> {
        let from = image * g.result() + channel * g.pooled();
        let results = from..from + g.pooled();
        let winners: &'a [u16] = if g.spec.pool > 1 { &self.winners[results.clone()] } else { &[] };
        Channel { y: &self.y[results.clone()], dy: &self.dy[results], winners }
    }
}

/// Results of one channel of one image, as in [`Seen`].
#[derive(Clone, Copy)]
pub(super) struct Channel<'a> {
    pub y: &'a [f32],
    pub dy: &'a [f32],
    pub winners: &'a [u16],
}

/// Gradient of one channel's map before bias and ReLU, `[places, pooled]`; its sum is added to `sum`. The derivative of the
/// ReLU at 0 is 0.
pub(super) struct MapGradient<'a> {
    pub channel: Channel<'a>,
    pub relu: bool,
    pub map: &'a mut [f32],
    pub sum: &'a mut f32,
}

impl Kernel for MapGradient<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Channel { y, dy, winners } = self.channel;
        let (passed, rest) = self.map.split_at_mut(dy.len());
        let ahead = AHEAD * dy.len();
        let zero = lanes.splat(0.0);
        let gate = |dy, y| if self.relu { lanes.gate(dy, y) } else { dy };
        let mut sum = zero;
        for from in (0..dy.len()).step_by(L::COUNT) {
            let (y, to) = (&y[from..dy.len()], &mut passed[from..]);
            let dy = &dy[from..];
            let (dy, y, to, n) = (dy.as_ptr(), y.as_ptr(), to.as_mut_ptr(), dy.len());
            // Channels are adjacent in memory, but the next image is processed in between.
            lanes.fetch(y.wrapping_add(ahead));
            lanes.fetch(dy.wrapping_add(ahead));
            #[expect(unsafe_code, reason = "vectors from and to memory")]
            // SAFETY: each of the slices has n numbers, by the slicing above.
            unsafe {
                if n >= L::COUNT {
                    let dz = gate(lanes.load(dy), lanes.load(y));
                    sum = lanes.add(sum, dz);
                    lanes.store(to, dz);
                } else {
                    let dz = gate(lanes.load_first(dy, n), lanes.load_first(y, n));
                    sum = lanes.add(sum, dz);
                    lanes.store_first(to, n, dz);
                }
            }
        }
        *self.sum += lanes.sums([sum, zero, zero, zero])[0];
        // With a pool, each gradient belongs to the winning place of its window. Place 0 comes last, since it holds all of them so far.
        if winners.is_empty() {
            return;
        }
        for (place, map) in rest.chunks_exact_mut(dy.len()).enumerate() {
            for ((map, &dz), &winner) in map.iter_mut().zip(&*passed).zip(winners) {
                *map = if usize::from(winner) == place + 1 { dz } else { 0.0 };
            }
        }
        for (dz, &winner) in passed.iter_mut().zip(winners) {
            *dz = if winner == 0 { *dz } else { 0.0 };
        }
    }
}
