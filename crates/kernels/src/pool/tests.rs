//! The f32 kernels against the definition, on every instruction set.

use super::{Compute, PoolSpec, Size, kernel};
use crate::{
    compare::{distance, wave, wide},
    isa::Isa,
};

fn size(height: usize, width: usize, spec: PoolSpec) -> Size {
    let after = |size: usize| (size + 2 * spec.padding - spec.side) / spec.stride + 1;
    Size { maps: 7, height, width, rows: after(height), cols: after(width), spec }
}

#[test]
fn every_window_agrees_with_the_definition() {
    for (side, stride, padding) in
        [(2, 2, 0), (3, 2, 1), (3, 1, 1), (1, 2, 0), (3, 3, 2), (2, 3, 1)]
    {
        for (height, width) in [(3, 3), (4, 4), (9, 8), (2, 37), (5, 70)] {
            let spec = PoolSpec { side, stride, padding };
            if side > height + 2 * padding {
                continue;
            }
            let size = size(height, width, spec);
            // Ties, and a number that is none.
            let x = wave(7 * height * width, 0.371, 0.1, 4.8).into_iter();
            let mut x: Vec<f32> = x.map(f32::round).collect();
            x[height * width + 1] = f32::NAN;
            let (exact, winners) = f64::largest(&size, &wide(&x));
            for isa in Isa::all() {
                let (y, fast) = kernel::largest(isa, &size, &x);
                assert_eq!(fast, winners, "{} {size:?}", isa.name());
                let same = y
                    .iter()
                    .zip(&exact)
                    .all(|(y, e)| f64::from(*y).total_cmp(e).is_eq() || y.is_nan() && e.is_nan());
                assert!(same, "{} {size:?}", isa.name());
            }
        }
    }
}

#[test]
fn means_agree_with_the_definition() {
    for (maps, plane) in [(1, 1), (3, 16), (70, 49), (130, 1023)] {
        let x = wave(maps * plane, 0.371, 0.1, 1.2).iter().map(|v| v + 0.5).collect::<Vec<_>>();
        let exact = f64::means(plane, &wide(&x));
        for isa in Isa::all() {
            assert!(distance(&kernel::means(isa, plane, &x), &exact) < 1e-5, "{}", isa.name());
        }
    }
}
