//! Vectors of f32 of three widths.
//!
//! A value of one of these types proves that the processor has its instructions, so arithmetic is safe: the vector types are made
//! by functions that only code compiled for these instructions can call without `unsafe`. Memory is accessed through pointers,
//! whose validity the caller guarantees.

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
    /// A bit for each number that differs from 0, as NaN does, lowest lane first.
    fn nonzero(self, a: Self::V) -> u32;
    /// Per lane `new` if its first number is larger than that of `old`, or is the first NaN, and `old` otherwise. The second
    /// number of a pair follows the first.
    fn larger(self, old: [Self::V; 2], new: [Self::V; 2]) -> [Self::V; 2];
    /// The sum of each of four vectors.
    fn sums(self, v: [Self::V; 4]) -> [f32; 4];
    /// `COUNT` copies of a vector.
    fn square(self, v: Self::V) -> Self::Square;
    /// Number j of vector i becomes number i of vector j.
    fn transposed(self, v: Self::Square) -> Self::Square;
    /// Prefetches the cache line at `at`, any address, for reading, into the L2 cache: more fetches can be in flight there than
    /// to the L1 cache.
    fn fetch(self, at: *const f32);
    /// Prefetches the cache line at `at`, any address, for writing.
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

/// Evaluates an expression with a number as the constant `$N`, for code that is compiled for each number of registers: one of
/// the literals, or else `$most`.
macro_rules! with_count {
    ($count:expr, $N:ident in [$($n:literal)*] or $most:expr => $call:expr) => {
        match $count {
            $($n => {
                const $N: usize = $n;
                $call
            })*
            _ => {
                const $N: usize = $most;
                $call
            }
        }
    };
}
pub(crate) use with_count;
