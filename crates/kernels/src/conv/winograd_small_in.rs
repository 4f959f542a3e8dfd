//! Winograd convolution of 1 or 3 input channels into a 2x2 max-pool: F(2x2, 3x3) and F(2x2, 5x5) (Lavin and Gray,
//! arXiv:1509.09308).
//!
//! A window of the pool and the inputs of its four positions form a tile. Image and filter are transformed so that the four sums
//! become, at each of `points x points` places, a product per input channel: with 5x5 filters 36 instead of 100. The inverse
//! transform takes sums and differences only, which run in parallel to the multiplications. With so few input channels all of it
//! happens in registers, for a vector of tiles and four filters at a time.
//!
//! Rounding errors are about four times those of the direct sums with 5x5 filters. NaN in a tile makes its pooled value NaN, but
//! any of the four may win then; infinite inputs give NaN.

use std::mem::MaybeUninit;

use super::{
    forward::{CHANNELS, ShardArgs},
    geometry::Geometry,
    im2col::{Store, Windows},
};
use crate::{
    buffer::{pitch, sized},
    element::narrow,
    gemm::PANEL,
    isa::Kernel,
    simd::{Lanes, WIDEST},
};

/// Whether this algorithm applies to a layer.
pub(super) const fn fits(g: &Geometry) -> bool {
    let known = matches!((g.kernel, g.channels), (3 | 5, 1 | 3));
    known && g.spec.stride == 1 && g.spec.pool == 2
}

/// Transformed filters in panels `[column point, row point, input channel][PANEL]`, the last one padded with zeros.
pub(super) struct Filters {
    values: Vec<f32>,
    /// Numbers in a panel.
    panel: usize,
}

impl Filters {
    pub fn new(g: &Geometry, w: &[f32]) -> Self {
        let (points, taps) = (g.kernel + 1, g.kernel * g.kernel);
        let rows = rows(g.kernel);
        let panel = points * points * g.channels * PANEL;
        let mut values = vec![0.0; g.outputs.div_ceil(PANEL) * panel];
        for (i, w) in w.chunks_exact(taps).enumerate() {
            let (output, channel) = (i / g.channels, i % g.channels);
            let to = &mut values[output / PANEL * panel..];
            for (col, across) in rows.iter().enumerate() {
                for (row, down) in rows.iter().enumerate() {
                    let line = |w: &[f32]| {
                        w.iter().zip(across).map(|(w, f)| f64::from(*w) * f).sum::<f64>()
                    };
                    let sum: f64 =
                        w.chunks_exact(g.kernel).zip(down).map(|(w, f)| line(w) * f).sum();
                    let k = (col * points + row) * g.channels + channel;
                    to[k * PANEL + output % PANEL] = narrow(sum);
                }
            }
        }
        Self { values, panel }
    }
}

/// The transform of a row of a filter, a row per point: its polynomial there, divided by the products of differences to the other
/// points. The points are 0, 1, -1, then 2, -2 for a kernel of 5, and infinity.
fn rows(kernel: usize) -> Vec<Vec<f64>> {
    let finite: &[(f64, f64)] = if kernel == 3 {
        &[(0.0, 1.0), (1.0, 0.5), (-1.0, 0.5)]
    } else {
        &[
            (0.0, 1.0 / 4.0),
            (1.0, -1.0 / 6.0),
            (-1.0, -1.0 / 6.0),
            (2.0, 1.0 / 24.0),
            (-2.0, 1.0 / 24.0),
        ]
    };
    let powers = |&(point, factor): &(f64, f64)| {
        (0..kernel)
            .scan(factor, |power, _| Some(std::mem::replace(power, *power * point)))
            .collect()
    };
    let last = (0..kernel).map(|k| if k + 1 == kernel { 1.0 } else { 0.0 }).collect();
    finite.iter().map(powers).chain([last]).collect()
}

/// Pooled values of the images of a shard, and the place in its window of each.
pub(super) fn values(args: ShardArgs<'_>, filters: &Filters) {
    let ShardArgs { isa, g, x, bias, y, winners, scratch } = args;
    let windows = g.windows();
    let points = (g.kernel + 1) * (g.kernel + 1) * g.channels;
    let pitch = pitch(g.pooled() + Windows::SPILL);
    let image = sized(&mut scratch.image, windows.stored());
    image.fill(0.0);
    let tiles = sized(&mut scratch.patches, points * pitch);
    let images = y.chunks_exact_mut(g.result()).zip(winners.chunks_exact_mut(g.result()));
    for ((y, winners), x) in images.zip(x.chunks_exact(g.image())) {
        isa.run(Store { windows: &windows, padding: g.spec.padding, x, image });
        isa.run(Transform { windows: &windows, image, tiles, pitch });
        let blocks = y.chunks_mut(CHANNELS * g.pooled());
        let blocks = blocks.zip(winners.chunks_mut(CHANNELS * g.pooled()));
        for (block, (y, winners)) in blocks.enumerate() {
            let filters = &filters.values[block * CHANNELS / PANEL * filters.panel..];
            let bias = &bias[block * CHANNELS..];
            isa.run(Multiply { g, filters, bias, tiles, pitch, y, winners });
        }
    }
}

/// Fills a matrix `[column point, row point, input channel]` by tiles, its rows `pitch` apart. Up to [`Windows::SPILL`] numbers
/// after each row are overwritten.
struct Transform<'a> {
    windows: &'a Windows,
    /// As stored.
    image: &'a [f32],
    tiles: &'a mut [f32],
    pitch: usize,
}

impl Kernel for Transform<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        if self.windows.kernel == 3 { self.all::<L, 4>(lanes) } else { self.all::<L, 6>(lanes) }
    }
}

impl Transform<'_> {
    #[inline(always)]
    fn all<L: Lanes, const POINTS: usize>(&mut self, lanes: L) {
        let &Windows { channels, rows, cols, .. } = self.windows;
        let tiles = rows * cols;
        assert!(self.tiles.len() >= POINTS * POINTS * channels * self.pitch);
        assert!(self.pitch >= tiles + WIDEST - 1);
        for channel in 0..channels {
            for row in 0..rows {
                for col in (0..cols).step_by(L::COUNT) {
                    let mut by_column = [[lanes.splat(0.0); POINTS]; POINTS];
                    for (j, column) in by_column.iter_mut().enumerate() {
                        let mut seen = [lanes.splat(0.0); POINTS];
                        for (i, seen) in seen.iter_mut().enumerate() {
                            let from = self.windows.index(channel, 2 * row + i, 2 * col + j);
                            let from = &self.image[from..][..L::COUNT];
                            #[expect(unsafe_code, reason = "vectors from and to memory")]
                            // SAFETY: the slice is as long.
                            unsafe {
                                *seen = lanes.load(from.as_ptr());
                            }
                        }
                        *column = transformed(lanes, seen);
                    }
                    for i in 0..POINTS {
                        let mut line = [lanes.splat(0.0); POINTS];
                        for (line, column) in line.iter_mut().zip(&by_column) {
                            *line = column[i];
                        }
                        let line = transformed(lanes, line);
                        for (j, value) in line.into_iter().enumerate() {
                            let at = (j * POINTS + i) * channels + channel;
                            let to = &mut self.tiles[at * self.pitch + row * cols + col..];
                            let to = &mut to[..L::COUNT];
                            #[expect(unsafe_code, reason = "vectors from and to memory")]
                            // SAFETY: the slice is as long.
                            unsafe {
                                lanes.store(to.as_mut_ptr(), value);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A row or column of a tile at the points.
#[inline(always)]
fn transformed<L: Lanes, const POINTS: usize>(lanes: L, d: [L::V; POINTS]) -> [L::V; POINTS] {
    let [less_4, less_5] = [-4.0, -5.0].map(|f| lanes.splat(f));
    let mut to = d;
    if POINTS == 4 {
        to[0] = lanes.sub(d[0], d[2]);
        to[1] = lanes.add(d[1], d[2]);
        to[2] = lanes.sub(d[2], d[1]);
        to[3] = lanes.sub(d[3], d[1]);
    } else {
        let one = (lanes.mul_add(less_4, d[2], d[4]), lanes.mul_add(less_4, d[1], d[3]));
        let two = (lanes.sub(d[4], d[2]), lanes.sub(d[3], d[1]));
        let two = (two.0, lanes.add(two.1, two.1));
        to[0] = lanes.mul_add(lanes.splat(4.0), d[0], lanes.mul_add(less_5, d[2], d[4]));
        to[1] = lanes.add(one.0, one.1);
        to[2] = lanes.sub(one.0, one.1);
        to[3] = lanes.add(two.0, two.1);
        to[4] = lanes.sub(two.0, two.1);
        to[5] = lanes.mul_add(lanes.splat(4.0), d[1], lanes.mul_add(less_5, d[3], d[5]));
    }
    to
}

/// Pooled values of some channels.
struct Multiply<'a> {
    g: &'a Geometry,
    /// From the panel of the first channel on, and biases likewise.
    filters: &'a [f32],
    bias: &'a [f32],
    tiles: &'a [f32],
    pitch: usize,
    y: &'a mut [MaybeUninit<f32>],
    winners: &'a mut [MaybeUninit<u16>],
}

impl Kernel for Multiply<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        match (self.g.kernel, self.g.channels) {
            (3, 1) => self.all::<L, 4, 1>(lanes),
            (3, _) => self.all::<L, 4, 3>(lanes),
            (_, 1) => self.all::<L, 6, 1>(lanes),
            _ => self.all::<L, 6, 3>(lanes),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn all<L: Lanes, const POINTS: usize, const INPUTS: usize>(&mut self, lanes: L) {
        let pooled = self.g.pooled();
        let depth = POINTS * POINTS * INPUTS;
        assert!(self.g.channels == INPUTS && self.g.kernel + 1 == POINTS);
        assert!(self.tiles.len() >= depth * self.pitch && self.pitch >= pooled + WIDEST - 1);
        let channels = self.y.len() / pooled;
        assert!(self.winners.len() == self.y.len() && self.bias.len() >= channels);
        assert!(self.filters.len() >= channels.div_ceil(PANEL) * depth * PANEL);
        for from in (0..pooled).step_by(L::COUNT) {
            let tiles = (self.tiles[from..].as_ptr(), self.pitch);
            let panels = self.filters.chunks_exact(depth * PANEL);
            for (panel, filters) in panels.take(channels.div_ceil(PANEL)).enumerate() {
                #[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
                // SAFETY: there are `depth` rows of tiles, readable for a vector from each tile on, and the panel is as deep.
                let sums = unsafe { sums::<L, POINTS, INPUTS>(lanes, filters.as_ptr(), tiles) };
                for (r, sums) in sums.into_iter().enumerate() {
                    let channel = panel * PANEL + r;
                    if channel < channels {
                        let at = channel * pooled + from..(channel + 1) * pooled;
                        let bias = lanes.splat(self.bias[channel]);
                        let mut values = sums;
                        for value in &mut values {
                            *value = lanes.add(*value, bias);
                            if self.g.relu {
                                *value = lanes.relu(*value);
                            }
                        }
                        let kept = largest(lanes, values);
                        store(lanes, kept, &mut self.y[at.clone()], &mut self.winners[at]);
                    }
                }
            }
        }
    }
}

/// The largest value of each window, and its first place in the window.
#[inline(always)]
fn largest<L: Lanes>(lanes: L, [a, b, c, d]: [L::V; 4]) -> [L::V; 2] {
    let kept = lanes.larger([a, lanes.splat(0.0)], [b, lanes.splat(1.0)]);
    let kept = lanes.larger(kept, [c, lanes.splat(2.0)]);
    lanes.larger(kept, [d, lanes.splat(3.0)])
}

/// Writes a vector of results and places, or as many as there is room for.
#[inline(always)]
fn store<L: Lanes>(
    lanes: L,
    [best, places]: [L::V; 2],
    y: &mut [MaybeUninit<f32>],
    winners: &mut [MaybeUninit<u16>],
) {
    let room = y.len().min(winners.len());
    let mut whole = [0; WIDEST];
    #[expect(unsafe_code, reason = "vectors to memory")]
    // SAFETY: `room` has been compared with a vector's length.
    unsafe {
        if room >= L::COUNT {
            lanes.store(y.as_mut_ptr().cast(), best);
            lanes.store_whole(winners.as_mut_ptr().cast(), places);
            return;
        }
        lanes.store_first(y.as_mut_ptr().cast(), room, best);
        lanes.store_whole(whole.as_mut_ptr(), places);
    }
    for (winner, place) in winners.iter_mut().zip(whole) {
        winner.write(place);
    }
}

/// Sums at the four positions of a vector of tiles, for each filter of a panel.
///
/// # Safety
/// `filters` is a panel, and the tiles are a pointer and a pitch with as many rows, of a vector each.
#[inline(always)]
#[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
unsafe fn sums<L: Lanes, const POINTS: usize, const INPUTS: usize>(
    lanes: L,
    filters: *const f32,
    (tiles, pitch): (*const f32, usize),
) -> [[L::V; 4]; PANEL] {
    let step = POINTS * INPUTS;
    let (mut left, mut right) = ([[lanes.splat(0.0); 2]; PANEL], [[lanes.splat(0.0); 2]; PANEL]);
    for j in 0..POINTS {
        let k = j * step;
        // SAFETY: rows k to k + step are those of a column of points.
        let column = unsafe {
            down::<L, POINTS, INPUTS>(lanes, filters.add(k * PANEL), (tiles.add(k * pitch), pitch))
        };
        for r in 0..PANEL {
            for half in 0..2 {
                let value = column[r][half];
                if j + 1 < POINTS {
                    left[r][half] = lanes.add(left[r][half], value);
                }
                right[r][half] = odd(lanes, right[r][half], value, j, POINTS);
            }
        }
    }
    let mut all = [[lanes.splat(0.0); 4]; PANEL];
    for (r, all) in all.iter_mut().enumerate() {
        *all = [left[r][0], right[r][0], left[r][1], right[r][1]];
    }
    all
}

/// Upper and lower sums of one column of points, for each filter of a panel.
///
/// # Safety
/// As for [`sums`], for `POINTS INPUTS` rows.
#[inline(always)]
#[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
unsafe fn down<L: Lanes, const POINTS: usize, const INPUTS: usize>(
    lanes: L,
    filters: *const f32,
    (tiles, pitch): (*const f32, usize),
) -> [[L::V; 2]; PANEL] {
    let mut all = [[lanes.splat(0.0); 2]; PANEL];
    for i in 0..POINTS {
        let k = i * INPUTS;
        // SAFETY: rows k to k + INPUTS are those of a point.
        let values = unsafe {
            point::<L, INPUTS>(lanes, filters.add(k * PANEL), (tiles.add(k * pitch), pitch))
        };
        for (all, value) in all.iter_mut().zip(values) {
            if i + 1 < POINTS {
                all[0] = lanes.add(all[0], value);
            }
            all[1] = odd(lanes, all[1], value, i, POINTS);
        }
    }
    all
}

/// Sums over the inputs at one point, for each filter of a panel.
///
/// # Safety
/// As for [`sums`], for `INPUTS` rows.
#[inline(always)]
#[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
unsafe fn point<L: Lanes, const INPUTS: usize>(
    lanes: L,
    filters: *const f32,
    (tiles, pitch): (*const f32, usize),
) -> [L::V; PANEL] {
    let mut sums = [lanes.splat(0.0); PANEL];
    for k in 0..INPUTS {
        // SAFETY: row k of the panel and of the tiles.
        unsafe {
            let tile = lanes.load(tiles.add(k * pitch));
            for (r, sum) in sums.iter_mut().enumerate() {
                let factor = lanes.splat(*filters.add(k * PANEL + r));
                *sum = lanes.mul_add(factor, tile, *sum);
            }
        }
    }
    sums
}

/// `sum` and the value at a point times the point. Twice a number is added as two: sums have units of their own.
#[inline(always)]
fn odd<L: Lanes>(lanes: L, sum: L::V, value: L::V, point: usize, points: usize) -> L::V {
    match point {
        0 => sum,
        1 => lanes.add(sum, value),
        2 => lanes.sub(sum, value),
        _ if point + 1 == points => lanes.add(sum, value),
        3 => lanes.add(sum, lanes.add(value, value)),
        _ => lanes.sub(sum, lanes.add(value, value)),
    }
}
