//! Products of a sparse left factor, such as a gradient at a ReLU or a pool, and a dense right factor.
//!
//! The left factor is a list of its nonzero numbers. A sum of a few listed rows of the right factor is held in registers, and
//! each number of the list costs one multiplication per column.

use crate::{
    buffer::Block,
    isa::Kernel,
    simd::{Lanes, WIDEST, with_count},
};

/// Vectors of a sum that is held in registers.
pub(crate) const VECTORS: usize = 8;

/// A number of the left factor, and where in the right factor the row begins that it is multiplied with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Term {
    pub at: u32,
    pub factor: f32,
}

/// The nonzero numbers of a matrix, row by row.
pub(crate) struct Terms {
    list: Vec<Term>,
    /// Number of terms up to the end of each row.
    ends: Vec<usize>,
    /// Where the last row of the right factor begins that is asked for.
    last: usize,
}

impl Terms {
    /// Of a matrix of which entry (row, k) is `f(row, k)`, for a right factor whose rows are `pitch` apart.
    #[expect(clippy::cast_possible_truncation, reason = "scratch matrices are far smaller")]
    pub fn new(rows: usize, depth: usize, pitch: usize, f: impl Fn(usize, usize) -> f32) -> Self {
        let mut list = vec![Term::default(); rows * depth];
        let mut ends = Vec::with_capacity(rows);
        let last = depth.saturating_sub(1) * pitch;
        assert!(u32::try_from(last).is_ok());
        let mut used = 0;
        for row in 0..rows {
            for k in 0..depth {
                // The next number overwrites a 0. A branch would be unpredictable.
                list[used] = Term { at: (k * pitch) as u32, factor: f(row, k) };
                used += usize::from(list[used].factor != 0.0);
            }
            ends.push(used);
        }
        list.truncate(used);
        Self { list, ends, last }
    }
}

/// `out = a b`, or `out += a b`. The next columns of `out` are prefetched: rows of a large matrix are too far apart for
/// the hardware prefetcher.
pub(crate) struct Listed<'a> {
    pub a: &'a Terms,
    /// Rows at the places that `a` names, readable up to a multiple of [`WIDEST`] columns.
    pub b: &'a [f32],
    pub add: bool,
    pub out: Block<'a>,
}

impl Kernel for Listed<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let columns = self.out.columns();
        assert!(self.a.last + columns.next_multiple_of(WIDEST) <= self.b.len());
        assert!(self.out.rows() == self.a.ends.len());
        let vectors = columns.div_ceil(L::COUNT);
        let pieces = vectors.div_ceil(VECTORS);
        for piece in 0..pieces {
            let (from, to) = (vectors * piece / pieces, vectors * (piece + 1) / pieces);
            let from_column = from * L::COUNT;
            #[expect(unsafe_code, reason = "pointers into the matrices")]
            // SAFETY: sizes were compared above.
            unsafe {
                with_count!(to - from, N in [1 2 3 4 5 6 7] or VECTORS => {
                    self.columns::<L, N>(lanes, from_column);
                });
            }
        }
    }
}

impl Listed<'_> {
    /// All rows of `N` vectors of columns.
    ///
    /// # Safety
    /// `a`, `b` and `out` fit as `run` demands, and the columns begin inside `out`.
    #[inline(always)]
    #[expect(unsafe_code, reason = "pointers into the matrices")]
    unsafe fn columns<L: Lanes, const N: usize>(&self, lanes: L, from: usize) {
        let last = self.out.columns() - from - (N - 1) * L::COUNT;
        let mut first = 0;
        for (row, &end) in self.a.ends.iter().enumerate() {
            // SAFETY: the rows named, and the row of out, exist by the contract; of the last vector only `last` numbers are
            // touched.
            unsafe {
                let sums = sum::<L, N>(lanes, &self.a.list[first..end], self.b.as_ptr().add(from));
                let out = self.out.at().add(row * self.out.pitch() + from);
                for (v, mut value) in sums.into_iter().enumerate() {
                    let at = out.add(v * L::COUNT);
                    if !self.add {
                        lanes.prepare(at.wrapping_add(self.out.columns()));
                    }
                    if v + 1 < N || last >= L::COUNT {
                        if self.add {
                            value = lanes.add(value, lanes.load(at));
                        }
                        lanes.store(at, value);
                    } else {
                        if self.add {
                            value = lanes.add(value, lanes.load_first(at, last));
                        }
                        lanes.store_first(at, last, value);
                    }
                }
            }
            first = end;
        }
    }
}

/// Sum of the rows of `b` that the terms name, each times its factor.
///
/// # Safety
/// `N` vectors can be read from each place that the terms name.
#[inline(always)]
#[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
pub(crate) unsafe fn sum<L: Lanes, const N: usize>(
    lanes: L,
    terms: &[Term],
    b: *const f32,
) -> [L::V; N] {
    let mut sums = [lanes.splat(0.0); N];
    for term in terms {
        let factor = lanes.splat(term.factor);
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            let vector = unsafe { lanes.load(b.add(term.at as usize + v * L::COUNT)) };
            *sum = lanes.mul_add(factor, vector, *sum);
        }
    }
    sums
}
