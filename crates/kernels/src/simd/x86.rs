//! Vectors of x86-64 processors.
#![expect(unsafe_code, reason = "vector instructions")]

#[allow(clippy::wildcard_imports, reason = "the vocabulary of the processor")]
use std::arch::x86_64::*;

use super::Lanes;

/// The part of an `impl Lanes` in which instruction sets differ by the names of their instructions only.
macro_rules! same_in_all_widths {
    (
        $V:ty, $count:literal, $splat:ident, $add:ident, $sub:ident, $mul_add:ident, $max:ident, $load:ident,
        $store:ident
    ) => {
        type V = $V;
        type Square = [$V; $count];
        const COUNT: usize = $count;

        // SAFETY, for every block here: the instructions exist, or there would be no `self`; the caller promises valid memory,
        // which prefetching does not need.
        #[inline(always)]
        fn splat(self, x: f32) -> $V {
            unsafe { $splat(x) }
        }

        #[inline(always)]
        fn add(self, a: $V, b: $V) -> $V {
            unsafe { $add(a, b) }
        }

        #[inline(always)]
        fn sub(self, a: $V, b: $V) -> $V {
            unsafe { $sub(a, b) }
        }

        #[inline(always)]
        fn mul_add(self, a: $V, b: $V, c: $V) -> $V {
            unsafe { $mul_add(a, b, c) }
        }

        #[inline(always)]
        fn relu(self, a: $V) -> $V {
            // The instruction returns its second argument when one of them is NaN.
            unsafe { $max($splat(0.0), a) }
        }

        #[inline(always)]
        fn square(self, v: $V) -> Self::Square {
            [v; $count]
        }

        #[inline(always)]
        fn fetch(self, at: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }

        #[inline(always)]
        fn prepare(self, at: *mut f32) {
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast_const().cast()) }
        }

        #[inline(always)]
        unsafe fn load(self, at: *const f32) -> $V {
            unsafe { $load(at) }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32, v: $V) {
            unsafe { $store(at, v) }
        }
    };
}

/// The first half of a transposition, within parts of four numbers: in vector `4 i + j`, part `p` holds number `4 p + j` of vectors
/// `4 i` to `4 i + 3`.
macro_rules! transposed_by_fours {
    ($v:expr, $low:ident, $high:ident, $shuffle:ident) => {{
        let v = $v;
        let mut q = v;
        for i in (0..v.len()).step_by(4) {
            let (a, b) = ($low(v[i], v[i + 1]), $high(v[i], v[i + 1]));
            let (c, d) = ($low(v[i + 2], v[i + 3]), $high(v[i + 2], v[i + 3]));
            q[i] = $shuffle::<0b01_00_01_00>(a, c);
            q[i + 1] = $shuffle::<0b11_10_11_10>(a, c);
            q[i + 2] = $shuffle::<0b01_00_01_00>(b, d);
            q[i + 3] = $shuffle::<0b11_10_11_10>(b, d);
        }
        q
    }};
}

/// In each part of four numbers the sums of numbers 0 and 2, and of 1 and 3, of four vectors, added up: the sum of that part of each
/// vector.
macro_rules! sums_of_fours {
    ([$a:ident, $b:ident, $c:ident, $d:ident], $add:ident, $low:ident, $high:ident, $shuffle:ident) => {{
        // In each part: a0 + a2, b0 + b2, a1 + a3, b1 + b3.
        let ab = $add($low($a, $b), $high($a, $b));
        let cd = $add($low($c, $d), $high($c, $d));
        $add($shuffle::<0b01_00_01_00>(ab, cd), $shuffle::<0b11_10_11_10>(ab, cd))
    }};
}

/// 16 lanes, 32 registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub fn new() -> Self {
        Self(())
    }
}

/// A bit for each of the first n < 16 numbers.
const fn first16(n: usize) -> __mmask16 {
    (1 << n) - 1
}

// SAFETY, for every block here: the instructions exist, or there would be no `self`; memory is the caller's promise.
impl Lanes for Avx512 {
    const MANY: bool = true;

    same_in_all_widths! {
        __m512, 16, _mm512_set1_ps, _mm512_add_ps, _mm512_sub_ps, _mm512_fmadd_ps, _mm512_max_ps, _mm512_loadu_ps,
        _mm512_storeu_ps
    }

    #[inline(always)]
    fn gate(self, a: __m512, by: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(by, _mm512_setzero_ps()), a) }
    }

    #[inline(always)]
    fn nonzero(self, a: __m512) -> u32 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, _mm512_setzero_ps()).into() }
    }

    #[inline(always)]
    fn larger(self, old: [__m512; 2], new: [__m512; 2]) -> [__m512; 2] {
        unsafe {
            // "Not less or equal" holds for NaN, too.
            let above = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(new[0], old[0]);
            let above = above & _mm512_cmp_ps_mask::<_CMP_ORD_Q>(old[0], old[0]);
            [0, 1].map(|i: usize| _mm512_mask_mov_ps(old[i], above, new[i]))
        }
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        unsafe {
            let quarters = sums_of_fours!(
                [a, b, c, d],
                _mm512_add_ps,
                _mm512_unpacklo_ps,
                _mm512_unpackhi_ps,
                _mm512_shuffle_ps
            );
            let high = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(
                _mm512_castps_pd(quarters),
            )));
            let halves =
                _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_castps512_ps256(high));
            four(halves)
        }
    }

    #[inline(always)]
    fn transposed(self, v: Self::Square) -> Self::Square {
        unsafe {
            let q =
                transposed_by_fours!(v, _mm512_unpacklo_ps, _mm512_unpackhi_ps, _mm512_shuffle_ps);
            // Then whole quarters.
            let mut out = q;
            for j in 0..4 {
                let (a, b) = (q[j], q[4 + j]);
                let (c, d) = (q[8 + j], q[12 + j]);
                let (even, odd) = (
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
                );
                let (more_even, more_odd) = (
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d),
                );
                out[j] = _mm512_shuffle_f32x4::<0b10_00_10_00>(even, more_even);
                out[4 + j] = _mm512_shuffle_f32x4::<0b10_00_10_00>(odd, more_odd);
                out[8 + j] = _mm512_shuffle_f32x4::<0b11_01_11_01>(even, more_even);
                out[12 + j] = _mm512_shuffle_f32x4::<0b11_01_11_01>(odd, more_odd);
            }
            out
        }
    }

    #[inline(always)]
    unsafe fn load_first(self, at: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first16(n), at) }
    }

    #[inline(always)]
    unsafe fn store_whole(self, at: *mut u16, v: __m512) {
        unsafe {
            _mm256_storeu_si256(at.cast(), _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(v)));
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, at: *mut f32, n: usize, v: __m512) {
        unsafe { _mm512_mask_storeu_ps(at, first16(n), v) }
    }
}

/// 8 lanes, 16 registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    #[target_feature(enable = "avx2,fma")]
    pub fn new() -> Self {
        Self(())
    }
}

/// Eight numbers from `MASKS[8 - n..]` have the sign bit set in the first n.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
unsafe fn first8(n: usize) -> __m256i {
    debug_assert!(n <= 8);
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - n).cast()) }
}

/// Sums of the halves of each of four vectors that were interleaved.
#[inline(always)]
unsafe fn four(halves: __m256) -> [f32; 4] {
    unsafe {
        let sum = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
        let mut out = [0.0; 4];
        _mm_storeu_ps(out.as_mut_ptr(), sum);
        out
    }
}

// SAFETY, for every block here: as above.
impl Lanes for Avx2 {
    const MANY: bool = false;

    same_in_all_widths! {
        __m256, 8, _mm256_set1_ps, _mm256_add_ps, _mm256_sub_ps, _mm256_fmadd_ps, _mm256_max_ps, _mm256_loadu_ps,
        _mm256_storeu_ps
    }

    #[inline(always)]
    fn gate(self, a: __m256, by: __m256) -> __m256 {
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(by, _mm256_setzero_ps()), a) }
    }

    #[inline(always)]
    fn nonzero(self, a: __m256) -> u32 {
        let differs = unsafe { _mm256_cmp_ps::<_CMP_NEQ_UQ>(a, _mm256_setzero_ps()) };
        unsafe { _mm256_movemask_ps(differs) }.cast_unsigned()
    }

    #[inline(always)]
    fn larger(self, old: [__m256; 2], new: [__m256; 2]) -> [__m256; 2] {
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_NLE_UQ>(new[0], old[0]);
            let above = _mm256_and_ps(above, _mm256_cmp_ps::<_CMP_ORD_Q>(old[0], old[0]));
            [0, 1].map(|i: usize| _mm256_blendv_ps(old[i], new[i], above))
        }
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        unsafe {
            four(sums_of_fours!(
                [a, b, c, d],
                _mm256_add_ps,
                _mm256_unpacklo_ps,
                _mm256_unpackhi_ps,
                _mm256_shuffle_ps
            ))
        }
    }

    #[inline(always)]
    fn transposed(self, v: Self::Square) -> Self::Square {
        unsafe {
            let q =
                transposed_by_fours!(v, _mm256_unpacklo_ps, _mm256_unpackhi_ps, _mm256_shuffle_ps);
            // Then whole halves.
            let mut out = q;
            for j in 0..4 {
                out[j] = _mm256_permute2f128_ps::<0x20>(q[j], q[4 + j]);
                out[4 + j] = _mm256_permute2f128_ps::<0x31>(q[j], q[4 + j]);
            }
            out
        }
    }

    #[inline(always)]
    unsafe fn load_first(self, at: *const f32, n: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(at, first8(n)) }
    }

    #[inline(always)]
    unsafe fn store_whole(self, at: *mut u16, v: __m256) {
        unsafe {
            let v = _mm256_cvttps_epi32(v);
            let halves = (_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            _mm_storeu_si128(at.cast(), _mm_packus_epi32(halves.0, halves.1));
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, at: *mut f32, n: usize, v: __m256) {
        unsafe { _mm256_maskstore_ps(at, first8(n), v) }
    }
}
