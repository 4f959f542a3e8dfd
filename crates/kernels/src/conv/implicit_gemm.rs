//! Implicit GEMM: convolutions of any kernel and stride over many channels, channels last.
//!
//! Each tap of the filter is one matrix product of the pixels under it, read in place, and the filter values at that tap. The
//! input gradient is split into `stride` by `stride` phases, each of which uses its own taps only, so nothing is multiplied by
//! zeros that the stride would insert.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{
    MANY,
    forward::ShardArgs,
    geometry::{Geometry, Seen},
    nhwc::{Draw, Nhwc, Read, Sides},
};
use crate::{
    buffer::{Block, Scratch, pitch, sized},
    gemm::{Entries, Every, Product},
    isa::Isa,
};

/// Minimum number of pixels per product: fewer would read the filters too often.
const PIXELS: usize = 96;

/// Whether this algorithm applies and pays.
pub(super) fn fits(g: &Geometry) -> bool {
    g.spec.pool == 1 && g.channels.min(g.outputs) >= MANY
}

/// For each tap the right factor `[depth, columns]` of its product.
pub(super) struct Filters {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
}

impl Filters {
    /// From inputs to outputs.
    pub fn new(g: &Geometry, w: &[f32]) -> Self {
        Self::of(g, g.channels, g.outputs, |tap, c, o| w[o * g.filter() + c * g.taps() + tap])
    }

    /// From outputs to inputs.
    pub fn back(g: &Geometry, w: &[f32]) -> Self {
        Self::of(g, g.outputs, g.channels, |tap, o, c| w[o * g.filter() + c * g.taps() + tap])
    }

    fn of(
        g: &Geometry,
        depth: usize,
        columns: usize,
        f: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let pitch = pitch(columns);
        let mut values = vec![0.0; g.taps() * depth * pitch];
        values.par_chunks_mut(pitch).enumerate().for_each(|(row, to)| {
            for (column, value) in to[..columns].iter_mut().enumerate() {
                *value = f(row / depth, row % depth, column);
            }
        });
        Self { values, depth, columns }
    }

    /// Adds the products of pixels with the filters' numbers at `tap` to `out`, whose rows are as far apart.
    fn multiply(&self, isa: Isa, tap: usize, canvas: &[f32], pixels: &[usize], out: &mut [f32]) {
        let pitch = pitch(self.columns);
        isa.run(Product {
            a: Entries { values: canvas, by_row: pixels, by_k: Every(1) },
            b: &self.values[tap * self.depth * pitch..][..self.depth * pitch],
            by_k: Every(pitch),
            size: [pixels.len(), self.depth, self.columns],
            add: true,
            out,
            out_pitch: pitch,
        });
    }
}

/// The input with its border.
fn input_canvas(g: &Geometry) -> Nhwc {
    let border = 2 * g.spec.padding;
    Nhwc::new(g.height + border, g.width + border, g.channels)
}

/// First pixel of each window.
fn windows(g: &Geometry, on: Nhwc) -> Vec<usize> {
    let all = (0..g.pooled_rows).flat_map(|r| (0..g.pooled_cols).map(move |c| (r, c)));
    all.map(|(r, c)| on.index(g.spec.stride * r, g.spec.stride * c)).collect()
}

/// Values of a shard.
pub(super) fn values(args: ShardArgs<'_>, filters: &Filters) {
    let ShardArgs { isa, g, x, bias, y, winners: _, scratch } = args;
    let from = input_canvas(g);
    let drawn = from.places(g.height, g.width, g.spec.padding);
    let windows = windows(g, from);
    let images = PIXELS.div_ceil(g.pooled()).min(x.len() / g.image());
    let pitch = pitch(g.outputs);
    let kept: Vec<usize> = (0..g.pooled()).map(|position| position * pitch).collect();
    let canvas = sized(&mut scratch.image, images * from.len());
    canvas.fill(0.0);
    let map = sized(&mut scratch.map, images * g.pooled() * pitch);
    for (y, x) in y.chunks_mut(images * g.result()).zip(x.chunks(images * g.image())) {
        let count = x.len() / g.image();
        for (x, canvas) in x.chunks_exact(g.image()).zip(canvas.chunks_exact_mut(from.len())) {
            isa.run(Draw { rows: x, pitch: g.height * g.width, places: &drawn, canvas, first: 0 });
        }
        for row in map.chunks_exact_mut(pitch) {
            row[..bias.len()].copy_from_slice(bias);
        }
        for tap in 0..g.taps() {
            let by = from.index(tap / g.kernel, tap % g.kernel);
            filters.multiply(isa, tap, canvas, &from.on_all(&windows, count, by), map);
        }
        if g.relu {
            // NaN stays.
            for v in &mut *map {
                *v = if *v < 0.0 { 0.0 } else { *v };
            }
        }
        let maps = map.chunks_exact(g.pooled() * pitch);
        for (y, map) in y.chunks_exact_mut(g.result()).zip(maps) {
            isa.run(Read { canvas: map, places: &kept, to: Block::new(y, g.pooled()) });
        }
    }
}

/// One of the `stride` by `stride` phases of the input's pixels.
struct Phase {
    /// Indices of its pixels in the input.
    pixels: Vec<usize>,
    /// For each tap that reaches the map: the index in the map's gradient that each pixel meets at that tap.
    seen: Vec<(usize, Vec<usize>)>,
}

/// The phases, with the taps of the filter through which they meet the map.
fn phases(g: &Geometry, on: Nhwc) -> Vec<Phase> {
    let (stride, padding) = (g.spec.stride, g.spec.padding);
    let all = (0..stride).flat_map(|a| (0..stride).map(move |b| (a, b)));
    all.map(|(a, b)| {
        let inputs = || {
            let rows = (a..g.height).step_by(stride);
            rows.flat_map(|r| (b..g.width).step_by(stride).map(move |c| (r, c)))
        };
        let sees = |phase: usize, tap: usize| (phase + padding) % stride == tap % stride;
        let taps = (0..g.taps()).map(|tap| (tap, tap / g.kernel, tap % g.kernel));
        let seen = taps.filter(|&(_, ky, kx)| sees(a, ky) && sees(b, kx)).map(|(tap, ky, kx)| {
            let border = border(g) * stride;
            let at = |i: usize, k: usize| (i + padding + border - k) / stride;
            (tap, inputs().map(|(r, c)| on.index(at(r, ky), at(c, kx))).collect())
        });
        let seen = seen.collect();
        Phase { pixels: inputs().map(|(r, c)| r * g.width + c).collect(), seen }
    })
    .collect()
}

/// Width of the border around the map's gradient that the input gradient reads.
fn border(g: &Geometry) -> usize {
    (g.kernel - 1).saturating_sub(g.spec.padding).div_ceil(g.spec.stride)
}

/// The gradient of the map inside that border.
fn map_canvas(g: &Geometry) -> Nhwc {
    let side = |image: usize, map: usize| {
        let last = (image - 1 + g.spec.padding) / g.spec.stride;
        border(g) + map.max(last + 1)
    };
    Nhwc::new(side(g.height, g.pooled_rows), side(g.width, g.pooled_cols), g.outputs)
}

/// Gradients of filters `[tap, outputs, pitch]` and of biases, summed over the images of a shard. The input gradient is written
/// to `dx` if filters are given.
pub(super) fn gradients(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    back: Option<&Filters>,
    dx: &mut [MaybeUninit<f32>],
    scratch: &mut Scratch,
) -> (Vec<f32>, Vec<f32>) {
    let count = seen.x.len() / g.image();
    let sides = Sides::new(g, input_canvas(g), map_canvas(g), border(g));
    let Sides { inputs, maps, ref places, .. } = sides;
    let windows = windows(g, inputs);
    let back = back.map(|back| (phases(g, maps), back));
    let images = PIXELS.div_ceil(g.pooled()).clamp(1, count.max(1));
    let canvases = sized(&mut scratch.image, images * (inputs.len() + maps.len()));
    canvases.fill(0.0);
    let (x, dz) = canvases.split_at_mut(images * inputs.len());
    let pitch = pitch(g.channels);
    let mut sums = vec![0.0; g.taps() * g.outputs * pitch];
    let mut db = vec![0.0; g.outputs];
    for from in (0..count).step_by(images) {
        let these = from..count.min(from + images);
        sides.draw(isa, g, (seen, these.clone()), (x, dz), &mut db, &mut scratch.map);
        if let Some((phases, back)) = &back {
            let dx = &mut dx[these.start * g.image()..these.end * g.image()];
            input_gradient(isa, g, (phases, back), (dz, maps), dx, &mut scratch.map);
        }
        let pixels = maps.on_all(places, these.len(), 0);
        for (tap, sums) in sums.chunks_exact_mut(g.outputs * pitch).enumerate() {
            let by = inputs.index(tap / g.kernel, tap % g.kernel);
            isa.run(Product {
                a: Entries { values: dz, by_row: Every(1), by_k: &pixels[..] },
                b: x,
                by_k: &inputs.on_all(&windows, these.len(), by)[..],
                size: [g.outputs, pixels.len(), g.channels],
                add: true,
                out: sums,
                out_pitch: pitch,
            });
        }
    }
    (sums, db)
}

/// The gradient of the input of some images.
fn input_gradient(
    isa: Isa,
    g: &Geometry,
    (phases, back): (&[Phase], &Filters),
    (canvas, of): (&[f32], Nhwc),
    dx: &mut [MaybeUninit<f32>],
    scratch: &mut Vec<f32>,
) {
    let (images, pitch) = (dx.len() / g.image(), pitch(g.channels));
    let map = sized(scratch, images * g.height * g.width * pitch);
    map.fill(0.0);
    let mut kept = vec![vec![0; g.height * g.width]; images];
    let mut first = 0;
    for Phase { pixels, seen } in phases {
        let rows = images * pixels.len();
        let out = &mut map[first * pitch..][..rows * pitch];
        for (tap, seen) in seen {
            back.multiply(isa, *tap, canvas, &of.on_all(seen, images, 0), out);
        }
        for (row, kept) in (first..).step_by(pixels.len().max(1)).zip(&mut kept) {
            for (i, pixel) in pixels.iter().enumerate() {
                kept[*pixel] = (row + i) * pitch;
            }
        }
        first += rows;
    }
    for (dx, places) in dx.chunks_exact_mut(g.image()).zip(&kept) {
        isa.run(Read { canvas: map, places, to: Block::new(dx, g.height * g.width) });
    }
}

/// The gradient of the filters from the sums of all shards.
pub(super) fn filter_gradient(g: &Geometry, sums: &[f32]) -> Vec<f32> {
    let pitch = pitch(g.channels);
    let mut dw = vec![0.0; g.outputs * g.filter()];
    dw.par_chunks_mut(g.filter()).enumerate().for_each(|(o, filter)| {
        for (c, filter) in filter.chunks_exact_mut(g.taps()).enumerate() {
            for (tap, to) in filter.iter_mut().enumerate() {
                *to = sums[(tap * g.outputs + o) * pitch + c];
            }
        }
    });
    dw
}
