//! Products whose left factor is read in place.

use super::{Piece, pieces};
use crate::{
    isa::Kernel,
    simd::{Lanes, WIDEST, with_count},
};

/// `out = a b`, or `out += a b`, with factors that are read in place. All rows of `b` and `out` begin at whole cache lines,
/// and are readable and writable up to a multiple of [`WIDEST`] columns.
pub(crate) struct Product<'a, R, K, B> {
    pub a: Entries<'a, R, K>,
    /// `[depth, columns]`
    pub b: &'a [f32],
    /// Where its rows begin.
    pub by_k: B,
    /// Rows, depth and columns.
    pub size: [usize; 3],
    pub add: bool,
    /// `[rows, columns]`
    pub out: &'a mut [f32],
    /// From one row of `out` to the next.
    pub out_pitch: usize,
}

/// A matrix whose entry (row, k) is at `by_row.at(row) + by_k.at(k)`.
#[derive(Clone, Copy)]
pub(crate) struct Entries<'a, R, K> {
    pub values: &'a [f32],
    pub by_row: R,
    pub by_k: K,
}

/// Offsets of rows or columns.
pub(crate) trait Places: Copy {
    fn at(self, i: usize) -> usize;
    /// The largest of the first `count > 0` places.
    fn last(self, count: usize) -> usize;
}

/// Offsets at a constant distance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Every(pub usize);

impl Places for Every {
    #[inline(always)]
    fn at(self, i: usize) -> usize {
        i * self.0
    }

    fn last(self, count: usize) -> usize {
        (count - 1) * self.0
    }
}

/// Arbitrary offsets.
impl Places for &[usize] {
    #[inline(always)]
    fn at(self, i: usize) -> usize {
        self[i]
    }

    fn last(self, count: usize) -> usize {
        self[..count].iter().copied().max().unwrap_or(0)
    }
}

/// Rows of a tile of [`Product`].
const SIX: usize = 6;

impl<R: Places, K: Places, B: Places> Kernel for Product<'_, R, K, B> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let [rows, depth, columns] = self.size;
        if rows == 0 || depth == 0 || columns == 0 {
            return;
        }
        let readable = columns.next_multiple_of(WIDEST);
        assert!(self.a.values.len() > self.a.by_row.last(rows) + self.a.by_k.last(depth));
        assert!(self.b.len() >= self.by_k.last(depth) + readable);
        assert!(self.out.len() >= (rows - 1) * self.out_pitch + readable);
        let vectors = if L::MANY { 4 } else { 2 };
        for piece in pieces(columns, vectors * L::COUNT, depth) {
            #[expect(unsafe_code, reason = "pointers into the matrices")]
            // SAFETY: sizes were compared above.
            unsafe {
                let count = (columns - piece.from).div_ceil(L::COUNT).min(vectors);
                with_count!(count, N in [1 2 3] or 4 => self.column::<L, N>(lanes, piece));
            }
        }
    }
}

impl<R: Places, K: Places, B: Places> Product<'_, R, K, B> {
    /// All rows of `VECTORS` vectors of columns.
    ///
    /// # Safety
    /// The matrices have the sizes stated at the fields; the columns lie inside `b` and `out`, and `ks` within the depth.
    #[inline(always)]
    #[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
    unsafe fn column<L: Lanes, const VECTORS: usize>(&mut self, lanes: L, piece: Piece) {
        let Piece { from, ks } = piece;
        let Entries { values, by_row, by_k } = self.a;
        let rows = self.size[0];
        for first in (0..rows).step_by(SIX) {
            // A partial tile repeats the last row; the copies are dropped.
            let mut a = [values.as_ptr(); SIX];
            for (r, a) in a.iter_mut().enumerate() {
                *a = a.wrapping_add(by_row.at((first + r).min(rows - 1)));
            }
            let mut sums = [[lanes.splat(0.0); VECTORS]; SIX];
            for k in ks.0..ks.1 {
                let mut row = [lanes.splat(0.0); VECTORS];
                for (v, vector) in row.iter_mut().enumerate() {
                    // SAFETY: vector v of row k, by the contract.
                    *vector = unsafe {
                        lanes.load(self.b.as_ptr().add(self.by_k.at(k) + from + v * L::COUNT))
                    };
                }
                let k = by_k.at(k);
                for (sums, a) in sums.iter_mut().zip(a) {
                    // SAFETY: entry k of a row, by the contract.
                    let factor = lanes.splat(unsafe { *a.add(k) });
                    for (sum, &vector) in sums.iter_mut().zip(&row) {
                        *sum = lanes.mul_add(factor, vector, *sum);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate().take(rows - first) {
                for (v, &sum) in sums.iter().enumerate() {
                    // SAFETY: vector v of a row of out, by the contract.
                    unsafe {
                        let at = self.out.as_mut_ptr().add((first + r) * self.out_pitch + from);
                        let at = at.add(v * L::COUNT);
                        let sum =
                            if self.add || ks.0 > 0 { lanes.add(sum, lanes.load(at)) } else { sum };
                        lanes.store(at, sum);
                    }
                }
            }
        }
    }
}
