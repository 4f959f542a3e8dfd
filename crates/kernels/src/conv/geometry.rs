//! Sizes of a convolution, and where its windows lie.

use candle_core::{Result, bail};

use super::ConvSpec;

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
        // Places in a window are kept in 16 bits.
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
