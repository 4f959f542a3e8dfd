//! Values of a layer with many inputs behind a ReLU, without the terms that it has set to 0: about half of them.
//!
//! The weights are turned for some inputs at a time, so that those of one input stand in a row. A row of sums is then held in
//! registers, and each input other than 0 costs one multiplication per output.

use std::ops::Range;

use super::{Size, kernel::OUTPUTS};
use crate::{
    buffer::{LINE, Scratch, sized},
    isa::{Isa, Kernel},
    simd::{Lanes, WIDEST},
};

/// Number of inputs, and of rows that use them, from which turned weights are worth making. An interpreter gets smaller layers.
const INPUTS: usize = if cfg!(miri) { 192 } else { 1024 };
const ROWS: usize = if cfg!(miri) { 4 } else { 32 };
/// Inputs of a strip, whose turned weights stay in the first cache. A word has a bit for each.
const STRIP: usize = u64::BITS as usize;
/// Strips whose weights are turned in one go: rows of memory are read in pieces long enough for the processor to read ahead.
const STRIPS: usize = 4;
/// Rows of the batch, and numbers of a row of weights, that are asked for before their turn.
const AHEAD: usize = 16;
const SOON: usize = 8 * LINE;

/// Whether this is the faster way for some outputs. Fewer would cost more to find the inputs than to multiply with all.
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
        let turned = sized(&mut scratch.patches, STRIPS * STRIP * OUTPUTS);
        for from in inputs.clone().step_by(STRIPS * STRIP) {
            let columns = from..inputs.end.min(from + STRIPS * STRIP);
            isa.run(Turn { w, width: i, columns: columns.clone(), turned });
            let strips = columns.clone().step_by(STRIP);
            for (from, turned) in strips.zip(turned.chunks_exact(STRIP * OUTPUTS)) {
                let columns = from..columns.end.min(from + STRIP);
                isa.run(Add { x, width: i, columns, turned, sums: &mut sums });
            }
        }
    });
    sums
}

/// Turns columns of [`OUTPUTS`] rows of `width` into rows.
struct Turn<'a> {
    w: &'a [f32],
    width: usize,
    columns: Range<usize>,
    turned: &'a mut [f32],
}

impl Kernel for Turn<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { w, width, columns, turned } = self;
        for (block, rows) in w.chunks_exact(L::COUNT * width).enumerate() {
            for from in columns.clone().step_by(L::COUNT) {
                let to = from + L::COUNT.min(columns.end - from);
                let mut square = lanes.square(lanes.splat(0.0));
                for (vector, row) in square.as_mut().iter_mut().zip(rows.chunks_exact(width)) {
                    let row = &row[from..to];
                    // The processor does not foresee that so many rows are read on.
                    lanes.fetch(row.as_ptr().wrapping_add(SOON));
                    *vector = load(lanes, row);
                }
                let square = lanes.transposed(square);
                let to = turned[(from - columns.start) * OUTPUTS..].chunks_exact_mut(OUTPUTS);
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

/// At most a vector of numbers, then zeros.
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

/// Adds the products of the rows of `x` with a strip of turned weights.
struct Add<'a> {
    x: &'a [f32],
    width: usize,
    columns: Range<usize>,
    /// Weights of these columns, `[STRIP, OUTPUTS]`.
    turned: &'a [f32],
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
        let Self { x, width, columns, turned, sums } = self;
        assert!(columns.len() <= STRIP && turned.len() == STRIP * OUTPUTS);
        assert!(N * L::COUNT == OUTPUTS);
        let rows = x.chunks_exact(width).map(|row| &row[columns.clone()]);
        // What is present in a row is looked up while the row before it is multiplied.
        let mut next = rows.clone().next().map_or(0, |row| present(lanes, row));
        let later = rows.clone().skip(1).map(Some).chain([None]);
        for ((x, later), sums) in rows.zip(later).zip(sums.chunks_exact_mut(OUTPUTS)) {
            // Nor does it foresee the next rows of the batch.
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
                    let weights = turned.as_ptr().add(k * OUTPUTS);
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
