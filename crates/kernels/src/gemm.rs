//! GEMM micro-kernels, in which nearly all time is spent.
//!
//! Each keeps a tile of sums in registers. [`Outer`] and [`Product`] run along rows of the right factor and of the result, and
//! differ in where they find the left one; [`Dot`] runs along the rows of both factors and is for long ones. None needs a
//! transposed copy of a large matrix.

mod product;

use crate::{
    buffer::{Block, LINE},
    isa::Kernel,
    simd::{Lanes, WIDEST, with_count},
};

pub(crate) use product::{Entries, Every, Places, Product};

/// Rows of a tile of [`Outer`], and rows of its left factor that lie together.
pub(crate) const PANEL: usize = 4;
/// Depth up to which a tile's part of the right factor stays in the L1 cache.
const DEPTH: usize = 96;

/// A left factor `[rows, depth]` in panels `[depth][PANEL]`, the last one padded with zeros.
pub(crate) struct Panels {
    values: Vec<f32>,
    rows: usize,
    depth: usize,
}

impl Panels {
    /// Entry (row, k) is `f(row, k)`.
    pub fn new(rows: usize, depth: usize, f: impl Fn(usize, usize) -> f32) -> Self {
        let mut values = vec![0.0; rows.div_ceil(PANEL) * PANEL * depth];
        for (p, panel) in values.chunks_exact_mut(PANEL * depth.max(1)).enumerate() {
            let first = p * PANEL;
            let used = PANEL.min(rows - first);
            for (k, column) in panel.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
                for (r, value) in column[..used].iter_mut().enumerate() {
                    *value = f(first + r, k);
                }
            }
        }
        Self { values, rows, depth }
    }

    /// Of a row-major `[rows, depth]` matrix.
    pub fn of_rows(matrix: &[f32], rows: usize, depth: usize) -> Self {
        Self::new(rows, depth, |r, k| matrix[r * depth + k])
    }

    /// Of the transpose of a row-major `[depth, rows]` matrix.
    pub fn of_columns(matrix: &[f32], rows: usize, depth: usize) -> Self {
        let mut values = vec![0.0; rows.div_ceil(PANEL) * PANEL * depth];
        let panel = PANEL * depth.max(1);
        // Panels that share cache lines of the matrix are filled together.
        for (group, panels) in values.chunks_mut(LINE / PANEL * panel).enumerate() {
            for (k, row) in matrix.chunks_exact(rows).enumerate() {
                let (whole, rest) = row[group * LINE..].as_chunks::<PANEL>();
                let mut columns = panels.chunks_exact_mut(panel).map(|p| &mut p[k * PANEL..]);
                for (from, to) in whole.iter().zip(columns.by_ref()) {
                    to[..PANEL].copy_from_slice(from);
                }
                if let Some(to) = columns.next() {
                    to[..rest.len()].copy_from_slice(rest);
                }
            }
        }
        Self { values, rows, depth }
    }

    pub const fn rows(&self) -> usize {
        self.rows
    }

    pub const fn depth(&self) -> usize {
        self.depth
    }
}

/// `out = a b`, plus one number per row if there is `bias`, without negative values if `relu`.
pub(crate) struct Outer<'a> {
    pub a: &'a Panels,
    /// First row of `a` to use, a multiple of [`PANEL`]. As many rows follow as `out` has.
    pub first: usize,
    /// Right factor, as many rows as `a` is deep, `pitch` apart, readable up to a multiple of [`WIDEST`] columns.
    pub b: &'a [f32],
    pub pitch: usize,
    /// One number per row of `a`.
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    pub out: Block<'a>,
    /// Whether the memory behind `out` is written next and in no cache. It is prefetched then: while rows are written piece by
    /// piece, the hardware prefetcher does not.
    pub goes_on: bool,
}

impl Kernel for Outer<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (rows, columns, depth) = (self.out.rows(), self.out.columns(), self.a.depth());
        if rows == 0 || columns == 0 {
            return;
        }
        assert!(self.first.is_multiple_of(PANEL) && self.first + rows <= self.a.rows());
        assert!(self.bias.is_none_or(|b| b.len() == self.a.rows()));
        let readable = columns.next_multiple_of(WIDEST);
        assert!(readable <= self.pitch && self.b.len() >= depth.max(1) * self.pitch);
        let vectors = if L::MANY { 6 } else { 3 };
        for piece in pieces(columns, vectors * L::COUNT, depth) {
            #[expect(unsafe_code, reason = "pointers into the matrices")]
            // SAFETY: sizes were compared above.
            unsafe {
                let count = (columns - piece.from).div_ceil(L::COUNT).min(vectors);
                with_count!(count, N in [1 2 3 4 5] or 6 => self.column::<L, N>(lanes, piece));
            }
        }
    }
}

/// Part of a product: columns from `from` on, and terms `ks.0..ks.1` of each sum.
#[derive(Clone, Copy)]
struct Piece {
    from: usize,
    ks: (usize, usize),
}

/// The pieces of a product of `columns`, `width` of them at a time, in the order in which sums are added up.
fn pieces(columns: usize, width: usize, depth: usize) -> impl Iterator<Item = Piece> {
    let parts = depth.div_ceil(DEPTH).max(1);
    let ks = move |part| (depth * part / parts, depth * (part + 1) / parts);
    let columns = (0..columns).step_by(width);
    columns.flat_map(move |from| (0..parts).map(move |part| Piece { from, ks: ks(part) }))
}

impl Outer<'_> {
    /// All rows of `VECTORS` vectors of columns.
    ///
    /// # Safety
    /// `a`, `b`, `bias` and `out` have the sizes stated at the fields; the columns begin inside `out`, and `ks` lies within the
    /// depth. All but the first piece find `out` written.
    #[inline(always)]
    #[expect(unsafe_code, reason = "pointers into the matrices")]
    unsafe fn column<L: Lanes, const VECTORS: usize>(&self, lanes: L, piece: Piece) {
        let Piece { from, ks } = piece;
        let (depth, pitch) = (self.a.depth(), self.out.pitch());
        let last = self.out.columns() - from - (VECTORS - 1) * L::COUNT;
        for row in (0..self.out.rows()).step_by(PANEL) {
            // SAFETY: panels of the rows asked for, and columns of b up to a multiple of WIDEST, exist by the contract.
            let mut sums = unsafe {
                let a = self.a.values.as_ptr().add((self.first + row) * depth + ks.0 * PANEL);
                let b = self.b.as_ptr().add(ks.0 * self.pitch + from);
                sums::<L, VECTORS>(lanes, ks.1 - ks.0, a, (b, self.pitch))
            };
            for (r, sums) in sums.iter_mut().enumerate().take(self.out.rows() - row) {
                let bias = match self.bias {
                    Some(bias) if ks.0 == 0 => bias[self.first + row + r],
                    _ => 0.0,
                };
                // SAFETY: the row lies in out, and of its last vector only `last` numbers are touched.
                unsafe {
                    let out = self.out.at().add((row + r) * pitch + from);
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let at = out.add(v * L::COUNT);
                        let whole = v + 1 < VECTORS || last >= L::COUNT;
                        if self.goes_on && ks.0 == 0 {
                            lanes.prepare(at.wrapping_add(self.out.rows() * pitch));
                        }
                        let before = if ks.0 == 0 {
                            lanes.splat(bias)
                        } else if whole {
                            lanes.load(at)
                        } else {
                            lanes.load_first(at, last)
                        };
                        let mut value = lanes.add(*sum, before);
                        if self.relu && ks.1 == depth {
                            value = lanes.relu(value);
                        }
                        if whole {
                            lanes.store(at, value);
                        } else {
                            lanes.store_first(at, last, value);
                        }
                    }
                }
            }
        }
    }
}

/// The sums of one tile: `PANEL` rows by `VECTORS` vectors.
///
/// # Safety
/// `a` has `depth` times `PANEL` numbers; `b` is a pointer and a pitch with `depth` rows of `VECTORS` vectors.
#[inline(always)]
#[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
unsafe fn sums<L: Lanes, const VECTORS: usize>(
    lanes: L,
    depth: usize,
    a: *const f32,
    (b, pitch): (*const f32, usize),
) -> [[L::V; VECTORS]; PANEL] {
    let mut sums = [[lanes.splat(0.0); VECTORS]; PANEL];
    for k in 0..depth {
        let mut row = [lanes.splat(0.0); VECTORS];
        for (v, vector) in row.iter_mut().enumerate() {
            // SAFETY: vector v of row k.
            *vector = unsafe { lanes.load(b.add(k * pitch + v * L::COUNT)) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: entry r of column k of the panel.
            let factor = lanes.splat(unsafe { *a.add(k * PANEL + r) });
            for (sum, &vector) in sums.iter_mut().zip(&row) {
                *sum = lanes.mul_add(factor, vector, *sum);
            }
        }
    }
    sums
}

/// `out += a b^T`.
pub(crate) struct Dot<'a> {
    /// `[rows, depth]`, rows `pitch` apart.
    pub a: Rows<'a>,
    /// `[columns, depth]`, likewise.
    pub b: Rows<'a>,
    /// Length of the rows.
    pub depth: usize,
    /// `[rows, columns]`, row-major.
    pub out: &'a mut [f32],
}

/// Rows of numbers.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub values: &'a [f32],
    pub count: usize,
    pub pitch: usize,
}

/// Columns of a tile of [`Dot`]; its sums are reduced four at a time.
const FOUR: usize = 4;

impl Kernel for Dot<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (rows, columns) = (self.a.count, self.b.count);
        if rows == 0 || columns == 0 {
            return;
        }
        for m in [self.a, self.b] {
            assert!(m.values.len() >= (m.count - 1) * m.pitch + self.depth);
        }
        assert!(self.out.len() == rows * columns);
        let out = self.out;
        let mut row = 0;
        while row < rows {
            // Six rows need 29 registers, three need 16.
            let six = L::MANY && rows - row > 3;
            for column in (0..columns).step_by(FOUR) {
                // A partial tile repeats its last row or column; the copies are dropped.
                let b = self.b.pointers::<FOUR>(column);
                #[expect(unsafe_code, reason = "pointers into the matrices")]
                // SAFETY: `depth` numbers follow each pointer, as was asserted.
                unsafe {
                    if six {
                        let sums = products::<L, 6>(lanes, self.depth, self.a.pointers(row), b);
                        add_tile(out, columns, (row, column), &sums);
                    } else {
                        let sums = products::<L, 3>(lanes, self.depth, self.a.pointers(row), b);
                        add_tile(out, columns, (row, column), &sums);
                    }
                }
            }
            row += if six { 6 } else { 3 };
        }
    }
}

impl Rows<'_> {
    /// Where `N` rows from `first` on begin; instead of rows that do not exist, the last one.
    #[inline(always)]
    fn pointers<const N: usize>(&self, first: usize) -> [*const f32; N] {
        let mut at = [self.values.as_ptr(); N];
        for (i, at) in at.iter_mut().enumerate() {
            *at = at.wrapping_add((first + i).min(self.count - 1) * self.pitch);
        }
        at
    }
}

#[inline(always)]
fn add_tile(out: &mut [f32], columns: usize, (row, column): (usize, usize), sums: &[[f32; FOUR]]) {
    for (out, sums) in out.chunks_exact_mut(columns).skip(row).zip(sums) {
        for (out, sum) in out[column..].iter_mut().zip(sums) {
            *out += sum;
        }
    }
}

/// Products of `ROWS` rows with four.
///
/// # Safety
/// `depth` numbers can be read at each pointer.
#[inline(always)]
#[expect(unsafe_code, reason = "no bounds to check in the inner loop")]
unsafe fn products<L: Lanes, const ROWS: usize>(
    lanes: L,
    depth: usize,
    a: [*const f32; ROWS],
    b: [*const f32; FOUR],
) -> [[f32; FOUR]; ROWS] {
    let mut sums = [[lanes.splat(0.0); FOUR]; ROWS];
    let whole = depth - depth % L::COUNT;
    for k in (0..whole).step_by(L::COUNT) {
        // SAFETY: a whole vector from k on.
        let b = b.map(|b| unsafe { lanes.load(b.add(k)) });
        for (sums, a) in sums.iter_mut().zip(a) {
            // SAFETY: as above.
            let a = unsafe { lanes.load(a.add(k)) };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = lanes.mul_add(a, b, *sum);
            }
        }
    }
    if whole < depth {
        let rest = depth - whole;
        // SAFETY: `rest` numbers from `whole` on.
        let b = b.map(|b| unsafe { lanes.load_first(b.add(whole), rest) });
        for (sums, a) in sums.iter_mut().zip(a) {
            // SAFETY: as above.
            let a = unsafe { lanes.load_first(a.add(whole), rest) };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = lanes.mul_add(a, b, *sum);
            }
        }
    }
    let mut out = [[0.0; FOUR]; ROWS];
    for (out, sums) in out.iter_mut().zip(sums) {
        *out = lanes.sums(sums);
    }
    out
}
