//! Gradients of a layer with many inputs and a ReLU, skipping outputs that the ReLU has set to 0: about half of them.
//!
//! Both gradients are computed for a strip of inputs at a time, so that the rows of weights and batch, each used by many sums,
//! stay in the L1 cache.

use std::{mem::MaybeUninit, ops::Range};

use rayon::prelude::*;

use super::Size;
use crate::{
    buffer::{LINE, Scratch, Shared, sized},
    isa::{Isa, Kernel},
    simd::Lanes,
    sparse_gemm::{Listed, Terms},
};

/// Minimum number of inputs for which making the lists pays. Miri gets smaller layers.
pub(super) const INPUTS: usize = if cfg!(miri) { 192 } else { 1024 };
/// Inputs of a strip, and rows of it per sum.
const STRIP: usize = 128;
const DEPTH: usize = 32;
/// Strips of one task: pieces of rows long enough for the hardware prefetcher.
const STRIPS: usize = 3;
/// Rows to prefetch ahead.
const AHEAD: usize = 12;

/// Writes the gradients of the weights to `dw` and, if there is memory for it, the gradient of the inputs to `dx`. The batch is not
/// empty.
pub(super) fn backward(
    isa: Isa,
    Size { n, i, o }: Size,
    (x, w): (&[f32], &[f32]),
    dz: &[f32],
    (dw, dx): (&mut [MaybeUninit<f32>], Option<&mut [MaybeUninit<f32>]>),
) {
    assert!(x.len() == n * i && w.len() == o * i && dz.len() == n * o && dw.len() == o * i);
    assert!(dx.as_ref().is_none_or(|dx| dx.len() == n * i));
    let by_output = pieces(o, n, |output, row| dz[row * o + output]);
    let by_row = dx.is_some().then(|| pieces(n, o, |row, output| dz[row * o + output]));
    let (dw, dx) = (Shared::new(dw, i), dx.map(|dx| Shared::new(dx, i)));
    (0..i.div_ceil(STRIPS * STRIP)).into_par_iter().for_each(|task| {
        let from = task * STRIPS * STRIP;
        let inputs = from..i.min(from + STRIPS * STRIP);
        Scratch::lend(|scratch| {
            let scratch = &mut scratch.patches;
            product(isa, &by_output, (x, n), inputs.clone(), scratch, (&dw, o));
            if let (Some(by_row), Some(dx)) = (&by_row, &dx) {
                product(isa, by_row, (w, o), inputs, scratch, (dx, n));
            }
        });
    });
}

/// Some columns of `out = a b`, for a left factor in pieces, a right factor of `depth` rows and a result of `rows`. Different
/// calls at the same time are for different columns.
fn product(
    isa: Isa,
    a: &[Terms],
    (b, depth): (&[f32], usize),
    columns: Range<usize>,
    scratch: &mut Vec<f32>,
    (out, rows): (&Shared<'_>, usize),
) {
    let strips = sized(scratch, STRIPS * STRIP * depth);
    let width = b.len() / depth;
    isa.run(InStrips { matrix: b, width, columns: columns.clone(), strips });
    let firsts = columns.clone().step_by(STRIP);
    for (from, strip) in firsts.zip(strips.chunks_exact(STRIP * depth)) {
        for (k, terms) in a.iter().enumerate() {
            let b = &strip[depth * k / a.len() * STRIP..];
            let size = (rows, STRIP.min(columns.end - from));
            #[expect(unsafe_code, reason = "blocks of a matrix are no slices")]
            // SAFETY: blocks of different calls differ in columns, and the blocks of this call are used one after the other.
            let out = unsafe { out.block((0, from), size) };
            isa.run(Listed { a: terms, b, add: k > 0, out });
        }
    }
}

/// A left factor for a strip, cut into pieces of at most [`DEPTH`] columns.
fn pieces(rows: usize, depth: usize, f: impl Fn(usize, usize) -> f32) -> Vec<Terms> {
    let pieces = depth.div_ceil(DEPTH);
    let piece = |k| {
        let (from, to) = (depth * k / pieces, depth * (k + 1) / pieces);
        Terms::new(rows, to - from, STRIP, |row, k| f(row, from + k))
    };
    (0..pieces).map(piece).collect()
}

/// Copies columns of a row-major matrix into strips of [`STRIP`] columns, one after the other.
struct InStrips<'a> {
    matrix: &'a [f32],
    width: usize,
    columns: Range<usize>,
    strips: &'a mut [f32],
}

impl Kernel for InStrips<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { matrix, width, columns, strips } = self;
        let strip = matrix.len() / width * STRIP;
        for (row, from) in matrix.chunks_exact(width).enumerate() {
            // The rows are too far apart for the hardware prefetcher.
            let later = from[columns.start..].as_ptr().wrapping_add(AHEAD * width);
            for line in (0..columns.len()).step_by(LINE) {
                lanes.fetch(later.wrapping_add(line));
            }
            let pieces = from[columns.clone()].chunks(STRIP);
            for (piece, strip) in pieces.zip(strips.chunks_exact_mut(strip)) {
                strip[row * STRIP..][..piece.len()].copy_from_slice(piece);
            }
        }
    }
}
