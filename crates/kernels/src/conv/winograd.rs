//! Convolutions 3x3 of stride 1 by the minimal filtering algorithm F(2x2, 3x3) (Lavin and Gray 2016, section 4.1).
//!
//! Four results of one filter see 16 inputs. Inputs and filter are each mapped to 16 numbers whose products, summed over the
//! channels, hold the results: 16 multiplications take the place of 36. The maps only add and halve, and cost little where
//! there are many channels; the rest is 16 matrix products. On the way back the factors change places. Since tiles are
//! computed as a whole, a NaN spreads to all four results of the tiles that see it.
//!
//! Inside, channels are innermost, so that vectors are full however small a map is.

mod canvas;
mod filters;
mod tiles;

use std::mem::MaybeUninit;

use super::{
    SHARD,
    backward::{MapGradient, Seen},
    geometry::Geometry,
};
use crate::{
    buffer::{Block, Scratch, pitch, sized},
    isa::Isa,
    lanes::WIDEST,
    tile::{Entries, Product},
};
use canvas::{Canvas, Draw, Read};
pub(super) use filters::Filters;
use tiles::{ENTRIES, Matrices, Shape, Spread, SpreadGradient, Together};

/// Channels on both sides from which on this way is the faster one.
const MANY: usize = 16;
/// Tiles that are worked on together, about: fewer would read the filters too often, more would leave the second cache.
const TILES: usize = 48;
/// Channels whose gradients are brought into order together.
const CHANNELS: usize = WIDEST;

/// Whether this way can be taken, and pays.
pub(super) fn fits(g: &Geometry) -> bool {
    let spec = g.spec;
    g.kernel == 3
        && spec.stride == 1
        && spec.padding <= 2
        && spec.pool <= 2
        && g.channels.min(g.outputs) >= MANY
}

/// Images of a task: of small maps enough to make use of the filters while they are in a cache.
pub(super) fn shard(g: &Geometry) -> usize {
    SHARD.max(TILES.div_ceil(Grid::of_results(g).count().max(1)))
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
    fn starts(self, on: Canvas, step: usize, first: usize) -> Vec<usize> {
        let tiles = (0..self.rows).flat_map(|r| (0..self.cols).map(move |c| (r, c)));
        tiles.map(|(r, c)| on.index(first + step * r, first + step * c)).collect()
    }
}

/// A convolution of one image: where its tiles read and write.
struct Plan {
    from: Canvas,
    reads: Vec<usize>,
    to: Canvas,
    writes: Vec<usize>,
    /// Places of what is kept of `to`, in the order of the result.
    kept: Vec<usize>,
}

impl Plan {
    fn values(g: &Geometry) -> Self {
        let (grid, side) = (Grid::of_results(g), if g.spec.pool == 2 { 1 } else { 2 });
        let from = input_canvas(g);
        let to = Canvas::new(side * grid.rows, side * grid.cols, g.outputs);
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
        let to = Canvas::new(2 * grid.rows, 2 * grid.cols, g.channels);
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
fn input_canvas(g: &Geometry) -> Canvas {
    let (grid, border) = (Grid::of_results(g), 2 * g.spec.padding);
    let side = |tiles: usize, image: usize| (2 * tiles + 2).max(image + border);
    Canvas::new(side(grid.rows, g.height), side(grid.cols, g.width), g.channels)
}

/// The gradient of the map before the pool, inside the border that the tiles of the input's gradient see.
fn map_canvas(g: &Geometry) -> Canvas {
    let (inputs, results) = (Grid::covering(g.height, g.width), Grid::of_results(g));
    let side = |inputs: usize, results: usize| (2 * inputs + 2).max(border(g) + 2 * results);
    Canvas::new(side(inputs.rows, results.rows), side(inputs.cols, results.cols), g.outputs)
}

/// Width of that border.
const fn border(g: &Geometry) -> usize {
    2 - g.spec.padding
}

/// Images that are worked on together, and tiles, where each image has `count` tiles.
fn group(count: usize, images: usize) -> (usize, usize) {
    let together = TILES.div_ceil(count).clamp(1, images);
    let all = together * count;
    (together, all.div_ceil(all.div_ceil(2 * TILES)))
}

/// `starts` on the canvases of several images, one after the other.
fn repeated(starts: &[usize], on: Canvas, images: usize) -> Vec<usize> {
    (0..images).flat_map(|i| starts.iter().map(move |at| i * on.len() + at)).collect()
}

/// What is done to the sums of a convolution.
#[derive(Clone, Copy)]
struct Finish<'a> {
    /// One number per channel, and zeros up to whole vectors.
    bias: &'a [f32],
    relu: bool,
}

/// Convolves the images on `canvas`, some tiles at a time. The results go to `map`; with `places` they are pooled, and the
/// places that won go there.
fn convolve(
    isa: Isa,
    plan: &Plan,
    canvas: &[f32],
    filters: &Filters,
    finish: Finish<'_>,
    (map, mut places): (&mut [f32], Option<&mut [f32]>),
    scratch: &mut Vec<f32>,
) {
    let images = canvas.len() / plan.from.len();
    let (_, size) = group(plan.reads.len(), images);
    let (seen, results) = (Shape::new(size, filters.depth()), Shape::new(size, filters.columns()));
    let (seen_at, results_at) = sized(scratch, seen.len() + results.len()).split_at_mut(seen.len());
    let mut seen = Matrices { shape: seen, values: seen_at };
    let mut results = Matrices { shape: results, values: results_at };
    let reads = repeated(&plan.reads, plan.from, images);
    let writes = repeated(&plan.writes, plan.to, images);
    for (reads, writes) in reads.chunks(size).zip(writes.chunks(size)) {
        isa.run(Spread { canvas, of: plan.from, starts: reads, to: &mut seen });
        for entry in 0..ENTRIES {
            isa.run(Product {
                a: seen.entries(entry),
                b: filters.matrix(entry),
                pitch: filters.pitch(),
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

/// Values of a shard, and the places that won if there is a pool.
pub(super) fn values(
    isa: Isa,
    g: &Geometry,
    (y, winners): (&mut [MaybeUninit<f32>], &mut [MaybeUninit<u16>]),
    x: &[f32],
    (filters, bias): (&Filters, &[f32]),
    scratch: &mut Scratch,
) {
    let plan = Plan::values(g);
    let drawn = plan.from.places(g.height, g.width, g.spec.padding);
    let (images, _) = group(plan.reads.len(), x.len() / g.image());
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
        convolve(isa, &plan, canvas, filters, finish, to, &mut scratch.patches);
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

/// Gradients of filters and biases summed over the images of a shard. That of the input goes to `dx`, if turned filters are
/// given.
pub(super) fn gradients(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    turned: Option<&Filters>,
    dx: &mut [MaybeUninit<f32>],
    scratch: &mut Scratch,
) -> (Vec<f32>, Vec<f32>) {
    let count = seen.x.len() / g.image();
    let (inputs, maps) = (input_canvas(g), map_canvas(g));
    let drawn = inputs.places(g.height, g.width, g.spec.padding);
    let places = map_places(g, maps);
    let grid = Grid::of_results(g);
    let (reads, dz_reads) = (grid.starts(inputs, 2, 0), grid.starts(maps, 2, border(g)));
    let plan = turned.map(|turned| (Plan::input_gradient(g), turned));
    let (images, size) = group(grid.count(), count);
    let (inputs_len, maps_len) = (images * inputs.len(), images * maps.len());
    let canvases = sized(&mut scratch.image, inputs_len + maps_len);
    canvases.fill(0.0);
    let (x_canvas, dz_canvas) = canvases.split_at_mut(inputs_len);
    let sums = Shape::new(g.outputs, g.channels);
    let mut sums = Matrices { shape: sums, values: sized(&mut scratch.sums, sums.len()) };
    sums.values.fill(0.0);
    let mut db = vec![0.0; g.outputs];
    let none = vec![0.0; pitch(g.channels)];
    for from in (0..count).step_by(images) {
        let these = from..count.min(from + images);
        for (i, image) in these.clone().enumerate() {
            let x = &seen.x[image * g.image()..][..g.image()];
            let canvas = &mut x_canvas[i * inputs.len()..][..inputs.len()];
            isa.run(Draw { rows: x, pitch: g.height * g.width, places: &drawn, canvas, first: 0 });
            let canvas = &mut dz_canvas[i * maps.len()..][..maps.len()];
            draw_map_gradient(isa, g, seen, image, &places, canvas, &mut db, &mut scratch.map);
        }
        let dz_canvas = &dz_canvas[..these.len() * maps.len()];
        if let Some((plan, turned)) = &plan {
            let map = sized(&mut scratch.map, these.len() * plan.to.len());
            let finish = Finish { bias: &none, relu: false };
            convolve(isa, plan, dz_canvas, turned, finish, (&mut *map, None), &mut scratch.patches);
            let dx = &mut dx[these.start * g.image()..these.end * g.image()];
            for (dx, map) in dx.chunks_exact_mut(g.image()).zip(map.chunks_exact(plan.to.len())) {
                isa.run(Read {
                    canvas: map,
                    places: &plan.kept,
                    to: Block::new(dx, g.height * g.width),
                });
            }
        }
        let reads = repeated(&reads, inputs, these.len());
        let dz_reads = repeated(&dz_reads, maps, these.len());
        let (of_x, of_dz) = (Shape::new(size, g.channels), Shape::new(size, g.outputs));
        let memory = sized(&mut scratch.patches, of_x.len() + of_dz.len());
        let (x_at, dz_at) = memory.split_at_mut(of_x.len());
        let mut x_tiles = Matrices { shape: of_x, values: x_at };
        let mut dz_tiles = Matrices { shape: of_dz, values: dz_at };
        for (reads, dz_reads) in reads.chunks(size).zip(dz_reads.chunks(size)) {
            isa.run(Spread { canvas: x_canvas, of: inputs, starts: reads, to: &mut x_tiles });
            isa.run(SpreadGradient {
                canvas: dz_canvas,
                of: maps,
                starts: dz_reads,
                to: &mut dz_tiles,
            });
            for entry in 0..ENTRIES {
                let Entries { values, by_row, by_k } = dz_tiles.entries(entry);
                isa.run(Product {
                    a: Entries { values, by_row: by_k, by_k: by_row },
                    b: x_tiles.entries(entry).values,
                    pitch: of_x.pitch(),
                    size: [g.outputs, reads.len(), g.channels],
                    add: true,
                    out_pitch: sums.shape.pitch(),
                    out: sums.matrix_mut(entry),
                });
            }
        }
    }
    let mut dw = vec![0.0; g.outputs * g.filter()];
    isa.run(filters::Gradient { sums: &sums, channels: g.channels, dw: &mut dw });
    (dw, db)
}

/// Where the gradient of the map goes, place in the window of the pool first.
fn map_places(g: &Geometry, on: Canvas) -> Vec<usize> {
    let all = (0..g.places()).flat_map(|place| (0..g.pooled()).map(move |pooled| (pooled, place)));
    all.map(|(pooled, place)| {
        let (row, col) = g.before_pool(pooled, place);
        on.index(border(g) + row, border(g) + col)
    })
    .collect()
}

/// Draws the gradient of the map of one image, and adds its sums to `db`.
fn draw_map_gradient(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    image: usize,
    places: &[usize],
    canvas: &mut [f32],
    db: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let pitch = pitch(places.len());
    let rows = sized(scratch, CHANNELS * pitch);
    for (block, db) in db.chunks_mut(CHANNELS).enumerate() {
        let first = block * CHANNELS;
        for (c, (sum, map)) in db.iter_mut().zip(rows.chunks_exact_mut(pitch)).enumerate() {
            let channel = seen.channel(g, image, first + c);
            isa.run(MapGradient { channel, relu: g.relu, map: &mut map[..places.len()], sum });
        }
        isa.run(Draw { rows: &rows[..db.len() * pitch], pitch, places, canvas, first });
    }
}
