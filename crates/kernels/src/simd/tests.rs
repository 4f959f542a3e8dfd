//! Every function of every instruction set against plain arithmetic.
#![expect(unsafe_code, reason = "memory behind pointers")]
#![expect(clippy::float_cmp, reason = "the very numbers")]

use super::{Lanes, WIDEST};
use crate::isa::{Isa, Kernel};

/// The numbers of a vector.
#[inline(always)]
fn numbers<L: Lanes>(lanes: L, v: L::V) -> Vec<f32> {
    let mut out = vec![0.0; L::COUNT];
    // SAFETY: there is room for a vector.
    unsafe { lanes.store(out.as_mut_ptr(), v) };
    out
}

/// A vector of `f(0), f(1), ..`
#[inline(always)]
fn vector<L: Lanes>(lanes: L, f: impl Fn(usize) -> f32) -> L::V {
    let values: Vec<f32> = (0..L::COUNT).map(f).collect();
    // SAFETY: as many numbers as in a vector.
    unsafe { lanes.load(values.as_ptr()) }
}

/// Numbers on both sides of 0, both zeros and NaN, at different places for each `from`.
fn special(from: usize) -> impl Fn(usize) -> f32 {
    move |i| [1.5, -2.0, 0.0, -0.0, f32::NAN, 3.0, -0.5][(i * from + from) % 7]
}

fn same(found: &[f32], expected: impl Fn(usize) -> f32) {
    for (i, found) in found.iter().enumerate() {
        let expected = expected(i);
        assert!(
            *found == expected || found.is_nan() && expected.is_nan(),
            "{i}: {found} {expected}"
        );
    }
}

struct Arithmetic;

impl Kernel for Arithmetic {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        assert!(L::COUNT <= WIDEST && WIDEST.is_multiple_of(L::COUNT));
        same(&numbers(lanes, lanes.splat(2.5)), |_| 2.5);
        for (p, q) in (1..7).flat_map(|p| (1..7).map(move |q| (p, q))) {
            let (a, b) = (special(p), special(q));
            let [va, vb] = [vector(lanes, &a), vector(lanes, &b)];
            same(&numbers(lanes, lanes.add(va, vb)), |i| a(i) + b(i));
            same(&numbers(lanes, lanes.mul_add(va, vb, va)), |i| a(i) * b(i) + a(i));
            same(&numbers(lanes, lanes.relu(va)), |i| if a(i) < 0.0 { 0.0 } else { a(i) });
            same(&numbers(lanes, lanes.gate(va, vb)), |i| if b(i) > 0.0 { a(i) } else { 0.0 });
            let bits = |of: u32, i| of | u32::from(a(i) != 0.0) << i;
            assert_eq!(lanes.nonzero(va), (0..L::COUNT).fold(0, bits));
            let place = |of: f32| vector(lanes, |i| of + i as f32);
            let [best, places] = lanes.larger([va, place(0.0)], [vb, place(100.0)]);
            let new = |i: usize| b(i) > a(i) || b(i).is_nan() && !a(i).is_nan();
            same(&numbers(lanes, best), |i| if new(i) { b(i) } else { a(i) });
            same(&numbers(lanes, places), |i| if new(i) { 100.0 } else { 0.0 } + i as f32);
        }
        // Whole numbers, whose sums are exact in any order.
        let rows = [1.0, 3.0, 5.0, 7.0].map(|s| vector(lanes, move |i| s * (i * i) as f32));
        let squares: f32 = (0..L::COUNT).map(|i| (i * i) as f32).sum();
        same(&lanes.sums(rows), |i| (2 * i + 1) as f32 * squares);
    }
}

struct Memory;

impl Kernel for Memory {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for n in 0..L::COUNT {
            // Exactly n numbers, so that one read beyond them is one outside of the allocation.
            let values: Box<[f32]> = (0..n).map(|i| i as f32 + 1.0).collect();
            let mut out = vec![-1.0; n].into_boxed_slice();
            // SAFETY: n numbers on both sides.
            let v = unsafe {
                let v = lanes.load_first(values.as_ptr(), n);
                lanes.store_first(out.as_mut_ptr(), n, v);
                v
            };
            assert_eq!(out, values);
            same(&numbers(lanes, v), |i| if i < n { i as f32 + 1.0 } else { 0.0 });
        }
    }
}

#[test]
fn arithmetic_is_that_of_single_numbers() {
    for isa in Isa::all() {
        isa.run(Arithmetic);
    }
}

#[test]
fn parts_of_vectors_are_read_and_written_alone() {
    for isa in Isa::all() {
        isa.run(Memory);
    }
}
