//! Which vector instructions the kernels use.
//!
//! The build targets the baseline processor; instruction sets are detected at run time. Results of different sets differ in
//! the last bits, because the order of sums follows the register width.

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Lanes, Portable};

/// Proof that this processor has certain vector instructions: values are made only after detecting them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isa(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// Something that can be compiled for every instruction set.
pub(crate) trait Kernel {
    /// Implementations and everything they call are `#[inline(always)]`: only inlined code is compiled for the set of `L`.
    fn run<L: Lanes>(self, lanes: L);
}

impl Isa {
    /// The widest one of this processor.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            // The standard library caches the result.
            let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if fma && is_x86_feature_detected!("avx512f") {
                return Self(Level::Avx512);
            }
            if fma {
                return Self(Level::Avx2);
            }
        }
        Self(Level::Portable)
    }

    /// All that this processor supports.
    #[cfg(test)]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if Self::best() != all[0] {
                all.push(Self(Level::Avx2));
            }
            if Self::best() == Self(Level::Avx512) {
                all.push(Self::best());
            }
        }
        all
    }

    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            Level::Portable => "portable",
        }
    }

    /// Runs `kernel` with these instructions.
    pub fn run(self, kernel: impl Kernel) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "the compiler does not know what the processor has")]
            // SAFETY: `best` has found the instructions, or this value would not exist.
            Level::Avx512 => unsafe { avx512(kernel) },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "the compiler does not know what the processor has")]
            // SAFETY: as above.
            Level::Avx2 => unsafe { avx2(kernel) },
            Level::Portable => kernel.run(Portable),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn avx512(kernel: impl Kernel) {
    kernel.run(Avx512::new());
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(kernel: impl Kernel) {
    kernel.run(Avx2::new());
}

/// Name of the instruction set that f32 operations use on this machine: `avx512`, `avx2` or `portable`.
pub fn instruction_set() -> &'static str {
    Isa::best().name()
}
