//! Filters as the entries of tiles see them: `U = G g G^T`, and for their gradients the transpose of that map.

use rayon::prelude::*;

use super::tiles::{ENTRIES, Matrices};
use crate::{
    buffer::pitch,
    isa::{Isa, Kernel},
    lanes::Lanes,
};

/// Places of a filter.
const TAPS: usize = 9;
/// `G` (Lavin and Gray 2016, equation 7).
const G: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// What each place of a filter contributes to an entry.
fn weights(entry: usize) -> [f32; TAPS] {
    let (row, col) = (G[entry / 4], G[entry % 4]);
    std::array::from_fn(|tap| row[tap / 3] * col[tap % 3])
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

    /// For gradients of inputs: from outputs to inputs, each filter turned by half a turn.
    pub fn turned(isa: Isa, w: &[f32], outputs: usize) -> Self {
        let inputs = w.len() / (TAPS * outputs);
        Self::of(isa, outputs, inputs, |tap, o, c| w[(o * inputs + c) * TAPS + TAPS - 1 - tap])
    }

    fn of(
        isa: Isa,
        depth: usize,
        columns: usize,
        f: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let pitch = pitch(columns);
        let mut taps = vec![0.0; TAPS * depth * pitch];
        taps.par_chunks_mut(depth * pitch).enumerate().for_each(|(tap, to)| {
            for (k, row) in to.chunks_exact_mut(pitch).enumerate() {
                for (column, value) in row[..columns].iter_mut().enumerate() {
                    *value = f(tap, k, column);
                }
            }
        });
        let mut values = vec![0.0; ENTRIES * depth * pitch];
        values.par_chunks_mut(depth * pitch).enumerate().for_each(|(entry, to)| {
            for (weight, taps) in weights(entry).into_iter().zip(taps.chunks_exact(to.len())) {
                if weight != 0.0 {
                    isa.run(AddTimes { to: &mut *to, weight, from: taps });
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

/// `to += weight from`
struct AddTimes<'a> {
    to: &'a mut [f32],
    weight: f32,
    from: &'a [f32],
}

impl Kernel for AddTimes<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to += self.weight * from;
        }
    }
}

/// Gradients `[outputs, channels, 3, 3]` of filters, given those of their entries.
pub(super) struct Gradient<'a, 'b> {
    /// `[outputs, channels]`
    pub sums: &'a Matrices<'b>,
    pub channels: usize,
    pub dw: &'a mut [f32],
}

impl Kernel for Gradient<'_, '_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let mut taps = vec![0.0; TAPS * self.channels];
        for (o, filter) in self.dw.chunks_exact_mut(TAPS * self.channels).enumerate() {
            taps.fill(0.0);
            for entry in 0..ENTRIES {
                let of = self.sums.entries(entry);
                let sums = &of.values[o * of.by_row..][..self.channels];
                for (weight, tap) in
                    weights(entry).into_iter().zip(taps.chunks_exact_mut(self.channels))
                {
                    if weight != 0.0 {
                        for (tap, sum) in tap.iter_mut().zip(sums) {
                            *tap += weight * sum;
                        }
                    }
                }
            }
            for (c, filter) in filter.as_chunks_mut::<TAPS>().0.iter_mut().enumerate() {
                *filter = std::array::from_fn(|tap| taps[tap * self.channels + c]);
            }
        }
    }
}
