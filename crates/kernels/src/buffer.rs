//! Memory for results and scratch.
//!
//! Results are not zeroed before they are written: for a large map that would cost as much as writing it. Scratch belongs to
//! a thread and is reused, since fresh memory is slower still.

use std::{cell::Cell, marker::PhantomData, mem::MaybeUninit};

/// Memory for `len` values, to be written in full and then given to [`written`].
pub(crate) fn unwritten<T>(len: usize) -> Box<[MaybeUninit<T>]> {
    Box::new_uninit_slice(len)
}

/// The values of a buffer.
///
/// # Safety
/// Every element has been written.
#[expect(unsafe_code, reason = "uninitialised memory")]
pub(crate) unsafe fn written<T>(buffer: Box<[MaybeUninit<T>]>) -> Vec<T> {
    // SAFETY: promised by the caller.
    unsafe { buffer.assume_init() }.into_vec()
}

/// Rows of numbers to be written, `pitch` apart in memory.
pub(crate) struct Block<'a> {
    at: *mut f32,
    pitch: usize,
    rows: usize,
    columns: usize,
    of: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

impl<'a> Block<'a> {
    /// All of `memory`, cut into rows of `columns`.
    pub fn new(memory: &'a mut [MaybeUninit<f32>], columns: usize) -> Self {
        let rows = memory.len() / columns.max(1);
        Self { at: memory.as_mut_ptr().cast(), pitch: columns, rows, columns, of: PhantomData }
    }

    /// The first `columns` of each row of `scratch`.
    pub fn in_scratch(scratch: &'a mut [f32], pitch: usize, columns: usize) -> Self {
        let rows = scratch.len() / pitch.max(1);
        assert!(columns <= pitch);
        Self { at: scratch.as_mut_ptr(), pitch, rows, columns, of: PhantomData }
    }

    pub const fn at(&self) -> *mut f32 {
        self.at
    }

    pub const fn pitch(&self) -> usize {
        self.pitch
    }

    pub const fn rows(&self) -> usize {
        self.rows
    }

    pub const fn columns(&self) -> usize {
        self.columns
    }
}

/// A matrix of which several threads write blocks.
pub(crate) struct Shared<'a> {
    at: *mut f32,
    rows: usize,
    columns: usize,
    of: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

#[expect(unsafe_code, reason = "threads share a pointer")]
// SAFETY: it hands out blocks only, which do not overlap by the contract of `block`.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub fn new(memory: &'a mut [MaybeUninit<f32>], columns: usize) -> Self {
        let rows = memory.len() / columns.max(1);
        Self { at: memory.as_mut_ptr().cast(), rows, columns, of: PhantomData }
    }

    /// The block from row and column `from`, of size `size`.
    ///
    /// # Safety
    /// No two blocks in use at the same time overlap.
    #[expect(unsafe_code, reason = "blocks of a matrix are no slices")]
    pub unsafe fn block(&self, from: (usize, usize), size: (usize, usize)) -> Block<'_> {
        assert!(from.0 + size.0 <= self.rows && from.1 + size.1 <= self.columns);
        // SAFETY: the assertion checks that the block lies inside.
        let at = unsafe { self.at.add(from.0 * self.columns + from.1) };
        Block { at, pitch: self.columns, rows: size.0, columns: size.1, of: PhantomData }
    }
}

/// Scratch of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Images with their border.
    pub image: Vec<f32>,
    /// Patches.
    pub patches: Vec<f32>,
    /// Maps before the pool, or their gradients.
    pub map: Vec<f32>,
}

impl Scratch {
    /// Lends this thread's scratch, with arbitrary contents.
    pub fn lend<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        thread_local! {
            static KEPT: Cell<Scratch> = Cell::default();
        }
        // A nested call gets fresh scratch, which is slow but correct.
        let mut scratch = KEPT.take();
        let result = f(&mut scratch);
        KEPT.set(scratch);
        result
    }
}

/// `len` numbers of `kept`, grown if necessary, starting at a cache line: vectors across two lines are read twice.
pub(crate) fn sized(kept: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if kept.len() < len + LINE {
        kept.resize(len + LINE, 0.0);
    }
    // Counted in numbers; fails only where addresses have no meaning.
    let skipped = kept.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    &mut kept[skipped..][..len]
}

/// Numbers in a cache line.
pub(crate) const LINE: usize = 16;

/// A row length of at least `columns` for scratch matrices: an odd number of cache lines, so that the entries of a column
/// fall into different cache sets.
pub(crate) const fn pitch(columns: usize) -> usize {
    (columns.div_ceil(LINE) | 1) * LINE
}
