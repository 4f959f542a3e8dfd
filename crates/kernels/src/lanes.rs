//! Vectors of f32 of three widths.
//!
//! A value of a type here stands for the right to use its instructions. The vector ones are made by functions that only code
//! compiled for these instructions may call without `unsafe`, so that arithmetic can be safe; memory goes through pointers,
//! whose validity is the caller's promise.

/// Vector arithmetic of one instruction set.
#[expect(unsafe_code, reason = "memory behind pointers")]
pub(crate) trait Lanes: Copy {
    /// `COUNT` numbers.
    type V: Copy;
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
    /// `new` where its number is larger than that of `old`, or is the first NaN, and `old` elsewhere. The second half of a pair
    /// goes with the first.
    fn larger(self, old: [Self::V; 2], new: [Self::V; 2]) -> [Self::V; 2];
    /// The sum of each of four vectors.
    fn sums(self, v: [Self::V; 4]) -> [f32; 4];
    /// Asks for the cache line at `at`, wherever that is, to be fetched for reading.
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

/// No vector instructions of our own; the compiler makes use of what every processor of the target has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Lanes of [`Portable`]: two registers of the narrowest vector processors.
const EIGHT: usize = 8;

#[expect(unsafe_code, reason = "memory behind pointers")]
impl Lanes for Portable {
    type V = [f32; EIGHT];
    const COUNT: usize = EIGHT;
    const MANY: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; EIGHT]
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Rounded twice: without an instruction for it the fused form is a slow library call.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn relu(self, a: Self::V) -> Self::V {
        a.map(|x| if x < 0.0 { 0.0 } else { x })
    }

    #[inline(always)]
    fn gate(self, a: Self::V, by: Self::V) -> Self::V {
        std::array::from_fn(|i| if by[i] > 0.0 { a[i] } else { 0.0 })
    }

    #[inline(always)]
    fn larger(self, old: [Self::V; 2], new: [Self::V; 2]) -> [Self::V; 2] {
        let mut kept = old;
        for i in 0..EIGHT {
            let (was, is) = (old[0][i], new[0][i]);
            if is > was || is.is_nan() && !was.is_nan() {
                (kept[0][i], kept[1][i]) = (is, new[1][i]);
            }
        }
        kept
    }

    #[inline(always)]
    fn sums(self, v: [Self::V; 4]) -> [f32; 4] {
        v.map(|v| ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7])))
    }

    #[inline(always)]
    fn fetch(self, _: *const f32) {}

    #[inline(always)]
    fn prepare(self, _: *mut f32) {}

    #[inline(always)]
    unsafe fn load(self, at: *const f32) -> Self::V {
        // SAFETY: promised by the caller; an array of f32 is aligned like f32.
        unsafe { at.cast::<Self::V>().read() }
    }

    #[inline(always)]
    unsafe fn load_first(self, at: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller promises n numbers.
        std::array::from_fn(|i| if i < n { unsafe { at.add(i).read() } } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut f32, v: Self::V) {
        // SAFETY: promised by the caller.
        unsafe { at.cast::<Self::V>().write(v) }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as promised")]
    unsafe fn store_whole(self, at: *mut u16, v: Self::V) {
        // SAFETY: promised by the caller.
        unsafe { at.cast::<[u16; EIGHT]>().write(v.map(|v| v as u16)) }
    }

    #[inline(always)]
    unsafe fn store_first(self, at: *mut f32, n: usize, v: Self::V) {
        for (i, &x) in v.iter().enumerate().take(n) {
            // SAFETY: the caller promises n numbers.
            unsafe { at.add(i).write(x) }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![expect(unsafe_code, reason = "vector instructions")]

    #[allow(clippy::wildcard_imports, reason = "the vocabulary of the processor")]
    use std::arch::x86_64::*;

    use super::Lanes;

    /// 16 lanes, 32 registers.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(());

    impl Avx512 {
        #[target_feature(enable = "avx512f,avx2,fma")]
        pub fn new() -> Self {
            Self(())
        }
    }

    const fn first16(n: usize) -> __mmask16 {
        0xffff >> (16 - n)
    }

    // SAFETY, for every block here: the instructions exist, or there would be no `self`; memory is the caller's promise.
    impl Lanes for Avx512 {
        type V = __m512;
        const COUNT: usize = 16;
        const MANY: bool = true;

        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            unsafe { _mm512_set1_ps(x) }
        }

        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        fn sub(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }

        #[inline(always)]
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        fn relu(self, a: __m512) -> __m512 {
            // The instruction gives its second argument when one is NaN.
            unsafe { _mm512_max_ps(_mm512_setzero_ps(), a) }
        }

        #[inline(always)]
        fn gate(self, a: __m512, by: __m512) -> __m512 {
            unsafe {
                _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(by, _mm512_setzero_ps()), a)
            }
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
                // In each quarter: a0+a2, b0+b2, a1+a3, b1+b3.
                let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                let even = _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd);
                let odd = _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd);
                let quarters = _mm512_add_ps(even, odd);
                let high = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(
                    _mm512_castps_pd(quarters),
                )));
                let halves =
                    _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_castps512_ps256(high));
                four(halves)
            }
        }

        #[inline(always)]
        fn fetch(self, at: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }

        #[inline(always)]
        fn prepare(self, at: *mut f32) {
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast_const().cast()) }
        }

        #[inline(always)]
        unsafe fn load(self, at: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(at) }
        }

        #[inline(always)]
        unsafe fn load_first(self, at: *const f32, n: usize) -> __m512 {
            unsafe { _mm512_maskz_loadu_ps(first16(n), at) }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32, v: __m512) {
            unsafe { _mm512_storeu_ps(at, v) }
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
            let sum =
                _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
            let mut out = [0.0; 4];
            _mm_storeu_ps(out.as_mut_ptr(), sum);
            out
        }
    }

    // SAFETY, for every block here: as above.
    impl Lanes for Avx2 {
        type V = __m256;
        const COUNT: usize = 8;
        const MANY: bool = false;

        #[inline(always)]
        fn splat(self, x: f32) -> __m256 {
            unsafe { _mm256_set1_ps(x) }
        }

        #[inline(always)]
        fn add(self, a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }

        #[inline(always)]
        fn sub(self, a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }

        #[inline(always)]
        fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        fn relu(self, a: __m256) -> __m256 {
            unsafe { _mm256_max_ps(_mm256_setzero_ps(), a) }
        }

        #[inline(always)]
        fn gate(self, a: __m256, by: __m256) -> __m256 {
            unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(by, _mm256_setzero_ps()), a) }
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
                let ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let even = _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd);
                let odd = _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd);
                four(_mm256_add_ps(even, odd))
            }
        }

        #[inline(always)]
        fn fetch(self, at: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }

        #[inline(always)]
        fn prepare(self, at: *mut f32) {
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast_const().cast()) }
        }

        #[inline(always)]
        unsafe fn load(self, at: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(at) }
        }

        #[inline(always)]
        unsafe fn load_first(self, at: *const f32, n: usize) -> __m256 {
            unsafe { _mm256_maskload_ps(at, first8(n)) }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32, v: __m256) {
            unsafe { _mm256_storeu_ps(at, v) }
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
}
