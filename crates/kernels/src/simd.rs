//! Vectors of f32 of three widths.
//!
//! A value of a type here stands for the right to use its instructions. The vector ones are made by functions that only code
//! compiled for these instructions may call without `unsafe`, so that arithmetic can be safe; memory goes through pointers,
//! whose validity is the caller's promise.

mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// Vector arithmetic of one instruction set.
#[expect(unsafe_code, reason = "memory behind pointers")]
pub(crate) trait Lanes: Copy {
    /// `COUNT` numbers.
    type V: Copy;
    /// `COUNT` vectors.
    type Square: Copy + AsRef<[Self::V]> + AsMut<[Self::V]>;
    /// Numbers per vector, at most [`WIDEST`].
    const COUNT: usize;
    /// Whether there are 32 vector registers and not 16.
    const MANY: bool;

    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Negative numbers become 0; NaN stays.
    fn relu(self, a: Self::V) -> Self::V;
    /// `a` where `by` is larger than 0, and 0 elsewhere.
    fn gate(self, a: Self::V, by: Self::V) -> Self::V;
    /// A bit for each number that is not 0, from the lowest on; NaN is not.
    fn nonzero(self, a: Self::V) -> u32;
    /// `new` where its number is larger than that of `old`, or is the first NaN, and `old` elsewhere. The second half of a pair
    /// goes with the first.
    fn larger(self, old: [Self::V; 2], new: [Self::V; 2]) -> [Self::V; 2];
    /// The sum of each of four vectors.
    fn sums(self, v: [Self::V; 4]) -> [f32; 4];
    /// `COUNT` copies of a vector.
    fn square(self, v: Self::V) -> Self::Square;
    /// Number j of vector i becomes number i of vector j.
    fn transposed(self, v: Self::Square) -> Self::Square;
    /// Asks for the cache line at `at`, wherever that is, to be fetched for reading. It comes into the second cache: more lines
    /// can be on their way there than to the first.
    fn fetch(self, at: *const f32);
    /// The same for writing.
    fn prepare(self, at: *mut f32);
    /// # Safety
    /// `COUNT` numbers can be read at `at`.
    unsafe fn load(self, at: *const f32) -> Self::V;
    /// The first `n < COUNT` numbers, then zeros.
    ///
    /// # Safety
    /// `n` numbers can be read at `at`.
    unsafe fn load_first(self, at: *const f32, n: usize) -> Self::V;
    /// # Safety
    /// `COUNT` numbers can be written at `at`.
    unsafe fn store(self, at: *mut f32, v: Self::V);
    /// Writes whole numbers below 2^16.
    ///
    /// # Safety
    /// `COUNT` numbers can be written at `at`.
    unsafe fn store_whole(self, at: *mut u16, v: Self::V);
    /// Writes the first `n < COUNT` numbers.
    ///
    /// # Safety
    /// `n` numbers can be written at `at`.
    unsafe fn store_first(self, at: *mut f32, n: usize, v: Self::V);
}

/// Numbers in the widest vector. Rows of scratch matrices are readable up to a multiple of it.
pub(crate) const WIDEST: usize = 16;
