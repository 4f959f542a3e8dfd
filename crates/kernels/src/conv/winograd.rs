//! Convolutions 3x3 of stride 1 by the minimal filtering algorithm F(2x2, 3x3) (Lavin and Gray 2016, section 4.1).
//!
//! Four results of one filter depend on 16 inputs. Inputs and filter are each mapped to 16 numbers whose products, summed over the
//! channels, determine the results: 16 multiplications instead of 36. The transforms only add and halve, and cost little with
//! many channels; the rest is 16 matrix products. The backward pass uses the transposed transforms. Since tiles are
//! computed as a whole, a NaN spreads to all four results of the tiles that contain it.
//!
//! The layout is channels-last, so that vectors are full however small a map is.

mod filters;
mod tiles;

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{
    MANY, SHARD,
    forward::ShardArgs,
    geometry::{Geometry, Seen},
    nhwc::{Draw, Nhwc, Read, Sides},
};
use crate::{
    buffer::{Block, Scratch, pitch, sized},
    gemm::{Entries, Every, Product},
    isa::Isa,
};
pub(super) use filters::Filters;
use tiles::{ENTRIES, Matrices, Shape, Spread, SpreadGradient, Together};

/// Output channels whose filter gradients one task transforms back.
const OUTPUTS: usize = 16;

/// Whether this algorithm applies and pays.
pub(super) fn fits(g: &Geometry) -> bool {
    let spec = g.spec;
    g.kernel == 3
        && spec.stride == 1
        && spec.padding <= 2
        && spec.pool <= 2
        && g.channels.min(g.outputs) >= MANY
}

/// Images per task: more of small maps, since every task reads all filters and writes as many sums.
pub(super) fn shard(g: &Geometry) -> usize {
    (128 / Grid::of_results(g).count().max(1)).clamp(SHARD, 32)
}

/// Tiles of 2x2 that cover a map.
#[derive(Debug, Clone, Copy)]
struct Grid {
    rows: usize,
    cols: usize,
}

impl Grid {
    const fn covering(rows: usize, cols: usize) -> Self {
        Self { rows: rows.div_ceil(2), cols: cols.div_ceil(2) }
    }

    /// With a pool each tile is one of its windows.
    const fn of_results(g: &Geometry) -> Self {
        let pool = g.spec.pool;
        Self::covering(g.pooled_rows * pool, g.pooled_cols * pool)
    }

    const fn count(self) -> usize {
        self.rows * self.cols
    }

    /// Where the tiles begin, `step` rows and columns from one to the next, the first one at row and column `first`.
    fn starts(self, on: Nhwc, step: usize, first: usize) -> Vec<usize> {
        let tiles = (0..self.rows).flat_map(|r| (0..self.cols).map(move |c| (r, c)));
        tiles.map(|(r, c)| on.index(first + step * r, first + step * c)).collect()
    }
}

/// A convolution of one image: where its tiles read and write.
struct Plan {
    from: Nhwc,
    reads: Vec<usize>,
    to: Nhwc,
    writes: Vec<usize>,
    /// Indices in `to` of the values of the result, in its order.
    kept: Vec<usize>,
}

impl Plan {
    fn values(g: &Geometry) -> Self {
        let (grid, side) = (Grid::of_results(g), if g.spec.pool == 2 { 1 } else { 2 });
        let from = input_canvas(g);
        let to = Nhwc::new(side * grid.rows, side * grid.cols, g.outputs);
        Self {
            reads: grid.starts(from, 2, 0),
            writes: grid.starts(to, side, 0),
            kept: to.places(g.pooled_rows, g.pooled_cols, 0),
            from,
            to,
        }
    }

    fn input_gradient(g: &Geometry) -> Self {
        let grid = Grid::covering(g.height, g.width);
        let from = map_canvas(g);
        let to = Nhwc::new(2 * grid.rows, 2 * grid.cols, g.channels);
        Self {
            reads: grid.starts(from, 2, 0),
            writes: grid.starts(to, 2, 0),
            kept: to.places(g.height, g.width, 0),
            from,
            to,
        }
    }
}

/// The input with its border.
fn input_canvas(g: &Geometry) -> Nhwc {
    let (grid, border) = (Grid::of_results(g), 2 * g.spec.padding);
    let side = |tiles: usize, image: usize| (2 * tiles + 2).max(image + border);
    Nhwc::new(side(grid.rows, g.height), side(grid.cols, g.width), g.channels)
}

/// The gradient of the map before the pool, inside the border that the tiles of the input gradient read.
fn map_canvas(g: &Geometry) -> Nhwc {
    let (inputs, results) = (Grid::covering(g.height, g.width), Grid::of_results(g));
    let side = |inputs: usize, results: usize| (2 * inputs + 2).max(border(g) + 2 * results);
    Nhwc::new(side(inputs.rows, results.rows), side(inputs.cols, results.cols), g.outputs)
}

/// Width of that border.
const fn border(g: &Geometry) -> usize {
    2 - g.spec.padding
}

/// How much is computed together.
#[derive(Debug, Clone, Copy)]
struct Group {
    images: usize,
    tiles: usize,
}

impl Group {
    /// Of `images` with `count` tiles each. Fewer tiles would read the filters too often, more would leave the cache that the
    /// filters fit into.
    fn new(g: &Geometry, images: usize, count: usize) -> Self {
        let tiles: usize = if g.channels * g.outputs < 1 << 16 { 48 } else { 128 };
        let images = tiles.div_ceil(count).clamp(1, images.max(1));
        let all = images * count;
        Self { images, tiles: all.div_ceil(all.div_ceil(2 * tiles)) }
    }
}

/// What is done to the sums of a convolution.
#[derive(Clone, Copy)]
struct Finish<'a> {
    /// One number per channel, and zeros up to whole vectors.
    bias: &'a [f32],
    relu: bool,
}

/// Convolves the images on `canvas`, `size` tiles at a time. The results are written to `map`; with `places` they are pooled, and
/// the winning places are written there.
fn convolve(
    isa: Isa,
    (plan, size): (&Plan, usize),
    canvas: &[f32],
    filters: &Filters,
    finish: Finish<'_>,
    (map, mut places): (&mut [f32], Option<&mut [f32]>),
    scratch: &mut Vec<f32>,
) {
    let images = canvas.len() / plan.from.len();
    let (seen, results) = (Shape::new(size, filters.depth()), Shape::new(size, filters.columns()));
    let (seen_at, results_at) = sized(scratch, seen.len() + results.len()).split_at_mut(seen.len());
    let mut seen = Matrices { shape: seen, values: seen_at };
    let mut results = Matrices { shape: results, values: results_at };
    let reads = plan.from.on_all(&plan.reads, images, 0);
    let writes = plan.to.on_all(&plan.writes, images, 0);
    for (reads, writes) in reads.chunks(size).zip(writes.chunks(size)) {
        isa.run(Spread { canvas, of: plan.from, starts: reads, to: &mut seen });
        for entry in 0..ENTRIES {
            isa.run(Product {
                a: seen.entries(entry),
                b: filters.matrix(entry),
                by_k: Every(filters.pitch()),
                size: [reads.len(), filters.depth(), filters.columns()],
                add: false,
                out_pitch: results.shape.pitch(),
                out: results.matrix_mut(entry),
            });
        }
        let places = places.as_deref_mut();
        isa.run(Together { from: &results, starts: writes, of: plan.to, finish, map, places });
    }
}

/// Values of a shard, and with a pool the winning places.
pub(super) fn values(args: ShardArgs<'_>, filters: &Filters) {
    let ShardArgs { isa, g, x, bias, y, winners, scratch } = args;
    let plan = Plan::values(g);
    let drawn = plan.from.places(g.height, g.width, g.spec.padding);
    let Group { images, tiles } = Group::new(g, x.len() / g.image(), plan.reads.len());
    let canvas = sized(&mut scratch.image, images * plan.from.len());
    canvas.fill(0.0);
    let size = images * plan.to.len();
    let (map, places) = sized(&mut scratch.map, 2 * size).split_at_mut(size);
    let mut padded = vec![0.0; plan.to.pitch];
    padded[..bias.len()].copy_from_slice(bias);
    let finish = Finish { bias: &padded, relu: g.relu };
    let pooled = g.spec.pool == 2;
    let mut winners = winners.chunks_mut(images * g.result());
    for (y, x) in y.chunks_mut(images * g.result()).zip(x.chunks(images * g.image())) {
        let canvas = &mut canvas[..x.len() / g.image() * plan.from.len()];
        for (x, canvas) in x.chunks_exact(g.image()).zip(canvas.chunks_exact_mut(plan.from.len())) {
            let (pitch, first) = (g.height * g.width, 0);
            isa.run(Draw { rows: x, pitch, places: &drawn, canvas, first });
        }
        let to = (&mut *map, pooled.then_some(&mut *places));
        convolve(isa, (&plan, tiles), canvas, filters, finish, to, &mut scratch.patches);
        for (y, map) in y.chunks_exact_mut(g.result()).zip(map.chunks_exact(plan.to.len())) {
            isa.run(Read { canvas: map, places: &plan.kept, to: Block::new(y, g.pooled()) });
        }
        let winners = winners.next().unwrap_or_default().chunks_exact_mut(g.result());
        for (winners, places) in winners.zip(places.chunks_exact(plan.to.len())) {
            for (channel, winners) in winners.chunks_exact_mut(g.pooled()).enumerate() {
                for (winner, at) in winners.iter_mut().zip(&plan.kept) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a whole number from 0 to 3"
                    )]
                    winner.write(places[at + channel] as u16);
                }
            }
        }
    }
}

/// Gradients of the entries of filters, and of biases, summed over the images of a shard. That of the input goes to `dx`, if
/// rotated filters are given.
pub(super) fn gradients(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    rotated: Option<&Filters>,
    dx: &mut [MaybeUninit<f32>],
    scratch: &mut Scratch,
) -> (Vec<f32>, Vec<f32>) {
    let count = seen.x.len() / g.image();
    let sides = Sides::new(g, input_canvas(g), map_canvas(g), border(g));
    let grid = Grid::of_results(g);
    let starts = (grid.starts(sides.inputs, 2, 0), grid.starts(sides.maps, 2, border(g)));
    let plan = rotated.map(|rotated| (Plan::input_gradient(g), rotated));
    let Group { images, tiles } = Group::new(g, count, grid.count());
    let canvases = sized(&mut scratch.image, images * (sides.inputs.len() + sides.maps.len()));
    canvases.fill(0.0);
    let (x, dz) = canvases.split_at_mut(images * sides.inputs.len());
    let shape = sums(g);
    let mut sums = vec![0.0; shape.len()];
    let mut of_filters = Matrices { shape, values: &mut sums };
    let mut db = vec![0.0; g.outputs];
    let none = vec![0.0; pitch(g.channels)];
    for from in (0..count).step_by(images) {
        let these = from..count.min(from + images);
        sides.draw(isa, g, (seen, these.clone()), (x, dz), &mut db, &mut scratch.map);
        let dz = &dz[..these.len() * sides.maps.len()];
        if let Some((plan, rotated)) = &plan {
            let map = sized(&mut scratch.map, these.len() * plan.to.len());
            let finish = Finish { bias: &none, relu: false };
            let to = (&mut *map, None);
            convolve(isa, (plan, tiles), dz, rotated, finish, to, &mut scratch.patches);
            let dx = &mut dx[these.start * g.image()..these.end * g.image()];
            for (dx, map) in dx.chunks_exact_mut(g.image()).zip(map.chunks_exact(plan.to.len())) {
                let to = Block::new(dx, g.height * g.width);
                isa.run(Read { canvas: map, places: &plan.kept, to });
            }
        }
        let reads = sides.inputs.on_all(&starts.0, these.len(), 0);
        let dz_reads = sides.maps.on_all(&starts.1, these.len(), 0);
        for (reads, dz_reads) in reads.chunks(tiles).zip(dz_reads.chunks(tiles)) {
            let x = (&*x, sides.inputs, reads);
            let dz = (dz, sides.maps, dz_reads);
            sum_up(isa, g, x, dz, &mut of_filters, &mut scratch.patches);
        }
    }
    (sums, db)
}

/// Adds what some tiles contribute to the gradients of filters. Both sides are a canvas and where tiles begin there.
fn sum_up(
    isa: Isa,
    g: &Geometry,
    x: (&[f32], Nhwc, &[usize]),
    dz: (&[f32], Nhwc, &[usize]),
    sums: &mut Matrices<'_>,
    scratch: &mut Vec<f32>,
) {
    let count = x.2.len();
    let (of_x, of_dz) = (Shape::new(count, g.channels), Shape::new(count, g.outputs));
    let (x_at, dz_at) = sized(scratch, of_x.len() + of_dz.len()).split_at_mut(of_x.len());
    let mut x_tiles = Matrices { shape: of_x, values: x_at };
    let mut dz_tiles = Matrices { shape: of_dz, values: dz_at };
    isa.run(Spread { canvas: x.0, of: x.1, starts: x.2, to: &mut x_tiles });
    isa.run(SpreadGradient { canvas: dz.0, of: dz.1, starts: dz.2, to: &mut dz_tiles });
    for entry in 0..ENTRIES {
        let Entries { values, by_row, by_k } = dz_tiles.entries(entry);
        isa.run(Product {
            a: Entries { values, by_row: by_k, by_k: by_row },
            b: x_tiles.entries(entry).values,
            by_k: Every(of_x.pitch()),
            size: [g.outputs, count, g.channels],
            add: true,
            out_pitch: sums.shape.pitch(),
            out: sums.matrix_mut(entry),
        });
    }
}

/// Size of the sums of [`gradients`].
const fn sums(g: &Geometry) -> Shape {
    Shape::new(g.outputs, g.channels)
}

/// The gradient of the filters from the sums of all shards.
pub(super) fn filter_gradient(isa: Isa, g: &Geometry, mut all: Vec<f32>) -> Vec<f32> {
    let sums = Matrices { shape: sums(g), values: &mut all };
    let mut dw = vec![0.0; g.outputs * g.filter()];
    let some = OUTPUTS * g.filter();
    dw.par_chunks_mut(some).enumerate().for_each(|(block, dw)| {
        isa.run(filters::Gradient {
            sums: &sums,
            channels: g.channels,
            first: block * OUTPUTS,
            dw,
        });
    });
    dw
}
