//! Matrix products of the layer in f32.

use std::{mem::MaybeUninit, ops::Range};

use rayon::prelude::*;

use super::{Size, sparse_backward, sparse_forward};
use crate::{
    buffer::{Scratch, Shared, pitch, sized, unwritten, written},
    element::add,
    gemm::{Dot, Outer, Panels, Rows},
    gradients::Gradients,
    isa::{Isa, Kernel},
    simd::Lanes,
};

/// Minimum number of inputs for sums that run along the inputs. Shorter rows would hardly fill their vectors.
const LONG: usize = 128;
/// Outputs and inputs of one task then. Sums of tasks are added in order.
pub(super) const OUTPUTS: usize = 64;
const INPUTS: usize = 4096;
/// Inputs for which a task's weights and a few rows of the batch stay in the caches.
const CACHED: usize = 1024;

/// Rows and columns of one task of [`product`]: columns are whole tiles for all registers and an odd number of cache lines.
const ROWS: usize = 256;
const COLUMNS: usize = 240;

/// `sparse` states that about half of `x` is 0.
pub(super) fn forward(
    isa: Isa,
    size: Size,
    (x, w, b): (&[f32], &[f32], &[f32]),
    relu: bool,
    sparse: bool,
) -> Vec<f32> {
    let mut y =
        if size.i >= LONG { along_inputs(isa, size, x, w, sparse) } else { short(isa, size, x, w) };
    isa.run(Finish { y: &mut y, bias: b, relu });
    y
}

/// Adds the bias to each row and sets negative values to 0.
struct Finish<'a> {
    y: &'a mut [f32],
    bias: &'a [f32],
    relu: bool,
}

impl Kernel for Finish<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        for row in self.y.chunks_exact_mut(self.bias.len()) {
            for (y, bias) in row.iter_mut().zip(self.bias) {
                let sum = *y + bias;
                // Written so that NaN stays NaN.
                *y = if self.relu && sum < 0.0 { 0.0 } else { sum };
            }
        }
    }
}

/// `x w^T` by products of rows with rows, or skipping zeros.
fn along_inputs(isa: Isa, size: Size, x: &[f32], w: &[f32], sparse: bool) -> Vec<f32> {
    let Size { n, i, o } = size;
    let pieces = i.div_ceil(INPUTS);
    let inputs = |piece: usize| i * piece / pieces..i * (piece + 1) / pieces;
    let blocks = o.div_ceil(OUTPUTS);
    let outputs = |block: usize| block * OUTPUTS..o.min((block + 1) * OUTPUTS);
    let parts: Vec<Vec<f32>> = (0..blocks * pieces)
        .into_par_iter()
        .map(|task| {
            let (block, piece) = (task / pieces, task % pieces);
            let (outputs, inputs) = (outputs(block), inputs(piece));
            if sparse && sparse_forward::pays(size, &outputs) {
                sparse_forward::part(isa, size, (x, w), outputs.start, inputs)
            } else {
                part(isa, size, (x, w), outputs, inputs)
            }
        })
        .collect();
    let mut y = vec![0.0; n * o];
    for (block, parts) in parts.chunks(pieces).enumerate() {
        let outputs = outputs(block);
        for part in parts {
            let rows = y.chunks_exact_mut(o).zip(part.chunks_exact(outputs.len()));
            rows.for_each(|(y, part)| add(&mut y[outputs.clone()], part));
        }
    }
    y
}

/// `[n, outputs]`: sums over `inputs` only.
fn part(
    isa: Isa,
    Size { n, i, .. }: Size,
    (x, w): (&[f32], &[f32]),
    outputs: Range<usize>,
    inputs: Range<usize>,
) -> Vec<f32> {
    let mut sums = vec![0.0; n * outputs.len()];
    let w = &w[outputs.start * i..outputs.end * i];
    for from in inputs.clone().step_by(CACHED) {
        isa.run(Dot {
            a: Rows { values: x.get(from..).unwrap_or_default(), count: n, pitch: i },
            b: Rows { values: &w[from..], count: outputs.len(), pitch: i },
            depth: CACHED.min(inputs.end - from),
            out: &mut sums,
        });
    }
    sums
}

/// `x w^T` with transposed weights.
fn short(isa: Isa, Size { n, i, o }: Size, x: &[f32], w: &[f32]) -> Vec<f32> {
    let mut y = unwritten(n * o);
    product(isa, &Panels::of_rows(x, n, i), o, &mut y, |outputs, strip, pitch| {
        for (to, w) in w.chunks_exact(i).skip(outputs.start).take(outputs.len()).enumerate() {
            for (k, &w) in w.iter().enumerate() {
                strip[k * pitch + to] = w;
            }
        }
    });
    #[expect(unsafe_code, reason = "uninitialised memory")]
    // SAFETY: a product writes all of its result.
    unsafe {
        written(y)
    }
}

/// Gradients for `dz`, the gradient before the ReLU; of `x` only if `wanted`. `sparse` states that many of `dz` are 0.
pub(super) fn backward(
    isa: Isa,
    size: Size,
    (x, w): (&[f32], &[f32]),
    dz: &[f32],
    wanted: bool,
    sparse: bool,
) -> Gradients<f32> {
    let Size { n, i, o } = size;
    let mut dw = unwritten(o * i);
    let mut dx = unwritten(if wanted { n * i } else { 0 });
    if sparse && i >= sparse_backward::INPUTS && n > 0 {
        sparse_backward::backward(isa, size, (x, w), dz, (&mut dw, wanted.then_some(&mut *dx)));
    } else {
        product(isa, &Panels::of_columns(dz, o, n), i, &mut dw, rows_of(x, i));
        if wanted {
            product(isa, &Panels::of_rows(dz, n, o), i, &mut dx, rows_of(w, i));
        }
    }
    let mut db = vec![0.0; o];
    dz.chunks_exact(o).for_each(|row| add(&mut db, row));
    #[expect(unsafe_code, reason = "uninitialised memory")]
    // SAFETY: a product writes all of its result.
    let (dw, dx) = unsafe { (written(dw), written(dx)) };
    Gradients { dw, db, dx: wanted.then_some(dx) }
}

/// Copies columns of a row-major matrix of `width` columns, for [`product`].
fn rows_of(matrix: &[f32], width: usize) -> impl Fn(Range<usize>, &mut [f32], usize) + Sync {
    move |columns, strip, pitch| {
        for (to, from) in strip.chunks_mut(pitch).zip(matrix.chunks_exact(width)) {
            to[..columns.len()].copy_from_slice(&from[columns.clone()]);
        }
    }
}

/// `out = a b`, `out` row-major with `columns` columns. `pack(columns, strip, pitch)` puts some columns of `b` into a matrix
/// whose rows are `pitch` apart. All of `out` is written.
fn product(
    isa: Isa,
    a: &Panels,
    columns: usize,
    out: &mut [MaybeUninit<f32>],
    pack: impl Fn(Range<usize>, &mut [f32], usize) + Sync,
) {
    assert!(out.len() == a.rows() * columns);
    let out = Shared::new(out, columns);
    let blocks = a.rows().div_ceil(ROWS);
    let pitch = pitch(COLUMNS.min(columns));
    (0..columns.div_ceil(COLUMNS) * blocks).into_par_iter().for_each(|task| {
        let (from, first) = (task / blocks * COLUMNS, task % blocks * ROWS);
        let columns = from..columns.min(from + COLUMNS);
        let size = (ROWS.min(a.rows() - first), columns.len());
        Scratch::lend(|scratch| {
            let strip = sized(&mut scratch.patches, a.depth().max(1) * pitch);
            pack(columns, strip, pitch);
            #[expect(unsafe_code, reason = "blocks of a matrix are no slices")]
            // SAFETY: blocks of different tasks differ in rows or columns.
            let out = unsafe { out.block((first, from), size) };
            isa.run(Outer {
                a,
                first,
                b: strip,
                pitch,
                bias: None,
                relu: false,
                out,
                goes_on: false,
            });
        });
    });
}
