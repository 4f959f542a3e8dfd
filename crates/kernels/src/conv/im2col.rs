//! im2col: the patches of a convolution as a matrix.

use crate::{
    isa::Kernel,
    simd::{Lanes, WIDEST},
};

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

    /// Values in a patch.
    pub const fn depth(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Distance of columns that are adjacent in the stored image, which makes the inputs of adjacent windows adjacent, too.
    const fn split(&self) -> usize {
        self.stride * self.pool
    }

    /// Columns of one phase.
    const fn run(&self) -> usize {
        self.width.div_ceil(self.split())
    }

    /// Numbers of an image as it is stored: `[channel, row, column mod split, column / split]`, plus one vector, since
    /// whole vectors are copied.
    pub const fn stored(&self) -> usize {
        self.channels * self.height * self.split() * self.run() + WIDEST
    }

    /// Index in the stored image.
    pub const fn index(&self, channel: usize, row: usize, col: usize) -> usize {
        let (split, run) = (self.split(), self.run());
        ((channel * self.height + row) * split + col % split) * run + col / split
    }

    /// Columns by which [`Fill`] may write past the end of a row.
    pub const SPILL: usize = WIDEST - 1;
}

/// Stores an image `[C, H, W]` inside a border that is already there.
pub(super) struct Store<'a> {
    pub windows: &'a Windows,
    pub padding: usize,
    pub x: &'a [f32],
    pub image: &'a mut [f32],
}

impl Kernel for Store<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let (height, width) =
            (self.windows.height - 2 * self.padding, self.windows.width - 2 * self.padding);
        let split = self.windows.split();
        for (i, row) in self.x.chunks_exact(width).enumerate() {
            let (channel, y) = (i / height, i % height + self.padding);
            for phase in 0..split.min(width) {
                let at = self.windows.index(channel, y, self.padding + phase);
                let to = &mut self.image[at..];
                // The two common steps are written out so that the compiler can vectorise them.
                match split {
                    1 => to[..width].copy_from_slice(row),
                    2 => {
                        let (pairs, last) = row[phase..].as_chunks::<2>();
                        let (to, rest) = to.split_at_mut(pairs.len());
                        for (to, pair) in to.iter_mut().zip(pairs) {
                            *to = pair[0];
                        }
                        for (to, value) in rest.iter_mut().zip(last) {
                            *to = *value;
                        }
                    }
                    _ => {
                        for (to, value) in to.iter_mut().zip(row[phase..].iter().step_by(split)) {
                            *to = *value;
                        }
                    }
                }
            }
        }
    }
}

/// Fills a matrix `[depth, positions]`, whose rows are `pitch` apart, with patches. Up to [`Windows::SPILL`]
/// numbers after each row are overwritten.
pub(super) struct Fill<'a> {
    pub windows: &'a Windows,
    /// As stored.
    pub image: &'a [f32],
    pub patches: &'a mut [f32],
    pub pitch: usize,
}

impl Kernel for Fill<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { windows, image, patches, pitch } = self;
        let &Windows { channels, kernel, stride, pool, rows, cols, .. } = windows;
        // From one pooled row to the next.
        let step = windows.split() * windows.split() * windows.run();
        for channel in 0..channels {
            for tap in 0..kernel * kernel {
                let mut at = (channel * kernel * kernel + tap) * pitch;
                let (ky, kx) = (tap / kernel, tap % kernel);
                for place in 0..pool * pool {
                    let (py, px) = (place / pool, place % pool);
                    let from = windows.index(channel, py * stride + ky, px * stride + kx);
                    let size = (rows, cols);
                    let (image, patches) = (&image[from..], &mut patches[at..]);
                    match cols {
                        0..=8 => copy::<8>(image, patches, step, size),
                        9..=16 => copy::<16>(image, patches, step, size),
                        _ => copy_long(image, patches, step, size),
                    }
                    at += rows * cols;
                }
            }
        }
    }
}

/// Copies rows of at most `N` numbers, `step` apart, to consecutive memory. Each is copied as `N` numbers; the next row
/// overwrites the excess.
#[inline(always)]
fn copy<const N: usize>(from: &[f32], to: &mut [f32], step: usize, (rows, cols): (usize, usize)) {
    let last = rows.saturating_sub(1);
    assert!(from.len() >= last * step + N && to.len() >= last * cols + N);
    let (mut from, mut to) = (from.as_ptr().cast::<[f32; N]>(), to.as_mut_ptr().cast::<[f32; N]>());
    for _ in 0..rows {
        #[expect(unsafe_code, reason = "a check per row takes as long as the copy")]
        // SAFETY: the assertion has checked that the last row lies inside both, and with it the ones before. The two do not
        // overlap, since one is borrowed mutably.
        unsafe {
            *to = *from;
        }
        from = from.wrapping_byte_add(step * size_of::<f32>());
        to = to.wrapping_byte_add(cols * size_of::<f32>());
    }
}

/// The same for longer rows.
#[inline(always)]
fn copy_long(from: &[f32], to: &mut [f32], step: usize, (rows, cols): (usize, usize)) {
    for row in 0..rows {
        let (from, to) = (&from[row * step..], &mut to[row * cols..]);
        let vectors = from.as_chunks::<WIDEST>().0.iter().zip(to.as_chunks_mut::<WIDEST>().0);
        for (from, to) in vectors.take(cols.div_ceil(WIDEST)) {
            *to = *from;
        }
    }
}
