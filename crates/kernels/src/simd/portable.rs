//! Arithmetic without vector instructions of our own.

use super::Lanes;

/// Arrays, which the compiler vectorises for the baseline of the target.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Lanes of [`Portable`]: two registers of the narrowest vector processors.
const EIGHT: usize = 8;

#[expect(unsafe_code, reason = "memory behind pointers")]
impl Lanes for Portable {
    type V = [f32; EIGHT];
    type Square = [[f32; EIGHT]; EIGHT];
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
    fn nonzero(self, a: Self::V) -> u32 {
        a.iter().rev().fold(0, |bits, &x| bits << 1 | u32::from(x != 0.0))
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
    fn square(self, v: Self::V) -> Self::Square {
        [v; EIGHT]
    }

    #[inline(always)]
    fn transposed(self, v: Self::Square) -> Self::Square {
        std::array::from_fn(|j| std::array::from_fn(|i| v[i][j]))
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
