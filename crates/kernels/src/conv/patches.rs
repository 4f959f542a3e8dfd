//! What the windows of a convolution see, as a matrix.

use crate::lanes::WIDEST;

/// Square windows sliding over an image with its border.
///
/// Positions are numbered by their place in the window of the pool first, and by the pooled position second: the pool is then
/// an operation on whole rows. Without a pool that is reading order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub channels: usize,
    /// Size with the border.
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub pool: usize,
    /// Size of the result after the pool.
    pub rows: usize,
    pub cols: usize,
}

impl Windows {
    /// Windows of one image.
    pub const fn positions(&self) -> usize {
        self.pool * self.pool * self.rows * self.cols
    }

    /// Numbers a window sees.
    pub const fn depth(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Columns that far apart are neighbours in memory, so that what neighbouring windows see is.
    const fn split(&self) -> usize {
        self.stride * self.pool
    }

    /// Columns of one phase.
    const fn run(&self) -> usize {
        self.width.div_ceil(self.split())
    }

    /// Numbers of an image as it is stored: `[channel, row, column mod split, column / split]`, and one vector more, since
    /// copying moves whole vectors.
    pub const fn stored(&self) -> usize {
        self.channels * self.height * self.split() * self.run() + WIDEST
    }

    /// Index in the stored image.
    pub const fn index(&self, channel: usize, row: usize, col: usize) -> usize {
        let (split, run) = (self.split(), self.run());
        ((channel * self.height + row) * split + col % split) * run + col / split
    }

    /// Puts a row of numbers into a stored image, from column `col` on.
    pub fn put_row(
        &self,
        image: &mut [f32],
        (channel, row, col): (usize, usize, usize),
        from: &[f32],
    ) {
        match self.split() {
            1 => {
                let at = self.index(channel, row, col);
                image[at..at + from.len()].copy_from_slice(from);
            }
            split => {
                for phase in 0..split.min(from.len()) {
                    let at = self.index(channel, row, col + phase);
                    let values = from[phase..].iter().step_by(split);
                    for (to, &value) in image[at..].iter_mut().zip(values) {
                        *to = value;
                    }
                }
            }
        }
    }

    /// Columns by which a row of [`Windows::fill`] may be written too far.
    pub const SPILL: usize = WIDEST - 1;

    /// Fills a matrix `[depth, positions]`, whose rows are `pitch` apart, with what each window sees. Up to
    /// [`Windows::SPILL`] numbers after each row are overwritten.
    pub fn fill(&self, image: &[f32], patches: &mut [f32], pitch: usize) {
        let mut row_at = 0;
        for channel in 0..self.channels {
            for tap in 0..self.kernel * self.kernel {
                let (ky, kx) = (tap / self.kernel, tap % self.kernel);
                let mut at = row_at;
                for place in 0..self.pool * self.pool {
                    let (py, px) = (place / self.pool, place % self.pool);
                    let first = self.index(channel, py * self.stride + ky, px * self.stride + kx);
                    let next = self.split() * self.split() * self.run();
                    for row in 0..self.rows {
                        let from = first + row * next;
                        for done in (0..self.cols).step_by(WIDEST) {
                            let from = &image[from + done..from + done + WIDEST];
                            patches[at + done..at + done + WIDEST].copy_from_slice(from);
                        }
                        at += self.cols;
                    }
                }
                row_at += pitch;
            }
        }
    }
}
