//! Values of the convolution in f32.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{
    Way,
    geometry::Geometry,
    im2col::{Fill, Store, Windows},
    implicit_gemm, winograd, winograd_small_in,
};
use crate::{
    buffer::{Block, Scratch, pitch, sized, unwritten, written},
    gemm::{Outer, Panels},
    isa::{Isa, Kernel},
    simd::{Lanes, WIDEST},
};

/// Output channels computed together: few enough for their map to stay in the caches until it is pooled.
pub(super) const CHANNELS: usize = 32;

/// A shard of the forward pass: some images, and where their results go.
pub(super) struct ShardArgs<'a> {
    pub isa: Isa,
    pub g: &'a Geometry,
    pub x: &'a [f32],
    /// One number per output channel.
    pub bias: &'a [f32],
    pub y: &'a mut [MaybeUninit<f32>],
    /// For each pooled value its place in the window; empty without a pool.
    pub winners: &'a mut [MaybeUninit<u16>],
    pub scratch: &'a mut Scratch,
}

/// Result, and for each pooled value its place in the window; empty without a pool.
pub(super) fn forward(
    isa: Isa,
    g: &Geometry,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
) -> (Vec<f32>, Vec<u16>) {
    let size = g.result();
    let filters = match g.forward_way() {
        Way::Winograd => Filters::Winograd(winograd::Filters::new(isa, w, g.outputs)),
        Way::ImplicitGemm => Filters::ImplicitGemm(implicit_gemm::Filters::new(g, w)),
        Way::WinogradSmallIn => Filters::WinogradSmallIn(winograd_small_in::Filters::new(g, w)),
        Way::Im2col | Way::PooledWeightGrad => {
            Filters::Im2col(Panels::of_rows(w, g.outputs, g.filter()))
        }
    };
    let images = g.shard();
    let mut y = unwritten(g.images * size);
    let mut winners = unwritten(if g.spec.pool > 1 { y.len() } else { 0 });
    let mut rest = &mut winners[..];
    let mut shards = Vec::with_capacity(g.images.div_ceil(images));
    for (y, x) in y.chunks_mut((images * size).max(1)).zip(x.chunks(images * g.image())) {
        let (winners, others) = rest.split_at_mut(rest.len().min(y.len()));
        rest = others;
        shards.push((y, x, winners));
    }
    shards.into_par_iter().for_each(|(y, x, winners)| {
        Scratch::lend(|scratch| {
            let args = ShardArgs { isa, g, x, bias, y, winners, scratch };
            match &filters {
                Filters::Winograd(filters) => winograd::values(args, filters),
                Filters::ImplicitGemm(filters) => implicit_gemm::values(args, filters),
                Filters::WinogradSmallIn(filters) => winograd_small_in::values(args, filters),
                Filters::Im2col(filters) => values(args, filters),
            }
        });
    });
    #[expect(unsafe_code, reason = "uninitialised memory")]
    // SAFETY: the shards cover all images, and each writes all channels of its own.
    unsafe {
        (written(y), written(winners))
    }
}

/// Filters in the layout of each [`Way`] of the forward pass.
enum Filters {
    Winograd(winograd::Filters),
    ImplicitGemm(implicit_gemm::Filters),
    WinogradSmallIn(winograd_small_in::Filters),
    Im2col(Panels),
}

impl Geometry {
    /// The windows of the forward pass.
    pub(super) const fn windows(&self) -> Windows {
        let border = 2 * self.spec.padding;
        Windows {
            channels: self.channels,
            height: self.height + border,
            width: self.width + border,
            kernel: self.kernel,
            stride: self.spec.stride,
            pool: self.spec.pool,
            rows: self.pooled_rows,
            cols: self.pooled_cols,
        }
    }
}

/// Values of a shard by im2col.
fn values(args: ShardArgs<'_>, filters: &Panels) {
    let ShardArgs { isa, g, x, bias, y, winners, scratch } = args;
    let windows = g.windows();
    let pitch = pitch(windows.positions() + Windows::SPILL);
    let image = sized(&mut scratch.image, windows.stored());
    image.fill(0.0);
    let patches = sized(&mut scratch.patches, windows.depth() * pitch + WIDEST);
    let images = y.chunks_exact_mut(g.result()).zip(x.chunks_exact(g.image()));
    for (i, (y, x)) in images.enumerate() {
        isa.run(Store { windows: &windows, padding: g.spec.padding, x, image });
        isa.run(Fill { windows: &windows, image, patches, pitch });
        for (block, y) in y.chunks_mut(CHANNELS * g.pooled()).enumerate() {
            let channels = y.len() / g.pooled();
            let (positions, first) = (windows.positions(), block * CHANNELS);
            let outer = |out, goes_on| Outer {
                a: filters,
                first,
                b: patches,
                pitch,
                bias: Some(bias),
                relu: g.relu,
                out,
                goes_on,
            };
            if g.spec.pool == 1 {
                isa.run(outer(Block::new(y, positions), true));
            } else {
                let map = sized(&mut scratch.map, channels * pitch);
                isa.run(outer(Block::in_scratch(map, pitch, positions), false));
                let from = i * g.result() + first * g.pooled();
                let winners = &mut winners[from..from + y.len()];
                isa.run(Pool { map, pitch, pooled: g.pooled(), places: g.places(), y, winners });
            }
        }
    }
}

/// Largest value of each window, and its first place in the window. NaN counts as larger than any number.
struct Pool<'a> {
    /// Per channel a row, `pitch` apart, `[places, pooled]`.
    map: &'a [f32],
    pitch: usize,
    pooled: usize,
    places: usize,
    y: &'a mut [MaybeUninit<f32>],
    winners: &'a mut [MaybeUninit<u16>],
}

impl Kernel for Pool<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        assert!(self.pitch >= self.pooled * self.places + WIDEST - 1);
        let channels = self.y.chunks_exact_mut(self.pooled);
        let channels = channels.zip(self.winners.chunks_exact_mut(self.pooled));
        for ((y, winners), map) in channels.zip(self.map.chunks_exact(self.pitch)) {
            let groups = y.chunks_mut(L::COUNT).zip(winners.chunks_mut(L::COUNT));
            for (group, (y, winners)) in groups.enumerate() {
                let whole = y.len() == L::COUNT;
                let (mut best, mut places) = ([0.0; WIDEST], [0; WIDEST]);
                #[expect(unsafe_code, reason = "vectors from and to memory")]
                // SAFETY: the row of the map is long enough for whole vectors, and so are the arrays, and a whole group.
                unsafe {
                    let value = |place: usize| {
                        lanes.load(map.as_ptr().add(place * self.pooled + group * L::COUNT))
                    };
                    let mut kept = [value(0), lanes.splat(0.0)];
                    for place in 1..self.places {
                        kept = lanes.larger(kept, [value(place), lanes.splat(place as f32)]);
                    }
                    if whole {
                        lanes.store(y.as_mut_ptr().cast(), kept[0]);
                        lanes.store_whole(winners.as_mut_ptr().cast(), kept[1]);
                    } else {
                        lanes.store(best.as_mut_ptr(), kept[0]);
                        lanes.store_whole(places.as_mut_ptr(), kept[1]);
                    }
                }
                if !whole {
                    for (y, best) in y.iter_mut().zip(best) {
                        y.write(best);
                    }
                    for (winner, place) in winners.iter_mut().zip(places) {
                        winner.write(place);
                    }
                }
            }
        }
    }
}
