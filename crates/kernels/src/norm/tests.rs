//! The f32 kernels against the definition, on every instruction set.

use super::{Coefficients, Compute, Moments, Size, Sums, kernel};
use crate::{
    compare::{distance, wave, wide},
    isa::Isa,
};

const SIZES: [Size; 7] = [
    Size { images: 2, channels: 1, plane: 1 },
    Size { images: 1, channels: 3, plane: 7 },
    Size { images: 9, channels: 5, plane: 4 },
    Size { images: 8, channels: 2, plane: 16 },
    Size { images: 17, channels: 3, plane: 35 },
    Size { images: 3, channels: 33, plane: 81 },
    Size { images: 19, channels: 4, plane: 1023 },
];

struct Arguments {
    x: Vec<f32>,
    plus: Vec<f32>,
    dy: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
}

fn arguments(size: Size) -> Arguments {
    let count = size.images * size.image();
    Arguments {
        // Channels with means far from 0, where a difference of squares would lose what matters.
        x: (0..count)
            .zip(wave(count, 0.371, 0.1, 1.2))
            .map(|(i, x)| x + 30.0 * (i / size.plane % size.channels) as f32)
            .collect(),
        plus: wave(count, 1.9, 0.7, 0.8),
        dy: wave(count, 0.7, 0.3, 1.0).iter().map(|v| v + 0.5).collect(),
        w: wave(size.channels, 0.93, 0.2, 1.6),
        b: wave(size.channels, 1.3, 0.5, 0.4),
    }
}

/// Moments, values with and without an addition, sums and input gradient.
fn all(isa: Isa, size: Size, a: &Arguments) -> (Moments, [Vec<f32>; 3], Sums) {
    let moments = kernel::moments(isa, size, &a.x);
    let by = Coefficients::new(&moments, &a.w, &a.b);
    let plain = kernel::normalise(isa, size, &a.x, &by, None, false);
    let cut = kernel::normalise(isa, size, &a.x, &by, Some(&a.plus), true);
    let dz = kernel::gate(isa, size, &a.dy, &cut);
    let sums = kernel::sums(isa, size, &dz, &a.x, &moments.mean);
    let dx = kernel::input_gradient(isa, size, &dz, &a.x, &way_back(size, &moments, &sums));
    (moments, [plain, cut, dx], sums)
}

/// Some coefficients of the size that they have.
fn way_back(size: Size, moments: &Moments, sums: &[[f64; 2]]) -> Vec<[f64; 4]> {
    let count = size.count() as f64;
    let each = |(&mean, sums): (&f64, &[f64; 2])| [mean, 0.8, sums[0] / count, sums[1] / count];
    moments.mean.iter().zip(sums).map(each).collect()
}

#[test]
fn every_size_agrees_with_the_definition() {
    for size in SIZES {
        let a = arguments(size);
        let (x, dy) = (wide(&a.x), wide(&a.dy));
        let exact = f64::moments(size, &x);
        let by = Coefficients::new(&exact, &wide(&a.w), &wide(&a.b));
        let plain = f64::normalise(size, &x, &by, None, false);
        let cut = f64::normalise(size, &x, &by, Some(&wide(&a.plus)), true);
        for isa in Isa::all() {
            let (moments, fast, sums) = all(isa, size, &a);
            // The same side of 0 for both, also where rounding decides.
            let dz = f64::gate(size, &dy, &wide(&fast[1]));
            let exact_sums = f64::sums(size, &dz, &x, &exact.mean);
            let dx = f64::input_gradient(size, &dz, &x, &way_back(size, &exact, &exact_sums));
            for (name, fast, exact) in
                [("plain", &fast[0], &plain), ("cut", &fast[1], &cut), ("dx", &fast[2], &dx)]
            {
                let error = distance(fast, exact);
                assert!(error < 1e-5, "{} {name} {error} {size:?}", isa.name());
            }
            for (c, exact_sums) in exact_sums.iter().enumerate() {
                assert!((moments.mean[c] - exact.mean[c]).abs() < 1e-5, "{size:?}");
                assert!((moments.var[c] - exact.var[c]).abs() < 1e-5, "{size:?}");
                let scale = size.count() as f64;
                for (fast, exact) in sums[c].iter().zip(exact_sums) {
                    assert!((fast - exact).abs() < 1e-5 * scale, "{} {size:?}", isa.name());
                }
            }
        }
    }
}

#[test]
fn nan_is_passed_on_and_zeros_pass_nothing() {
    let size = Size { images: 1, channels: 2, plane: 20 };
    for isa in Isa::all() {
        let mut x = wave(40, 0.37, 0.1, 1.0);
        x[33] = f32::NAN;
        let moments = kernel::moments(isa, size, &x);
        assert!(moments.mean[0].is_finite() && moments.mean[1].is_nan());
        let by = Coefficients { mean: vec![0.0; 2], scale: vec![1.0; 2], shift: vec![0.0; 2] };
        let y = kernel::normalise(isa, size, &x, &by, None, true);
        assert!(y[33].is_nan() && y.iter().filter(|y| y.is_nan()).count() == 1, "{}", isa.name());
        let dz = kernel::gate(isa, size, &[1.0; 40], &[0.0; 40]);
        assert_eq!(dz, [0.0; 40]);
    }
}

#[test]
fn each_instruction_set_gives_the_same_bits_at_any_number_of_threads() {
    let size = Size { images: 37, channels: 5, plane: 49 };
    let a = arguments(size);
    for isa in Isa::all() {
        let bits = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (moments, values, sums) = pool.install(|| all(isa, size, &a));
            let exact = [moments.mean, moments.var, sums.concat()].concat();
            let exact = exact.into_iter().map(f64::to_bits);
            let values = values.concat().into_iter().map(|v| u64::from(v.to_bits()));
            exact.chain(values).collect::<Vec<_>>()
        };
        let one = bits(1);
        assert!([1, 2, 3].into_iter().all(|n| bits(n) == one), "{}", isa.name());
    }
}
