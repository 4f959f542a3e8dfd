//! Values of a layer with many inputs that come from a ReLU, skipping the zeros: about half of the inputs.
//!
//! The weights are transposed for some inputs at a time, so that those of one input form a row. A row of sums is held in
//! registers, and each nonzero input costs one multiplication per output.

use std::ops::Range;

use super::{Size, kernel::OUTPUTS};
use crate::{
    buffer::{LINE, Scratch, sized},
    isa::{Isa, Kernel},
    simd::{Lanes, WIDEST},
};

/// Minimum number of inputs and of rows for which transposing the weights pays. Miri gets smaller layers.
const INPUTS: usize = if cfg!(miri) { 192 } else { 1024 };
const ROWS: usize = if cfg!(miri) { 4 } else { 32 };
/// Inputs of a strip, whose transposed weights stay in the L1 cache. A word has a bit for each.
const STRIP: usize = u64::BITS as usize;
/// Strips transposed together: pieces of rows long enough for the hardware prefetcher.
const STRIPS: usize = 4;
/// Rows of the batch, and numbers of a row of weights, to prefetch ahead.
const AHEAD: usize = 16;
const SOON: usize = 8 * LINE;

/// Whether this is the faster algorithm for some outputs. For fewer, finding the nonzero inputs costs more than it saves.
pub(super) fn pays(size: Size, outputs: &Range<usize>) -> bool {
    size.i >= INPUTS && size.n >= ROWS && outputs.len() == OUTPUTS
}

/// `[n, OUTPUTS]`: sums over `inputs` only, for the outputs from `first` on.
pub(super) fn part(
    isa: Isa,
    Size { n, i, .. }: Size,
    (x, w): (&[f32], &[f32]),
    first: usize,
    inputs: Range<usize>,
) -> Vec<f32> {
    let w = &w[first * i..][..OUTPUTS * i];
    let mut sums = vec![0.0; n * OUTPUTS];
    Scratch::lend(|scratch| {
        let transposed = sized(&mut scratch.patches, STRIPS * STRIP * OUTPUTS);
        for from in inputs.clone().step_by(STRIPS * STRIP) {
            let columns = from..inputs.end.min(from + STRIPS * STRIP);
            isa.run(Turn { w, width: i, columns: columns.clone(), transposed });
            let strips = columns.clone().step_by(STRIP);
            for (from, transposed) in strips.zip(transposed.chunks_exact(STRIP * OUTPUTS)) {
                let columns = from..columns.end.min(from + STRIP);
                isa.run(Add { x, width: i, columns, transposed, sums: &mut sums });
            }
        }
    });
    sums
}

/// Transposes columns of [`OUTPUTS`] rows of `width` into rows.
struct Turn<'a> {
    w: &'a [f32],
    width: usize,
    columns: Range<usize>,
    transposed: &'a mut [f32],
}

impl Kernel for Turn<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { w, width, columns, transposed } = self;
        for (block, rows) in w.chunks_exact(L::COUNT * width).enumerate() {
            for from in columns.clone().step_by(L::COUNT) {
                let to = from + L::COUNT.min(columns.end - from);
                let mut square = lanes.square(lanes.splat(0.0));
                for (vector, row) in square.as_mut().iter_mut().zip(rows.chunks_exact(width)) {
                    let row = &row[from..to];
                    // So many streams are too many for the hardware prefetcher.
                    lanes.fetch(row.as_ptr().wrapping_add(SOON));
                    *vector = load(lanes, row);
                }
                let square = lanes.transposed(square);
                let to = transposed[(from - columns.start) * OUTPUTS..].chunks_exact_mut(OUTPUTS);
                for (vector, to) in square.as_ref().iter().zip(to) {
                    let to = &mut to[block * L::COUNT..][..L::COUNT];
                    #[expect(unsafe_code, reason = "a vector to memory")]
                    // SAFETY: the slice is as long as a vector.
                    unsafe {
                        lanes.store(to.as_mut_ptr(), *vector);
                    }
                }
            }
        }
    }
}

/// At most a vector of numbers, padded with zeros.
#[inline(always)]
fn load<L: Lanes>(lanes: L, from: &[f32]) -> L::V {
    #[expect(unsafe_code, reason = "a vector from memory")]
    // SAFETY: the slice has as many numbers.
    unsafe {
        if from.len() < L::COUNT {
            lanes.load_first(from.as_ptr(), from.len())
        } else {
            lanes.load(from.as_ptr())
        }
    }
}

/// Adds the products of the rows of `x` with a strip of transposed weights.
struct Add<'a> {
    x: &'a [f32],
    width: usize,
    columns: Range<usize>,
    /// Weights of these columns, `[STRIP, OUTPUTS]`.
    transposed: &'a [f32],
    /// `[rows, OUTPUTS]`
    sums: &'a mut [f32],
}

impl Kernel for Add<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        if L::COUNT == WIDEST { self.all::<L, 4>(lanes) } else { self.all::<L, 8>(lanes) }
    }
}

impl Add<'_> {
    /// For rows of `N` vectors.
    #[inline(always)]
    fn all<L: Lanes, const N: usize>(self, lanes: L) {
        let Self { x, width, columns, transposed, sums } = self;
        assert!(columns.len() <= STRIP && transposed.len() == STRIP * OUTPUTS);
        assert!(N * L::COUNT == OUTPUTS);
        let rows = x.chunks_exact(width).map(|row| &row[columns.clone()]);
        // The nonzero inputs of a row are found while the row before it is multiplied.
        let mut next = rows.clone().next().map_or(0, |row| present(lanes, row));
        let later = rows.clone().skip(1).map(Some).chain([None]);
        for ((x, later), sums) in rows.zip(later).zip(sums.chunks_exact_mut(OUTPUTS)) {
            // Nor does it fetch the next rows of the batch.
            for line in (0..x.len()).step_by(LINE) {
                lanes.fetch(x.as_ptr().wrapping_add(AHEAD * width + line));
            }
            let mut left = next;
            next = later.map_or(0, |row| present(lanes, row));
            let mut new = [lanes.splat(0.0); N];
            while left != 0 {
                let k = left.trailing_zeros() as usize;
                left &= left - 1;
                #[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
                // SAFETY: only numbers of x have set bits, fewer than STRIP; there are weights of OUTPUTS outputs for each.
                unsafe {
                    let factor = lanes.splat(*x.get_unchecked(k));
                    let weights = transposed.as_ptr().add(k * OUTPUTS);
                    for (v, new) in new.iter_mut().enumerate() {
                        *new = lanes.mul_add(factor, lanes.load(weights.add(v * L::COUNT)), *new);
                    }
                }
            }
            for (new, sums) in new.into_iter().zip(sums.chunks_exact_mut(L::COUNT)) {
                #[expect(unsafe_code, reason = "vectors from and to memory")]
                // SAFETY: the slice is as long as a vector.
                unsafe {
                    lanes.store(sums.as_mut_ptr(), lanes.add(lanes.load(sums.as_ptr()), new));
                }
            }
        }
    }
}

/// A bit for each of at most [`STRIP`] numbers: whether it is other than 0.
#[inline(always)]
fn present<L: Lanes>(lanes: L, x: &[f32]) -> u64 {
    let vectors = (0..).step_by(L::COUNT).zip(x.chunks(L::COUNT));
    vectors.fold(0, |bits, (k, x)| bits | u64::from(lanes.nonzero(load(lanes, x))) << k)
}
