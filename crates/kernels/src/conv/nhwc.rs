//! Channels-last (NHWC) images in scratch memory.

use std::ops::Range;

use super::geometry::{Geometry, MapGradient, Seen};
use crate::{
    buffer::{Block, pitch, sized},
    isa::{Isa, Kernel},
    simd::{Lanes, WIDEST},
};

/// Channels whose gradients are transposed together.
const CHANNELS: usize = WIDEST;

/// An image `[row, col, channel]` in scratch memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nhwc {
    pub rows: usize,
    pub cols: usize,
    /// From one column to the next: the channels, and room for whole vectors.
    pub pitch: usize,
}

impl Nhwc {
    pub const fn new(rows: usize, cols: usize, channels: usize) -> Self {
        Self { rows, cols, pitch: pitch(channels) }
    }

    pub const fn len(self) -> usize {
        self.rows * self.cols * self.pitch
    }

    /// Of the first channel.
    pub const fn index(self, row: usize, col: usize) -> usize {
        (row * self.cols + col) * self.pitch
    }

    /// The same indices in several consecutive images, each shifted by `by`.
    pub fn on_all(self, at: &[usize], images: usize, by: usize) -> Vec<usize> {
        (0..images).flat_map(|i| at.iter().map(move |at| i * self.len() + at + by)).collect()
    }

    /// Indices of a rectangle of `rows` by `cols` whose corner is at row and column `first`, row-major.
    pub fn places(self, rows: usize, cols: usize, first: usize) -> Vec<usize> {
        let all = (0..rows).flat_map(|r| (0..cols).map(move |c| (r, c)));
        all.map(|(r, c)| self.index(first + r, first + c)).collect()
    }
}

/// Writes rows of numbers, one per channel, into an image: from NCHW to NHWC.
pub(super) struct Draw<'a> {
    /// `[channels, positions]`
    pub rows: &'a [f32],
    /// From one row to the next.
    pub pitch: usize,
    /// Index in the image of each position.
    pub places: &'a [usize],
    pub canvas: &'a mut [f32],
    /// Channel of the first row, a multiple of [`WIDEST`].
    pub first: usize,
}

impl Kernel for Draw<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { rows, pitch, places, canvas, first } = self;
        assert!(places.len() <= pitch && first.is_multiple_of(WIDEST));
        for (block, rows) in rows.chunks(L::COUNT * pitch).enumerate() {
            let channel = first + block * L::COUNT;
            for (from, places) in (0..).step_by(L::COUNT).zip(places.chunks(L::COUNT)) {
                let mut square = lanes.square(lanes.splat(0.0));
                for (vector, row) in square.as_mut().iter_mut().zip(rows.chunks_exact(pitch)) {
                    #[expect(unsafe_code, reason = "a vector from memory")]
                    // SAFETY: the row has as many numbers from `from` on as there are places.
                    unsafe {
                        *vector = load(lanes, &row[from..], places.len());
                    }
                }
                let square = lanes.transposed(square);
                for (vector, place) in square.as_ref().iter().zip(places) {
                    let to = &mut canvas[place + channel..][..L::COUNT];
                    #[expect(unsafe_code, reason = "a vector to memory")]
                    // SAFETY: the slice is as long as a vector.
                    unsafe {
                        lanes.store(to.as_mut_ptr(), *vector);
                    }
                }
            }
        }
    }
}

/// The first `n` numbers of `from`, at most a vector of them.
///
/// # Safety
/// There are that many.
#[inline(always)]
#[expect(unsafe_code, reason = "a vector from memory")]
unsafe fn load<L: Lanes>(lanes: L, from: &[f32], n: usize) -> L::V {
    debug_assert!(n <= from.len());
    // SAFETY: promised by the caller.
    unsafe {
        if n < L::COUNT { lanes.load_first(from.as_ptr(), n) } else { lanes.load(from.as_ptr()) }
    }
}

/// The inverse of [`Draw`]: rows of numbers, one per channel, from an image.
pub(super) struct Read<'a> {
    pub canvas: &'a [f32],
    /// Index in the image of each position.
    pub places: &'a [usize],
    /// `[channels, positions]`
    pub to: Block<'a>,
}

impl Kernel for Read<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { canvas, places, to } = self;
        assert!(places.len() == to.columns());
        for channel in (0..to.rows()).step_by(L::COUNT) {
            for (from, places) in (0..).step_by(L::COUNT).zip(places.chunks(L::COUNT)) {
                let mut square = lanes.square(lanes.splat(0.0));
                for (vector, place) in square.as_mut().iter_mut().zip(places) {
                    let at = &canvas[place + channel..][..L::COUNT];
                    #[expect(unsafe_code, reason = "a vector from memory")]
                    // SAFETY: the slice is as long as a vector.
                    unsafe {
                        *vector = lanes.load(at.as_ptr());
                    }
                }
                let square = lanes.transposed(square);
                for (row, vector) in (channel..to.rows()).zip(square.as_ref()) {
                    #[expect(unsafe_code, reason = "a vector to memory")]
                    // SAFETY: the row lies in the block, and from `from` on has as many numbers as there are places.
                    unsafe {
                        let at = to.at().add(row * to.pitch() + from);
                        if places.len() < L::COUNT {
                            lanes.store_first(at, places.len(), *vector);
                        } else {
                            lanes.store(at, *vector);
                        }
                    }
                }
            }
        }
    }
}

/// Layouts of the inputs and of the map's gradient, from which the gradients are computed.
pub(super) struct Sides {
    pub inputs: Nhwc,
    /// Index of each pixel of an image.
    drawn: Vec<usize>,
    pub maps: Nhwc,
    /// Index of each value of a map's gradient, ordered by place in the pool window first.
    pub places: Vec<usize>,
}

impl Sides {
    /// The gradient of a map lies inside a `border`.
    pub fn new(g: &Geometry, inputs: Nhwc, maps: Nhwc, border: usize) -> Self {
        let all =
            (0..g.places()).flat_map(|place| (0..g.pooled()).map(move |pooled| (pooled, place)));
        let place = |(pooled, place)| {
            let (row, col) = g.before_pool(pooled, place);
            maps.index(border + row, border + col)
        };
        Self {
            drawn: inputs.places(g.height, g.width, g.spec.padding),
            inputs,
            places: all.map(place).collect(),
            maps,
        }
    }

    /// Writes some images and the gradients of their maps, whose sums are added to `db`.
    pub fn draw(
        &self,
        isa: Isa,
        g: &Geometry,
        (seen, images): (Seen<'_>, Range<usize>),
        (inputs, maps): (&mut [f32], &mut [f32]),
        db: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let inputs = inputs.chunks_exact_mut(self.inputs.len());
        let canvases = inputs.zip(maps.chunks_exact_mut(self.maps.len()));
        for (image, (canvas, map)) in images.zip(canvases) {
            let x = &seen.x[image * g.image()..][..g.image()];
            let (pitch, first) = (g.height * g.width, 0);
            isa.run(Draw { rows: x, pitch, places: &self.drawn, canvas, first });
            self.draw_map(isa, g, (seen, image), map, db, scratch);
        }
    }

    fn draw_map(
        &self,
        isa: Isa,
        g: &Geometry,
        (seen, image): (Seen<'_>, usize),
        canvas: &mut [f32],
        db: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let pitch = pitch(self.places.len());
        let rows = sized(scratch, CHANNELS * pitch);
        for (block, db) in db.chunks_mut(CHANNELS).enumerate() {
            let first = block * CHANNELS;
            for (c, (sum, map)) in db.iter_mut().zip(rows.chunks_exact_mut(pitch)).enumerate() {
                let channel = seen.channel(g, image, first + c);
                let map = &mut map[..self.places.len()];
                isa.run(MapGradient { channel, relu: g.relu, map, sum });
            }
            let rows = &rows[..db.len() * pitch];
            isa.run(Draw { rows, pitch, places: &self.places, canvas, first });
        }
    }
}
