//! Transformed filters: `U = G g G^T`, and for their gradients the transpose of that map.

use rayon::prelude::*;

use super::tiles::{ENTRIES, Linear, Matrices, both_ways};
use crate::{
    buffer::pitch,
    gemm::Places,
    isa::{Isa, Kernel},
    simd::{Lanes, WIDEST},
};

/// Taps of a filter.
const TAPS: usize = 9;
/// Rows per task.
const ROWS: usize = 16;

/// `G` (Lavin and Gray 2016, equation 7).
struct OfFilters;

impl Linear<3, 4> for OfFilters {
    #[inline(always)]
    fn map<L: Lanes>(lanes: L, [a, b, c]: [L::V; 3]) -> [L::V; 4] {
        let (half, zero) = (lanes.splat(0.5), lanes.splat(0.0));
        let outer = lanes.add(a, c);
        let sum = lanes.mul_add(half, lanes.add(outer, b), zero);
        [a, sum, lanes.mul_add(half, lanes.sub(outer, b), zero), c]
    }
}

/// `G^T`
struct OfEntries;

impl Linear<4, 3> for OfEntries {
    #[inline(always)]
    fn map<L: Lanes>(lanes: L, [a, b, c, d]: [L::V; 4]) -> [L::V; 3] {
        let (half, sum) = (lanes.splat(0.5), lanes.add(b, c));
        let difference = lanes.mul_add(half, lanes.sub(b, c), lanes.splat(0.0));
        [lanes.mul_add(half, sum, a), difference, lanes.mul_add(half, sum, d)]
    }
}

/// For each entry of a tile the right factor `[depth, columns]` of its product.
pub(in crate::conv) struct Filters {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
}

impl Filters {
    /// For values: from inputs to `outputs`, given `[outputs, depth, 3, 3]`.
    pub fn new(isa: Isa, w: &[f32], outputs: usize) -> Self {
        let depth = w.len() / (TAPS * outputs);
        Self::of(isa, depth, outputs, |tap, k, o| w[(o * depth + k) * TAPS + tap])
    }

    /// For gradients of inputs: from outputs to inputs, each filter rotated by 180 degrees.
    pub fn rotated(isa: Isa, w: &[f32], outputs: usize) -> Self {
        let inputs = w.len() / (TAPS * outputs);
        Self::of(isa, outputs, inputs, |tap, o, c| w[(o * inputs + c) * TAPS + TAPS - 1 - tap])
    }

    /// `f(tap, k, column)` gives the places of the filters.
    fn of(
        isa: Isa,
        depth: usize,
        columns: usize,
        f: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let pitch = pitch(columns);
        let mut values = vec![0.0; ENTRIES * depth * pitch];
        let mut matrices: Vec<_> =
            values.chunks_exact_mut(depth * pitch).map(|m| m.chunks_mut(ROWS * pitch)).collect();
        let tasks = (0..depth.div_ceil(ROWS)).map(|task| {
            (task * ROWS, matrices.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>())
        });
        let tasks: Vec<_> = tasks.collect();
        tasks.into_par_iter().for_each(|(first, mut rows)| {
            for from in (0..columns).step_by(WIDEST) {
                let used = WIDEST.min(columns - from);
                for row in 0..rows[0].len() / pitch {
                    let mut taps = [[0.0; WIDEST]; TAPS];
                    for column in 0..used {
                        for (tap, values) in taps.iter_mut().enumerate() {
                            values[column] = f(tap, first + row, from + column);
                        }
                    }
                    let at = row * pitch + from;
                    isa.run(Entered { taps: &taps, to: &mut rows, at });
                }
            }
        });
        Self { values, depth, columns }
    }

    pub const fn depth(&self) -> usize {
        self.depth
    }

    pub const fn columns(&self) -> usize {
        self.columns
    }

    pub const fn pitch(&self) -> usize {
        pitch(self.columns)
    }

    pub fn matrix(&self, entry: usize) -> &[f32] {
        let size = self.depth * self.pitch();
        &self.values[entry * size..][..size]
    }
}

/// Entries of [`WIDEST`] filters.
struct Entered<'a, 'b> {
    taps: &'a [[f32; WIDEST]; TAPS],
    to: &'a mut [&'b mut [f32]],
    /// Where they go.
    at: usize,
}

impl Kernel for Entered<'_, '_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for from in (0..WIDEST).step_by(L::COUNT) {
            let mut taps = [[lanes.splat(0.0); 3]; 3];
            for (vector, tap) in taps.as_flattened_mut().iter_mut().zip(self.taps) {
                #[expect(unsafe_code, reason = "a vector from memory")]
                // SAFETY: a tap has whole vectors.
                unsafe {
                    *vector = lanes.load(tap.as_ptr().add(from));
                }
            }
            let entries = both_ways::<OfFilters, L, 3, 4>(lanes, taps);
            for (vector, to) in entries.as_flattened().iter().zip(&mut *self.to) {
                let to = &mut to[self.at + from..][..L::COUNT];
                #[expect(unsafe_code, reason = "a vector to memory")]
                // SAFETY: the slice is as long as a vector.
                unsafe {
                    lanes.store(to.as_mut_ptr(), *vector);
                }
            }
        }
    }
}

/// Gradients `[outputs, channels, 3, 3]` of filters from the gradients of their entries.
pub(super) struct Gradient<'a, 'b> {
    /// `[outputs, channels]`
    pub sums: &'a Matrices<'b>,
    pub channels: usize,
    /// Output that `dw` begins with.
    pub first: usize,
    pub dw: &'a mut [f32],
}

impl Kernel for Gradient<'_, '_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { sums, channels, first, dw } = self;
        let pitch = pitch(channels);
        let mut taps = vec![0.0; TAPS * pitch];
        for (o, filter) in (first..).zip(dw.chunks_exact_mut(TAPS * channels)) {
            for from in (0..channels).step_by(L::COUNT) {
                let mut entries = [[lanes.splat(0.0); 4]; 4];
                for (entry, vector) in entries.as_flattened_mut().iter_mut().enumerate() {
                    let of = sums.entries(entry);
                    let at = &of.values[of.by_row.at(o) + from..][..L::COUNT];
                    #[expect(unsafe_code, reason = "a vector from memory")]
                    // SAFETY: the slice is as long as a vector.
                    unsafe {
                        *vector = lanes.load(at.as_ptr());
                    }
                }
                let places = both_ways::<OfEntries, L, 4, 3>(lanes, entries);
                for (vector, tap) in places.as_flattened().iter().zip(taps.chunks_exact_mut(pitch))
                {
                    let to = &mut tap[from..][..L::COUNT];
                    #[expect(unsafe_code, reason = "a vector to memory")]
                    // SAFETY: the slice is as long as a vector.
                    unsafe {
                        lanes.store(to.as_mut_ptr(), *vector);
                    }
                }
            }
            for (c, filter) in filter.as_chunks_mut::<TAPS>().0.iter_mut().enumerate() {
                for (tap, place) in filter.iter_mut().enumerate() {
                    *place = taps[tap * pitch + c];
                }
            }
        }
    }
}
