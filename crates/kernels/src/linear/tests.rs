//! The f32 kernels against the definition, on every instruction set.

use super::{Size, before_relu, kernel, reference};
use crate::{
    compare::{distance, wave, wide},
    isa::Isa,
};

struct Arguments {
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    dy: Vec<f32>,
}

/// With `relu`, what is below 0 in `x` is 0.
fn arguments(Size { n, i, o }: Size, relu: bool) -> Arguments {
    let x = wave(n * i, 0.37, 0.1, 1.5);
    Arguments {
        x: if relu { x.into_iter().map(|x| x.max(0.0)).collect() } else { x },
        w: wave(o * i, 0.91, 0.2, 0.7),
        b: wave(o, 1.1, 0.4, 0.3),
        dy: wave(n * o, 0.7, 0.3, 1.0),
    }
}

/// Values, and gradients of weights, biases and inputs; `relu` for both sides of the layer.
fn all(isa: Isa, size: Size, a: &Arguments, relu: bool) -> [Vec<f32>; 4] {
    let y = kernel::forward(isa, size, (&a.x, &a.w, &a.b), relu, relu);
    let dz = before_relu(&a.dy, &y, relu);
    let d = kernel::backward(isa, size, (&a.x, &a.w), &dz, true, relu);
    [y, d.dw, d.db, d.dx.unwrap()]
}

#[test]
fn every_size_agrees_with_the_definition() {
    for (n, i, o) in [
        (1, 1, 1),
        (1, 130, 3),
        (5, 30, 67),
        (7, 127, 10),
        (7, 128, 10),
        (13, 1025, 9),
        (2, 9001, 65),
        (300, 5, 6),
        (6, 250, 129),
        (4, 7, 490),
        (101, 33, 270),
        // Several strips, tasks and pieces of a sum, none of them full.
        (70, 1300, 37),
        (1, 1153, 100),
        (33, 1153, 100),
        (40, 9001, 129),
    ] {
        let size = Size { n, i, o };
        for (isa, relu) in Isa::all().into_iter().flat_map(|isa| [(isa, false), (isa, true)]) {
            let a = arguments(size, relu);
            let fast = all(isa, size, &a, relu);
            let exact_y = reference::forward(size, (&wide(&a.x), &wide(&a.w), &wide(&a.b)), relu);
            // The same side of 0 for both, also where rounding decides.
            let dz = before_relu(&wide(&a.dy), &wide(&fast[0]), relu);
            let d = reference::backward(size, &wide(&a.x), &wide(&a.w), &dz);
            let exact = [exact_y, d.dw, d.db, d.dx.unwrap()];
            for (name, (fast, exact)) in ["y", "dw", "db", "dx"].iter().zip(fast.iter().zip(&exact))
            {
                let error = distance(fast, exact);
                assert!(error < 1e-5, "{} {name} {error} {size:?} {relu}", isa.name());
            }
        }
    }
}

#[test]
fn nan_is_passed_on_and_zeros_pass_nothing() {
    for (isa, i) in Isa::all().into_iter().flat_map(|isa| [(isa, 3), (isa, 200)]) {
        let size = Size { n: 2, i, o: 2 };
        let mut x = vec![0.0; 2 * i];
        x[i + 1] = f32::NAN;
        let w = vec![1.0; 2 * i];
        let y = kernel::forward(isa, size, (&x, &w, &[0.0, -1.0]), true, true);
        assert!(y[..2] == [0.0, 0.0] && y[2..].iter().all(|v| v.is_nan()), "{}", isa.name());
        assert_eq!(before_relu(&[1.0; 2], &y[..2], true), [0.0, 0.0]);
        assert_eq!(before_relu(&[1.0; 2], &y[..2], false), [1.0, 1.0]);
    }
}

#[test]
fn nan_is_passed_on_and_zeros_are_left_out_behind_a_relu() {
    let size = Size { n: 40, i: 1100, o: 64 };
    let mut x = vec![0.0; size.n * size.i];
    (x[5], x[size.i + 1099]) = (2.0, f32::NAN);
    // Multiplying any of the zeros would show as NaN.
    let w: Vec<f32> =
        (0..size.o * size.i).map(|k| if k % size.i == 5 { 3.0 } else { f32::INFINITY }).collect();
    for isa in Isa::all() {
        let y = kernel::forward(isa, size, (&x, &w, &[1.0; 64]), true, true);
        let rows: Vec<_> = y.chunks_exact(size.o).collect();
        assert!(rows[0] == [7.0; 64], "{}", isa.name());
        assert!(rows[1].iter().all(|y| y.is_nan()), "{}", isa.name());
        assert!(rows[2..].iter().all(|y| *y == [1.0; 64]), "{}", isa.name());
    }
}

#[test]
fn each_instruction_set_gives_the_same_bits_at_any_number_of_threads() {
    for size in [Size { n: 70, i: 9001, o: 70 }, Size { n: 300, i: 30, o: 500 }] {
        let a = arguments(size, true);
        for isa in Isa::all() {
            let bits = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let all = pool.install(|| all(isa, size, &a, true)).concat();
                all.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let one = bits(1);
            assert!([1, 2, 3].into_iter().all(|n| bits(n) == one), "{}", isa.name());
        }
    }
}
