//! Gradients of the convolution in f32.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{
    Way,
    geometry::{Channel, Geometry, MapGradient, Seen},
    im2col::{Fill, Store, Windows},
    implicit_gemm, pooled_weight_grad, winograd,
};
use crate::{
    buffer::{Block, Scratch, pitch, sized, unwritten, written},
    element::total,
    gemm::{Dot, Outer, Panels, Rows},
    gradients::Gradients,
    isa::{Isa, Kernel},
    simd::{Lanes, WIDEST},
};

/// Output channels whose map gradients are held at a time, in the L1 cache.
const CHANNELS: usize = 6;
/// Minimum number of positions per sum, if there are that many: each sum has a fixed cost.
const LONG: usize = 900;
/// Maximum number of values in the patches of one sum, so that they stay in the L2 cache.
const CACHED: usize = 150_000;

/// Gradients for the gradient of the result; of `x` only if `wanted`.
pub(super) fn backward(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    w: &[f32],
    wanted: bool,
) -> Gradients<f32> {
    let mut dx = unwritten(if wanted { seen.x.len() } else { 0 });
    let way = g.backward_way();
    let (dw, db) = match way {
        Way::Winograd => {
            let rotated = wanted.then(|| winograd::Filters::rotated(isa, w, g.outputs));
            let (sums, db) = over_shards(g, seen, &mut dx, |seen, dx, scratch| {
                winograd::gradients(isa, g, seen, rotated.as_ref(), dx, scratch)
            });
            (winograd::filter_gradient(isa, g, sums), db)
        }
        Way::ImplicitGemm => {
            let back = wanted.then(|| implicit_gemm::Filters::back(g, w));
            let (sums, db) = over_shards(g, seen, &mut dx, |seen, dx, scratch| {
                implicit_gemm::gradients(isa, g, seen, back.as_ref(), dx, scratch)
            });
            (implicit_gemm::filter_gradient(g, &sums), db)
        }
        Way::PooledWeightGrad | Way::WinogradSmallIn | Way::Im2col => {
            let flipped = wanted.then(|| flipped(g, w));
            over_shards(g, seen, &mut dx, |seen, dx, scratch| {
                if let Some(flipped) = &flipped {
                    input_gradient(isa, g, seen, flipped, dx, scratch);
                }
                if way == Way::PooledWeightGrad {
                    pooled_weight_grad::weight_gradient(isa, g, seen, scratch)
                } else {
                    weight_gradient(isa, g, seen, scratch)
                }
            })
        }
    };
    #[expect(unsafe_code, reason = "uninitialised memory")]
    // SAFETY: if wanted, the shards cover all images and write all channels of theirs; otherwise it is empty.
    let dx = unsafe { written(dx) };
    Gradients { dw, db, dx: wanted.then_some(dx) }
}

/// Sums both results of `f` over the shards of the images, in order; `f` also gets the shard's part of `dx`.
fn over_shards(
    g: &Geometry,
    seen: Seen<'_>,
    dx: &mut [MaybeUninit<f32>],
    f: impl Fn(Seen<'_>, &mut [MaybeUninit<f32>], &mut Scratch) -> (Vec<f32>, Vec<f32>) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let images = g.shard();
    let mut rest = dx;
    let mut shards = Vec::with_capacity(g.images.div_ceil(images));
    // An empty batch is one empty shard: its sums have their size and are 0.
    for from in (0..g.images.max(1)).step_by(images) {
        let count = images.min(g.images - from);
        let (dx, others) = rest.split_at_mut(rest.len().min(count * g.image()));
        rest = others;
        shards.push((seen.images(g, from, count), dx));
    }
    let shards = shards.into_par_iter();
    let sums = shards.map(|(seen, dx)| Scratch::lend(|scratch| f(seen, dx, scratch)));
    let (first, second) = sums.unzip();
    (total(first), total(second))
}

/// Gradients of filters and biases summed over the images of a shard.
fn weight_gradient(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    scratch: &mut Scratch,
) -> (Vec<f32>, Vec<f32>) {
    let count = seen.x.len() / g.image();
    let windows = g.windows();
    let positions = windows.positions();
    let fitting = CACHED / (windows.depth() * positions);
    let group = LONG.div_ceil(positions).min(fitting).clamp(1, count.max(1));
    let pitch = pitch(group * positions + Windows::SPILL);
    let image = sized(&mut scratch.image, windows.stored());
    image.fill(0.0);
    let patches = sized(&mut scratch.patches, windows.depth() * pitch + WIDEST);
    let map = sized(&mut scratch.map, CHANNELS * pitch);
    let mut dw = vec![0.0; g.outputs * g.filter()];
    let mut db = vec![0.0; g.outputs];
    for from in (0..count).step_by(group) {
        let images = from..count.min(from + group);
        for (i, image_at) in images.clone().enumerate() {
            let x = &seen.x[image_at * g.image()..][..g.image()];
            isa.run(Store { windows: &windows, padding: g.spec.padding, x, image });
            let patches = &mut patches[i * positions..];
            isa.run(Fill { windows: &windows, image, patches, pitch });
        }
        let blocks = dw.chunks_mut(CHANNELS * g.filter()).zip(db.chunks_mut(CHANNELS));
        for (block, (dw, db)) in blocks.enumerate() {
            for (c, db) in db.iter_mut().enumerate() {
                for (i, image_at) in images.clone().enumerate() {
                    let channel = seen.channel(g, image_at, block * CHANNELS + c);
                    let map = &mut map[c * pitch + i * positions..][..positions];
                    isa.run(MapGradient { channel, relu: g.relu, map, sum: db });
                }
            }
            let depth = images.len() * positions;
            isa.run(Dot {
                a: Rows { values: map, count: db.len(), pitch },
                b: Rows { values: patches, count: g.filter(), pitch },
                depth,
                out: dw,
            });
        }
    }
    (dw, db)
}

/// Filters of the input gradient: `[C, O k k]`, each rotated by 180 degrees.
fn flipped(g: &Geometry, w: &[f32]) -> Panels {
    let taps = g.kernel * g.kernel;
    Panels::new(g.channels, g.outputs * taps, |channel, k| {
        let (o, tap) = (k / taps, taps - 1 - k % taps);
        w[o * g.filter() + channel * taps + tap]
    })
}

/// The input gradient is a convolution of the map's gradient, dilated by the stride, with the rotated filters.
fn input_gradient(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    flipped: &Panels,
    dx: &mut [MaybeUninit<f32>],
    scratch: &mut Scratch,
) {
    // If the padding is wider than a window reaches, part of the map lies outside of every window.
    let beyond = (g.spec.padding + 1).saturating_sub(g.kernel);
    let windows = Windows {
        channels: g.outputs,
        height: g.height + g.kernel - 1 + 2 * beyond,
        width: g.width + g.kernel - 1 + 2 * beyond,
        kernel: g.kernel,
        stride: 1,
        pool: 1,
        rows: g.height,
        cols: g.width,
    };
    let origin = windows.index(0, beyond, beyond);
    let corner = beyond + g.kernel - 1 - g.spec.padding;
    let spread = Spread::new(g, &windows);
    let positions = windows.positions();
    let pitch = pitch(positions + Windows::SPILL);
    let image = sized(&mut scratch.image, windows.stored() + origin);
    let patches = sized(&mut scratch.patches, windows.depth() * pitch + WIDEST);
    for (i, dx) in dx.chunks_exact_mut(g.image()).enumerate() {
        image.fill(0.0);
        for channel in 0..g.outputs {
            let map = &mut image[windows.index(channel, corner, corner)..];
            let from = seen.channel(g, i, channel);
            isa.run(SpreadOut { spread: &spread, from, relu: g.relu, map });
        }
        isa.run(Fill { windows: &windows, image: &image[origin..], patches, pitch });
        isa.run(Outer {
            a: flipped,
            first: 0,
            b: patches,
            pitch,
            bias: None,
            relu: false,
            out: Block::new(dx, positions),
            goes_on: true,
        });
    }
}

/// Distances in a map dilated by the stride.
struct Spread {
    /// Pooled values in a row, and from one to the next, across and down.
    cols: usize,
    across: usize,
    down: usize,
    /// To each place in a window.
    places: Vec<usize>,
}

impl Spread {
    fn new(g: &Geometry, windows: &Windows) -> Self {
        let (stride, pool) = (g.spec.stride, g.spec.pool);
        let down = stride * windows.width;
        let places = (0..g.places()).map(|p| p / pool * down + p % pool * stride).collect();
        Self { cols: g.pooled_cols, across: stride * pool, down: down * pool, places }
    }
}

/// Scatters the gradient of one channel's map into the dilated map that the windows of the input gradient read.
struct SpreadOut<'a> {
    spread: &'a Spread,
    from: Channel<'a>,
    relu: bool,
    map: &'a mut [f32],
}

impl Kernel for SpreadOut<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let &Spread { cols, across, down, ref places } = self.spread;
        let Channel { y, dy, winners } = self.from;
        let relu = self.relu;
        let gate = |(&dy, &y): (&f32, &f32)| if !relu || y > 0.0 { dy } else { 0.0 };
        for (row, (y, dy)) in y.chunks_exact(cols).zip(dy.chunks_exact(cols)).enumerate() {
            let map = &mut self.map[row * down..];
            let values = dy.iter().zip(y).map(gate);
            if winners.is_empty() {
                for (to, value) in map.iter_mut().step_by(across).zip(values) {
                    *to = value;
                }
            } else {
                for (col, (value, &winner)) in values.zip(&winners[row * cols..]).enumerate() {
                    map[col * across + places[usize::from(winner)]] = value;
                }
            }
        }
    }
}
