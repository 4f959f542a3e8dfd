//! Pools in f32, map by map.

use rayon::prelude::*;

use super::{Compute, Size};
use crate::{
    element::{lane_sum, narrow},
    isa::{Isa, Kernel},
    simd::Lanes,
};

impl Compute for f32 {
    fn largest(size: &Size, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
        largest(Isa::best(), size, x)
    }

    fn means(plane: usize, x: &[f32]) -> Vec<f32> {
        means(Isa::best(), plane, x)
    }
}

pub(super) fn largest(isa: Isa, size: &Size, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let pooled = size.rows * size.cols;
    let mut y = vec![0.0; size.maps * pooled];
    let mut winners = vec![0; size.maps * pooled];
    let results = y.par_chunks_mut(pooled).zip(winners.par_chunks_mut(pooled));
    let maps = results.zip(x.par_chunks(size.height * size.width));
    maps.for_each(|((best, winners), map)| isa.run(Largest { size, map, best, winners }));
    (y, winners)
}

pub(super) fn means(isa: Isa, plane: usize, x: &[f32]) -> Vec<f32> {
    let mut means = vec![0.0; x.len() / plane];
    // Several maps per task, since maps of late layers are small.
    means.par_chunks_mut(64).zip(x.par_chunks(64 * plane)).for_each(|(means, x)| {
        isa.run(Means { plane, x, out: means });
    });
    means
}

/// One map, for all windows of a row of the result one place at a time.
struct Largest<'a> {
    size: &'a Size,
    map: &'a [f32],
    best: &'a mut [f32],
    winners: &'a mut [u32],
}

impl Kernel for Largest<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let &Size { height, width, cols, spec, .. } = self.size;
        let results = self.best.chunks_exact_mut(cols).zip(self.winners.chunks_exact_mut(cols));
        for (at, (best, winners)) in results.enumerate() {
            let rows = self.size.window(at, height);
            for (col, (best, winner)) in best.iter_mut().zip(&mut *winners).enumerate() {
                let first = rows.start * width + self.size.window(col, width).start;
                (*best, *winner) = (self.map[first], index(first));
            }
            for row in rows {
                for tap in 0..spec.side {
                    // The windows whose column `tap` lies in the map.
                    let from = spec.padding.saturating_sub(tap).div_ceil(spec.stride);
                    let inside = (width + spec.padding).saturating_sub(tap);
                    let to = cols.min(inside.div_ceil(spec.stride));
                    if from >= to {
                        continue;
                    }
                    let first = row * width + from * spec.stride + tap - spec.padding;
                    let values = self.map[first..].iter().step_by(spec.stride);
                    let kept = best[from..to].iter_mut().zip(&mut winners[from..to]);
                    for (i, ((best, winner), &value)) in kept.zip(values).enumerate() {
                        if value > *best || value.is_nan() && !best.is_nan() {
                            (*best, *winner) = (value, index(first + i * spec.stride));
                        }
                    }
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "maps were seen to have at most 2^32 values")]
const fn index(at: usize) -> u32 {
    at as u32
}

struct Means<'a> {
    plane: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Means<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        for (mean, map) in self.out.iter_mut().zip(self.x.chunks_exact(self.plane)) {
            *mean = narrow(lane_sum(map, map, |x, _| x) / self.plane as f64);
        }
    }
}
