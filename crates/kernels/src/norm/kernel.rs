//! The batch norm in f32. Sums within a plane are f32, over planes f64; shards of images are combined in order.

use std::{mem::MaybeUninit, ops::Range};

use rayon::prelude::*;

use super::{Coefficients, Compute, Moments, Size, Sums};
use crate::{
    buffer::{unwritten, written},
    element::{lane_sum, narrow},
    isa::{Isa, Kernel},
    simd::Lanes,
};

/// Images per parallel task.
const SHARD: usize = 8;

impl Compute for f32 {
    fn moments(size: Size, x: &[f32]) -> Moments {
        moments(Isa::best(), size, x)
    }

    fn normalise(
        size: Size,
        x: &[f32],
        by: &Coefficients<f32>,
        plus: Option<&[f32]>,
        relu: bool,
    ) -> Vec<f32> {
        normalise(Isa::best(), size, x, by, plus, relu)
    }

    fn gate(size: Size, dy: &[f32], y: &[f32]) -> Vec<f32> {
        gate(Isa::best(), size, dy, y)
    }

    fn sums(size: Size, dz: &[f32], x: &[f32], mean: &[f64]) -> Sums {
        sums(Isa::best(), size, dz, x, mean)
    }

    fn input_gradient(size: Size, dz: &[f32], x: &[f32], by: &[[f64; 4]]) -> Vec<f32> {
        input_gradient(Isa::best(), size, dz, x, by)
    }
}

/// Count, mean and sum of squares about the mean of some values.
#[derive(Clone, Copy, Default)]
struct Part {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Part {
    /// Combines both. Unlike a difference of large sums this loses no precision when the mean is far from 0.
    fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        let difference = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + difference * other.count / count,
            squares: self.squares
                + other.squares
                + difference * difference * self.count * other.count / count,
        }
    }
}

pub(super) fn moments(isa: Isa, size: Size, x: &[f32]) -> Moments {
    let mut channels = vec![Part::default(); size.channels];
    let shards = shards(size, |images| {
        let mut parts = vec![Part::default(); size.channels];
        isa.run(Measure { plane: size.plane, x: &x[images], parts: &mut parts });
        parts
    });
    for shard in shards {
        channels.iter_mut().zip(shard).for_each(|(all, part)| *all = all.and(part));
    }
    Moments {
        mean: channels.iter().map(|c| c.mean).collect(),
        var: channels.iter().map(|c| c.squares / c.count).collect(),
    }
}

pub(super) fn sums(isa: Isa, size: Size, dz: &[f32], x: &[f32], mean: &[f64]) -> Sums {
    let rounded: Vec<f32> = mean.iter().map(|&m| narrow(m)).collect();
    let mut channels = vec![[0.0; 2]; size.channels];
    let shards = shards(size, |images| {
        let mut sums = vec![[0.0; 2]; size.channels];
        let (dz, x) = (&dz[images.clone()], &x[images]);
        isa.run(SumUp { plane: size.plane, dz, x, mean: &rounded, sums: &mut sums });
        sums
    });
    for shard in shards {
        for (all, part) in channels.iter_mut().zip(shard) {
            *all = [all[0] + part[0], all[1] + part[1]];
        }
    }
    for (sums, (rounded, mean)) in channels.iter_mut().zip(rounded.iter().zip(mean)) {
        sums[1] += sums[0] * (f64::from(*rounded) - mean);
    }
    channels
}

/// Results of `f` for the values of every shard of images, in order.
fn shards<R: Send>(size: Size, f: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let values = |shard: usize| {
        let images = shard * SHARD..size.images.min((shard + 1) * SHARD);
        images.start * size.image()..images.end * size.image()
    };
    (0..size.images.div_ceil(SHARD)).into_par_iter().map(|shard| f(values(shard))).collect()
}

struct Measure<'a> {
    plane: usize,
    x: &'a [f32],
    parts: &'a mut [Part],
}

impl Kernel for Measure<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let count = self.plane as f64;
        for image in self.x.chunks_exact(self.parts.len() * self.plane) {
            for (part, x) in self.parts.iter_mut().zip(image.chunks_exact(self.plane)) {
                let mean = lane_sum(x, x, |x, _| x) / count;
                let about = narrow(mean);
                let squares = lane_sum(x, x, |x, _| (x - about) * (x - about));
                *part = part.and(Part { count, mean, squares });
            }
        }
    }
}

struct SumUp<'a> {
    plane: usize,
    dz: &'a [f32],
    x: &'a [f32],
    mean: &'a [f32],
    sums: &'a mut [[f64; 2]],
}

impl Kernel for SumUp<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let planes = self.dz.chunks_exact(self.plane).zip(self.x.chunks_exact(self.plane));
        for (i, (dz, x)) in planes.enumerate() {
            let c = i % self.sums.len();
            let mean = self.mean[c];
            self.sums[c][0] += lane_sum(dz, dz, |dz, _| dz);
            self.sums[c][1] += lane_sum(dz, x, |dz, x| dz * (x - mean));
        }
    }
}

pub(super) fn normalise(
    isa: Isa,
    size: Size,
    x: &[f32],
    by: &Coefficients<f32>,
    plus: Option<&[f32]>,
    relu: bool,
) -> Vec<f32> {
    images(size, |i, y| {
        let (x, plus) = (&x[i.clone()], plus.map(|plus| &plus[i]));
        isa.run(Normalise { plane: size.plane, x, plus, by, relu, y });
    })
}

pub(super) fn gate(isa: Isa, size: Size, dy: &[f32], y: &[f32]) -> Vec<f32> {
    images(size, |i, dz| isa.run(Gate { dy: &dy[i.clone()], y: &y[i], dz }))
}

pub(super) fn input_gradient(
    isa: Isa,
    size: Size,
    dz: &[f32],
    x: &[f32],
    by: &[[f64; 4]],
) -> Vec<f32> {
    let each = |&[mean, scale, shift, slope]: &[f64; 4]| {
        let lost = f64::from(narrow(mean)) - mean;
        [mean, scale, shift + slope * lost, slope].map(narrow)
    };
    let by: Vec<[f32; 4]> = by.iter().map(each).collect();
    images(size, |i, dx| {
        let (dz, x) = (&dz[i.clone()], &x[i]);
        isa.run(InputGradient { plane: size.plane, dz, x, by: &by, dx });
    })
}

/// A result of the size of the input. `f` is given the place of each image in it and writes all of its values.
fn images(size: Size, f: impl Fn(Range<usize>, &mut [MaybeUninit<f32>]) + Sync) -> Vec<f32> {
    let mut out = unwritten(size.images * size.image());
    out.par_chunks_mut(size.image()).enumerate().for_each(|(i, out)| {
        f(i * size.image()..(i + 1) * size.image(), out);
    });
    #[expect(unsafe_code, reason = "uninitialised memory")]
    // SAFETY: the chunks cover all of it, and each of the kernels below writes every value of its chunk.
    unsafe {
        written(out)
    }
}

struct Normalise<'a> {
    plane: usize,
    x: &'a [f32],
    plus: Option<&'a [f32]>,
    by: &'a Coefficients<f32>,
    relu: bool,
    y: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Normalise<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { plane, x, plus, by, relu, y } = self;
        assert!(x.len() == y.len() && plus.is_none_or(|p| p.len() == y.len()));
        // Written so that NaN stays NaN.
        let cut = |sum: f32| if relu && sum < 0.0 { 0.0 } else { sum };
        let planes = y.chunks_exact_mut(plane).zip(x.chunks_exact(plane));
        for (c, (y, x)) in planes.enumerate() {
            let (mean, scale, shift) = (by.mean[c], by.scale[c], by.shift[c]);
            if let Some(plus) = plus {
                let plus = &plus[c * plane..][..plane];
                for ((y, x), plus) in y.iter_mut().zip(x).zip(plus) {
                    y.write(cut(scale * (x - mean) + shift + plus));
                }
            } else {
                for (y, x) in y.iter_mut().zip(x) {
                    y.write(cut(scale * (x - mean) + shift));
                }
            }
        }
    }
}

struct Gate<'a> {
    dy: &'a [f32],
    y: &'a [f32],
    dz: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Gate<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        assert!(self.dy.len() == self.dz.len() && self.y.len() == self.dz.len());
        for (dz, (&dy, &y)) in self.dz.iter_mut().zip(self.dy.iter().zip(self.y)) {
            dz.write(if y > 0.0 { dy } else { 0.0 });
        }
    }
}

struct InputGradient<'a> {
    plane: usize,
    dz: &'a [f32],
    x: &'a [f32],
    by: &'a [[f32; 4]],
    dx: &'a mut [MaybeUninit<f32>],
}

impl Kernel for InputGradient<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { plane, dz, x, by, dx } = self;
        assert!(dz.len() == dx.len() && x.len() == dx.len() && by.len() * plane == dx.len());
        let planes = dz.chunks_exact(plane).zip(x.chunks_exact(plane)).zip(by);
        for (dx, ((dz, x), &[mean, scale, shift, slope])) in dx.chunks_exact_mut(plane).zip(planes)
        {
            for (dx, (dz, x)) in dx.iter_mut().zip(dz.iter().zip(x)) {
                dx.write(scale * (dz - shift - slope * (x - mean)));
            }
        }
    }
}
