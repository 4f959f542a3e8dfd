//! The f32 kernels against the definition, on every instruction set.

use super::{
    ConvSpec, Way, backward, forward,
    geometry::{Geometry, Seen},
    reference,
};
use crate::{
    compare::{distance, wave, wide},
    gradients::Gradients,
    isa::Isa,
};

struct Arguments {
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    dy: Vec<f32>,
}

fn arguments(g: &Geometry) -> Arguments {
    Arguments {
        x: wave(g.images * g.image(), 0.371, 0.1, 1.2),
        w: wave(g.outputs * g.filter(), 0.93, 0.2, 0.6),
        b: wave(g.outputs, 1.3, 0.5, 0.2),
        // Off zero on average: sums that cancel have no meaningful relative error.
        dy: wave(g.images * g.result(), 0.7, 0.3, 1.0).iter().map(|v| v + 0.5).collect(),
    }
}

/// Values and gradients of the f32 kernels.
fn fast(isa: Isa, g: &Geometry, a: &Arguments) -> (Vec<f32>, Vec<u16>, Gradients<f32>) {
    let (y, winners) = forward::forward(isa, g, &a.x, &a.w, &a.b);
    let seen = Seen { x: &a.x, y: &y, dy: &a.dy, winners: &winners };
    let gradients = backward::backward(isa, g, seen, &a.w, true);
    (y, winners, gradients)
}

fn check(g: &Geometry, a: &Arguments) {
    let (y, winners) = reference::forward(g, &wide(&a.x), &wide(&a.w), &wide(&a.b));
    for isa in Isa::all() {
        let (fast_y, fast_winners, fast) = fast(isa, g, a);
        // Where the two sides round to different sides of 0, or choose between nearly equal values, gradients may differ.
        // The reference therefore gets the choices of the kernel, once the values have been compared.
        assert!(distance(&fast_y, &y) < 1e-5, "{} {g:?}", isa.name());
        let chosen = if g.spec.pool == 1 { &winners } else { &fast_winners };
        let exact = reference::backward(
            g,
            (&wide(&a.x), &wide(&a.w)),
            (&wide(&fast_y), &wide(&a.dy), chosen),
        );
        for (name, fast, exact) in [
            ("dw", &fast.dw, &exact.dw),
            ("db", &fast.db, &exact.db),
            ("dx", fast.dx.as_ref().unwrap(), exact.dx.as_ref().unwrap()),
        ] {
            let error = distance(fast, exact);
            assert!(error < 1e-5, "{} {name} {error} {g:?}", isa.name());
        }
    }
}

fn geometry(images: [usize; 4], filters: [usize; 2], spec: ConvSpec) -> Geometry {
    let [n, c, h, w] = images;
    let [o, k] = filters;
    Geometry::new((n, c, h, w), (o, c, k, k), &[o], spec, true).unwrap()
}

#[test]
fn every_kernel_stride_padding_and_pool_agrees_with_the_definition() {
    for kernel in [1, 3, 5] {
        for (stride, padding, pool) in
            [1, 2].iter().flat_map(|&s| (0..3).flat_map(move |p| (1..4).map(move |q| (s, p, q))))
        {
            let spec = ConvSpec { stride, padding, pool };
            let g = geometry([9, 3, 13, 11], [7, kernel], spec);
            check(&g, &arguments(&g));
        }
    }
}

#[test]
fn without_a_relu_negative_sums_and_all_gradients_pass() {
    for (kernel, stride, padding) in [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (7, 2, 3)] {
        let spec = ConvSpec { stride, padding, pool: 1 };
        let g = Geometry { relu: false, ..geometry([9, 3, 13, 11], [7, kernel], spec) };
        let a = arguments(&g);
        check(&g, &a);
        let (y, _, d) = fast(Isa::best(), &g, &a);
        assert!(y.iter().any(|y| *y < 0.0));
        let per_channel = g.images * g.pooled();
        let sum: f64 = (0..per_channel)
            .map(|k| f64::from(a.dy[k / g.pooled() * g.result() + k % g.pooled()]))
            .sum();
        assert!((f64::from(d.db[0]) - sum).abs() < 1e-4 * sum.abs(), "{kernel} {stride}");
    }
}

#[test]
fn every_remainder_agrees_with_the_definition() {
    for (images, channels, side, outputs) in [
        (1, 1, 3, 1),
        (1, 3, 32, 5),
        (2, 3, 18, 33),
        (3, 2, 7, 16),
        (17, 1, 5, 3),
        (2, 5, 20, 64),
        // More channels than one piece of a sum is deep.
        (2, 13, 9, 6),
    ] {
        for (stride, padding, pool) in [(1, 0, 1), (2, 1, 1), (1, 1, 2)] {
            let spec = ConvSpec { stride, padding, pool };
            let g = geometry([images, channels, side, side], [outputs, 3], spec);
            check(&g, &arguments(&g));
        }
    }
    // Behind a pool: one row of windows at a time or several, the last of them fewer, and filters of several pieces.
    for (images, channels, side, outputs, kernel, padding, pool) in [
        (9, 3, 32, 5, 5, 0, 2),
        (1, 3, 33, 17, 3, 1, 2),
        (2, 15, 10, 3, 5, 2, 2),
        (3, 1, 40, 2, 7, 0, 3),
        (2, 16, 10, 3, 3, 1, 2),
        // One channel and three, more windows in a row than lanes, and more filters than are computed together.
        (1, 1, 44, 37, 5, 0, 2),
        (2, 3, 39, 33, 5, 2, 2),
        (3, 1, 5, 6, 3, 1, 2),
        (1, 3, 6, 1, 5, 0, 2),
    ] {
        let spec = ConvSpec { stride: 1, padding, pool };
        let g = geometry([images, channels, side, side], [outputs, kernel], spec);
        check(&g, &arguments(&g));
    }
    // All numbers of vectors in the last tile.
    for width in 1..40 {
        let spec = ConvSpec { stride: 1, padding: 0, pool: 1 };
        let g = geometry([1, 2, 3, 3 * width], [5, 3], spec);
        check(&g, &arguments(&g));
    }
}

#[test]
fn tiles_of_results_agree_with_the_definition() {
    for (images, channels, [height, width], outputs) in [
        (1, 16, [3, 3], 16),
        (1, 16, [1, 2], 17),
        (3, 16, [32, 30], 16),
        (9, 19, [11, 8], 37),
        (2, 70, [7, 9], 33),
        (3, 33, [4, 4], 130),
        (50, 17, [2, 2], 24),
        (61, 16, [3, 2], 18),
    ] {
        for (padding, pool) in [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)] {
            let spec = ConvSpec { stride: 1, padding, pool };
            let rows = (height + 2 * padding).saturating_sub(2);
            let cols = (width + 2 * padding).saturating_sub(2);
            if rows.min(cols) < pool {
                continue;
            }
            for relu in [true, false] {
                let g = geometry([images, channels, height, width], [outputs, 3], spec);
                let g = Geometry { relu, ..g };
                assert_eq!([g.forward_way(), g.backward_way()], [Way::Winograd; 2]);
                check(&g, &arguments(&g));
            }
        }
    }
}

#[test]
fn products_of_pixels_agree_with_the_definition() {
    for (images, channels, [height, width], outputs) in
        [(1, 16, [5, 6], 16), (9, 19, [11, 8], 37), (2, 70, [7, 9], 33), (13, 16, [1, 1], 17)]
    {
        for (kernel, stride, padding) in [
            (1, 1, 0),
            (1, 2, 0),
            (1, 1, 1),
            (2, 2, 0),
            (2, 3, 1),
            (3, 2, 0),
            (3, 2, 1),
            (3, 3, 2),
            (3, 1, 3),
            (5, 1, 2),
            (5, 2, 1),
        ] {
            if height.min(width) + 2 * padding < kernel {
                continue;
            }
            for relu in [true, false] {
                let spec = ConvSpec { stride, padding, pool: 1 };
                let g = geometry([images, channels, height, width], [outputs, kernel], spec);
                let g = Geometry { relu, ..g };
                assert_eq!([g.forward_way(), g.backward_way()], [Way::ImplicitGemm; 2]);
                check(&g, &arguments(&g));
            }
        }
    }
}

#[test]
fn each_algorithm_is_chosen_where_it_applies() {
    for (channels, kernel, pool, ways) in [
        (16, 3, 2, [Way::Winograd, Way::Winograd]),
        (16, 5, 1, [Way::ImplicitGemm, Way::ImplicitGemm]),
        (16, 5, 2, [Way::Im2col, Way::Im2col]),
        (3, 5, 2, [Way::WinogradSmallIn, Way::PooledWeightGrad]),
        (2, 5, 2, [Way::Im2col, Way::PooledWeightGrad]),
        (3, 5, 1, [Way::Im2col, Way::Im2col]),
    ] {
        let spec = ConvSpec { stride: 1, padding: 0, pool };
        let g = geometry([1, channels, 9, 9], [16, kernel], spec);
        assert_eq!([g.forward_way(), g.backward_way()], ways, "{channels} {kernel} {pool}");
    }
}

#[test]
fn of_equal_values_the_first_wins_and_zeros_pass_nothing() {
    for isa in Isa::all() {
        // One channel of a filter that copies: rows of small whole numbers are full of ties and zeros.
        let spec = ConvSpec { stride: 1, padding: 0, pool: 2 };
        let g = geometry([2, 1, 12, 38], [1, 1], spec);
        let x: Vec<f32> = (0..g.images * g.image()).map(|k| (k * 7 % 5) as f32 - 2.0).collect();
        let a = Arguments { w: vec![1.0], b: vec![0.0], x, ..arguments(&g) };
        let (y, winners, gradients) = fast(isa, &g, &a);
        let (exact_y, exact_winners) =
            reference::forward(&g, &wide(&a.x), &wide(&a.w), &wide(&a.b));
        assert_eq!(wide(&y), exact_y);
        assert_eq!(winners, exact_winners);
        let dx = gradients.dx.unwrap();
        let passed = dx.iter().filter(|v| **v != 0.0).count();
        assert_eq!(passed, y.iter().filter(|v| **v > 0.0).count(), "one gradient per window");
        assert!(dx.iter().zip(&a.x).all(|(d, x)| *d == 0.0 || *x > 0.0));
    }
}

#[test]
fn nan_is_passed_on() {
    for isa in Isa::all() {
        for place in 0..4 {
            let spec = ConvSpec { stride: 1, padding: 0, pool: 2 };
            let g = geometry([1, 1, 2, 2], [1, 1], spec);
            let mut x = vec![1.0, 2.0, 3.0, 0.0];
            x[place] = f32::NAN;
            let (y, winners) = forward::forward(isa, &g, &x, &[1.0], &[0.0]);
            assert!(y[0].is_nan() && usize::from(winners[0]) == place, "{} {place}", isa.name());
            let exact = reference::forward(&g, &wide(&x), &[1.0], &[0.0]);
            assert!(exact.0[0].is_nan() && exact.1 == winners);
        }
        // Exactly the windows that contain it.
        for (kernel, pixel) in [3, 5].into_iter().flat_map(|k| (0..100).map(move |p| (k, p))) {
            let spec = ConvSpec { stride: 1, padding: 0, pool: 2 };
            let g = geometry([1, 1, 10, 10], [5, kernel], spec);
            let mut a = arguments(&g);
            a.x[pixel] = f32::NAN;
            let (y, _) = forward::forward(isa, &g, &a.x, &a.w, &a.b);
            let exact = reference::forward(&g, &wide(&a.x), &wide(&a.w), &wide(&a.b)).0;
            let nan: Vec<bool> = y.iter().map(|v| v.is_nan()).collect();
            assert_eq!(
                nan,
                exact.iter().map(|v| v.is_nan()).collect::<Vec<_>>(),
                "{kernel} {pixel}"
            );
        }
        let spec = ConvSpec { stride: 1, padding: 0, pool: 1 };
        let g = geometry([1, 1, 5, 5], [3, 3], spec);
        let a = Arguments { b: vec![0.0, f32::NAN, 0.0], ..arguments(&g) };
        let (y, _) = forward::forward(isa, &g, &a.x, &a.w, &a.b);
        let nan: Vec<bool> = y.chunks(9).map(|c| c.iter().all(|v| v.is_nan())).collect();
        assert_eq!(nan, [false, true, false], "{}", isa.name());
    }
}

#[test]
fn each_instruction_set_gives_the_same_bits_at_any_number_of_threads() {
    let spec = ConvSpec { stride: 1, padding: 1, pool: 2 };
    let g = geometry([37, 3, 12, 12], [9, 3], spec);
    let a = arguments(&g);
    for isa in Isa::all() {
        let bits = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (y, _, d) = pool.install(|| fast(isa, &g, &a));
            let all = [y, d.dw, d.db, d.dx.unwrap()].concat();
            all.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let one = bits(1);
        assert!([1, 2, 3].into_iter().all(|n| bits(n) == one), "{}", isa.name());
    }
}
