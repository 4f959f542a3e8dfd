//! The transforms between pixels and the entries of tiles.
//!
//! Named as in Lavin and Gray 2016, equations 5 and 7: inputs `B^T d B`, results `A^T m A`, and for gradients of results the
//! transpose of the latter.

use super::{super::nhwc::Nhwc, Finish};
use crate::{
    buffer::pitch,
    gemm::{Entries, Every},
    isa::Kernel,
    simd::{Lanes, WIDEST},
};

/// Entries of a tile of inputs.
pub(super) const ENTRIES: usize = 16;

/// Size of [`Matrices`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    rows: usize,
    columns: usize,
}

impl Shape {
    pub const fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns }
    }

    /// From one row to the next.
    pub const fn pitch(self) -> usize {
        pitch(self.columns)
    }

    /// From one matrix to the next; a cache line more than needed, so that the entries of a tile fall into different cache sets.
    const fn step(self) -> usize {
        self.rows * self.pitch() + WIDEST
    }

    pub const fn len(self) -> usize {
        ENTRIES * self.step()
    }
}

/// A matrix of rows and channels for each entry of a tile.
pub(super) struct Matrices<'a> {
    pub shape: Shape,
    pub values: &'a mut [f32],
}

impl Matrices<'_> {
    pub fn entries(&self, entry: usize) -> Entries<'_, Every, Every> {
        let step = self.shape.step();
        Entries {
            values: &self.values[entry * step..][..step],
            by_row: Every(self.shape.pitch()),
            by_k: Every(1),
        }
    }

    pub fn matrix_mut(&mut self, entry: usize) -> &mut [f32] {
        let step = self.shape.step();
        &mut self.values[entry * step..][..step]
    }
}

/// A linear map of `N` numbers to `M`. Not a closure, which might not be inlined: only inlined code is compiled for the
/// instructions of `L`.
pub(super) trait Linear<const N: usize, const M: usize> {
    fn map<L: Lanes>(lanes: L, x: [L::V; N]) -> [L::V; M];
}

/// `B^T`
struct OfInputs;

impl Linear<4, 4> for OfInputs {
    #[inline(always)]
    fn map<L: Lanes>(lanes: L, [a, b, c, d]: [L::V; 4]) -> [L::V; 4] {
        [lanes.sub(a, c), lanes.add(b, c), lanes.sub(c, b), lanes.sub(b, d)]
    }
}

/// `A`
struct OfGradients;

impl Linear<2, 4> for OfGradients {
    #[inline(always)]
    fn map<L: Lanes>(lanes: L, [a, b]: [L::V; 2]) -> [L::V; 4] {
        [a, lanes.add(a, b), lanes.sub(a, b), lanes.sub(lanes.splat(0.0), b)]
    }
}

/// `A^T`
struct OfProducts;

impl Linear<4, 2> for OfProducts {
    #[inline(always)]
    fn map<L: Lanes>(lanes: L, [a, b, c, d]: [L::V; 4]) -> [L::V; 2] {
        [lanes.add(lanes.add(a, b), c), lanes.sub(lanes.sub(b, c), d)]
    }
}

/// Maps the rows, and then the columns of what that gives.
#[inline(always)]
pub(super) fn both_ways<F: Linear<N, M>, L: Lanes, const N: usize, const M: usize>(
    lanes: L,
    x: [[L::V; N]; N],
) -> [[L::V; M]; M] {
    let zero = lanes.splat(0.0);
    let mut rows = [[zero; M]; N];
    for (to, row) in rows.iter_mut().zip(x) {
        *to = F::map(lanes, row);
    }
    let mut result = [[zero; M]; M];
    for col in 0..M {
        let mut column = [zero; N];
        for (to, row) in column.iter_mut().zip(&rows) {
            *to = row[col];
        }
        for (to, v) in result.iter_mut().zip(F::map(lanes, column)) {
            to[col] = v;
        }
    }
    result
}

/// `B^T d B` of tiles of 4x4 inputs.
pub(super) struct Spread<'a, 'b> {
    pub canvas: &'a [f32],
    pub of: Nhwc,
    /// Index of the first pixel of each tile.
    pub starts: &'a [usize],
    pub to: &'a mut Matrices<'b>,
}

impl Kernel for Spread<'_, '_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { canvas, of, starts, to } = self;
        spread::<OfInputs, L, 4>(lanes, (canvas, of), starts, to);
    }
}

/// `A dz A^T` of tiles of 2x2 gradients.
pub(super) struct SpreadGradient<'a, 'b> {
    pub canvas: &'a [f32],
    pub of: Nhwc,
    /// Index of the first pixel of each tile.
    pub starts: &'a [usize],
    pub to: &'a mut Matrices<'b>,
}

impl Kernel for SpreadGradient<'_, '_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { canvas, of, starts, to } = self;
        spread::<OfGradients, L, 2>(lanes, (canvas, of), starts, to);
    }
}

/// Maps tiles of `N` by `N` pixels, a row per tile.
#[inline(always)]
fn spread<F: Linear<N, 4>, L: Lanes, const N: usize>(
    lanes: L,
    (canvas, of): (&[f32], Nhwc),
    starts: &[usize],
    to: &mut Matrices<'_>,
) {
    let shape = to.shape;
    let channels = shape.columns.next_multiple_of(L::COUNT);
    let reach = of.index(N - 1, N - 1) + channels;
    assert!(
        starts.len() <= shape.rows && to.values.len() >= shape.len() && shape.pitch() == of.pitch
    );
    for (row, &start) in starts.iter().enumerate() {
        let tile = &canvas[start..][..reach];
        for channel in (0..channels).step_by(L::COUNT) {
            #[expect(unsafe_code, reason = "vectors from and to memory")]
            // SAFETY: pixels up to `reach` exist by the slicing above, and each matrix has the row.
            unsafe {
                let at = tile.as_ptr().add(channel);
                let mut pixels = [[lanes.splat(0.0); N]; N];
                for (y, row) in pixels.iter_mut().enumerate() {
                    for (x, pixel) in row.iter_mut().enumerate() {
                        *pixel = lanes.load(at.add((y * of.cols + x) * of.pitch));
                    }
                }
                let entries = both_ways::<F, L, N, 4>(lanes, pixels);
                let to = to.values.as_mut_ptr().add(row * shape.pitch() + channel);
                for (entry, vector) in entries.as_flattened().iter().enumerate() {
                    lanes.store(to.add(entry * shape.step()), *vector);
                }
            }
        }
    }
}

/// `A^T m A`: results of tiles, finished, and with `places` the largest of each tile and its place.
pub(super) struct Together<'a, 'b> {
    pub from: &'a Matrices<'b>,
    /// Index of the first result of each tile.
    pub starts: &'a [usize],
    pub of: Nhwc,
    pub finish: Finish<'a>,
    pub map: &'a mut [f32],
    pub places: Option<&'a mut [f32]>,
}

impl Kernel for Together<'_, '_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { from, starts, of, finish, map, mut places } = self;
        let shape = from.shape;
        let channels = shape.columns.next_multiple_of(L::COUNT);
        let reach = if places.is_some() { 0 } else { of.index(1, 1) } + channels;
        assert!(starts.len() <= shape.rows && from.values.len() >= shape.len());
        assert!(finish.bias.len() >= channels && shape.pitch() == of.pitch);
        for (row, &start) in starts.iter().enumerate() {
            let map = &mut map[start..][..reach];
            let mut places = places.as_deref_mut().map(|places| &mut places[start..][..reach]);
            for channel in (0..channels).step_by(L::COUNT) {
                #[expect(unsafe_code, reason = "vectors from and to memory")]
                // SAFETY: each matrix has the row, and the slices and the bias reach far enough.
                unsafe {
                    let at = from.values.as_ptr().add(row * shape.pitch() + channel);
                    let mut entries = [[lanes.splat(0.0); 4]; 4];
                    for (entry, vector) in entries.as_flattened_mut().iter_mut().enumerate() {
                        *vector = lanes.load(at.add(entry * shape.step()));
                    }
                    let bias = lanes.load(finish.bias.as_ptr().add(channel));
                    let mut results = both_ways::<OfProducts, L, 4, 2>(lanes, entries);
                    for v in results.as_flattened_mut() {
                        *v = lanes.add(*v, bias);
                        if finish.relu {
                            *v = lanes.relu(*v);
                        }
                    }
                    let to = map.as_mut_ptr().add(channel);
                    if let Some(places) = &mut places {
                        let mut kept = [results[0][0], lanes.splat(0.0)];
                        for (place, &v) in results.as_flattened().iter().enumerate().skip(1) {
                            kept = lanes.larger(kept, [v, lanes.splat(place as f32)]);
                        }
                        lanes.store(to, kept[0]);
                        lanes.store(places.as_mut_ptr().add(channel), kept[1]);
                    } else {
                        for (y, row) in results.iter().enumerate() {
                            for (x, v) in row.iter().enumerate() {
                                lanes.store(to.add((y * of.cols + x) * of.pitch), *v);
                            }
                        }
                    }
                }
            }
        }
    }
}
