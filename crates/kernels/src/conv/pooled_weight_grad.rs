//! Weight gradient of a layer with a max-pool. In each window only the argmax has a gradient, and none where the ReLU is off, so
//! only the patches of the winners are summed: with a 2x2 pool, at most a quarter of all patches.
//!
//! Patches are rows of a matrix, so that a channel's gradient is held in registers while the rows of the winners are added to it.
//! The order within a patch is `[row, column, channel]`, which makes a row of a window contiguous. An additional value that is
//! always 1 makes the bias a weight like the others.

use super::geometry::{Geometry, Seen};
use crate::{
    buffer::{Scratch, sized},
    isa::{Isa, Kernel},
    simd::{Lanes, WIDEST, with_count},
    sparse_gemm::{Term, VECTORS, sum},
};

/// Values in the patches of a band of windows, so that they stay in the L1 cache.
const CACHED: usize = 6000;
/// Number of channels from which the patches of one row of windows exceed that.
const CHANNELS: usize = 16;

/// Whether this is the faster algorithm.
pub(super) const fn pays(g: &Geometry) -> bool {
    g.spec.pool > 1 && g.channels < CHANNELS
}

/// Sizes of the matrix of patches of a band of pooled rows.
struct Sizes {
    /// Width of the image with its border, in numbers.
    width: usize,
    /// Numbers in a row of a window.
    run: usize,
    /// Values in a patch, and from one patch to the next.
    depth: usize,
    pitch: usize,
    /// Pooled rows.
    band: usize,
}

impl Sizes {
    fn new(g: &Geometry) -> Self {
        let pitch = (g.filter() + 1).next_multiple_of(WIDEST);
        Self {
            width: (g.width + 2 * g.spec.padding) * g.channels,
            run: g.kernel * g.channels,
            depth: g.filter(),
            pitch,
            band: (CACHED / (g.places() * g.pooled_cols * pitch)).clamp(1, g.pooled_rows),
        }
    }
}

/// Gradients of filters and biases summed over the images of a shard.
pub(super) fn weight_gradient(
    isa: Isa,
    g: &Geometry,
    seen: Seen<'_>,
    scratch: &mut Scratch,
) -> (Vec<f32>, Vec<f32>) {
    let s = Sizes::new(g);
    let image = sized(&mut scratch.image, (g.height + 2 * g.spec.padding) * s.width + WIDEST);
    image.fill(0.0);
    let windows = s.band * g.pooled_cols;
    let patches = sized(&mut scratch.patches, windows * g.places() * s.pitch + WIDEST);
    let sums = sized(&mut scratch.map, g.outputs * s.pitch);
    sums.fill(0.0);
    let bands = g.pooled_rows.div_ceil(s.band);
    let window = g.places() * s.pitch;
    assert!(u32::try_from(windows * window).is_ok());
    let mut terms = vec![Term::default(); bands * g.outputs * windows];
    for (i, x) in seen.x.chunks_exact(g.image()).enumerate() {
        let results = i * g.result()..(i + 1) * g.result();
        let [y, dy] = [seen.y, seen.dy].map(|all| &all[results.clone()]);
        let winners = &seen.winners[results];
        isa.run(List { g, s: &s, y, dy, winners, terms: &mut terms });
        store(g, s.width, x, image);
        for band in 0..bands {
            let rows = s.band.min(g.pooled_rows - band * s.band);
            let first = band * s.band * g.spec.pool * g.spec.stride * s.width;
            isa.run(Fill { g, s: &s, rows, image: &image[first..], patches });
            let terms = &terms[band * g.outputs * windows..];
            isa.run(Sum {
                terms,
                used: rows * g.pooled_cols,
                windows,
                patches,
                pitch: s.pitch,
                sums,
            });
        }
    }
    let taps = g.kernel * g.kernel;
    let mut dw = vec![0.0; g.outputs * g.filter()];
    for (dw, sums) in dw.chunks_exact_mut(g.filter()).zip(sums.chunks_exact(s.pitch)) {
        for (k, dw) in dw.iter_mut().enumerate() {
            *dw = sums[k % taps * g.channels + k / taps];
        }
    }
    (dw, sums.chunks_exact(s.pitch).map(|sums| sums[s.depth]).collect())
}

/// Stores an image `[C, H, W]` as `[H, W, C]` inside a border that is already there.
fn store(g: &Geometry, width: usize, x: &[f32], image: &mut [f32]) {
    let inside = (width + g.channels) * g.spec.padding;
    for (i, row) in x.chunks_exact(g.width).enumerate() {
        let (channel, y) = (i / g.height, i % g.height);
        let to = &mut image[inside + y * width + channel..];
        for (to, value) in to.iter_mut().step_by(g.channels).zip(row) {
            *to = *value;
        }
    }
}

/// Fills a matrix `[window, place, pitch]` with the patches of some pooled rows, and ones.
struct Fill<'a> {
    g: &'a Geometry,
    s: &'a Sizes,
    rows: usize,
    /// From the first of these rows on.
    image: &'a [f32],
    patches: &'a mut [f32],
}

impl Kernel for Fill<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { g, s, .. } = self;
        for position in 0..self.rows * g.pooled_cols * g.places() {
            let (row, col) = g.before_pool(position / g.places(), position % g.places());
            let window = &self.image[g.spec.stride * (row * s.width + col * g.channels)..];
            let to = &mut self.patches[position * s.pitch..];
            for k in 0..g.kernel {
                let window = &window[k * s.width..];
                // Whole vectors: the next row overwrites the excess.
                let from = window.chunks(WIDEST);
                let to = to[k * s.run..].as_chunks_mut::<WIDEST>().0;
                for (to, from) in to.iter_mut().zip(from).take(s.run.div_ceil(WIDEST)) {
                    match from.first_chunk() {
                        Some(from) => *to = *from,
                        None => to[..from.len()].copy_from_slice(from),
                    }
                }
            }
            to[s.depth] = 1.0;
        }
    }
}

/// Lists what the windows of an image add to the sums. Zero gradients stay in the list: filtering them takes longer than adding
/// them.
struct List<'a> {
    g: &'a Geometry,
    s: &'a Sizes,
    y: &'a [f32],
    dy: &'a [f32],
    winners: &'a [u16],
    /// `[band, channel, window]`
    terms: &'a mut [Term],
}

impl Kernel for List<'_> {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "as was asserted")]
    fn run<L: Lanes>(self, _: L) {
        let Self { g, s, .. } = self;
        let windows = s.band * g.pooled_cols;
        let (pitch, window) = (s.pitch as u32, (g.places() * s.pitch) as u32);
        let results = self.y.chunks_exact(g.pooled()).zip(self.dy.chunks_exact(g.pooled()));
        let results = results.zip(self.winners.chunks_exact(g.pooled()));
        for (channel, ((y, dy), winners)) in results.enumerate() {
            let bands = y.chunks(windows).zip(dy.chunks(windows)).zip(winners.chunks(windows));
            for (band, ((y, dy), winners)) in bands.enumerate() {
                let terms = &mut self.terms[(band * g.outputs + channel) * windows..];
                let results = y.iter().zip(dy).zip(winners);
                for ((((&y, &dy), &winner), term), k) in results.zip(terms).zip(0..) {
                    term.at = k * window + u32::from(winner) * pitch;
                    term.factor = if !g.relu || y > 0.0 { dy } else { 0.0 };
                }
            }
        }
    }
}

/// Adds to each channel's sum the rows that a band's terms name.
struct Sum<'a> {
    /// `[channel, windows]`, of which the first ones are used.
    terms: &'a [Term],
    used: usize,
    windows: usize,
    patches: &'a [f32],
    pitch: usize,
    /// `[channel, pitch]`
    sums: &'a mut [f32],
}

impl Kernel for Sum<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { patches, pitch, .. } = self;
        let channels = self.sums.chunks_exact_mut(pitch).zip(self.terms.chunks_exact(self.windows));
        for (sums, terms) in channels {
            let terms = &terms[..self.used];
            let vectors = pitch / L::COUNT;
            let pieces = vectors.div_ceil(VECTORS);
            for piece in 0..pieces {
                let (from, to) = (vectors * piece / pieces, vectors * (piece + 1) / pieces);
                let part = &mut sums[from * L::COUNT..to * L::COUNT];
                #[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
                // SAFETY: `List` names rows of the matrix only, and each is as long as the pitch.
                unsafe {
                    let patches = patches.as_ptr().add(from * L::COUNT);
                    with_count!(to - from, N in [1 2 3 4 5 6 7] or VECTORS => {
                        add::<L, N>(lanes, terms, patches, part);
                    });
                }
            }
        }
    }
}

/// Adds a sum of rows to `sums`.
///
/// # Safety
/// `N` vectors can be read from each place that the terms name.
#[inline(always)]
#[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
unsafe fn add<L: Lanes, const N: usize>(
    lanes: L,
    terms: &[Term],
    patches: *const f32,
    sums: &mut [f32],
) {
    assert!(sums.len() == N * L::COUNT);
    // SAFETY: promised by the caller; the assertion checks the length of the sums.
    unsafe {
        let new = sum::<L, N>(lanes, terms, patches);
        for (v, new) in new.into_iter().enumerate() {
            let at = sums.as_mut_ptr().add(v * L::COUNT);
            lanes.store(at, lanes.add(new, lanes.load(at)));
        }
    }
}
